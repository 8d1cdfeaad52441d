# `make demo` and `make test` need Python 3.11 or newer and a network, no root: everything goes into .venv,
# and the servers of the tests into .services.
# Another Python: make test PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
SERVICES ?= .services
PACKAGES := mapreduce shuffle worker driver benchmarks
# Where the tests look for the servers.
export SERVICES_HOME := $(abspath $(SERVICES))
# Where it is set, the many processes that tests start compile all that they import, each time anew.
unexport PYTHONDONTWRITEBYTECODE

# Named after the Python it was made with, so that another PYTHON makes the environment anew.
MADE := $(VENV)/.made-with-$(subst /,-,$(PYTHON))
OURS := $(VENV)/.made-by-make
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_SERVICES := $(SERVICES)/.installed-with-$(subst /,-,$(PYTHON))
PIP_INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: help
help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

.PHONY: demo
demo: $(INSTALLED)  ## install, then run the demo
	$(VENV)/bin/mapreduce demo

.PHONY: test
test: $(INSTALLED_DEV) $(INSTALLED_SERVICES)  ## install, then run every test
	$(VENV)/bin/python -m pytest -n 4 --dist worksteal

.PHONY: test-fast
test-fast: $(INSTALLED_DEV) $(INSTALLED_SERVICES)  ## run the tests that are not marked slow or process
	$(VENV)/bin/python -m pytest -n 4 --dist worksteal -m "not slow and not process"

.PHONY: lint
lint: $(INSTALLED_DEV)  ## check rules, format and spelling
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/codespell

.PHONY: type
type: $(INSTALLED_DEV)  ## check types
	$(VENV)/bin/mypy

.PHONY: check
check: lint type test  ## all of lint, type and test

.PHONY: format
format: $(INSTALLED_DEV)  ## format the code, and fix what ruff can fix
	$(VENV)/bin/ruff check --fix-only .
	$(VENV)/bin/ruff format .

.PHONY: bench
bench: $(INSTALLED)  ## count the words of 100 MB
	$(VENV)/bin/mapreduce bench wordcount --size 100MB

.PHONY: venv
venv: $(MADE)  ## make the environment alone

.PHONY: services
services: $(INSTALLED_SERVICES)  ## install the S3 servers that tests run against

.PHONY: clean
clean:  ## remove what make, the build and the checkers made
	rm -rf build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
	if [ -e $(OURS) ]; then rm -rf $(VENV); fi
	if [ -e $(SERVICES)/.made-by-make ]; then rm -rf $(SERVICES); fi

# An environment that somebody else made is used as it is, and never removed.
$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "$(PYTHON) is not Python 3.11 or newer: name one, as in make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@if [ -e $(OURS) ]; then rm -rf $(VENV); fi
	@if [ ! -e $(VENV) ]; then mkdir -p $(VENV) && touch $(OURS); fi
	@if $(VENV)/bin/python -m pip --version >/dev/null 2>&1; then \
	    echo "using $(VENV) as it is"; \
	elif $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	    echo "making $(VENV) with $(PYTHON)"; \
	    $(PYTHON) -m venv $(VENV); \
	else \
	    echo "making $(VENV) with $(PYTHON), which has no ensurepip"; \
	    $(PYTHON) -m venv --without-pip $(VENV) \
	    && $(PYTHON) -m pip --python $(VENV)/bin/python install --quiet pip 2>/dev/null \
	    || { echo "$(PYTHON) cannot make an environment with pip: install python3-venv, then run make again" >&2; exit 1; }; \
	fi
	@touch $@

$(INSTALLED): $(MADE) setup.cfg pyproject.toml
	@echo "installing into $(VENV)"
	@$(PIP_INSTALL) -e .
	@touch $@

$(INSTALLED_DEV): $(MADE) setup.cfg pyproject.toml
	@echo "installing into $(VENV), with what tests and checks need"
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $(INSTALLED) $@

$(INSTALLED_SERVICES): tests/services/requirements.txt
	@$(MAKE) --no-print-directory venv VENV=$(SERVICES)
	@echo "installing servers into $(SERVICES)"
	@$(SERVICES)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
