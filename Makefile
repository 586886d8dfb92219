# make alone lists what it can do. Go and make are enough for build, run, demo and test.

LINT_VERSION := v2.15.0
LINT         := .tools/bin/golangci-lint-$(LINT_VERSION)

# The race detector needs a C compiler.
race = $(shell test "$$(go env CGO_ENABLED)" = 1 && command -v "$$(go env CC)" >/dev/null && echo -race)

# Go stamps the version from git, where git has one to tell.
vcs = $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)

.PHONY: help build run demo test test-real check fmt-check vet lint docs fmt bench bench-consent bench-broadcast benchstat benchsave torture fuzz fuzz-api clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ' *## ' '/^[a-z-]+:.*## / { sub(/:.*/, "", $$1); printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/optgate, one static binary
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(vcs) -o bin/ ./cmd/optgate

run: build ## try the gateway out, with a simulated Meta beside it; Ctrl-C ends it
	bin/optgate run

demo: build ## watch it keep its promises through a kill -9, in under a minute
	bin/optgate demo

test: ## run all tests on embedded parts, with the race detector where there is a C compiler
	@$(if $(race),,echo "NO RACE DETECTOR: it needs a C compiler, and there is none. Install gcc to have it.")
	go test $(race) -timeout 20m ./...

test-real: ## run the suites of bus, store and program against a real Kafka and a real Redis
	bench/real/test.sh

check: fmt-check vet lint docs ## format, vet, lint and the documents that are tested

fmt-check:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "make fmt would change:"; echo "$$unformatted"; exit 1; }

vet:
	go vet ./...

lint: $(LINT) ## run the pinned golangci-lint, installed by Go into .tools
	$(LINT) run

docs:
	go test -count=1 -run '^TestDocs' ./configs ./gateway/metrics ./cmd/app

$(LINT):
	GOBIN=$(CURDIR)/.tools/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv .tools/bin/golangci-lint $@

fmt: ## format all Go files
	gofmt -w .

# BENCH_ROUNDS=5, BENCH_SECONDS=2 a sample, BENCH_ONLY=optgate,express-kafkajs; go run ./bench/compare -help tells more.
bench: ## measure Optgate beside others, about a quarter of an hour; results in bench/results and README
	go run ./bench/compare $(if $(BENCH_ROUNDS),-rounds $(BENCH_ROUNDS)) $(if $(BENCH_SECONDS),-seconds $(BENCH_SECONDS)) $(if $(BENCH_ONLY),-only $(BENCH_ONLY))

bench-consent: ## measure what opt-out lists cost, on a real Redis and a real Kafka, some minutes; results in bench/results
	go run ./bench/consent

bench-broadcast: ## measure broadcasts to a million people, on a real Redis and a real Kafka; results in bench/results
	go run ./bench/broadcast

BENCHSTAT := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
HOT       := ./gateway/httpd ./gateway/ingress ./gateway/meta ./gateway/bus ./gateway/store ./gateway/metrics ./pipeline/... ./bench/load/...
go_bench   = go test -run '^$$' -bench . -benchmem -benchtime 200ms -count 6 -p 1 $(HOT)

benchstat: ## run the benchmarks beside the hot functions, and compare them with the last committed results
	@mkdir -p bin
	$(go_bench) > bin/go-bench.txt || { cat bin/go-bench.txt; exit 1; }
	go run $(BENCHSTAT) bench/results/go-bench.txt bin/go-bench.txt

benchsave: ## the same, and keep the results for the next comparison
	@mkdir -p bin bench/results
	$(go_bench) > bin/go-bench.txt || { cat bin/go-bench.txt; exit 1; }
	grep -v 'no test files' bin/go-bench.txt > bench/results/go-bench.txt

TORTURE_FOR   := 2m
TORTURE_FLAGS :=

torture: build ## kill, pause and cut off everything on real servers, and account for every message; TORTURE_FOR=2m each
	go build -o bin/ ./bench/torture
	bin/torture -for $(TORTURE_FOR) -kafka one,three -redis one,cluster,replica,one $(TORTURE_FLAGS)

FUZZ_TIME := 20s

fuzz: ## give every parser of outside bytes some time with odd inputs; FUZZ_TIME=20s each
	@go list ./... | while read -r package; do \
		go test -list '^Fuzz' "$$package" | grep '^Fuzz' | while read -r target; do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 10x "$$package" || exit 1; \
		done || exit 1; \
	done

fuzz-api: ## ask all that openapi.yaml allows, and much that it doesn't, of a booted gateway; needs python3
	bench/real/schemathesis.sh

clean: ## remove what was built; data and tools stay
	rm -rf bin
