# make help lists the commands. Environments are made when they are first needed:
# .venv/service (what the service needs, no TensorFlow) and .venv/dev (everything).

export HOST ?= 127.0.0.1
export PORT ?= 8000
export ENGINE ?= auto
# What a container sets would have each of the tests' hundreds of processes compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

SERVICE := .venv/service
DEV := .venv/dev
SCALE := .venv/scale
UV := .venv/uv/.installed
FLOORS := .venv/bench-granian/.installed
PEER_ENVIRONMENTS := $(patsubst benchmarks/requirements/%.txt,.venv/bench-%/.installed,$(wildcard benchmarks/requirements/*.txt))
URL := http://$(HOST):$(PORT)

# The SavedModel engine needs TensorFlow, which only the development environment has.
SERVING := $(if $(filter saved_model,$(ENGINE)),$(DEV),$(SERVICE))

.DELETE_ON_ERROR:
# Every target with a line of help is a command and no file.
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*## .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

serve: $(SERVING)/.installed ## start the service (PORT=, HOST=, ENGINE=saved_model)
	@exec $(SERVING)/bin/python -m service

predict: $(SERVICE)/.installed ## ask the running service for one prediction
	@$(SERVICE)/bin/python -m service.client --url $(URL) 5 1 2

train: $(DEV)/.installed ## train `calories` and publish it (ARGS="--architecture deep" for another)
	@$(DEV)/bin/python -m training $(ARGS)

test: $(DEV)/.installed $(SERVICE)/.installed ## run all tests, one file at a time a core
	@$(DEV)/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-ray: $(DEV)/.installed $(SCALE)/.installed ## score 10 million rows on a Ray cluster of three nodes (a minute)
	@$(DEV)/bin/python -m pytest -m ray tests/scale $(ARGS)

bench: $(DEV)/.installed $(SERVICE)/.installed $(if $(PEERS),$(PEER_ENVIRONMENTS),$(FLOORS)) ## measure the service and its floors (6 minutes; ARGS=--write for the docs)
	@$(DEV)/bin/python -m benchmarks.crowd
	@$(DEV)/bin/python -m benchmarks $(if $(PEERS),--peers) $(ARGS)

bench-peers: ## the same with what people write today beside it (8 minutes)
	@$(MAKE) --no-print-directory bench PEERS=1

bench-ray: $(DEV)/.installed $(SCALE)/.installed ## score 1, 10 and 100 million rows without Ray, on 1 node and on 2
	@$(DEV)/bin/python -m benchmarks.scale $(ARGS)

bench-tables: .venv/tables/.installed ## train on tables that others made, beside boosting and least squares (ARGS=diabetes)
	@.venv/tables/bin/python -m benchmarks.tables $(ARGS)

# A part that fails keeps no other from running, and makes the whole fail.
soak: ## all of these, one after another (40 minutes)
	@$(MAKE) --no-print-directory --keep-going --jobs=1 soak-memory soak-swaps soak-faults soak-overload

soak-memory: $(DEV)/.installed $(SERVICE)/.installed ## 10 minutes of load: does a worker's memory grow? (ARGS="--minutes 2")
	@$(DEV)/bin/python -m benchmarks.soak $(ARGS)

soak-swaps: $(DEV)/.installed $(SERVICE)/.installed ## 12 minutes of load while versions change
	@$(DEV)/bin/python -m tests.soak $(ARGS)

soak-faults: $(DEV)/.installed $(SERVICE)/.installed ## 2 minutes of load while things break
	@$(DEV)/bin/python -m tests.soak --faults $(ARGS)

soak-overload: soak-load soak-bodies ## the next two

soak-load: $(DEV)/.installed $(SERVICE)/.installed ## 4 minutes of overload and slow clients
	@$(DEV)/bin/python -m tests.overload $(ARGS)

soak-bodies: $(DEV)/.installed ## 8 minutes of bodies that would cost much
	@$(DEV)/bin/python -m tests.overload.bodies $(ARGS)

fuzz: $(DEV)/.installed .venv/fuzz/.installed ## half an hour of bad input (ARGS="--requests 5000")
	@$(DEV)/bin/python -m tests.fuzz $(ARGS)
	@.venv/fuzz/bin/python -m tests.fuzz.coverage

check: $(DEV)/.installed ## lint, types, import rules
	@$(DEV)/bin/ruff check .
	@$(DEV)/bin/ruff format --check .
	@$(DEV)/bin/mypy
	@$(DEV)/bin/lint-imports

format: $(DEV)/.installed ## format the code
	@$(DEV)/bin/ruff check --fix .
	@$(DEV)/bin/ruff format .

lock: $(UV) ## resolve requirements/*.in into locks with hashes
	@scripts/lock $(abspath $(<D))/bin/uv

reference: $(DEV)/.installed ## write docs/settings.md from the settings
	@$(DEV)/bin/python -m scripts.settings

release-check: $(DEV)/.installed $(UV) ## may this commit be tagged? versions, changelog, locks, work tree
	@$(DEV)/bin/python -m scripts.release_check $(ARGS)

clean: ## remove the environments and caches
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache

# pip gets uv, and uv makes the environments. The stamp is written last, so that an interrupted or
# outdated install starts anew.
$(UV): requirements/uv.txt
	@python=$$(scripts/find-python) && "$$python" -m venv --clear $(@D) \
	&& $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< \
	&& touch $@

define install
	@echo "Making the environment $(@D) (once)" >&2
	@scripts/environment $(@D) $(filter %.txt,$^)
	@touch $@
endef

.venv/%/.installed: requirements/%.txt requirements/pip.txt | $(UV)
	$(install)

.venv/bench-%/.installed: benchmarks/requirements/%.txt requirements/pip.txt | $(UV)
	$(install)
