# make help lists the commands. Two environments are made when they are first needed:
# .venv/service (what the service needs, no TensorFlow) and .venv/dev (everything).

export HOST ?= 127.0.0.1
export PORT ?= 8000
export ENGINE ?= auto

SERVICE := .venv/service/bin/python
DEV := .venv/dev/bin/python
URL := http://$(HOST):$(PORT)

# The SavedModel engine needs TensorFlow, which only the development environment has.
SERVING := $(if $(filter saved_model,$(ENGINE)),$(DEV),$(SERVICE))

.DELETE_ON_ERROR:
.PHONY: help serve predict train test check format lock clean

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

serve: $(SERVING) ## start the service (PORT=, HOST=, ENGINE=saved_model)
	@exec $(SERVING) -m service

predict: $(SERVICE) ## ask the running service for one prediction
	@$(SERVICE) -m service.client --url $(URL) 5 1 2

train: $(DEV) ## train `calories` and publish it (ARGS="--architecture deep" for another)
	@$(DEV) -m training $(ARGS)

test: $(DEV) $(SERVICE) ## run all tests
	@$(DEV) -m pytest $(ARGS)

check: $(DEV) ## lint, types, import rules
	@.venv/dev/bin/ruff check .
	@.venv/dev/bin/ruff format --check .
	@.venv/dev/bin/mypy
	@.venv/dev/bin/lint-imports

format: $(DEV) ## format the code
	@.venv/dev/bin/ruff check --fix .
	@.venv/dev/bin/ruff format .

lock: $(DEV) ## resolve requirements/*.in into locks with hashes
	@scripts/lock .venv/dev/bin/uv

clean: ## remove the environments and caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache

# The interpreter is the last file that its environment's lock touches: a changed lock installs anew.
.venv/%/bin/python: requirements/%.txt
	@python=$$(scripts/find-python) && echo "Making the $* environment in .venv/$* (once)" >&2 \
	&& "$$python" -m venv --clear .venv/$* \
	&& .venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< \
	&& touch $@
