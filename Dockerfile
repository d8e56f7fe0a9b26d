# Targets: service (the default of the compose file), training, service-tensorflow.
# A release gives the digest that the tag has then.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PATH=/venv/bin:$PATH REGISTRY=/registry
WORKDIR /app
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp app

# The environments: one layer each, made anew only when its lock changes.
FROM base AS service-environment
COPY requirements/service.txt requirements/signing.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /venv && \
    pip --python /venv install --require-hashes -r requirements/service.txt -r requirements/signing.txt
# What no service runs: the libraries' own tests and stubs, and LiteRT's part for graphics cards.
RUN find /venv -type d -name tests -prune -exec rm -r {} + && \
    find /venv \( -name '*.pyi' -o -name libLiteRtWebGpuAccelerator.so \) -delete

FROM base AS training-environment
COPY requirements/training.txt requirements/signing.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /venv && \
    pip --python /venv install --require-hashes -r requirements/training.txt -r requirements/signing.txt

# The locks agree on every version, so the service's fits on top of the training's.
FROM training-environment AS both-environment
COPY requirements/service.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /venv install --require-hashes -r requirements/service.txt

# The versions that ship, without what was trained beside them in this checkout.
FROM base AS shelf
WORKDIR /models
COPY models/ ./
RUN mkdir /shipped && cp -r --parents ./*/1 /shipped

# The code, compiled. The versions that ship lie beside it as in a checkout, for
# `python -m models import` into a registry that was filled from an older image.
FROM base AS models-code
COPY models/*.py models/
COPY --from=shelf /shipped models/

FROM models-code AS training-code
COPY training/ training/
RUN python -m compileall -q models training

FROM models-code AS service-code
COPY service/ service/
RUN python -m compileall -q models service

# The targets: the environment first, so that changed code copies no environment again. The
# registry lies outside the code: a volume over code would freeze it. Docker fills an empty
# volume with what lies there.
FROM base AS training
COPY --from=training-environment /venv /venv
COPY --from=training-code /app /app
RUN mkdir /registry && chown 10001:10001 /registry
USER 10001
CMD ["python", "-m", "training", "--registry", "/registry"]

FROM base AS serving
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
# It becomes gunicorn, so the signals of `docker stop` reach the server itself.
CMD ["python", "-m", "service"]

FROM serving AS service-tensorflow
COPY --from=both-environment /venv /venv
COPY --from=service-code /app /app
COPY --from=shelf --chown=10001:10001 /shipped /registry
ENV ENGINE=saved_model
USER 10001

FROM serving AS service
COPY --from=service-environment /venv /venv
COPY --from=service-code /app /app
COPY --from=shelf --chown=10001:10001 /shipped /registry
USER 10001
