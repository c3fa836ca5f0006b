# Needs Python 3.11 to 3.13 and nothing else: each target makes .venv by itself, with the versions of
# constraints.txt. `make demo` needs no TensorFlow; most others install it (1.3 GB) to compare with.

PYTHON := $(or $(PYTHON),$(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done))
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := pyproject.toml constraints.txt
OTHER_LANGUAGES := tests/other_languages
NODE := $(OTHER_LANGUAGES)/node_modules
# The contract may not break what the last release had; before the first one, what the last commit had.
RELEASED = $(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || git rev-parse -q --verify 'HEAD^')

.PHONY: help demo test lint contract node container format bench soak fuzz mutants golden fixtures stubs lock clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/engine  ## freeze a small trained classifier and show what came out
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/demo.py

test: $(VENV)/complete  ## run all tests, those that compare with TensorFlow too
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(VENV)/complete  ## ruff, mypy, import fences, fresh stubs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_stubs.py --check

contract: $(NODE)/.package-lock.json  ## buf: the contract's style, and nothing broken since the last release (needs Node)
	$(NODE)/.bin/buf lint
	test -z "$(RELEASED)" || git archive $(RELEASED) proto buf.yaml | $(NODE)/.bin/buf breaking --against '-#format=tar'

node: $(NODE)/.package-lock.json  ## install what the tests of other languages use (needs Node)

format: $(VENV)/complete  ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

container:  ## make the container's base from Debian's packages, build and run it (root; podman, mmdebstrap)
	docker/test.sh

bench: $(VENV)/complete  ## measure speed and memory against TensorFlow's own tools and cp
	$(BIN)/python bench/run.py $(ARGS)

soak: $(VENV)/complete  ## minutes of calls with faults; a server must hold no more than before (ARGS='--seconds 600')
	PYTHONPATH=tests $(BIN)/python -m soak $(ARGS)

fuzz: $(VENV)/fuzz  ## coverage-guided fuzzing of every parser and of the freeze, a minute each (ARGS='--seconds 600 TARGET')
	PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

mutants: $(VENV)/complete  ## change the code at random and count what the tests notice (hours; ARGS='engine --count 20')
	@$(PIP) install --group mutants
	$(BIN)/python scripts/mutants.py $(ARGS)

golden: $(VENV)/engine  ## accept the bytes of frozen graphs that changed, after SEMANTICS_VERSION was raised
	$(BIN)/python scripts/golden_bytes.py --write

fixtures: $(VENV)/complete  ## make the sample models of tests/fixtures anew
	$(BIN)/python scripts/make_fixtures.py

stubs: $(VENV)/engine  ## generate the Python stubs from proto/
	$(BIN)/python scripts/generate_stubs.py

lock:  ## write constraints.txt anew from the newest versions
	scripts/lock.sh "$(PYTHON)"

clean:  ## delete what make made
	rm -rf $(VENV) .venv-stubs build dist $(NODE)

$(VENV)/pip: constraints.txt
	@test -n "$(PYTHON)" || { echo "tffreeze needs Python 3.11, 3.12 or 3.13 on the PATH." >&2; exit 1; }
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@touch $@

$(VENV)/engine: $(VENV)/pip $(LOCK)
	@$(PIP) install --editable '.[server]'
	@touch $@

$(VENV)/complete: $(VENV)/pip $(LOCK)
	@$(PIP) install --editable '.[server,tracing]' --group test --group tensorflow --group lint --group deploy
	@touch $@ $(VENV)/engine

$(VENV)/fuzz: $(VENV)/complete
	@$(PIP) install --group fuzz
	@touch $@

$(NODE)/.package-lock.json: $(OTHER_LANGUAGES)/package-lock.json
	@cd $(OTHER_LANGUAGES) && npm install --ignore-scripts --no-save --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
