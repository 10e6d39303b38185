package loadgen

import (
	"context"
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

func (h *hired) start() (cancel func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	go func() {
		defer cancel()
		result, err := h.Run(ctx)
		if err != nil {
			h.t.Error(err)
		}
		h.network.all.Wait()
		h.result <- result
	}()
	return cancel
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

// TestTwoLeasedEnginesAreOne: with complementary leases, dealt anew on the way, two engines fire what one fires, each arrival
// once and in its time.
func TestTwoLeasedEnginesAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const half, anew = 6 * time.Second, 4 * time.Second
		a, b := hire(t, nil), hire(t, nil)
		before := [2][]Grant{{{0, 60, 0, never}}, {{60, leaseParts, 0, never}}}
		after := [2][]Grant{
			{{0, 60, 0, half}, {0, 20, half, never}, {100, leaseParts, half, never}},
			{{60, leaseParts, 0, half}, {20, 100, half, never}},
		}
		for i, h := range []*hired{a, b} {
			h.hold(1, half, before[i]...)
			h.start()
		}
		time.Sleep(anew)
		for i, h := range []*hired{a, b} {
			h.hold(2, never, after[i]...)
		}
		results := []Result{<-a.result, <-b.result}
		all := append(a.fated(record.Completed), b.fated(record.Completed)...)
		slices.Sort(all)
		if want := a.in(Grant{0, leaseParts, 0, never}); !slices.Equal(all, want) || !slices.Equal(a.fated(record.Completed), a.in(after[0]...)) {
			t.Errorf("%d of %d arrivals are completed", len(all), len(want))
		}
		for _, s := range append(a.samples, b.samples...) {
			if s.Lateness() != 0 {
				t.Errorf("%+v is late", s)
			}
		}
		for _, r := range results {
			if !r.Validity.Valid || len(r.Warnings) > 0 {
				t.Errorf("%+v, %v", r.Validity, r.Warnings)
			}
		}
	})
}

// stopping stands still once, from an instant on for some time, as a process that is stopped does.
type stopping struct {
	*timerSleeper
	from, still time.Duration
	stopped     bool
}

func (s *stopping) until(now, at time.Duration) {
	if !s.stopped && at >= s.from {
		s.stopped = true
		time.Sleep(s.from + s.still - now) // nobody wakes it
	}
	s.timerSleeper.until(now, at)
}

// TestAnEngineThatStoodStillBeginsNothing more: it says so, waits for the coordinator's last word, and calls unsent what that
// says is its own, nothing else.
func TestAnEngineThatStoodStillBeginsNothing(t *testing.T) {
	const from, still = 4 * time.Second, 3 * time.Second
	for _, test := range []struct {
		still  time.Duration
		fenced bool
	}{{still, true}, {900 * time.Millisecond, false}} {
		synctest.Test(t, func(t *testing.T) {
			h := hire(t, func(c *Config) { c.Shards = 1 })
			h.testSleeper = &stopping{timerSleeper: newTimerSleeper(), from: from, still: test.still}
			h.hold(1, never, Grant{0, 64, 0, never})
			h.start()
			time.Sleep(from + test.still + 10*time.Millisecond)
			synctest.Wait()
			if why, fenced := h.Fenced(); fenced != test.fenced || fenced && why == "" {
				t.Fatalf("stood still for %s: fenced %v, %q", test.still, fenced, why)
			}
			if !test.fenced {
				<-h.result
				if got, want := h.fated(record.Completed), h.in(Grant{0, 64, 0, never}); !slices.Equal(got, want) {
					t.Errorf("%d of %d arrivals are completed", len(got), len(want))
				}
				return
			}
			begun := h.in(Grant{0, 64, 0, from})
			if len(h.fates) != len(begun) {
				t.Errorf("%d fates, want %d and no word of the rest", len(h.fates), len(begun))
			}
			h.hold(2, never, Grant{0, leaseParts, 0, never}) // nothing comes of it
			time.Sleep(30 * time.Second)
			synctest.Wait()
			mine := Grant{0, 64, 0, from + still} // what was not dealt to others by then
			if err := h.lease.End([]Grant{mine}); err != nil {
				t.Fatal(err)
			}
			h.Wake()
			r := <-h.result
			unsent := h.in(Grant{0, 64, from, from + still})
			if !slices.Equal(h.fated(record.Completed), begun) || !slices.Equal(h.fated(record.Unsent), unsent) {
				t.Errorf("%d completed, %d unsent; want %d, %d", len(h.fated(record.Completed)), len(h.fated(record.Unsent)), len(begun), len(unsent))
			}
			if r.Validity.Valid || r.Interrupted || r.Validity.Unsent != int64(len(unsent)) || len(r.Warnings) != 1 || r.Warnings[0].Code != "worker-fenced" {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestFencedJourneysEnd as at a cancelled run: who waits for their next step is abandoned, what is in flight gets its grace.
func TestFencedJourneysEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hire(t, func(c *Config) {
			think := scenarios.Distribution{Fixed: ptr(time.Minute)}
			c.Scenario.Journeys[0].Steps = append(c.Scenario.Journeys[0].Steps, scenarios.Step{Name: "two", URL: "/", Think: &think})
			schedule, err := arrivals.New(c.Scenario)
			if err != nil {
				t.Fatal(err)
			}
			c.Schedule = schedule
		})
		everything := Grant{0, leaseParts, 0, never}
		h.hold(1, never, everything)
		h.start()
		time.Sleep(5 * time.Second)
		h.lease.Fence("the disk is full")
		synctest.Wait()
		if why, fenced := h.Fenced(); !fenced || why != "the disk is full" || h.Progress().InFlight != 0 {
			t.Errorf("fenced %v, %q, %d under way", fenced, why, h.Progress().InFlight)
		}
		if err := h.lease.End([]Grant{everything}); err != nil {
			t.Fatal(err)
		}
		h.Wake()
		<-h.result
		if n := checkFates(t, h.memory, 2000); n[record.FailedArrival] != len(h.in(Grant{0, leaseParts, 0, 5 * time.Second})) || n[record.Completed] > 0 {
			t.Errorf("fates %v", n)
		}
	})
}

// TestLateAndLapsedLeases: what was due for longer than a moment when it is promised is unsent, the rest goes out at once: as soon
// as the engine is woken.
func TestLateAndLapsedLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lapsed, back = 3 * time.Second, 5 * time.Second
		h := hire(t, nil)
		half := Grant{0, 64, 0, never}
		h.hold(1, lapsed, half)
		h.start()
		time.Sleep(back)
		h.hold(1, never, half)
		r := <-h.result
		if got, want := h.fated(record.Unsent), h.in(Grant{0, 64, lapsed, back - mostOverdue}); !slices.Equal(got, want) || len(h.fates) != len(h.in(half)) {
			t.Errorf("%d unsent of %d, want %d", len(got), len(h.fates), len(want))
		}
		for _, s := range h.samples {
			if late := s.Lateness(); late > 0 && s.Sent != back {
				t.Errorf("%+v is late by %s, though woken at %s", s, late, back)
			}
		}
		if r.Validity.Unsent == 0 || len(r.Warnings) == 0 || r.Warnings[len(r.Warnings)-1].Code != "lease-late" {
			t.Errorf("%+v", r)
		}
	})
}

// TestTheEndOfALease: an engine whose schedule is over ends, unless it was promised too little of it; then it waits until it is
// told how that ends, or is cancelled.
func TestTheEndOfALease(t *testing.T) {
	everything := Grant{0, leaseParts, 0, never}
	for name, test := range map[string]struct {
		until       time.Duration
		end         func(h *hired, cancel func())
		unsent      bool // what was not promised
		interrupted bool
	}{
		"all was promised":     {10*time.Second + 1, nil, false, false},
		"the rest comes late":  {9 * time.Second, func(h *hired, _ func()) { h.hold(1, never, everything) }, true, false},
		"the rest is its own":  {9 * time.Second, func(h *hired, _ func()) { _ = h.lease.End([]Grant{everything}) }, true, false},
		"the rest is nobody's": {9 * time.Second, func(h *hired, _ func()) { _ = h.lease.End(nil) }, false, false},
		"it is cancelled":      {9 * time.Second, func(_ *hired, cancel func()) { cancel() }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hire(t, nil)
				h.hold(1, test.until, everything)
				cancel := h.start()
				if test.end != nil {
					time.Sleep(20 * time.Second)
					synctest.Wait()
					if p := h.Progress(); p.Completed != int64(len(h.in(Grant{0, leaseParts, 0, test.until}))) {
						t.Errorf("it has not waited: %+v", p)
					}
					test.end(h, cancel)
				}
				r := <-h.result
				want := 0
				if test.unsent {
					want = len(h.in(Grant{0, leaseParts, test.until, never}))
				}
				if got := len(h.fated(record.Unsent)); got != want || r.Interrupted != test.interrupted || len(h.samples) != len(h.in(Grant{0, leaseParts, 0, test.until})) {
					t.Errorf("%d unsent, want %d; %d shots, %+v", got, want, len(h.samples), r)
				}
				h.Wake() // as nobody is there to be woken, nothing happens
			})
		})
	}
}

func TestALeaseIsOfAWholeSchedule(t *testing.T) {
	for _, change := range []func(*Config){func(c *Config) { c.Closed = 3 }, func(c *Config) { c.Share.Of = 2 }} {
		cfg, _ := config(t, uniform(1, time.Second, scenarios.Step{}), "127.0.0.1:1")
		lease, err := NewLease(leaseParts)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Lease = lease
		if _, err := New(cfg); err != nil {
			t.Error(err)
		}
		if change(&cfg); cfg.Validate() == nil {
			t.Errorf("closed %d, share %+v with a lease", cfg.Closed, cfg.Share)
		}
	}
}

// stalling holds its shard up once, while that works off what has come.
type stalling struct {
	*memory
	from, still time.Duration
	stalled     bool
}

func (m *stalling) Sample(s record.Sample) {
	m.memory.Sample(s)
	if !m.stalled && s.Done >= m.from {
		m.stalled = true
		time.Sleep(m.still)
	}
}

// TestAShardLooksBeforeEachArrival: one that stood still between two of them begins not even what it was about to.
func TestAShardLooksBeforeEachArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hire(t, func(c *Config) {
			m := &stalling{memory: c.Recorder.(*memory), from: 2 * time.Second, still: 1500 * time.Millisecond}
			c.Samples, c.Shards = func(int) Samples { return m }, 1
		})
		h.hold(1, never, Grant{0, leaseParts, 0, never})
		h.start()
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if _, fenced := h.Fenced(); !fenced {
			t.Error("it is not fenced")
		}
		if err := h.lease.End(nil); err != nil {
			t.Fatal(err)
		}
		<-h.result
		for _, s := range h.samples {
			if s.Sent > 2100*time.Millisecond {
				t.Errorf("%+v", s)
			}
		}
	})
}
