# Every target sets up what it needs: a virtual environment in .venv from requirements.lock.
PYTHON ?= python3
SECONDS ?= 0
RATE ?= 50
DEMO ?=
KILLS ?= 30
SEED ?= 1
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# The lock file is complete: nothing to resolve. Compiled is what the program imports, not all of 200 packages.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile
LOCK_OPTIONS := --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

.DEFAULT_GOAL := help
.PHONY: help demo venv test chaos check fmt docs lock clean require-python require-all require-browser

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "make %-6s %s\n", $$1, $$2 }'

venv: require-python $(READY) ## the virtual environment .venv, with the command voicemon

demo: require-all $(READY) ## everything on this machine with simulated publishers; SECONDS=30 ends it by itself, RATE=50
	@exec $(BIN)/python -m app.cli demo --seconds $(SECONDS) --rate $(RATE) $(DEMO)

test: require-all require-browser $(READY) check ## everything that CI runs: the checks and all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=15 $(TESTS)

chaos: require-all $(READY) ## kill workers, Kafka and ClickHouse at random under load, then audit; KILLS=30 SEED=1
	$(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED)

check: require-python $(READY) ## format, lint, types, layers, dependencies, made files of Grafana
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m deploy.grafana.builder --check

fmt: require-python $(READY) ## format the code and sort the imports
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: require-python $(READY) ## the pages of docs/ that are made from the code
	$(BIN)/python -m app.cli.reference docs

lock: require-python $(READY) ## resolve both lock files anew from pyproject.toml; deploy's is what a worker's image needs
	$(BIN)/pip-compile $(LOCK_OPTIONS) --extra dev --extra local --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK_OPTIONS) --constraint requirements.lock --output-file deploy/requirements.lock pyproject.toml

clean: ## remove the virtual environment and caches; data of the stack and the demo stay in .voicemon
	rm -rf $(VENV) *.egg-info build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

require-python:
	@PYTHON="$(PYTHON)" sh deploy/local/require.sh python

require-all:
	@PYTHON="$(PYTHON)" sh deploy/local/require.sh python java maven

require-browser:
	@sh deploy/local/require.sh chromium

# The order of prerequisites matters only without -j: the tools are asked for before anything is fetched.
$(READY): requirements.lock pyproject.toml | require-python
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	@PYTHONWARNINGS=ignore $(PIP) --no-build-isolation -e .
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c 'import app.cli.commands, app.local.clickhouse_server'
	@touch $@
