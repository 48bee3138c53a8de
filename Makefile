# street-patrol. Every target sets itself up: it needs Python 3.11 or newer, make and git, nothing else.
#   make demo                    the whole loop on this machine, with a page to look at
#   make demo ARGS=--headless    the same, to its end, checked against the ground truth
#   make bench                   the published results, and their tables in docs/benchmarks.md
#   make test                    all tests            make test ARGS="tests/zones -x"   some of them

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# Tests start hundreds of processes: where this is set, each of them compiles the whole project anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo bench test lint format types check setup setup-demo system constraints clean

help: ## Show this list.
	@echo "street-patrol: keeps sidewalks clear of parked vehicles, warn first."; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo "  ARGS=... goes to the command behind a target: make demo ARGS=--headless"

demo: setup-demo ## Cameras, agent, broker and centre on this machine; ARGS=--headless runs to the end and checks.
	@exec $(BIN)/patrol demo $(ARGS)

test: system setup ## Install what tests need (asks for sudo if not root) and run them all.
	@echo "==> Running the tests"
	@scripts/run-tests -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: system setup ## Make the published results anew (two hours) in build/benchmarks and docs; ARGS="--only faults".
	@echo "==> Running the benchmarks"
	@exec $(BIN)/patrol bench all --out build/benchmarks --render $(ARGS)

lint: setup ## Check style and format.
	@echo "==> Checking style and format"
	@$(BIN)/ruff check $(ARGS) .
	@$(BIN)/ruff format --check .

format: setup ## Rewrite the code in the house format.
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: setup ## Check types (mypy, strict).
	@echo "==> Checking types"
	@exec $(BIN)/mypy $(ARGS)

check: lint types test ## Everything that must pass before a change is merged.

setup: ## Install everything for development in .venv (no system packages).
	@scripts/setup dev

setup-demo: ## Install only what the demo needs in .venv.
	@scripts/setup demo

system: ## Install the system packages that only tests need.
	@scripts/install-system-packages

constraints: setup ## Write constraints.txt anew from what .venv holds.
	@exec $(BIN)/python scripts/freeze-constraints

clean: ## Remove .venv, caches and builds; what the agent or the centre stored stays.
	@echo "==> Removing .venv, caches and builds"
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info central/staticfiles
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
