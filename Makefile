SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV ?= .venv
SEED ?= 0
OUT ?= runs/demo
ARGS ?=
# Of the environments that stand for a robot's computer; empty: the one that runs the tests.
ROBOT_PYTHON ?=
# Recordings of the real pendulum to replay, CSV files; none leaves that part of the demo out.
RECORDINGS ?= $(wildcard ../shared/data/real/pendulum/*.csv)

# python3.11 if it runs, else a python3 that is new enough; override with `make PYTHON=...`.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))
PYTHON ?= $(shell for p in python3.11 python3; do "$$p" -c '$(SUPPORTED)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

BIN := $(VENV)/bin
QUICK := not slow and not install
INSTALLED := $(VENV)/.stamp-installed

.PHONY: help install demo test test-slow test-robot-install check format bench hil clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## Train, deploy and report on the smallest robot (SEED=0 OUT=runs/demo)
	$(BIN)/adapt demo --seed $(SEED) --out $(OUT) $(if $(RECORDINGS),--recordings $(RECORDINGS))

# Those of ROS have the machine to themselves: they are about time. The others run two at a time, each with one thread: two
# of torch's wait for each other by spinning. An exit code of 5 says that ARGS chose none of a half.
test: $(INSTALLED) ## Run the quick tests (ARGS="-k name" is handed to pytest)
	@others=0; ros=0; \
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile -m "$(QUICK) and not ros" $(ARGS) || others=$$?; \
	$(BIN)/pytest -q -m "$(QUICK) and ros" $(ARGS) || ros=$$?; \
	case $$others,$$ros in 0,0 | 0,5 | 5,0) ;; *) exit 1 ;; esac

test-slow: $(INSTALLED) ## Run the tests that take minutes
	$(BIN)/pytest -q -m slow $(ARGS)

test-robot-install: $(INSTALLED) ## Install for a robot into new environments, and drive one (ROBOT_PYTHON=python3.10)
	ROBOT_PYTHON=$(ROBOT_PYTHON) $(BIN)/pytest -q -s -m install tests/test_robot_install.py $(ARGS)

check: $(INSTALLED) ## Lint, formatting, types and import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(INSTALLED) ## Measure simulation, training and node speed
	$(BIN)/adapt bench all

hil: $(INSTALLED) ## Run ten scenarios with faults in real time (ARGS="--tag go2"); docs/hil.md
	$(BIN)/adapt hil run campaigns/standard $(if $(ARGS),$(ARGS),--tag quick)

install: $(INSTALLED) ## Set up the virtual environment only (the other targets do it when needed)

clean: ## Remove caches and build output (keeps the environment and runs/)
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@"$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { \
		echo "error: this needs Python 3.11 to 3.14, found: $$("$(PYTHON)" --version 2>/dev/null || echo none)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	@"$(BIN)/python" -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear "$(VENV)"
	@echo "Installing into $(VENV) (a few minutes the first time)"
	@"$(BIN)/python" -m pip install -qq --no-input --disable-pip-version-check \
		-e '.[robot,train,dev]' -c constraints.txt
	@touch $@
