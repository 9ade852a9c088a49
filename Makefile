# `make run` and `make test` need nothing but Python 3.11 to 3.13, git and make.
# the first Python that runs and is of a version we support
FITS := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11; do $$python $(FITS) 2>/dev/null && echo $$python && break; done)
endif
comma := ,
EXTRAS ?= heif,raw,dev
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))

export PHOTOS PORT SUMMARY THOROUGH  # handed over by the environment, so that any character may be in a name

.PHONY: run test check bench format screenshot clean

$(STAMP): pyproject.toml constraints.txt
	@test -n '$(PYTHON)' && '$(PYTHON)' $(FITS) || { echo 'Python 3.11, 3.12 or 3.13 is needed: install one, or name it with PYTHON=...' >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing into $(VENV), about a minute the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

# make run                      a generated demo library
# make run PHOTOS=dir           your photos (only read)
# make run PHOTOS=dir ONCE=1    one pass, then end
run: $(STAMP)
	@exec $(BIN)/immich-pipeline run $(if $(PHOTOS),--photos "$$PHOTOS") $(if $(PORT),--port "$$PORT") $(if $(filter-out 0 no false,$(ONCE)),--once) $(if $(SUMMARY),--summary "$$SUMMARY")

# make test THOROUGH=1          also what takes long: as many kills and faults as the evidence asks for
test: $(STAMP)
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n logical --dist worksteal  # most of a file stays with one worker, as what its tests share does
	@$(BIN)/coverage combine --quiet 2>/dev/null  # data files of processes that the tests killed are cut off: left out
	@rm -f .coverage.*
	$(BIN)/coverage report --include='immich_pipeline/media/*,immich_pipeline/grouping/*,immich_pipeline/dedup/*' --fail-under=100
	$(BIN)/coverage report --fail-under=95

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict -p immich_pipeline.media -p immich_pipeline.grouping -p immich_pipeline.dedup
	$(BIN)/lint-imports
	DAGSTER_HOME= $(BIN)/dagster definitions validate -w workspace.yaml

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	@for name in sha256 phash near_pairs verify grouping end_to_end; do $(BIN)/python -m benchmarks.$$name || exit 1; done

clean:
	rm -rf $(VENV) .dagster .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
