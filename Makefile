# The two commands of the README are demo and test; the others serve those who change the code.

GO       ?= go
FUZZTIME ?= 10s
DEMO     ?= demo
RACE     ?=
SOAK     ?= .
FROM     ?= -1
NGINX    ?=
SAME     ?=
PEERS    ?=
TO       ?= -1
PLATFORM ?= briefwahl
LAB      ?=
FIGURES  ?=
TRUTHS   ?=

.DEFAULT_GOAL := build
.PHONY: build demo test lint fmt bench bench-peers bench-quota fuzz soak soak-fleet soak-hpa mutate stall nginx lab build-lab test-lab chain-truth throttling-truth lint-lab lab-figures same-surge plan-regret fit-coverage planner-truth clean

build: ## the binary, bin/ansturm
	$(GO) build -o bin/ansturm ./cmd/ansturm

demo: build ## the main job on the embedded platform; ends with the path of the report
	bin/ansturm demo -o $(DEMO)

TESTED = ./... ./testdata/bench/nginx ./testdata/bench/same ./testdata/labprocess ./testdata/proofs ./testdata/published ./testdata/truth

# Tests that fire want the processors for themselves: everything is built first, then one package runs after another.
test: ## all tests; RACE=-race adds the race detector
	$(GO) test $(RACE) -run '^$$' $(TESTED) >/dev/null
	$(GO) test $(RACE) -timeout 40m -p 1 -parallel 1 $(TESTED)

lint: ## formatting, vet, staticcheck
	@unformatted=$$($(GO) tool gofumpt -l .); test -z "$$unformatted" || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }
	$(GO) vet $(TESTED) ./testdata/bench/peers ./testdata/bench/quota
	$(GO) tool staticcheck ./...

fmt: ## format everything
	$(GO) tool gofumpt -w .

bench: ## benchmarks of the hot paths, five times each, as benchstat reads them
	$(GO) test -run '^$$' -bench . -benchmem -count 5 ./... | tee bench.txt
	$(GO) tool benchstat bench.txt

bench-peers: build ## the engine beside its peers, in turns, on one core: tables on stdout; PEERS='-only stall -rounds 1' for a part
	$(GO) test ./testdata/bench/peers
	$(GO) run ./testdata/bench/peers $(PEERS)

bench-quota: build ## what the generator says of itself under a CPU quota; needs root
	mkdir -p bin/peers && gcc -O2 -o bin/peers/sink testdata/bench/sink.c
	$(GO) run ./testdata/bench/quota $(QUOTA)

fuzz: ## every fuzz target for FUZZTIME
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package || exit 1; \
	  done; \
	done

# A soak is a test TestSoak... of a package with the flags -soak.from and -soak.to, a range of seeds. It goes through them
# piece by piece and appends a line of proof for each: ended at any time, it goes on where it stopped (FROM=-1), up to a
# goal of its own (TO=-1).
soak: ## every soak, or SOAK=Parser alone, for the seeds FROM to TO, beside other work
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^TestSoak' $$package | grep '^TestSoak.*$(SOAK)'); do \
	    echo "$$package $$target"; \
	    nice -n 19 $(GO) test -count 1 -timeout 0 -v -run "^$$target\$$" $$package -args -soak.from=$(FROM) -soak.to=$(TO) || exit 1; \
	  done; \
	done

soak-fleet: ## fleets of processes that are killed, stopped and cut off, the seeds FROM to TO; it measures times, so not beside other work
	$(GO) test -count 1 -timeout 0 -v -run '^TestSoakFleet$$' ./cmd/ansturm -args -soak.from=$(FROM) -soak.to=$(TO)

soak-hpa: ## planner/hpa against the controller, in the worlds FROM to TO, beside other work
	cd lab/kubernetes && nice -n 19 $(GO) test -count 1 -timeout 0 -v -run '^TestSoakController$$' ./differential -args -soak.from=$(FROM) -soak.to=$(TO)

plan-regret: ## plans for small fleets beside the best of everything that could be tried, the seeds FROM to TO, beside other work
	nice -n 19 $(GO) test -count 1 -timeout 0 -v -run '^TestPlanRegret$$' ./planner -args -regret.from=$(FROM) -regret.to=$(TO)

fit-coverage: ## how often a fit's intervals hold the truth, in the synthetic worlds FROM to TO, beside other work
	nice -n 19 $(GO) test -count 1 -timeout 0 -v -run '^TestFitCoverage$$' ./planner/fit -args -coverage.from=$(FROM) -coverage.to=$(TO)

planner-truth: ## predictions against what then happens, on the platforms FROM to TO that nothing was fitted to, beside other work; TRUTHS='-kind processes' (needs build build-lab, cgroups)
	nice -n 19 $(GO) run ./testdata/truth -from $(FROM) -to $(TO) $(TRUTHS)

mutate: ## every small change of planner/hpa, against its tests and the controller
	cd lab/kubernetes && $(GO) run ./differential/mutate

stall: ## coordinated omission over real sockets, the full 20 s with 2,500 and with 50 connections
	$(GO) test ./loadgen -count 1 -v -run StallOverSockets -args -stall.full

nginx: build ## 600,000 arrivals at an nginx, its access log held against the ledger: 9 minutes; NGINX='-only trouble' for a part
	$(GO) run ./testdata/bench/nginx $(NGINX)

same-surge: build build-lab ## one surge at life's speed at both platforms, their replicas held against each other: 27 minutes
	$(GO) run ./testdata/bench/same $(SAME)

# The lab's module contains Kubernetes' own source: its first build takes minutes, the next ones seconds.
lab: build-lab ## a real Kubernetes control plane on loopback with PLATFORM in it, until Ctrl-C; LAB='--nodes vm=60' for its settings
	bin/ansturm-lab $(PLATFORM) $(LAB)

# What kubectl version shows; without it the API server calls itself v0.0.0-master. Without what a debugger reads (-s -w)
# the binary is 119 MB instead of 169, and linked in 6 s instead of 10.
KUBERNETES = k8s.io/component-base/version
LINK_OF_LAB = -s -w -X $(KUBERNETES).gitVersion=v1.35.4 -X $(KUBERNETES).gitMajor=1 -X $(KUBERNETES).gitMinor=35

build-lab: ## the binary, bin/ansturm-lab
	cd lab/kubernetes && $(GO) build -ldflags '$(LINK_OF_LAB)' -o ../../bin/ansturm-lab ./cmd/ansturm-lab
	cd lab/kubernetes && $(GO) build -o ../../bin/burner ./cmd/burner

# A surge at a lab of its own, five minutes and three; what was seen is held against audit log, journal and kernel.
TRUTH = cd lab/kubernetes && $(GO) run ./truth -proof ../../testdata/proofs/chain.jsonl

chain-truth: build build-lab ## what a run sees of 300 scale-ups against what the cluster wrote down; TENANTS=60
	$(TRUTH) -case chain $(if $(TENANTS),-tenants $(TENANTS))

throttling-truth: build build-lab ## CPU quotas of process pods: timeline against kernel; needs cgroups to write to
	$(TRUTH) -case throttling

# The tools are the main module's: as the lab's own they would drag its versions along.
lint-lab: ## formatting, vet, staticcheck of the lab's module
	@unformatted=$$($$($(GO) tool -n gofumpt) -l lab/kubernetes); test -z "$$unformatted" || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }
	cd lab/kubernetes && $(GO) vet ./...
	staticcheck=$$($(GO) tool -n staticcheck) && cd lab/kubernetes && $$staticcheck ./...

test-lab: ## tests of the lab's module, one package after another
	cd lab/kubernetes && $(GO) test -p 1 -timeout 10m ./...

lab-figures: build-lab ## what the lab costs: time until ready, memory, idle processor time; FIGURES='-only large -starts 1' for a part
	cd lab/kubernetes && $(GO) run ./figures $(FIGURES)

clean: ## what the other targets made, but no records
	rm -rf bin bench.txt
