# Everything a newcomer types. Needs Python 3.11 or newer with venv, and make; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAM := .venv-sam
CHECKOV := .venv-checkov
LOCALSTACK := .venv-localstack
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes
RECORDS ?= 5000
# Each brings up services of its own.
WORKERS ?= 2
ENVIRONMENT ?= local
PYTEST := $(BIN)/python -m pytest
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.DEFAULT_GOAL := help
.PHONY: help install up down status up-docker down-docker demo test test-unit test-integration test-contract test-e2e test-sam check \
        test-pythons check-security test-localstack format validate-template sam-build chaos bench bench-sam lock clean

help:  ## This list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## Make .venv with everything pinned (the other targets do it for you)

$(VENV)/.installed: requirements-dev.txt pyproject.toml infra/sam_offline/pyproject.toml
	@echo "Installing into $(VENV), once…"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.12")'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python $(PIP_INSTALL) --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . \
	  --editable infra/sam_offline
	@touch $@

up: install  ## Start the exchange here, without Docker; Ctrl-C stops it
	@$(BIN)/exchange up

down: install  ## Stop an exchange that was started elsewhere
	@$(BIN)/exchange down

status: install  ## Functions, event sources and services of the running exchange
	@$(BIN)/exchange status

up-docker:  ## The whole system in containers, with Grafana and Prometheus (settings: .env.example)
	@$(COMPOSE) up --detach --build
	@$(COMPOSE) ps

down-docker:  ## Stop the containers; the data stays in their volumes
	@$(COMPOSE) down

demo: install  ## Two hospitals send real records; the books must balance (RECORDS=200 for a quick look)
	@$(BIN)/exchange demo --records $(RECORDS)

test: install  ## The tests but those of SAM and checkov, on services of their own; unit tests on every Python from 3.11 to 3.13
	@$(PYTEST) tests infra/sam_offline/tests --ignore=tests/bench --ignore=tests/sam --ignore=tests/security --numprocesses=$(WORKERS) --dist=loadfile
	@$(BIN)/python -m tests.pythons

test-pythons: install  ## Unit tests on the other Pythons only
	@$(BIN)/python -m tests.pythons

test-unit: install  ## Tests without services or sockets
	@$(PYTEST) tests/unit infra/sam_offline/tests/unit

test-integration: install  ## Tests on real Postgres, Kafka and S3
	@$(PYTEST) tests/integration infra/sam_offline/tests/integration

test-contract: install  ## Contracts, and the running API against them
	@$(PYTEST) tests/contract

test-e2e: install  ## The whole system on the local runner
	@$(PYTEST) tests/e2e

test-sam: install $(SAM)/.installed  ## The template under the real sam local; each test not run, by name, without Docker
	@$(PYTEST) tests/sam --no-fold-skipped

check: install validate-template  ## Lint, types, import rules, template
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy functions infra layers/exchange/exchange tests
	@PYTHONPATH=layers/exchange $(BIN)/lint-imports

$(CHECKOV)/.installed: infra/checkov/requirements.txt
	@echo "Installing checkov into $(CHECKOV), once…"
	@$(PYTHON) -m venv --clear $(CHECKOV)
	@$(CHECKOV)/bin/python $(PIP_INSTALL) --requirement infra/checkov/requirements.txt
	@touch $@

$(LOCALSTACK)/.installed: infra/localstack/requirements.txt
	@echo "Installing LocalStack into $(LOCALSTACK), once…"
	@$(PYTHON) -m venv --clear $(LOCALSTACK)
	@$(LOCALSTACK)/bin/python $(PIP_INSTALL) --requirement infra/localstack/requirements.txt
	@touch $@

test-localstack: install $(LOCALSTACK)/.installed  ## LOCALSTACK_HOST against a real LocalStack
	@$(PYTEST) tests/integration/exchange/test_localstack.py

check-security: install $(CHECKOV)/.installed  ## checkov over what would be deployed; infra/checkov/accepted.yaml has what is accepted
	@$(PYTEST) tests/security

format: install  ## Put the code into the house's form
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

$(SAM)/.installed: infra/sam/requirements.txt
	@echo "Installing the SAM CLI into $(SAM), once…"
	@$(PYTHON) -m venv --clear $(SAM)
	@$(SAM)/bin/python $(PIP_INSTALL) --requirement infra/sam/requirements.txt
	@touch $@

validate-template: $(SAM)/.installed  ## sam validate --lint
	@SAM_CLI_TELEMETRY=0 $(SAM)/bin/sam validate --lint --region us-east-1

sam-build: $(SAM)/.installed  ## sam build (ENVIRONMENT=prod for a deployment)
	@PYTHON_VERSION=$(if $(filter prod,$(ENVIRONMENT)),3.13,3.11) $(SAM)/bin/sam build --config-env $(ENVIRONMENT)

bench-sam: install $(SAM)/.installed  ## The runner beside sam local start-api, as ratios; needs Docker
	@PYTHONPATH=layers/exchange:. $(BIN)/python -m tests.bench.start_api

chaos: install  ## Break everything under load; nothing may be lost or doubled (an hour; see docs/failure-tests.md)
	@PYTHONPATH=layers/exchange:. $(BIN)/python -m tests.chaos $(CHAOS)

bench: install  ## Figures as ratios against a bare limit measured beside them
	@PYTHONPATH=layers/exchange:. $(BIN)/python -m tests.bench

lock: install  ## Pin every package again, by hash
	@$(BIN)/python -m pip install --quiet uv==0.13.9
	@$(BIN)/uv pip compile -q --no-deps --generate-hashes --no-annotate --custom-compile-command "make lock" \
	  --python-version 3.11 layers/dependencies/requirements.in -o layers/dependencies/requirements.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --custom-compile-command "make lock" \
	  --python-version 3.11 --extra dev pyproject.toml layers/dependencies/requirements.in -o requirements-dev.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --custom-compile-command "make lock" \
	  --python-version 3.11 infra/sam/requirements.in -o infra/sam/requirements.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --custom-compile-command "make lock" \
	  --python-version 3.11 infra/localstack/requirements.in -o infra/localstack/requirements.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --custom-compile-command "make lock" \
	  --python-version 3.11 infra/checkov/requirements.in -o infra/checkov/requirements.txt
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-annotate --custom-compile-command "make lock" \
	  --python-version 3.11 --constraint requirements-dev.txt infra/compose/image/requirements.in \
	  -o infra/compose/image/requirements.txt

clean:  ## Forget everything local: venvs, data, caches
	rm -rf $(VENV) .venv-3.* $(SAM) $(CHECKOV) $(LOCALSTACK) .local infra/sam_offline/.local .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
