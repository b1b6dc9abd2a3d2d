# make quickstart   trains on real digits, exports, serves, and draws a caption
# make check        format, lint, types, import contracts
# make test         one tiny configuration of every system
# make test-all     every variant
# make test-long    200 steps in every mixed precision
# make test-gpu     the promises of every system on the GPUs that are there
# make clean        removes what the others made, the environment too

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
SUPPORTED := import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 13) else 1)
HAS_GPU := import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices('GPU'))

.PHONY: quickstart check test test-all test-long test-gpu clean

quickstart: $(VENV)/.quickstart
	$(BIN)/python -m tools.quickstart

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not slow and not long"

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not long"

test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -m long

test-gpu: $(VENV)/.dev
	@if $(BIN)/python -c "$(HAS_GPU)"; then \
	  $(BIN)/python -m pytest tests/contract; else echo "no GPU here: nothing was tested"; fi

clean:
	rm -rf $(VENV) data runs exports pictures tfgan2.egg-info

$(VENV)/.made:
	@$(PYTHON) -c "$(SUPPORTED)" || { \
	  echo "error: PYTHON: must be Python 3.10, 3.11, 3.12 or 3.13, got $$($(PYTHON) --version 2>&1)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) setuptools
	touch $@

$(VENV)/.quickstart: $(VENV)/.made setup.py constraints.txt
	$(PIP) --no-build-isolation --editable ".[quickstart]"
	touch $@

$(VENV)/.dev: $(VENV)/.made setup.py constraints.txt
	$(PIP) --no-build-isolation --editable ".[quickstart,serving,emoji,dev]"
	touch $@
