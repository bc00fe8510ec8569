# Everything with one command. On a machine with Python 3.11 and nothing else: `make run`, `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check bench services clean

run: $(VENV)/.run ## start everything in one process
	$(BIN)/tickstream run $(ARGS)

test: $(VENV)/.dev check ## every check that this machine can run
	$(BIN)/python -m pytest $(ARGS)
	$(BIN)/python -m pytest bench -p no:randomly --benchmark-columns=min,median,rounds

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.dev ## measure, and hold the gates
	$(BIN)/python -m pytest bench -p no:randomly -s $(ARGS)

services: $(VENV)/.dev ## a Kafka broker and a PostgreSQL server for development, until Ctrl-C
	$(BIN)/python -m tests.services

$(VENV)/.run: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "TickStream needs Python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@ $(VENV)/.run

clean: ## remove what the other targets made, but no data
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks dist build
