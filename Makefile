VENV := .venv
PY   := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint notebooks docs lock clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 20

setup:  ## install ngspice and the Python packages (done by the other targets when needed)
	@sh .ci/setup.sh $(VENV)

demo: setup  ## simulate, train, verify in ngspice; writes pictures and a report
	@$(VENV)/bin/memsim demo

lint: setup  ## ruff, mypy, and the order of imports
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-cache

test: setup  ## all tests that take less than a few minutes
	@OMP_NUM_THREADS=1 $(PY) -m pytest -q -n auto $(PYTEST_ARGS)

notebooks: setup  ## execute the notebooks in place
	@for notebook in notebooks/*.ipynb; do \
	    [ -e "$$notebook" ] || continue; \
	    echo "$$notebook"; \
	    $(VENV)/bin/jupyter-execute --inplace "$$notebook" || exit 1; \
	done

docs: setup  ## build the documentation into build/site
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

lock:  ## pin in constraints.txt the newest packages that pyproject.toml allows, for every Python
	@python3 -m venv build/lock
	@build/lock/bin/python -m pip --disable-pip-version-check install --quiet uv
	@build/lock/bin/uv pip compile --quiet --universal --upgrade --extra dev --no-annotate \
	    --custom-compile-command "make lock" --output-file constraints.txt pyproject.toml

clean:  ## remove everything that make or the tools made here
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis runs demo
