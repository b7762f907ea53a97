PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .venv-tools
DOCS := .venv-docs
CLIENTS := .clients
PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check lint fix test-newest test-lowest constraints dist clean bench bench-quick bench-micro corpus
.PHONY: faults soak shared-soak properties cells pictures recording runs agents docs
demo: $(VENV)/.demo
	@$(BIN)/signalbox demo

test: $(VENV)/.dev $(CLIENTS)/.done lint
	$(BIN)/python -m pytest

# For daily work: without the dashboard's pictures, the program in a terminal, and what is marked slow.
check: $(VENV)/.dev lint
	$(BIN)/python -m pytest -m "not slow" --ignore=tests/tui --ignore=tests/end_to_end

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The suite with the newest release of everything, and with the lowest that pyproject.toml allows.
RESOLUTION_newest := highest
RESOLUTION_lowest := lowest-direct
test-newest test-lowest: test-%: $(TOOLS)/.done
	$(TOOLS)/bin/uv venv --quiet --clear --python $(PYTHON) .venv-$*
	$(TOOLS)/bin/uv pip install --quiet --python .venv-$* --resolution $(RESOLUTION_$*) -e '.[dev]'
	.venv-$*/bin/python -m pytest

# The newest release of everything that `make demo` and `make test` install, on any Python that we support.
constraints: $(TOOLS)/.done
	printf 'hatchling\neditables\n' | $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 \
		--fork-strategy fewest --extra dev --no-header --no-annotate pyproject.toml - > constraints.new
	sed 's/ *;.*//' constraints.new > constraints.txt
	rm constraints.new
	$(TOOLS)/bin/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'], sep='\n')" \
		| $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --no-header --no-annotate - \
		| sed 's/ *;.*//' > docs/site/requirements.txt

# The documentation as a site, in site/: every link and anchor leads somewhere, and nothing is loaded from elsewhere.
docs: $(DOCS)/.done
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict --config-file docs/site/mkdocs.yml
	$(DOCS)/bin/python -m tests.support.check_site site

dist: $(TOOLS)/.done
	rm -rf dist
	$(TOOLS)/bin/python -m build --outdir dist
	$(TOOLS)/bin/twine check --strict dist/*
	$(TOOLS)/bin/python -m tests.support.check_dist dist

corpus: $(VENV)/.dev
	$(BIN)/python -m tests.support.corpus

# What a router makes of each fault of a vendor or of the network: protocols, plain and streamed, both HTTP engines.
faults: $(VENV)/.dev
	$(BIN)/python -m tests.support.faults

# Claude Code, Codex, opencode, aider, llm, LangChain and pydantic-ai do a task through the gateway, by docs/clients.md.
agents: $(VENV)/.dev
	$(BIN)/python -m tests.support.agents

# The tables of combinations of which CI runs a part.
cells: $(VENV)/.dev
	SIGNALBOX_CELLS=all $(BIN)/python -m pytest tests/router/shared

# The tests of properties, with a thousand examples each.
properties: $(VENV)/.dev
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -m hypothesis --timeout 3600

# Twenty minutes of everything at once: faults, reloads, dashboards, streams that are left.
soak: $(VENV)/.dev
	$(BIN)/python -m tests.support.soak

# Shared limits through the faults of a real redis-server, with processes of their own, for three minutes.
shared-soak: $(VENV)/.dev
	$(BIN)/python -m tests.support.shared_soak

pictures: $(VENV)/.dev
	$(BIN)/python -m tests.support.pictures

# The first minute in a terminal, typed and run: a recording, and the picture of it that moves.
recording: $(VENV)/.dev
	$(BIN)/python -m tests.support.recording

runs: $(VENV)/.dev
	$(BIN)/python -m tests.support.simulated_runs

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.compare
	$(BIN)/python -m benchmarks.gateways

bench-quick: $(VENV)/.dev
	$(BIN)/python -m benchmarks.compare --quick
	$(BIN)/python -m benchmarks.gateways --quick --rounds 3

bench-micro: $(VENV)/.dev
	$(BIN)/python -m benchmarks

%/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("signalbox: it needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	@echo "signalbox: making a virtual environment in $*"
	@$(PYTHON) -m venv $*

# What builds it comes first, from the same pins: pip would fetch the newest into an environment of its own.
$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	@echo "signalbox: installing what it needs (once)"
	@$(BIN)/python $(PIP) -c constraints.txt hatchling editables
	@$(BIN)/python $(PIP) -c constraints.txt --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "signalbox: installing what the checks need (once)"
	@$(BIN)/python $(PIP) -c constraints.txt hatchling editables
	@$(BIN)/python $(PIP) -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@ $(VENV)/.demo

$(TOOLS)/.done: $(TOOLS)/bin/python
	@$(TOOLS)/bin/python $(PIP) build twine uv
	@touch $@

$(DOCS)/.done: $(DOCS)/bin/python docs/site/requirements.txt
	@$(DOCS)/bin/python $(PIP) -r docs/site/requirements.txt
	@touch $@

# The official SDKs for JavaScript and the YAML language server of editors. Where there is no node, tests are skipped.
$(CLIENTS)/.done: tests/end_to_end/clients/package.json
	@mkdir -p $(CLIENTS)
	@cp $< $(CLIENTS)/
	@cd $(CLIENTS) && npm install --silent --no-package-lock --no-audit --no-fund \
		|| echo "signalbox: npm can't install the SDKs for JavaScript: they are not tested"
	@touch $@

clean:
	rm -rf $(CLIENTS) .agents $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist site
