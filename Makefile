# Ringcast. `make help` lists what there is.

SHELL := /bin/bash
.DEFAULT_GOAL := help

NODES ?= 1
PORT ?= 8080
KIT ?= ../shared/sdk-kit

BIN := $(CURDIR)/node_modules/.bin
export PATH := $(BIN):$(PATH)
INSTALLED := node_modules/.installed

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(INSTALLED): package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed: install Node.js (https://nodejs.org)"; exit 1; }
	npm ci --no-audit --no-fund --loglevel=error
	@node --version | grep -q '^v26' || { echo "the node package did not install Node 26"; exit 1; }
	@tap build >/dev/null
	@touch $@

.PHONY: install
install: $(INSTALLED) ## install what is needed from npm

.PHONY: run
run: $(INSTALLED) ## run a region on this machine (NODES=3 for three nodes, PORT=8080, DATA=file)
	@exec node src/main.ts dev --nodes $(NODES) --port $(PORT) $(if $(DATA),--data-file $(DATA)) $(ARGS)

.PHONY: test
test: $(INSTALLED) ## run every test that this machine can run
	@node test/run.ts $(TEST_ARGS)

.PHONY: check
check: $(INSTALLED) ## check types and style only
	@node test/run.ts --groups types,tidy

.PHONY: e2e
e2e: $(INSTALLED) ## end-to-end tests on a real local cluster (root; see README)
	@node test/run.ts --groups e2e $(TEST_ARGS)

.PHONY: sdk-kit
sdk-kit: $(INSTALLED) ## run an official SDK's own tests against a region (KIT=path)
	@node test/sdk-kit.ts $(KIT) $(KIT_ARGS)

.PHONY: clean
clean: ## remove what was installed into the checkout
	rm -rf node_modules .tap

-include tools/tools.mk tools/cluster.mk charts/charts.mk test/bench/bench.mk test/sim/sim.mk test/fuzz/fuzz.mk test/chaos/chaos.mk
