# customer_segmentation: `make help` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DBT := $(BIN)/dbt
# Looking for garbage as often as Python does takes a fifth of the time.
SQLFLUFF := DBT_TARGET_PATH=target/lint $(BIN)/python -c \
	"import gc; gc.set_threshold(100_000, 50, 100); from sqlfluff.cli.commands import cli; cli(prog_name='sqlfluff')"
INSTALLED := $(VENV)/.installed
UV_VERSION := 0.13.9

# Passed on to dbt, such as: make build VARS='{as_of: "2017-10-01"}'
VARS ?= {}

export DBT_PROFILES_DIR := $(CURDIR)
# The project is one folder; an environment that is active elsewhere must not be changed instead of .venv.
unexport VIRTUAL_ENV
# Container images often forbid stored bytecode; then every start of dbt compiles hundreds of modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo build backfill summary query test lint format types unit-tests demo-pages demo-tests build-tests function-tests test-all docs clean check-input try export bench conventions hooks

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Create .venv with the locked dependencies

$(INSTALLED): pyproject.toml uv.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv sync --quiet --frozen --inexact --all-extras
	@touch $@

demo: data/demo/orders.parquet ## Prepare the demo's raw files in data/demo

GENERATORS := src/customer_segmentation/demo.py $(wildcard src/customer_segmentation/companion/*.py)

data/demo/orders.parquet: $(GENERATORS) | $(INSTALLED)
	$(BIN)/customer-segmentation prepare-demo --target data/demo --truth data/demo_truth

build: $(INSTALLED) data/demo/orders.parquet ## Build the demo: models, data tests, published file, summary
	$(DBT) build --vars '$(VARS)'
	@$(BIN)/customer-segmentation summary

backfill: $(INSTALLED) ## Build past periods again: make backfill FROM=2017-04-01 TO=2017-06-30
	$(DBT) build --vars "{backfill_from: $(or $(FROM),null), backfill_to: $(or $(TO),null)}"
	@$(BIN)/customer-segmentation summary

# RAW=folder, or VARS='{raw_schema: ...}' for the tables of a warehouse.
check-input: $(INSTALLED) ## Look at raw data, nothing is built: make check-input RAW=data/shop
ifdef RAW
	@$(BIN)/customer-segmentation check-input "$(RAW)"
else
	@$(DBT) --quiet run-operation check_input --vars '$(VARS)'
endif

summary: $(INSTALLED) ## Say again what the last build made
	@$(BIN)/customer-segmentation summary

query: $(INSTALLED) ## Query the published file: make query SQL="select ..."
	@$(BIN)/customer-segmentation query "$(SQL)"

try: $(INSTALLED) ## Try a rule on the last build: make try RULE='{metric: orders, window_days: 60, at_least: 3}'
	@$(BIN)/customer-segmentation try "$$RULE"

FORMAT ?= csv

export: $(INSTALLED) ## Write the members of a segment to exports/: make export SEGMENT=rfm:champions FORMAT=csv
	@$(BIN)/customer-segmentation export "$(SEGMENT)" --format "$(FORMAT)"

# Two checks at a time, in this order so that two cores are busy to the end: the builds run two by two themselves. Each
# prints when it is done. The layout of SQL costs as much to check as all else in it: that is left to `make lint`, which the
# hooks and the workflow run. The other rules are those of .sqlfluff. What mypy would keep for its next run is not written:
# that takes a third of its time.
test: $(INSTALLED) ## Lint, types, conventions, data tests, dbt unit tests, pytest
	@echo "Two checks run at a time and print when they are done: a few minutes in all."
	@MYPY_CACHE_DIR=/dev/null $(MAKE) --no-print-directory --jobs=2 --output-sync=target \
		lint demo-tests types function-tests build-tests \
		EXCLUDED_RULES=$(shell sed -n 's/^exclude_rules = //p' .sqlfluff | tr -d ' '),layout
	@echo "All tests passed."

test-all: lint types unit-tests ## All of it, with the slow tests and all examples of properties
	ALL_EXAMPLES=1 $(BIN)/pytest -m "slow or not slow"

lint: $(INSTALLED) ## Check SQL and Python style
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/yamllint --strict .
	@! grep -rnE --include='*.sql' '^.{121,}' models analyses tests | grep -vE '^[^:]+:[0-9]+: *--' \
		|| { echo 'Lines of SQL, but for comments, have at most 120 characters.'; exit 1; }
	@! grep -rnE --include='*.sql' '[^ ].*\b(where|group by|having)\b|^[^(]*[^ (][^(]*\border by\b' models analyses tests \
		| grep -vE '(--|\{#).*\b(where|by|having)\b|filter \(where |partition by ' \
		|| { echo 'where, group by, having and order by begin a line, but for those in parentheses.'; exit 1; }
	$(SQLFLUFF) lint --disable-progress-bar \
		$(if $(EXCLUDED_RULES),--exclude-rules $(EXCLUDED_RULES)) models analyses tests

format: $(INSTALLED) ## Mend SQL and Python style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(SQLFLUFF) fix --disable-progress-bar models analyses tests

types: $(INSTALLED) ## Check Python types
	$(BIN)/mypy

conventions: build ## Check the rules of the house: names, grain, descriptions, what reads what
	$(BIN)/dbt-score lint --manifest target/manifest.json

hooks: $(INSTALLED) ## Check style before every commit
	$(BIN)/pre-commit install

demo-pages: build ## Compare what the documentation prints of the demo with the last build
	$(BIN)/pytest tests/python/test_demo_pages.py

# The dbt unit tests of the models run against the tables of a build.
unit-tests: conventions demo-pages ## Run the dbt unit tests
	$(DBT) test --select test_type:unit

# One job, lest others run between its parts, of which each waits for the one before.
demo-tests: $(INSTALLED) ## Build the demo, check the rules of the house and run the dbt unit tests
	@$(MAKE) --no-print-directory unit-tests

build-tests: $(INSTALLED) ## Run the pytest files that build whole projects
	$(BIN)/pytest tests/python/test_builds_*.py tests/python/test_readme.py

function-tests: $(INSTALLED) ## Run all other pytest files
	$(BIN)/pytest --ignore-glob='*/test_builds_*' --ignore=tests/python/test_readme.py --ignore=tests/python/test_demo_pages.py

# Customers in the data sets, and how often each contender runs on each.
SIZES ?= 10000 100000 1000000
RUNS ?= 3

bench: $(INSTALLED) ## Measure beside a bare script, pandas and openretailscience; writes bench/results.md
	$(BIN)/python bench/run.py --sizes $(SIZES) --runs $(RUNS)

docs: build ## Write the documentation: target/static_index.html and target/data_dictionary.md
	$(DBT) docs generate --static
	$(BIN)/customer-segmentation dictionary

clean: ## Remove what builds make; .venv and the raw files stay
	rm -rf target logs published exports warehouse/*.duckdb warehouse/*.wal warehouse/spill
