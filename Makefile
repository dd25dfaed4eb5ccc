# `make help` lists the targets. All but race (a C compiler) need Go, make and git only.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
OUT      ?= out
PACKAGES ?= ./...
# How long each fuzz target runs.
FUZZTIME ?= 30s
# How many random tables are played against a real APISIX, 20 requests each.
ORACLE_TABLES ?= 500
# How many random configurations are played on Envoy's side and on ours, how many calls to each, and the first one's seed.
DIFF_CONFIGS ?= 2000
DIFF_CALLS ?= 20
DIFF_SEED ?= 1
# Which benchmarks run, and where they are.
BENCH    ?= .
BENCH_PACKAGES ?= ./tests/bench/...
# The platform of the images, linux/amd64 or linux/arm64, and what each is built on: a reference, an archive (FILE.tar) or an OCI
# layout (oci:DIRECTORY). A tag moves; with NAME@sha256:… the same commit and Go make the same images at any time.
PLATFORM ?= linux/amd64
PILOT_BASE ?= gcr.io/distroless/static-debian12:nonroot
PROXY_BASE ?= apache/apisix:3.18.0-debian
# Istio's own base for its distroless images: nothing but iptables and what that needs.
INIT_BASE ?= registry.istio.io/release/iptables:master-2026-04-09T19-02-13
# The repository prefix of the names in the archives, none when empty.
HUB ?=
# Packages whose tests run under the race detector: everything that shares memory between goroutines.
RACE_PACKAGES ?= ./pkg/... ./pilot-apisix/... ./samples/...

# The tools' versions are pinned in a module of their own, so that they never choose a dependency of the product.
TOOL := $(GO) tool -modfile=tools/go.mod

# Where the binaries come from; every one lands in $(OUT) under the name of its directory, but Bookinfo's.
COMMANDS := $(notdir $(patsubst %/,%,$(wildcard pilot-apisix/cmd/*/)))
# Linker flags are worked out only when something is linked. No flag here may change how a package is compiled (such as
# -trimpath): build and test would no longer share the build cache, and Istio takes minutes to compile.
LDFLAGS = $(shell GO="$(GO)" tools/ldflags.sh)
BUILD = $(GO) build -ldflags "$(LDFLAGS)"
# What goes into images has the same bytes wherever it is built, for which it pays with a build cache of its own.
GOARCH_LINUX = $(notdir $(PLATFORM))
FOR_LINUX = GOOS=linux GOARCH=$(GOARCH_LINUX) CGO_ENABLED=0

##@ Everyday

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*##"; print "Usage: make <target>" } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*##/ { printf "  %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build pilot-discovery, pilot-agent, apisixctl and bookinfo into out/
	@mkdir -p $(OUT)
	$(BUILD) -o $(OUT)/ $(addprefix ./pilot-apisix/cmd/,$(COMMANDS))
	$(BUILD) -o $(OUT)/bookinfo ./samples/bookinfo/src

.PHONY: demo
demo: build ## Run Bookinfo on this machine, without a cluster, step by step (KEEP=1 leaves it running)
	@mkdir -p $(OUT)
	$(GO) build -o $(OUT)/demo ./samples/bookinfo/demo
	$(OUT)/demo --bin=$(OUT) --samples=samples/bookinfo --logs=$(OUT)/demo-logs

.PHONY: test
test: ## Run all tests
	$(GO) test -timeout 15m $(PACKAGES)
	cd tools/images && $(GO) test ./...

##@ Images

.PHONY: images
images: build-linux ## Assemble the OCI archives of pilot, proxyv2 and proxy_init, with their SBOMs, for PLATFORM (linux/amd64)
	cd tools/images && $(GO) build -o $(abspath $(OUT))/assemble .
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} $(OUT)/assemble --platform=$(PLATFORM) \
		--base pilot=$(PILOT_BASE) --base proxyv2=$(PROXY_BASE) --base proxy_init=$(INIT_BASE) \
		--bin=$(OUT)/$(PLATFORM) --lua=pilot-apisix/lua --out=$(OUT)/images --hub="$(HUB)" \
		--version="$$(GO="$(GO)" tools/version.sh)" --revision="$$(git rev-parse HEAD)"

.PHONY: build-linux
build-linux: ## Build what the images contain into out/PLATFORM/, reproducibly
	@mkdir -p $(OUT)/linux/$(GOARCH_LINUX)
	$(FOR_LINUX) $(GO) build -trimpath -buildvcs=false -ldflags "$$($(FOR_LINUX) GO="$(GO)" tools/ldflags.sh)" \
		-o $(OUT)/linux/$(GOARCH_LINUX)/ ./pilot-apisix/cmd/pilot-discovery ./pilot-apisix/cmd/pilot-agent

##@ Checks

.PHONY: race
race: ## Run the tests of what is concurrent under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 30m $(RACE_PACKAGES)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s) each
	@GO="$(GO)" tools/fuzz.sh $(FUZZTIME)

.PHONY: oracle
oracle: ## Check the simulator against a real APISIX: ORACLE_TABLES (500) random tables, ORACLE_SEED for one that was
	ORACLE_SEED=$${ORACLE_SEED:-$$RANDOM} ORACLE_TABLES=$(ORACLE_TABLES) $(GO) test -count=1 -v -timeout 30m -run 'TestMatching|TestPlugins|TestShares|TestStreams' ./tests/oracle/

.PHONY: e2e
e2e: ## Play a mesh of network namespaces (needs root, iptables, iproute2 and an APISIX; E2E_BIN=built programs)
	E2E=1 $(GO) test -count=1 -v -timeout 20m ./tests/e2e/

.PHONY: differential
differential: ## Compare with Envoy: DIFF_CONFIGS (2000) random configurations, DIFF_CALLS (20) to each, from DIFF_SEED (1)
	DIFF_CONFIGS=$(DIFF_CONFIGS) DIFF_CALLS=$(DIFF_CALLS) DIFF_SEED=$(DIFF_SEED) \
		$(GO) test -count=1 -v -timeout 30m ./tests/differential/

.PHONY: bench
bench: ## Run the benchmarks: Envoy generation and ours, side by side (BENCH=regexp)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m $(BENCH_PACKAGES)

.PHONY: bench-captured
bench-captured: ## Measure the captured path and the agent at rest (as e2e, and wrk; BENCH_SECONDS=3 for each run)
	E2E=1 $(GO) test -count=1 -run '^$$' -bench 'Captured|Agent' -benchtime 1x -timeout 30m ./tests/e2e/

.PHONY: bench-lua
bench-lua: ## Measure the Lua of the hot path on LuaJIT (needs luajit)
	cd pilot-apisix/lua && LUA_PATH='./?.lua;;' luajit bench/hotpath.lua

.PHONY: lint
lint: ## Run the linters, go vet among them, at the versions of tools/go.mod
	$(TOOL) golangci-lint run $(PACKAGES)
	cd tools/images && $(GO) tool -modfile=../go.mod golangci-lint run
	$(TOOL) buf lint
	tools/shellcheck.sh

.PHONY: test-lua
test-lua: ## Run the unit tests of the Lua plugins on LuaJIT (needs luajit and busted)
	@if command -v luajit >/dev/null && command -v busted >/dev/null; then \
		cd pilot-apisix/lua && busted --lua=luajit --lpath='./?.lua' spec; \
	else \
		echo '!!! SKIPPED: luajit and busted (Debian: luajit, lua-busted, lua-cjson) are not installed, and the Lua plugins not tested'; \
	fi

.PHONY: gen-check
gen-check: ## Fail when `make gen` would change a file
	@MAKE="$(MAKE)" tools/gen-check.sh

##@ Changing files

.PHONY: format
format: ## Format the Go sources: gofumpt, and imports in the order of the house
	$(TOOL) golangci-lint fmt $(PACKAGES)

.PHONY: gen
gen: ## Generate what is generated: protobuf code, and every go:generate directive
	$(TOOL) buf generate
	$(GO) generate $(PACKAGES)

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(OUT)
