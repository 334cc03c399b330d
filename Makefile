# Two commands for a fresh machine with Python 3.11 to 3.14: `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-newest check format lock bench bench-locks bench-matching bench-orders imports life mutation scans rules clean

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3.14 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help: ## What there is to run
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
	  || { echo "需要 Python 3.11 至 3.14，请用 PYTHON=/path/to/python 指定 · Python 3.11 to 3.14 is needed: give PYTHON=/path/to/python"; exit 1; }
	@echo "▸ 安装依赖 · installing dependencies into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP) ## Install everything into .venv

demo: setup ## Replay the Dingri earthquake through the real system
	@$(BIN)/xuelian demo dingri

test-fast: setup ## Unit, contract and property tests, on two processes
	@$(BIN)/python -m pytest -n 2 tests/unit tests/contract tests/property -m "not slow and not exhaustive"

test: test-fast ## Run every test; on real Kafka and PostgreSQL
	@$(BIN)/python -m pytest tests/property -m exhaustive
	@$(BIN)/python -m pytest -n 2 --dist worksteal tests/property tests/unit -m "slow and not exhaustive"
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/integration
	@$(BIN)/python -m pytest tests/e2e tests/chaos

test-newest: ## Unit and contract tests on the newest Python that this machine runs
	@versions=$${PYENV_ROOT:-$$HOME/.pyenv}/versions; \
	for name in {python,$$versions/}3.14 {python,$$versions/}3.13 {python,$$versions/}3.12; do \
	  [[ $$name == */* ]] && name=$$(ls -d $$name*/bin/python 2>/dev/null | tail -1); \
	  [ -n "$$name" ] && "$$name" -c '' 2>/dev/null || continue; \
	  echo "▸ $$($$name --version)"; \
	  $$name -m venv .venv-newest; \
	  .venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt; \
	  .venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	  exec .venv-newest/bin/python -m pytest -n 2 -p no:cacheprovider -m "not slow" tests/unit tests/contract; \
	done; echo "没有更新的 Python · no newer Python here"

check: setup ## Format, lint, types, rooms
	@echo "▸ ruff format"; $(BIN)/ruff format --check .
	@echo "▸ ruff check"; $(BIN)/ruff check .
	@echo "▸ mypy"; $(BIN)/mypy
	@echo "▸ import-linter"; $(BIN)/lint-imports
	@echo "✔ check"

format: setup ## Rewrite in house format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

rules: setup ## Write docs/rules.md from the rule data
	@$(BIN)/python -m cli.rules_page

bench: setup ## Latency and throughput beside their floors
	@$(BIN)/python -m bench; latency=$$?; $(BIN)/python -m tests.measurements.throughput && exit $$latency

life: setup ## 10,000 random lives of units against a plain model
	@$(BIN)/python -m tests.life

scans: setup ## Barcodes that one core decodes and checks a second
	@$(BIN)/python -m tests.measurements.scans

bench-locks: setup ## How long supply transactions wait, with one lock and with those of stations
	@$(BIN)/python -m tests.measurements.locks

bench-matching: setup ## Policies of allocation beside the optimum of hindsight
	@$(BIN)/python -m tests.measurements.matching

bench-orders: setup ## London 2005 and Brussels 2016: what is kept of orders far above use
	@$(BIN)/python -m tests.measurements.orders

imports: setup ## A CSV of 100,000 units, previewed and imported
	@$(BIN)/python -m bench.imports

mutation: setup ## Change the kernel and each rule value one by one: some test must notice
	@$(BIN)/python -m tests.mutation

lock: setup ## Resolve requirements again, with hashes
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements/runtime.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra dev pyproject.toml -o requirements/dev.txt

clean: ## Remove what was built (not the state of running services)
	@rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis
