# Targets: service (the default of the compose file), training, service-tensorflow.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
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

# What every target runs with. The registry lies outside the code: a volume over code would
# freeze it. An empty volume is seeded from the versions that ship.
FROM base AS runtime
ENV PATH=/venv/bin:$PATH REGISTRY=/registry
COPY models/*.py models/

FROM runtime AS shelf
COPY --chown=10001:10001 models/ /shelf/
RUN mkdir /registry && for model in /shelf/*/; do \
        name=$(basename "$model"); \
        [ ! -d "$model/1" ] || { mkdir "/registry/$name" && cp -r "$model/1" "/registry/$name/1"; }; \
    done && chown -R 10001:10001 /registry

FROM runtime AS serving
COPY --from=shelf --chown=10001:10001 /registry /registry
COPY service/ service/
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
# It becomes gunicorn, so the signals of `docker stop` reach the server itself.
CMD ["python", "-m", "service"]

FROM runtime AS training
COPY --from=training-environment /venv /venv
RUN mkdir /registry && chown 10001:10001 /registry
COPY training/ training/
RUN python -m compileall -q models training
USER 10001
CMD ["python", "-m", "training", "--registry", "/registry"]

FROM serving AS service-tensorflow
COPY --from=both-environment /venv /venv
RUN python -m compileall -q models service
ENV ENGINE=saved_model
USER 10001

FROM serving AS service
COPY --from=service-environment /venv /venv
RUN python -m compileall -q models service
USER 10001
