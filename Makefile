# make run     install what is needed, start the engine, place a demonstration call
# make test    install what is needed, check the code, run the tests
# Both need Python 3.11 or newer and a package registry in reach; nothing else.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first Python that is new enough; `make PYTHON=/path/to/python3 …` names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)

BIN := .venv/bin
STAMP := .venv/.installed
# name of the report : benchmark : calls at once : recogniser, where it is not the benchmark's own
BENCHMARKS := turns-1:turns:1 turns-20:turns:20 overhead:overhead:20 barge-in:barge-in:20 accept:accept:50 \
	takeover:takeover:10 takeover-words:takeover:10:embedded density:density: endpointing:endpointing: records:records:20 \
	backup:backup:
# Settings of your own may stand in .env (see .env.example).
WITH_ENV := set -a; if [ -f .env ]; then . ./.env; fi; set +a;

.PHONY: aloud versions help setup run test check callers generated generate lock lock-setup proto bench clean distclean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo "also: setup check callers bench versions generate lock clean distclean"

setup: $(STAMP)

$(STAMP): requirements.lock requirements-setup.lock pyproject.toml ops/install.py
	@if [ -z "$(PYTHON)" ]; then \
		echo "Trunkline needs Python 3.11 or newer; this machine has: $$(python3 --version 2>&1)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; fi
	@$(PYTHON) -I ops/install.py
	@touch $@

run: $(STAMP)
	@$(WITH_ENV) exec $(BIN)/trunkline up --demo

# Two runs of pytest at once and a quiet one, told as one; `.venv/bin/pytest` alone holds the same tests one after the other.
test: $(STAMP) check
	$(BIN)/python -m tests.side_by_side

check: $(STAMP) generated
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The conversations of tests/callers, and their table in docs/callers.md.
callers: $(STAMP)
	CALLERS_WRITE=1 $(BIN)/pytest tests/callers

# What is made from something else must be what it would be made to.
generated: $(STAMP)
	@$(BIN)/python -m ops.generated

# docs/settings.md, .env.example and the Python side of the speech contract.
generate proto: $(STAMP)
	@$(BIN)/python -m ops.generated --write

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate -o requirements.lock

lock-setup: $(STAMP)
	@{ echo '# The installer, by hash. `make lock-setup` makes this file.'; \
	   echo uv | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes \
	   	--no-emit-index-url --no-annotate --no-header; } > requirements-setup.lock.new
	@mv requirements-setup.lock.new requirements-setup.lock

# The tests of the records and their backups over PostgreSQL 15, 16, 17 and 18, whose programs are fetched once.
versions: $(STAMP)
	$(BIN)/python -m tests.versions

# Callers with real speech through the whole engine, alone; five minutes. `make test` holds them too.
aloud: $(STAMP)
	$(BIN)/pytest tests/integration/callers_aloud

bench: $(STAMP)
	@mkdir -p docs/measurements
	@missed=; for b in $(BENCHMARKS); do \
		set -- $$(echo $$b | tr : ' '); \
		$${4:+env TRUNKLINE_STT=$$4} $(BIN)/trunkline bench $$2 $${3:+--calls $$3} --json docs/measurements/$$1.json || missed="$$missed $$1"; done; \
	if [ -n "$$missed" ]; then echo "not reached:$$missed" >&2; exit 1; fi

clean:
	rm -rf build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv var
