PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint fix clean bench bench-quick bench-micro corpus pictures
demo: $(VENV)/.demo
	@$(BIN)/signalbox demo

test: $(VENV)/.dev lint
	$(BIN)/pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

corpus: $(VENV)/.dev
	$(BIN)/python -m tests.support.corpus

pictures: $(VENV)/.dev
	$(BIN)/python -m tests.support.pictures

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.compare

bench-quick: $(VENV)/.dev
	$(BIN)/python -m benchmarks.compare --quick

bench-micro: $(VENV)/.dev
	$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	@echo "signalbox: making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	@echo "signalbox: installing what it needs (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	@echo "signalbox: installing what the checks need (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
