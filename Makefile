# make quickstart   trains on real digits, exports, serves, and draws a caption
# make check        format, lint, types, import contracts
# make test         every promise, with one tiny configuration of every system
# make test-contract  what graphs may get wrong, with every system
# make test-variants  the same promises with every variant of the systems
# make test-long    200 steps in every mixed precision
# make test-torch   published weights against PyTorch, in an environment of its own
# make test-parity DF_GAN=DIR  imported weights and a training step against a checkout of DF-GAN's code
# make test-browser the pages in a real Chromium; installs Debian's if none is there
# make test-next    runs, export, serving and texts on the newest TensorFlow, in an environment of its own
# make test-addons  optimizers, networks, runs and export on the TensorFlow Addons line, in an environment of its own
# make gpu-report   what works on the GPUs that are there, and how fast: a page and a JSON file
# make clean        removes what the others made, the environments too

PYTHON ?= python3
comma := ,
VENV := .venv
BIN := $(VENV)/bin
TORCH_VENV := .venv-torch
ADDONS_VENV := .venv-addons
NEXT_VENV := .venv-next
# A path on sys.path: the default finder loses to a checkout called tfgan2 in the current folder.
EDITABLE := --config-settings editable_mode=compat --editable
INSTALL := install --quiet --disable-pip-version-check --constraint constraints.txt
PIP := $(BIN)/pip $(INSTALL)
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist worksteal
# The environments of single targets import a part of what they install: Python compiles that part.
ADDONS_INSTALL := install --quiet --disable-pip-version-check --no-compile \
  --constraint constraints-addons.txt
NEXT_INSTALL := install --quiet --disable-pip-version-check --no-compile \
  --constraint constraints-next.txt
# The line's Keras, before TensorFlow is imported.
ADDONS_PYTEST := TF_USE_LEGACY_KERAS=1 $(ADDONS_VENV)/bin/python -m pytest \
  --numprocesses 2 --dist worksteal
QUICK := -m "not contract and not slow and not long and not torch and not browser"
SLOW := -m "slow and not long and not torch"
SUPPORTED := import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 13) else 1)
ADDONS_SUPPORTED := import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 11) else 1)
# With the driver of an NVIDIA GPU, pip installs CUDA too.
CUDA := $(if $(findstring GPU,$(shell nvidia-smi -L 2>/dev/null)),$(comma)cuda)

.PHONY: quickstart check test test-contract test-variants test-long test-torch test-parity checkout test-browser test-next test-addons gpu-report clean

quickstart: $(VENV)/.quickstart
	$(BIN)/python -m tools.quickstart

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: $(VENV)/.dev
	$(PYTEST) $(QUICK)

test-contract: $(VENV)/.dev
	$(PYTEST) -m contract tests/contract

test-variants: $(VENV)/.dev
	$(PYTEST) $(SLOW)

test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -m long

test-torch: $(VENV)/.dev $(TORCH_VENV)/.made
	files=$$(mktemp -d) && trap 'rm -rf "$$files"' EXIT INT TERM && \
	  $(TORCH_VENV)/bin/python tests/published_torch/write.py "$$files" && \
	  TFGAN2_TORCH_FILES="$$files" $(PYTEST) -m torch tests/interop tests/published_torch

test-parity: checkout $(VENV)/.dev $(TORCH_VENV)/.parity
	files=$$(mktemp -d) && trap 'rm -rf "$$files"' EXIT INT TERM && \
	  $(TORCH_VENV)/bin/python -X utf8 tests/published_torch/write_parity.py "$(DF_GAN)" "$$files" && \
	  TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.published_torch.parity "$$files"

checkout:
	@test -d "$(DF_GAN)/code" || { \
	  echo "error: DF_GAN: must be a checkout of github.com/tobran/DF-GAN, got '$(DF_GAN)'" >&2; exit 2; }

test-browser: $(VENV)/.browser
	@command -v chromium >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get --quiet update && \
	  DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes install --no-install-recommends chromium; \
	} || { echo "error: chromium: must be installed (Debian's package chromium), got none" >&2; exit 2; }
	$(BIN)/python -m pytest -m browser tests/serving/demo tests/tools/test_report.py

# What depends on TensorFlow: runs of every system, export, serving and texts. Mixed precision is left
# to the default line, where it takes longest.
test-next: $(NEXT_VENV)/.made
	$(NEXT_VENV)/bin/python -m pytest --numprocesses 2 --dist worksteal $(QUICK) \
	  -k "not mixed_float16" tests/contract/test_runs.py tests/export tests/serving/server tests/text

# The line's optimizers; networks, runs and exports of every system.
test-addons: $(ADDONS_VENV)/.made
	$(ADDONS_PYTEST) $(QUICK) -k "not mixed_float16" \
	  tests/addons tests/contract/test_runs.py tests/models tests/export tests/training/test_trainer.py

gpu-report: $(VENV)/.dev
	$(BIN)/python -m tools.gpu_report --output_dir=gpu_reports/$$(date +%Y-%m-%d-%H%M%S)

clean:
	rm -rf $(VENV) $(TORCH_VENV) $(NEXT_VENV) $(ADDONS_VENV) data runs exports pictures gpu_reports tfgan2.egg-info

$(VENV)/.made:
	@$(PYTHON) -c "$(SUPPORTED)" || { \
	  echo "error: PYTHON: must be Python 3.10, 3.11, 3.12 or 3.13, got $$($(PYTHON) --version 2>&1)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) setuptools
	touch $@

$(VENV)/.quickstart: $(VENV)/.made setup.py constraints.txt
	$(PIP) --no-build-isolation $(EDITABLE) ".[quickstart,demo$(CUDA)]"
	touch $@

$(VENV)/.dev: $(VENV)/.made setup.py constraints.txt
	$(PIP) --no-build-isolation $(EDITABLE) \
	  ".[quickstart,serving,batch,demo,report,emoji,word-vectors,cluster,dev$(CUDA)]"
	touch $@

$(VENV)/.browser: $(VENV)/.dev
	$(PIP) --no-build-isolation $(EDITABLE) ".[browser]"
	touch $@

$(TORCH_VENV)/.made: constraints.txt
	$(PYTHON) -m venv $(TORCH_VENV)
	$(TORCH_VENV)/bin/pip $(INSTALL) --no-compile torch==2.13.0 numpy
	touch $@

# What DF-GAN's code imports.
$(TORCH_VENV)/.parity: $(TORCH_VENV)/.made
	$(TORCH_VENV)/bin/pip $(INSTALL) torchvision==0.28.0 easydict nltk pandas pillow python-dateutil \
	  pyyaml scipy tqdm
	touch $@

$(NEXT_VENV)/.made: setup.py constraints-next.txt
	$(PYTHON) -m venv $(NEXT_VENV)
	$(NEXT_VENV)/bin/pip $(NEXT_INSTALL) setuptools
	$(NEXT_VENV)/bin/pip $(NEXT_INSTALL) --no-build-isolation $(EDITABLE) \
	  ".[quickstart,serving,word-vectors,dev]"
	touch $@

$(ADDONS_VENV)/.made: setup.py constraints-addons.txt
	@$(PYTHON) -c "$(ADDONS_SUPPORTED)" || { \
	  echo "error: PYTHON: must be Python 3.10 or 3.11, got $$($(PYTHON) --version 2>&1)" >&2; exit 2; }
	$(PYTHON) -m venv $(ADDONS_VENV)
	$(ADDONS_VENV)/bin/pip $(ADDONS_INSTALL) setuptools wheel
	$(ADDONS_VENV)/bin/pip $(ADDONS_INSTALL) --no-build-isolation \
	  $(EDITABLE) ".[addons,quickstart,dev]"
	touch $@
