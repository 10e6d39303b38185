package loadgen

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

const leaseParts = 128

// hired is an engine with a lease, on a network in memory, in the fake time of its test.
type hired struct {
	*Engine
	*memory
	t       *testing.T
	lease   *Lease
	network *memNet
	result  chan Result
}

// hire makes one for 2,000 arrivals in ten seconds; change changes its configuration, if it is not nil.
func hire(t *testing.T, change func(*Config)) *hired {
	t.Helper()
	s := uniform(2000, 10*time.Second, scenarios.Step{})
	s.Arrivals.Process = "poisson"
	cfg, m := config(t, s, "127.0.0.1:1")
	h := &hired{memory: m, t: t, network: &memNet{handle: answering(okAnswer)}, result: make(chan Result, 1)}
	var err error
	if h.lease, err = NewLease(leaseParts); err != nil {
		t.Fatal(err)
	}
	cfg.Transport, cfg.Lease, cfg.Shards = h.network, h.lease, 2
	if change != nil {
		change(&cfg)
	}
	if h.Engine, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hired) start() {
	go func() {
		result, err := h.Run(h.t.Context())
		if err != nil {
			h.t.Error(err)
		}
		h.network.all.Wait()
		h.result <- result
	}()
}

// hold tells the engine what it holds, as the coordinator's nth deal, for good.
func (h *hired) hold(deals uint64, until time.Duration, grants ...Grant) {
	h.t.Helper()
	if err := h.lease.Hold(Holding{Deals: deals, Grants: grants, Until: until, Expires: until}); err != nil {
		h.t.Fatal(err)
	}
	h.Wake()
}

// fated are the Seqs that have this fate, in order; each has only one.
func (h *hired) fated(f record.Fate) (seqs []uint32) {
	h.t.Helper()
	for seq, fates := range h.fates {
		if len(fates) != 1 {
			h.t.Errorf("arrival %d has the fates %v", seq, fates)
		}
		if fates[0] == f {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

// in are the Seqs that grants have, in order.
func (h *hired) in(grants ...Grant) (seqs []uint32) {
	holding := &Holding{Grants: grants}
	for a := range h.cfg.Schedule.All(mustParts(h.t, arrivals.Range{Hi: leaseParts})) {
		if holding.has(int(a.Part), a.Due) {
			seqs = append(seqs, a.Seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

func mustParts(t *testing.T, ranges ...arrivals.Range) arrivals.Set {
	t.Helper()
	set, err := arrivals.Parts(leaseParts, ranges...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestALeasedEngineFiresItsParts, each when it is due, and ends by itself.
func TestALeasedEngineFiresItsParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hire(t, nil)
		mine := []Grant{{0, 50, 0, 6 * time.Second}, {70, 71, time.Second, never}}
		h.hold(1, never, mine...)
		h.start()
		<-h.result
		if got, want := h.fated(record.Completed), h.in(mine...); !slices.Equal(got, want) || len(h.fates) != len(want) {
			t.Errorf("%d of %d fates are completed, want %d", len(got), len(h.fates), len(want))
		}
		for _, s := range h.samples {
			if s.Lateness() != 0 {
				t.Errorf("%+v is late", s)
			}
		}
	})
}
