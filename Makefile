# Two commands matter: `make demo` and `make test`. Both set up everything they need.
# A machine needs Python 3.11 or newer, git and make; all else comes from the package registries by lock file.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
UV := .tools/bin/uv
RUN := .venv/bin
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-reset test test-postgres15 soak lint format messages

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

setup: $(UV) ## Prepare the environment, the front-end assets and the catalogues; nothing else
	@$(UV) sync --quiet --frozen --all-groups --python $(PYTHON)
	@$(RUN)/python tools/build_assets.py
	@$(RUN)/python tools/messages.py compile

demo: setup ## Set up all, show one Pay Now, serve the portal on 127.0.0.1:8000 (PORT=) until Ctrl-C
	@$(RUN)/raseed demo

demo-reset: setup ## Forget the demo's data
	@$(RUN)/raseed demo --reset

test: setup lint ## Set up all, check the code, run the whole suite
	@sh tools/chromium.sh
	$(RUN)/pytest -n 2 --dist loadgroup

test-postgres15: setup ## Run the suite on PostgreSQL 15 from Debian, the oldest that is supported
	@sh tools/chromium.sh
	bin=$$(sh tools/postgres15.sh) && POSTGRES_BIN=$$bin $(RUN)/pytest -n 2 --dist loadgroup

soak: setup ## Kill, cut and crash everything while PAYMENTS= (5000) are made, dealt by SEED= (1); then var/soak.json
	@PYTHONPATH=tests PAYMENTS=$(PAYMENTS) SEED=$(SEED) $(RUN)/python -m soak

lint: setup ## Format, lint, types, layers, migrations, catalogues
	$(RUN)/ruff format --check src tests tools
	$(RUN)/ruff check src tests tools
	RASEED_ENV=test $(RUN)/mypy
	$(RUN)/lint-imports
	RASEED_ENV=test DJANGO_SETTINGS_MODULE=raseed.config.settings $(RUN)/python -W ignore::RuntimeWarning -m django makemigrations --check --dry-run
	$(RUN)/python tools/messages.py check

format: setup ## Put the code in the one format
	$(RUN)/ruff check --fix-only --quiet src tests tools
	$(RUN)/ruff format src tests tools

messages: setup ## Merge new sentences into the catalogues
	$(RUN)/python tools/messages.py extract
