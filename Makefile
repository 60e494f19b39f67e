# hellolab. `make help` lists the targets; `make lab` and `make test` are the
# two that a newcomer needs. Everything a target needs and the machine lacks is
# installed by `make deps`, and only then.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
GO    ?= go
BIN   := bin/hellolab
LAB   ?= entra-joined
PKGS  := ./...

# Packages whose tests also run under the race detector: those where
# goroutines share memory and a run is cheap. What a bomb costs is measured
# without it.
RACE  := ./engine/... ./state/... ./hcl/eval/... ./providers/wire/... ./providers/entra/... ./providers/application/... ./providers/adds/... ./providers/adcs/... ./providers/windows ./providers/windows/container

# How long the long version of random, kill and fuzz tests takes.
SOAK_KILLS ?= 1000
SOAK_FUZZ  ?= 60s

.DEFAULT_GOAL := help
.PHONY: help deps deps-test deps-bench build lab test check fmt vet lint doors generated units race bench soak fuzz docs fidelity clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## Install what the build needs and the machine lacks (Debian: libssl-dev, gcc)
	@.ci/deps

deps-test: ## Install what the tests need besides (curl, Node, Chromium, Kerberos, LDAP and the libraries of outside clients)
	@.ci/deps test

deps-bench: ## Install what the benchmarks measure beside ours (krb5-kdc)
	@.ci/deps bench

build: deps ## Build bin/hellolab
	$(GO) build -o $(BIN) ./cmd/hellolab

lab: build ## Apply an example in a fresh folder and run its checks (LAB=entra-joined)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	$(BIN) init -example $(LAB) "$$dir/$(LAB)" && \
	$(BIN) -chdir="$$dir/$(LAB)" apply -auto-approve && \
	$(BIN) -chdir="$$dir/$(LAB)" check

test: deps-test check ## Everything that must hold; all that CI runs

check: fmt vet lint doors generated units race

fmt: ## Every Go file is formatted
	@out=$$(gofmt -l cmd docs engine hcl providers state); test -z "$$out" || { echo "gofmt these files:"; echo "$$out"; exit 1; }

vet: ## go vet
	$(GO) vet $(PKGS)

lint: ## staticcheck
	$(GO) tool staticcheck $(PKGS)

doors: ## Imports point only downward
	$(GO) test -vet=off -count=1 ./cmd/hellolab/internal/doors

generated: ## Generated documents are up to date
	$(GO) run ./docs/fidelity -check
	$(GO) test -vet=off -count=1 -run '^TestDocuments$$' ./cmd/hellolab

# The two longest packages come first: they run side by side. `make vet` has
# vetted everything.
units: ## All tests
	HELLOLAB_OUTSIDE=required $(GO) test -vet=off -timeout 12m ./providers/all ./cmd/hellolab $(PKGS)

race: ## The tests of concurrent packages under the race detector
	$(GO) test -vet=off -race -short -skip Bombs -timeout 12m $(RACE)

bench: deps-bench ## Every speed promise, printed
	$(GO) test -run '^$$' -bench . -benchmem $(PKGS)

soak: deps-test ## The long version of the random, kill and fuzz tests
	HELLOLAB_OUTSIDE=required HELLOLAB_SOAK=$(SOAK_KILLS) $(GO) test -count=1 -timeout 10h $(PKGS)
	$(MAKE) fuzz

fuzz: ## Every fuzz target for SOAK_FUZZ each
	@for pkg in $$($(GO) list $(PKGS)); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(SOAK_FUZZ) $$pkg; \
	  done; \
	done

docs: fidelity ## Write all generated documents: fidelity.md, language.md, cli.md and effects.md
	$(GO) test -count=1 -run '^TestDocuments$$' ./cmd/hellolab -docs
	$(GO) test -count=1 -run '^TestEffects$$' ./providers/all -docs

fidelity: ## Write docs/fidelity.md: each statement of the seeds, and the test that proves it
	$(GO) run ./docs/fidelity

clean: ## Remove what was built
	rm -rf bin
