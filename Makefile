# `make help` lists what there is. Stamps live inside the environments they vouch for, so removing one is enough.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The Python that .venv is made from. Debian's own is an optimised build, so it goes first.
PYTHON ?= $(shell for p in /usr/bin/python3 python3 python3.11 python3.12 python3.13; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)

# Seconds for `make fuzz`, extra arguments for pytest, names for `make bench`, `--upgrade` for `make lock`
FUZZ_S ?= 60
FUZZ_TEST_S ?= 60
PYTEST_ARGS ?=
BENCH ?=
UPGRADE ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_PYTHON_DOWNLOADS := never
# Where it is set (many container images do), each of the thousand processes of the tests compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
export BENCH FUZZ_S

BIN := .venv/bin
UV := $(BIN)/uv -q
NODE_DIR := tests/e2e/node
CONFORMANCE_DIR := tests/conformance/node
FAST := $(foreach d,unit playbook contract spec,$(wildcard tests/$d))
SLOW := tests/e2e $(filter-out $(FAST) tests/e2e,$(patsubst %/,%,$(wildcard tests/*/)))

SYNCED := .venv/.synced
PROJECT := .venv/.project
SERVER_GIT := .venv-server-git/.synced
FASTMCP := .venv-fastmcp/.synced
NODE_MODULES := $(NODE_DIR)/node_modules/.synced
CONFORMANCE_MODULES := $(CONFORMANCE_DIR)/node_modules/.synced

##@ Everyday

.PHONY: help
help: ## List these targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(PROJECT) ## Make .venv with everything locked, and Doorward itself editable in it
	@:

.PHONY: demo
demo: setup ## Run the demonstration
	@$(BIN)/doorward demo

.PHONY: check
check: setup ## Formatting, lint, types and who imports whom
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy --no-error-summary
	@out=$$($(BIN)/lint-imports --no-logo --cache-dir .cache/import-linter) || { echo "$$out"; exit 1; }

.PHONY: format
format: setup ## Rewrite files the way `make check` wants them
	@$(BIN)/ruff check -q --fix-only .
	@$(BIN)/ruff format -q .

.PHONY: test-fast
test-fast: setup ## Tests that need neither processes nor sockets: unit, playbook, contract, spec
	@$(BIN)/pytest -q -m "not enable_socket" $(PYTEST_ARGS) $(FAST)

.PHONY: test
test: check test-setup ## Everything, end to end; installs what that needs
	@echo "test: the wheel, from nothing else"
	@out=$$($(MAKE) wheel-test 2>&1) || { echo "$$out"; exit 1; }
	@echo "test: $(FUZZ_TEST_S) s of fuzzing"
	@out=$$(FUZZ_S=$(FUZZ_TEST_S) $(BIN)/python -m tests.fuzz.run 2>&1) || { echo "$$out"; exit 1; }
	@echo "test: the official suite"
	@$(BIN)/python -m tests.conformance.run
	@$(if $(findstring tests/,$(PYTEST_ARGS)),$(BIN)/pytest -q,PYTEST=$(BIN)/pytest scripts/pytest-all $(SLOW) $(FAST)) $(PYTEST_ARGS)

.PHONY: test-setup
test-setup: setup $(SERVER_GIT) $(FASTMCP) $(NODE_MODULES) $(CONFORMANCE_MODULES)
	@scripts/debian-packages git nginx
	@command -v javac >/dev/null || scripts/debian-packages default-jdk-headless

##@ Longer

.PHONY: conformance
conformance: setup $(CONFORMANCE_MODULES) ## The official MCP suite, directly and through Doorward; build/conformance.json
	@$(BIN)/python -m tests.conformance.run

.PHONY: bench
bench: setup ## Measure against nginx; BENCH=name,name for a subset
	@scripts/debian-packages nginx build-essential libssl-dev openssl
	@$(BIN)/python bench/run.py

.PHONY: bench-long
bench-long: setup ## Hold 5,000 audit records a second for 5 minutes and look for every one; build/bench.json
	@$(BIN)/python bench/long.py

.PHONY: keycloak
keycloak: setup $(NODE_MODULES) ## Sign in at a real Keycloak, fetched by Maven; needs Maven and a JDK
	@home=$$(scripts/keycloak "$$PWD/.cache/keycloak") && \
		DOORWARD_KEYCLOAK="$$home" $(BIN)/pytest -q --tb=native tests/e2e/test_keycloak.py $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: setup ## Fuzz the parsers for FUZZ_S seconds; figures in build/fuzz.json
	@$(BIN)/python -m tests.fuzz.run

##@ Release

.PHONY: wheel
wheel: setup ## Build dist/*.whl
	@rm -rf dist
	@out=$$($(BIN)/python -m build --wheel --no-isolation --outdir dist 2>&1) || { echo "$$out" >&2; exit 1; }
	@ls dist/*.whl

.PHONY: wheel-test
wheel-test: wheel ## Run the demonstration from the wheel in a fresh environment, with unlocked dependencies
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && wheel=$$(echo "$$PWD"/dist/*.whl) && uvx="$$PWD/$(BIN)/uvx" && \
		cd "$$tmp" && UV_TOOL_DIR="$$tmp/tools" "$$uvx" -q --isolated --refresh-package doorward \
		--python "$(PYTHON)" --from "$$wheel" doorward demo --fast

.PHONY: lock
lock: setup ## Resolve the locks again; UPGRADE=--upgrade for newer versions
	@export UV_CUSTOM_COMPILE_COMMAND="make lock"; \
	compile() { $(UV) pip compile $(UPGRADE) --generate-hashes --universal --python-version 3.11 \
		--no-emit-index-url "$$@" >/dev/null; }; \
	compile requirements/bootstrap.in -o requirements/bootstrap.txt && \
	compile pyproject.toml -o requirements/runtime.txt && \
	compile pyproject.toml requirements/dev.in -c requirements/runtime.txt -o requirements/dev.txt && \
	compile requirements/server-git.in -o requirements/server-git.txt && \
	compile requirements/fastmcp.in -o requirements/fastmcp.txt
	@scripts/npm $(NODE_DIR) install --package-lock-only
	@scripts/npm $(CONFORMANCE_DIR) install --package-lock-only

.PHONY: clean
clean: ## Remove everything that make made
	@rm -rf .venv .venv-server-git .venv-fastmcp .cache .hypothesis build dist $(NODE_DIR)/node_modules $(CONFORMANCE_DIR)/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Environments

$(BIN)/uv: | requirements/bootstrap.txt
	@echo "setup: .venv from $(or $(PYTHON),no Python)"
	@[ -n "$(PYTHON)" ] || { echo "setup: needs Python 3.11 or later; say which with PYTHON=" >&2; exit 1; }
	@rm -rf .venv
	@"$(PYTHON)" -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; scripts/debian-packages python3-venv && \
		"$(PYTHON)" -m venv .venv >/dev/null; } || { rm -rf .venv; \
		echo "setup: $(PYTHON) cannot make a virtual environment; it needs its venv and ensurepip modules" >&2; exit 1; }
	@$(BIN)/python -m pip install -q --no-deps --require-hashes -r requirements/bootstrap.txt

$(SYNCED): requirements/bootstrap.txt requirements/dev.txt $(BIN)/uv
	@echo "setup: dependencies"
	@$(UV) pip sync --python $(BIN)/python --require-hashes requirements/bootstrap.txt requirements/dev.txt
	@touch $@

# The installed metadata repeats the version and the entry points, so it follows the files that state them.
$(PROJECT): $(SYNCED) pyproject.toml src/doorward/__init__.py
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Each has dependencies that ours would not agree with, so each has an environment of its own.
$(SERVER_GIT) $(FASTMCP): .venv-%/.synced: requirements/%.txt | $(SYNCED)
	@echo "setup: .venv-$*"
	@$(UV) venv --allow-existing --python $(BIN)/python .venv-$*
	@$(UV) pip sync --python .venv-$*/bin/python --require-hashes requirements/$*.txt
	@touch $@

$(NODE_MODULES) $(CONFORMANCE_MODULES): %/node_modules/.synced: \
		%/package.json %/package-lock.json %/.npmrc | $(SYNCED)
	@echo "setup: node packages in $*"
	@scripts/npm $* ci
	@touch $@
