PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
SPARK_READY := $(VENV)/.installed-spark
# sqlfluff has dbt compile the models, and dbt opens a warehouse for that: an empty one, never the user's.
SCRATCH = WAREHOUSE_PATH=$$(mktemp -d)/scratch.duckdb

COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras \
	--upgrade pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo spark test test-spark lint format lock clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## Build everything on data the project makes itself, and name the page to open
	@$(BIN)/python -m reports.demo

spark: $(SPARK_READY)  ## Install what `dbt build --target spark` needs beside Java

test: $(READY)  ## Run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

test-spark: $(SPARK_READY)  ## Build everything on Spark, and compare it with DuckDB (needs Java 17)
	@$(BIN)/python -m pytest -m spark_build

lint: $(READY)  ## Check Python and SQL as CI does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(SCRATCH) $(BIN)/sqlfluff lint --disable-progress-bar dbt_project

format: $(READY)  ## Format Python and SQL
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(SCRATCH) $(BIN)/sqlfluff fix dbt_project

lock:  ## Pin all dependencies anew, with hashes (needs uv)
	$(COMPILE) --extra test --extra dev --output-file requirements.lock
	$(COMPILE) --extra spark --constraints requirements.lock --output-file requirements-spark.lock

clean:  ## Remove the warehouse, the pages and dbt's output; the environment stays
	rm -rf warehouse target logs reports/build

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "error: Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@echo "Installing into $(VENV) (once; one to three minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@# dbt looks for its plugins, dbt_project/__init__.py is one, where Python looks for modules.
	@$(BIN)/python -c 'import pathlib, sysconfig; \
		pathlib.Path(sysconfig.get_path("purelib"), "engagement_warehouse.pth").write_text("$(CURDIR)\n")'
	@touch $@

$(SPARK_READY): requirements-spark.lock $(READY)
	@echo "Installing Spark into $(VENV) (once; some 450 MB) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-spark.lock
	@touch $@
