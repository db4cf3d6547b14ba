# Guesthouse: what there is to run. `make run` and `make test` see to everything that a fresh machine lacks.
.NOTPARALLEL:
.PHONY: help run test test-fast test-xen lint format lock bench demo-up demo-down demo-stop demo-start demo-status
DEMO = $(or $(wildcard .venv/bin/python),python3) -m deploy.demo

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: ## prepare what is missing, bring up the demo host, serve (PORT=8000)
	@deploy/run.sh

test: ## everything: lint, types, contracts, unit, live (real guests), browser
	@deploy/prepare.sh test
	@deploy/check.sh all

test-fast: ## without real guests and without a browser
	@deploy/prepare.sh test
	@deploy/check.sh fast

test-xen: ## against a real Xen host, and a whole Debian, in QEMU (root; the first build takes minutes)
	@deploy/prepare.sh xen
	@.venv/bin/pytest -m xen tests

lint: ## formats, lint, types, contracts, settings, known holes
	@deploy/prepare.sh test
	@deploy/check.sh lint

format: ## rewrite Python and templates in the project's form
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
	@.venv/bin/djlint --profile=django --reformat --quiet templates || true

lock: ## pin what pyproject.toml asks for, with hashes and without any address
	@deploy/lock.sh

bench: ## the figures of bench/README.md
	@deploy/prepare.sh test
	@bench/run

demo-up: ## bring up the demo host: a private libvirt with three real guests
	@deploy/prepare.sh run
	@$(DEMO) up

demo-down: ## end it and its guests; nothing is left
	@$(DEMO) down

demo-stop: ## stop its libvirtd only; the guests run on
	@$(DEMO) stop

demo-start: ## start its libvirtd again
	@$(DEMO) start

demo-status: ## what of it runs
	@$(DEMO) status
