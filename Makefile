# Tuneyard's verbs. `make` alone lists them. Works with GNU make 3.81 (macOS) and newer.

PORT ?= 8000
DATA ?= data
# Test processes side by side; stories start real servers, so more than the cores only slows them down.
JOBS ?= 2
ARGS ?=
PY = .venv/bin/python
ROOMS = hub accounts models_app runs training

.DEFAULT_GOAL := help
.PHONY: help setup up demo test postgres brokers chaos check fix types migrations bench screenshots messages clean

help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## create .venv from the lock (only when the lock changed)
	@.ci/setup

up: setup ## run the whole hub with its demo at http://127.0.0.1:PORT (PORT=8000, DATA=data)
	@exec $(PY) manage.py serve --demo --port $(PORT) --data-dir $(DATA)

demo: setup ## load the demo into a running hub (HF_ENDPOINT and HF_TOKEN say which and as whom)
	@$(PY) -m training demo --endpoint $(or $(HF_ENDPOINT),http://127.0.0.1:$(PORT))

test: setup ## run every test, browser stories included (ARGS="tests/accounts -x" for some)
	@$(PY) -m tests.browser_at_hand
	@$(PY) -m pytest -n $(JOBS) --dist loadfile -q -rs $(ARGS)

postgres: setup ## the tests on a PostgreSQL of their own (ARGS="tests/runs" for some)
	@$(PY) -m tests.postgres_server $(PY) -m pytest -n $(JOBS) --dist loadfile -q -rs \
	    $(or $(ARGS),tests/accounts tests/models_app tests/runs tests/hub tests/fuzz tests/property tests/postgres)

brokers: setup ## the stories of runs on the embedded broker, Redis and RabbitMQ
	@TUNEYARD_NEEDS_BROKERS=1 $(PY) -m pytest -q -rs -p no:cacheprovider tests/brokers $(ARGS)

chaos: setup ## a hundred runs while processes are killed and cables pulled (ARGS="--runs 20 --broker redis")
	@$(PY) -m tests.chaos $(ARGS)

check: setup ## what is true without running anything: style, format, types, walls, migrations
	@status=0; \
	for step in "-m ruff check ." "-m ruff format --check ." "-m mypy $(ROOMS)" \
	    "-c 'from importlinter.cli import lint_imports_command as lint; lint()'" \
	    "manage.py makemigrations --check --dry-run"; do \
	    echo "== $$step"; eval "$(PY) $$step" || status=1; \
	done; exit $$status

fix: setup ## let ruff repair style and format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: setup ## type-check alone
	@$(PY) -m mypy $(ROOMS)

migrations: setup ## write migrations for changed tables
	@$(PY) manage.py makemigrations

bench: setup ## the measurements behind docs/results.md and bench/results (see bench/README.md)
	@set -e; for name in wire storage dedup pretraining head_only transfer; do echo "== $$name"; $(PY) -m bench.$$name; done

screenshots: setup ## twelve pages in two themes and two languages, to docs/screenshots
	@$(PY) -m tests.browser.screenshots $(ARGS)

messages: setup ## bring the translations in locale/ up to what the site says
	@$(PY) manage.py messages

clean: ## remove what tools leave behind (never data/ or .venv/)
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .test-artifacts
	@find . -path ./.venv -prune -o -name __pycache__ -type d -print | xargs rm -rf
