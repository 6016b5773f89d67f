# Everything a person needs: `make run` to see it, `make test` to check it.
# Both make their own virtual environment (Python 3.11 or newer) with the CPU build of torch.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= 2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
ARGS ?=
PYTEST_ARGS ?=

# The tests start the program some hundred times; without stored byte code each start compiles it all anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test lint types walls tests test-browser schema fuzz chaos audit setup clean help

help:
	@echo "make run             the monitor with the bundled sample, or with your monitor.toml (ARGS=--once: once, then exit)"
	@echo "make test            lint, types, import walls, tests"
	@echo "make test-browser    the pages in a real Chromium (make test does it too, once they are installed)"
	@echo "make schema          200 made-up requests to every address of the API"
	@echo "make fuzz            10,000 mutations of every recorded sample"
	@echo "make chaos           kills, stops and failures by the hundred"
	@echo "make audit           known vulnerabilities of the installed dependencies (asks PyPI)"
	@echo "make clean           remove the virtual environment and caches (never data/)"

run: $(VENV)/.installed
	@$(BIN)/monitor run --sample $(ARGS)

setup: $(VENV)/.installed

test: lint types walls tests

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.tested
	$(BIN)/mypy

walls: $(VENV)/.tested
	$(BIN)/lint-imports

# Three at a time on two cores: a third of the longest tests wait for daemons, servers and deadlines. In the order of
# folders: else the files with few tests, which are the long ones, come last, and one process works alone at the end.
tests: $(VENV)/.tested
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-browser: $(VENV)/.tested
	@command -v chromium >/dev/null 2>&1 || { apt-get update -q && apt-get install -y -q --no-install-recommends chromium; }
	$(BIN)/python -m pip install --quiet -e ".[browser]"
	$(BIN)/python -m pytest -m browser $(PYTEST_ARGS)

schema: $(VENV)/.tested
	MONITOR_TEST_CASES=200 $(BIN)/python -m pytest tests/monitor/web/test_schema.py $(PYTEST_ARGS)

fuzz: $(VENV)/.tested
	MONITOR_TEST_MUTATIONS=10000 $(BIN)/python -m pytest tests/conformance -k mutat $(PYTEST_ARGS)

chaos: $(VENV)/.tested
	MONITOR_TEST_KILLS=200 $(BIN)/python -m pytest tests/chaos -s $(PYTEST_ARGS)

audit: $(VENV)/.tested
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[audit]"
	$(BIN)/pip-audit --skip-editable --progress-spinner off --timeout 15 --format json 2>/dev/null | $(BIN)/python .ci/audit

# A machine without a GPU must never download CUDA: the version with +cpu exists only as a CPU build. It is looked for
# where pip looks anyway (a house mirror), then on PyTorch's own index. macOS and ARM builds are CPU builds by nature.
$(VENV)/.torch:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "monitor needs Python 3.11 or newer; name it with: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -c 'import torch' 2>/dev/null || { \
	  echo "installing the CPU build of torch $(TORCH) ..."; \
	  case "$$(uname -s)-$$(uname -m)" in \
	    Linux-x86_64) \
	      $(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==$(TORCH)+cpu" 2>/dev/null || \
	      $(BIN)/python -m pip install --quiet --disable-pip-version-check --extra-index-url $(TORCH_INDEX) "torch==$(TORCH)+cpu" || \
	      { echo "no CPU build of torch $(TORCH) was found; set TORCH=VERSION or TORCH_INDEX=URL of an index that has one" >&2; exit 1; };; \
	    *) $(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==$(TORCH)";; \
	  esac; }
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	@echo "installing monitor and what it needs ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo "installing what the tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,lint,distributed,pdf,channels,stream]"
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
