# `make search` and `make test` need Python 3.11 or later and make, nothing else.
# On Linux pip's torch brings CUDA (several GB). For the CPU build:
#   make search PIP_EXTRA="--extra-index-url https://download.pytorch.org/whl/cpu"
FITS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c '$(FITS)' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP_EXTRA ?=
ARGS ?=
JOBS ?= 2
# Tests that start several Ray nodes or kill processes want the machine to themselves.
ALONE := tests/cli tests/engine

.PHONY: search test test-all check docs format clean

search: $(VENV)/run.stamp  ## search conv depth x normalisation x dropout, write a report
	$(BIN)/kpbench search --space cnn_small $(ARGS)

test: $(VENV)/test.stamp  ## the tests; under 10 minutes on 2 cores
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

test-all: $(VENV)/test.stamp  ## what `make test` leaves out: slow and chaos tests
	$(BIN)/python -m pytest -m "slow or chaos" -n $(JOBS) --dist loadfile $(addprefix --ignore=,$(ALONE)) $(ARGS)
	$(BIN)/python -m pytest -m "slow or chaos" --durations=15 $(ALONE) $(ARGS)

check: $(VENV)/dev.stamp docs  ## format, lint, types and documentation, as CI runs them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/docs.stamp  ## the documentation as a site, site/index.html; search wants `python -m http.server -d site`
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/%.stamp: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(FITS)' || \
		{ echo "kpbench needs Python 3.11 or later with venv; name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_EXTRA) -c constraints.txt -e '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) dist build site .mypy_cache .ruff_cache .pytest_cache
