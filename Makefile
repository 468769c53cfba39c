# Every target sets itself up: `make test` on a bare machine needs Python 3.11 or later with pip
# and venv, and nothing else. The environment is .venv; it is made once and used again until
# pyproject.toml or requirements-dev.txt changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without --no-compile pip compiles every module of TensorFlow and PyTorch, of which few are imported.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# Two states of the environment, each a stamp file: enough for the demo, and everything.
DEMO := $(VENV)/.ready-demo
DEV := $(VENV)/.ready-dev

BACKENDS := jax tensorflow torch
TESTS := $(BACKENDS:%=test-%)
SUITE := tests/checks tests/zoo
REST := $(BACKENDS:%=%-rest)
CHECKS := torch-checks jax-checks tensorflow-checks
BENCHMARKS := $(wildcard benchmarks/[!_]*.py)

# What runs pytest; `make coverage` puts itself in between.
RUN := $(BIN)/python

# More arguments for pytest or for the demo: make test ARGS="-k padding"
ARGS ?=

export PYTHONUNBUFFERED := 1
export TF_CPP_MIN_LOG_LEVEL := 3
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test $(TESTS) $(REST) $(CHECKS) coverage lint format docs bench clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "  make %-8s %s\n", $$1, $$2 }'

demo: $(DEMO) ## Train spelling-to-phonemes on real data (JAX, about 4 minutes)
	@KERAS_BACKEND=jax $(BIN)/lossmith demo g2p --out out $(ARGS)

# All backends run, also when one of them fails, each in two processes: the suite of checks with its
# zoo of losses, and all the rest. Three run at a time, the longest first. That -k leaves a process
# without a test is no failure (5).
test: $(DEV) ## Run the tests on each backend
	@$(MAKE) --keep-going --no-print-directory --jobs=3 --output-sync=target $(REST) $(CHECKS)

$(TESTS): test-%: %-rest %-checks

$(REST): %-rest: $(DEV)
	@echo "── pytest on $* ──"
	@KERAS_BACKEND=$* $(RUN) -m pytest $(addprefix --ignore=,$(SUITE)) $(ARGS) || [ $$? -eq 5 ]

$(CHECKS): %-checks: $(DEV)
	@echo "── pytest on $*: checks ──"
	@KERAS_BACKEND=$* $(RUN) -m pytest $(SUITE) $(ARGS) || [ $$? -eq 5 ]

# Apart from `make test`, which the tracing of lines would slow down.
coverage: ## Run the tests and report the coverage of all backends together
	@rm -f .coverage .coverage.*
	@$(MAKE) test RUN="$(BIN)/coverage run --parallel-mode"
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

lint: $(DEV) ## Check style, types and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

format: $(DEV) ## Format the code and apply the safe fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(DEV) ## Build the documentation into site/
	$(BIN)/mkdocs build --strict

bench: $(DEV) ## Run every benchmark, one process each, and write docs/benchmarks.md
	@set -e; for file in $(BENCHMARKS); do echo "── $$file ──"; \
		$(BIN)/python $$file --json docs/benchmarks/$$(basename $$file .py).json; done
	@$(BIN)/python benchmarks/_page.py

clean: ## Remove the environment, caches and everything that was built
	rm -rf $(VENV) build dist site .coverage .coverage.* htmlcov
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks examples scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(DEV): pyproject.toml requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements-dev.txt
	@touch $(DEMO) $(DEV)

$(DEMO): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[jax,demos]'
	@touch $(DEMO)
