# Everything a person or a build server does with Dutchbook. Needs Python 3.11 or newer, make,
# and a package index that pip can reach; nothing else. `make` alone lists the targets.

PYTHON ?= python3
ARGS ?=
EXECUTIONS ?= 20000
SEED ?= 1
ON ?= memory
ONLY ?=
FIGURES ?=
RECORDING ?= $(wildcard ../shared/data/kalshi_gold15m_ws_2026-08)

VENV := .venv
BIN := $(VENV)/bin
WRITTEN = $(if $(FIGURES),--figures $(FIGURES))
COMPILE := $(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --no-emit-options --strip-extras --no-header --allow-unsafe

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test check bench figures crash simulate torment mutants mutate \
	goldens lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

install: $(VENV)/.installed ## put Dutchbook and what it stands on into .venv

install-dev: $(VENV)/.installed-dev ## the same, and the tools that check it

run: install ## trade on paper; options as ARGS="--help"
	@$(BIN)/dutchbook run $(ARGS)
	@echo "Dutchbook is $(BIN)/dutchbook, or dutchbook after: source $(BIN)/activate"
	@echo "Next: $(BIN)/dutchbook status, positions, report; all of it: $(BIN)/dutchbook -h"

test: install-dev ## run the tests; options as ARGS="-k fees"
	@# Tests start the program hundreds of times: three times as fast from compiled files.
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n 3 --dist worksteal tests $(ARGS)

check: install-dev ## lint, types, layout and bans, generated pages in step
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/tidy
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m bench.figures.check

bench: install-dev ## measure speed; BENCH_SHORT=1 for a short run
	PYTHONPATH=src:tests DUTCHBOOK_KALSHI_RECORDING="$(RECORDING)" \
		$(BIN)/python -m bench $(ARGS)

figures: install-dev ## measure and write the tables of docs/; ONLY=bench.exits, ARGS=--list
	PYTHONPATH=src:tests $(BIN)/python -m bench.figures $(ONLY) $(ARGS)

crash: install-dev ## kill engines everywhere and recover; SEED=7, ARGS="--short"
	PYTHONPATH=src:tests SEED="$(SEED)" $(BIN)/python -m crash $(ARGS) $(WRITTEN)

simulate: install-dev ## engines under faults; EXECUTIONS=20000 SEED=1 ON=sqlite
	PYTHONPATH=src:tests $(BIN)/python -m prove --executions $(EXECUTIONS) --seed $(SEED) \
		--on $(ON) --result simulate.json $(ARGS) $(WRITTEN)

torment: install-dev ## mistreat the program in every way known; SEED=7, ARGS="--short"
	PYTHONPATH=src:tests SEED="$(SEED)" $(BIN)/python -m torment $(ARGS) $(WRITTEN)

mutants: install-dev ## planted bugs that the tests must find; ARGS="--draw 5" for some
	PYTHONPATH=src:tests $(BIN)/python -m prove.mutants $(ARGS) $(WRITTEN)

mutate: install-dev ## change the code at random; tests must see it; ARGS="--only domain/market"
	PYTHONPATH=src:tests:. SEED="$(SEED)" $(BIN)/python -m mutation $(ARGS) $(WRITTEN)

goldens: install-dev ## write what whole runs come to, which the tests hold them to
	PYTHONPATH=src:tests $(BIN)/python -m support.goldens

lock: install-dev ## pin what pyproject.toml asks for; ARGS=--upgrade for the newest
	$(COMPILE) $(ARGS) --output-file requirements/run.txt pyproject.toml
	$(COMPILE) $(ARGS) --extra dev --constraint requirements/run.txt \
		--output-file requirements/dev.txt pyproject.toml

clean: ## remove .venv and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis build

# A stamp is newer than what it was made from, so that an up-to-date tree costs nothing.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"Dutchbook needs Python 3.11 or newer as $(PYTHON); name one: make PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo \
		"$(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv" >&2; \
		exit 1; }

$(VENV)/.installed: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV), once, what requirements/run.txt pins:"
	@echo $$(sed -n 's/^\([a-z][^=]*\)==.*/\1/p' requirements/run.txt)
	$(BIN)/python -m pip install --quiet --requirement requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements/dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --requirement requirements/dev.txt
	@touch $@
