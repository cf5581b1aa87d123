# fhirgate: `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

GO ?= go
TOOLS := .ci/bin
OUT := bin
# Each Fuzz function runs this long with `make fuzz`.
FUZZTIME ?= 10s
# Least share of the statements of internal/ that tests run, in percent.
COVER_MIN ?= 85
POLICY_COVER_MIN ?= 95
# HAPI and PostgreSQL once for the whole run; tests find them through the environment.
WITH_PEERS := $(GO) run ./test/peers/cmd/with -hapi -postgres --

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/fhirgate
	$(GO) build -trimpath -o $(OUT)/fhirgate ./cmd/fhirgate

.PHONY: demo
demo: build ## run the demo: gateway, FHIR store, identity provider and people in one process on loopback (DEMO_FLAGS="--listen ADDR --data DIR")
	exec $(OUT)/fhirgate demo $(DEMO_FLAGS)

.PHONY: test
test: vet policies ## run every test, those against HAPI and PostgreSQL as well; what they cover is kept in bin/cover.out
	@mkdir -p $(OUT)
	$(WITH_PEERS) $(GO) test -timeout 20m -coverpkg=./internal/... -coverprofile=$(OUT)/cover.out ./...

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: policies
policies: $(TOOLS)/opa ## opa fmt, check --strict and test of policies/
	@if [[ -n "$$($(TOOLS)/opa fmt --list policies)" ]]; then $(TOOLS)/opa fmt --diff policies; echo "policies: run 'make fmt'" >&2; exit 1; fi
	$(TOOLS)/opa check --strict policies
	$(TOOLS)/opa test --timeout 60s policies
	@$(TOOLS)/opa test --timeout 60s --coverage --threshold $(POLICY_COVER_MIN) policies >/dev/null
	@echo "coverage of policies/: at least $(POLICY_COVER_MIN) %"

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## golangci-lint with the rules of .golangci.yml
	$(TOOLS)/golangci-lint run ./...

.PHONY: race
race: ## every test under the race detector
	$(WITH_PEERS) $(GO) test -race -timeout 30m ./...

.PHONY: cover
cover: ## what the last `make test` covered; fails where internal/ is below COVER_MIN percent
	@# Generators run when tables are made, never in the product.
	@grep -v '/gen/' $(OUT)/cover.out >$(OUT)/cover.product.out
	@$(GO) tool cover -func=$(OUT)/cover.product.out | awk -v min=$(COVER_MIN) '/^total:/ {sub("%", "", $$3); seen = 1; \
		printf "coverage of internal/: %.1f %% (at least %d %% wanted)\n", $$3, min; if ($$3 + 0 < min) exit 1} END {if (!seen) exit 1}'

.PHONY: fuzz
fuzz: ## run each Fuzz function for FUZZTIME
	GO="$(GO)" FUZZTIME="$(FUZZTIME)" .ci/fuzz

.PHONY: bench
bench: ## benchmarks of what a request passes, then load over loopback as a ratio to a bare proxy (BENCH_FLAGS="-quick -case read")
	$(GO) test -run '^$$' -bench '^Benchmark(Apply|Check|BundleReader|Parse|Plan|Read|Record|Authenticate|Take)$$' -benchmem -benchtime 200ms -count 3 \
		./internal/fhir/... ./internal/mask ./internal/policy ./internal/identity ./internal/audit ./internal/store/quota
	$(GO) run ./test/bench $(BENCH_FLAGS)

.PHONY: hapi
hapi: ## build (once) and run a HAPI FHIR server in the foreground (HAPI_PORT, 8090)
	exec test/peers/hapi/run

.PHONY: vuln
vuln: $(TOOLS)/govulncheck ## govulncheck of everything that is built
	.ci/vuln

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint $(TOOLS)/opa ## format Go and Rego
	$(TOOLS)/golangci-lint fmt ./...
	$(TOOLS)/opa fmt --write policies

.PHONY: tools
tools: $(TOOLS)/opa $(TOOLS)/golangci-lint $(TOOLS)/govulncheck ## build the pinned tools into .ci/bin

.PHONY: clean
clean: ## remove what was built, the tools in .ci/bin excepted
	rm -rf $(OUT) test/peers/hapi/target test/peers/hapi/.build.lock

# Modules apart: golangci-lint and OPA want different versions of one library.
$(TOOLS)/opa: .ci/tools/opa/go.mod .ci/tools/opa/go.sum
	@want="$$($(GO) list -m -f '{{.Version}}' github.com/open-policy-agent/opa)"; \
	have="$$($(GO) -C .ci/tools/opa list -m -f '{{.Version}}' github.com/open-policy-agent/opa)"; \
	if [[ "$$want" != "$$have" ]]; then echo ".ci/tools/opa/go.mod has OPA $$have, go.mod has $$want" >&2; exit 1; fi
	$(GO) -C .ci/tools/opa build -o ../../bin/opa github.com/open-policy-agent/opa
	@touch $@

$(TOOLS)/golangci-lint: .ci/tools/go.mod .ci/tools/go.sum
	$(GO) -C .ci/tools build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

$(TOOLS)/govulncheck: .ci/tools/go.mod .ci/tools/go.sum
	$(GO) -C .ci/tools build -o ../bin/govulncheck golang.org/x/vuln/cmd/govulncheck
	@touch $@
