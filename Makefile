# make run       the whole system up, and the sample batch through it (ARGS=--once ends after the batch)
# make services  PostgreSQL, Redis and Docker Engine on loopback, for tests (services-stop ends them)
# make test      all tests (under 10 minutes); what needs a service that does not run is skipped
# make soak      the long variants of the tests
# make check     format, lint, types, locks, tests
# make bench     speed beside peers
# make pictures  the pictures in docs/ anew
# make vendor    the page's libraries anew, as package-lock.json names them (needs npm)
# Each makes its own environment in .venv with nothing but python3 and a package index.

PYTHON ?= python3
UV_HOME := .uv
UV := $(UV_HOME)/bin/uv
ENV := .venv/.made
RUN := .venv/bin/python
ARGS ?=

.PHONY: run test soak check format lint types locks requirements bench pictures vendor services services-stop clean

run: $(ENV)
	$(RUN) -m examples.main_job $(ARGS)

test: $(ENV)
	$(RUN) -m pytest -n 4 --dist loadfile --reruns 1 $(ARGS)

soak: $(ENV)
	$(RUN) -m pytest -m soak $(ARGS)

check: format lint types locks test

format: $(ENV)
	.venv/bin/ruff format --check .

lint: $(ENV)
	.venv/bin/ruff check .

types: $(ENV)
	.venv/bin/pyright

locks: $(ENV)
	$(UV) lock --check
	$(UV) export --quiet --frozen --no-dev --no-hashes --no-emit-project --no-header --no-annotate | diff requirements.txt - \
		|| { echo "requirements.txt differs from uv.lock: run 'make requirements'"; exit 1; }

requirements: $(UV)
	$(UV) export --quiet --frozen --no-dev --no-hashes --no-emit-project --no-header --no-annotate -o requirements.txt

bench: $(ENV)
	$(RUN) -m benchmarks $(ARGS)

pictures: $(ENV)
	VERA_WRITE_PICTURES=1 $(RUN) -m pytest -q tests/dashboard/test_pictures.py tests/command/test_picture.py $(ARGS)

vendor: $(ENV)
	cd api/dashboard && npm ci --ignore-scripts --no-audit --no-fund
	$(RUN) -m api.dashboard.vendoring

services: $(ENV)
	$(RUN) -m tests.services start $(ARGS)

services-stop: $(ENV)
	$(RUN) -m tests.services stop $(ARGS)

$(UV):
	$(PYTHON) -m venv $(UV_HOME)
	$(UV_HOME)/bin/python -m pip install --quiet --disable-pip-version-check uv

$(ENV): $(UV) pyproject.toml uv.lock
	$(UV) sync --python $(PYTHON) --frozen --quiet --compile-bytecode
	touch $(ENV)

clean:
	if [ -e .services ] && [ -x $(RUN) ]; then $(RUN) -m tests.services remove; \
		elif [ -e .services ]; then echo ".services stays: make services-stop ends what runs in it"; fi
	rm -rf .venv .uv .bench
