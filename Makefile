# Two commands do everything on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv is quicker where it is installed; pip does the same.
INSTALL := $(shell command -v uv >/dev/null 2>&1 && echo uv pip install --quiet --python || echo -m pip install --quiet --disable-pip-version-check)

define install
$(if $(findstring uv,$(INSTALL)),$(INSTALL) $(1)/bin/python,$(1)/bin/python $(INSTALL))
endef

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types tests test-slow test-gpu test-oldest bench browser gallery hooks wheel clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(VENV)/.package: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("landscape needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(call install,$(VENV)) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.package
	$(call install,$(VENV)) -e '.[dev]'
	touch $@

demo: $(VENV)/.package  ## Two LeNets, with and without BatchNorm, from checkpoint to pictures and a page
	$(BIN)/landscape demo

test: lint types tests  ## Everything that must pass: lint, types and tests

lint: $(VENV)/.dev  ## Formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(VENV)/.dev  ## Mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev  ## Types alone
	$(BIN)/mypy

tests: $(VENV)/.dev  ## Tests alone, a process for each of up to four cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test-slow: $(VENV)/.dev  ## Tests that take minutes
	$(BIN)/python -m pytest -m slow

test-gpu: $(VENV)/.dev  ## Tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

test-oldest:  ## The tests with the oldest versions that are claimed, in a venv of their own
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	$(call install,.venv-oldest) -r tests/oldest.txt -e '.[dev]'
	.venv-oldest/bin/python -m pytest

.venv-bench/.package: pyproject.toml benchmarks/requirements.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	$(call install,.venv-bench) --upgrade -r benchmarks/requirements.txt -e '.[vtk]'
	touch $@

bench: .venv-bench/.package  ## Speed, memory and start-up, beside the peers, in a venv of their own (an hour)
	for name in points_per_second normalizations memory import_time time_to_picture scale full_surface several_points drawing report; do \
		.venv-bench/bin/python -m benchmarks.$$name || exit 1; done

browser: $(VENV)/.dev  ## Tests of reports in a browser; needs Debian's chromium and chromium-driver, and says so
	$(call install,$(VENV)) -e '.[browser]'
	@command -v chromium chromedriver >/dev/null || { echo "install the browser first: apt-get install chromium chromium-driver"; exit 1; }
	$(BIN)/python -m pytest -m slow tests/test_report_browser.py

gallery: $(VENV)/.dev  ## Every figure in every style by every renderer, into docs/gallery (minutes)
	$(call install,$(VENV)) -e '.[vtk]'
	$(BIN)/python docs/gallery/draw.py

hooks: $(VENV)/.dev  ## Run the linters before every commit
	$(BIN)/pre-commit install

wheel: $(VENV)/.dev  ## Build what would be published
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:  ## Remove what was built and installed
	rm -rf $(VENV) .venv-oldest .venv-bench dist build landscape-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
