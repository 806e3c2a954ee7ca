# `make help` lists what there is to make.
PYTHON ?= python3
PROGRAM ?= native
BIN := .venv/bin
LOCK := requirements/$(if $(filter native,$(PROGRAM)),base,dev).txt
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CODE := lbkit tools bench programs tests
DEBIAN := chromium curl wrk

.PHONY: packages help up down preview refresh test unit fuzz bench replay soak lint format tools lock targets

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PROGRAM=native (default), aws_alb or bigip_ltm chooses what up, down and preview work on."

up: .venv/$(notdir $(LOCK))  ## make the load balancer real
	@$(BIN)/python tools/up.py up $(PROGRAM)

down: .venv/$(notdir $(LOCK))  ## take it down, leaving nothing
	@$(BIN)/python tools/up.py down $(PROGRAM)

preview: .venv/$(notdir $(LOCK))  ## say what `make up` would change
	@$(BIN)/python tools/up.py preview $(PROGRAM)

refresh: .venv/$(notdir $(LOCK))  ## look which of the resources still exist
	@$(BIN)/python tools/up.py refresh $(PROGRAM)

test: .venv/dev.txt packages  ## prove everything: lint, types, contracts, tests, the real engine
	@mkdir -p build && { $(BIN)/python tools/yaml_host.py > build/engine.log 2>&1 & }
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n 2 --dist loadfile

unit: .venv/dev.txt  ## the tests that need no engine
	$(BIN)/pytest -n 2 --dist loadfile --ignore tests/e2e

fuzz: .venv/fuzz.txt  ## a minute of fuzzing, split over the parsers
	@$(BIN)/python -m tests.fuzz 60

bench: .venv/dev.txt  ## the time of a large plan, and CPU per request beside HAProxy and nginx (ARGS="--only get,sse")
	@$(BIN)/python -m bench.plans
	@$(BIN)/python bench/run.py $(ARGS)

replay: .venv/base.txt  ## production traces against simulated engines: time to first token for each algorithm
	@$(BIN)/python -m bench.replay $(ARGS)

soak: .venv/base.txt  ## the dataplane under trouble for SECONDS=600: no count may be lost
	@$(BIN)/python -m bench.soak --seconds $(or $(SECONDS),600) $(ARGS)

lint: .venv/dev.txt  ## style, types and the contracts between the rooms
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	@for program in programs/*/__main__.py; do $(BIN)/mypy $$program || exit 1; done
	$(BIN)/lint-imports --no-logo

format: .venv/dev.txt  ## let ruff arrange the code
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

tools: .venv/base.txt  ## get the Pulumi engine, if there is none
	@$(BIN)/python tools/engine.py

targets: .venv/base.txt  ## write docs/targets.md and docs/fields.md again
	$(BIN)/lbkit targets --markdown > docs/targets.md
	$(BIN)/lbkit schema --markdown > docs/fields.md

lock: .venv/base.txt  ## choose newer dependencies and pin them by hash
	@$(BIN)/python -m venv build/lock && build/lock/bin/pip -q install uv
	@for extra in base dev; do \
	  build/lock/bin/uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate --quiet -o requirements/$$extra.txt \
	    $$([ $$extra = dev ] && echo --extra dev -c requirements/base.txt); done
	@echo atheris==3.0.0 | build/lock/bin/uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --quiet -o requirements/fuzz.txt

packages:
	@for name in $(DEBIAN); do command -v $$name > /dev/null || missing="$$missing $$name"; done; \
	  if [ -z "$$missing" ]; then :; \
	  elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	    echo "Installing$$missing ..."; apt-get -qq update > /dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y $$missing > /dev/null; \
	  else echo "Tests that need these are skipped, for they are not installed:$$missing"; fi

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "lbkit runs on Python 3.11 to 3.13, and $(PYTHON) is another: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Installing python3-venv ..."; apt-get -qq update && apt-get -qq install -y python3-venv; }
	@echo "Making .venv ..."
	@$(PYTHON) -m venv .venv

.venv/base.txt: requirements/base.txt pyproject.toml | .venv/bin/python
	@echo "Installing lbkit and what it needs into .venv ..."
	@$(PIP) install --require-hashes -r requirements/base.txt
	@$(PIP) install --no-deps -e .
	@cp requirements/base.txt $@

.venv/dev.txt: requirements/dev.txt pyproject.toml | .venv/bin/python
	@echo "Installing lbkit, its targets' SDKs and the tools for its tests into .venv ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps -e .
	@cp requirements/dev.txt $@
	@cp requirements/base.txt .venv/base.txt

.venv/fuzz.txt: requirements/fuzz.txt .venv/dev.txt
	@echo "Installing the fuzzer into .venv ..."
	@$(PIP) install --require-hashes -r requirements/fuzz.txt
	@cp requirements/fuzz.txt $@
