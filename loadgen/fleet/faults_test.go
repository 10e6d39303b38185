package fleet

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
)

// foldAgain folds the stream of a run into another directory: it must come to the same bytes.
func (w *world) foldAgain() {
	w.t.Helper()
	cfg := w.cfg.withDefaults()
	cfg.Dir = filepath.Join(w.root, "again")
	entries := func() (list []lease.Entry, err error) {
		for _, line := range w.bus.list {
			e, err := lease.ParseEntry(line)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	}
	f := newFold(&cfg, entries, func(uint64, bool) {})
	var err error
	for _, m := range w.bus.stream {
		if err = f.take(m); err != nil {
			break
		}
	}
	if !errors.Is(err, errClosed) {
		w.t.Fatalf("the stream ends with %v", err)
	}
	first, second := files(w.t, w.cfg.Dir), files(w.t, cfg.Dir)
	for name := range first {
		if first[name] != second[name] {
			w.t.Errorf("%s is another one, folded again", name)
		}
	}
	if len(first) != len(second) || len(first) < 6 {
		w.t.Errorf("%d files, folded again %d", len(first), len(second))
	}
}

// account reads what became of the arrivals.
func account(t *testing.T, r *record.Record) record.LedgerAccount {
	t.Helper()
	a, err := r.Account()
	if err != nil {
		t.Fatal(err)
	}
	return a.Ledger
}

// ends are how epochs ended, by name.
func ends(f *record.Fleet) string {
	var all []string
	for _, e := range f.Epochs {
		all = append(all, e.Name+" "+e.Ended)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// lost are the arrivals of which nobody knows what became, because of a worker.
func lost(f *record.Fleet, name string) (n int64) {
	for _, e := range f.Epochs {
		if e.Name == name {
			n += e.Lost
		}
	}
	return n
}

// after waits until the run has come to a time on its wall.
func (l *lead) after(d time.Duration) {
	for {
		if l.begun() && l.now() >= d {
			return
		}
		select {
		case <-l.end:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (l *lead) begun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fold != nil && !l.fold.began().IsZero()
}

// aboard is a fleet that has come to a time of its run; once it has done what a test does to it, its stream is folded again.
func aboard(t *testing.T, seed uint64, workers int, at time.Duration, do func(w *world, hands []*hand, c *lead)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, workers)
		hands := w.hireAll(workers)
		c := w.coordinate(t.Context())
		c.after(at)
		do(w, hands, c)
		w.foldAgain()
	})
}

// A worker that dies is followed by the others: what it had told counts, what it may have begun is indeterminate, and the rest is fired.
func TestAWorkerDies(t *testing.T) {
	for name, proved := range map[string]bool{"in silence": false, "by proof": true} {
		t.Run(name, func(t *testing.T) {
			aboard(t, 3, 3, 4*time.Second, func(w *world, hands []*hand, c *lead) {
				hands[1].kill()
				if proved {
					c.Gone("w2")
				}
				r := w.finish(c)
				got, word := account(w.t, r), map[bool]string{false: "lost", true: "dead"}[proved]
				if has := ends(r.Run.Fleet); has != "w1 done, w2 "+word+", w3 done" || lost(r.Run.Fleet, "w2") != got.Indeterminate {
					w.t.Errorf("%s; %d are w2's", has, lost(r.Run.Fleet, "w2"))
				}
				most := int64(100 * 4.5) // of its 100 a second on the wall: since its last delta, and what it was promised from then on
				if proved {
					most = 100 * 1.6
				}
				if got.Indeterminate == 0 || got.Indeterminate > most || got.Unsent > 0 {
					w.t.Errorf("%+v, want at most %d indeterminate", got, most)
				}
			})
		})
	}
}

// A worker that is heard and hears nothing is taken for lost as soon as one that is silent: it does not know what it is promised.
func TestAWorkerIsDeaf(t *testing.T) {
	aboard(t, 6, 3, 3*time.Second, func(w *world, hands []*hand, c *lead) {
		hands[0].deaf.Store(true)
		time.Sleep(time.Second)
		if !slices.ContainsFunc(c.Workers(), func(x Worker) bool { return x.Name == "w1" && x.State == lease.Lost }) {
			w.t.Errorf("workers %+v", c.Workers())
		}
		hands[0].deaf.Store(false)
		if got := account(w.t, w.finish(c)); got.Indeterminate > 0 || got.Unsent > 0 {
			w.t.Errorf("%+v", got)
		}
	})
}

// A worker that stood still begins nothing any more as it was, says what it has not begun, and comes back as another epoch.
func TestAWorkerStandsStill(t *testing.T) {
	aboard(t, 4, 3, 3*time.Second, func(w *world, hands []*hand, c *lead) {
		hands[0].stand(3 * time.Second)
		r := w.finish(c)
		if got := account(w.t, r); got.Indeterminate > 0 || got.Unsent == 0 || r.Run.Workers != 3 {
			w.t.Errorf("%+v of %d workers", got, r.Run.Workers)
		}
		if f := r.Run.Fleet; ends(f) != "w1 done, w1 fenced, w2 done, w3 done" || f.Workers() != 3 || f.Broken() != 1 || f.Coordinators != 1 || len(c.Workers()) != 4 {
			w.t.Errorf("fleet %+v, workers %+v", f, c.Workers())
		}
	})
}

// A coordinator that dies is followed by another one, within the hold without a trace, and later with what was due meanwhile unsent.
func TestACoordinatorDies(t *testing.T) {
	for name, away := range map[string]time.Duration{"at once": 0, "within the hold": 2 * time.Second, "later": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			aboard(t, 5, 3, 4*time.Second, func(w *world, _ []*hand, first *lead) {
				first.dead.Store(true)
				if <-first.end; first.err == nil {
					w.t.Error("a coordinator without a bus ends well")
				}
				time.Sleep(away)
				r := w.finish(w.coordinate(w.t.Context()))
				if f := r.Run.Fleet; ends(f) != "w1 done, w2 done, w3 done" || f.Coordinators != 2 {
					w.t.Errorf("%s by %d coordinators", ends(f), f.Coordinators)
				}
				if got := account(w.t, r); got.Indeterminate > 0 || (got.Unsent > 0) != (name == "later") {
					w.t.Errorf("%+v", got)
				}
			})
		})
	}
}

// Of two coordinators one goes on; the other says so, and leaves the record alone.
func TestACoordinatorIsReplaced(t *testing.T) {
	aboard(t, 6, 2, 3*time.Second, func(w *world, _ []*hand, first *lead) {
		w.cfg.Dir = filepath.Join(w.root, "other") // as on another machine
		got := account(w.t, w.finish(w.coordinate(w.t.Context())))
		if !errors.Is(first.err, ErrReplaced) {
			w.t.Errorf("the first ended with %v", first.err)
		}
		// The second does not know what the first has promised: one that it takes for lost, because its beats went to the first, fires nothing
		// between that promise and the ceiling.
		if got.Indeterminate > 0 || got.Unsent > 600 {
			w.t.Errorf("%+v", got)
		}
	})
}

// While the bus is away workers fire what they hold, and tell of it later.
func TestTheBusIsAway(t *testing.T) {
	aboard(t, 7, 3, 4*time.Second, func(w *world, _ []*hand, c *lead) {
		w.bus.mu.Lock()
		w.bus.away = time.Now().Add(1500 * time.Millisecond)
		w.bus.mu.Unlock()
		if got := account(w.t, w.finish(c)); got.Indeterminate+got.Unsent > 0 {
			w.t.Errorf("%+v", got)
		}
	})
}

// Ctrl-C: nothing begins any more, and the record is closed.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8, 2)
		w.hireAll(2)
		ctx, cancel := context.WithCancel(t.Context())
		c := w.coordinate(ctx)
		c.after(4 * time.Second)
		cancel()
		r := w.finish(c)
		if got := account(t, r); !r.Run.Interrupted || got.Indeterminate > 0 || got.Unsent < 500 {
			t.Errorf("%+v, interrupted: %v", got, r.Run.Interrupted)
		}
		w.foldAgain()
	})
}

// A worker that leaves before it knows the start has begun nothing of what it was promised, and says so.
func TestAWorkerLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 26, 2)
		w.bus.slowest = 2 * time.Millisecond // time for the hand to go deaf
		early := w.hire("early")
		early.deaf.Store(true)
		w.hireAll(2)
		c := w.coordinate(t.Context())
		c.after(3 * time.Second)
		early.cancel()
		if got := account(t, w.finish(c)); got.Indeterminate > 0 || got.Unsent == 0 {
			t.Errorf("%+v", got)
		}
		w.foldAgain()
	})
}

// A run that was interrupted stays so, if the coordinator dies before the close: nothing that a worker has called unsent is dealt to another.
func TestInterruptedAndResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 21, 3)
		hands := w.hireAll(3)
		ctx, cancel := context.WithCancel(t.Context())
		c := w.coordinate(ctx)
		c.after(3 * time.Second)
		hands[2].kill() // so that the first cannot close at once
		time.Sleep(300 * time.Millisecond)
		cancel()
		time.Sleep(1500 * time.Millisecond)
		c.dead.Store(true)
		if <-c.end; c.err == nil {
			t.Fatal("the first has closed the record")
		}
		w.hire("w9")
		r := w.finish(w.coordinate(t.Context()))
		if !r.Run.Interrupted || len(r.Run.Fleet.Refused) > 0 {
			t.Errorf("interrupted: %v, refused %v", r.Run.Interrupted, r.Run.Fleet.Refused)
		}
		w.foldAgain()
	})
}

// full is a bus whose disk is full from some time on.
type full struct {
	*side
	from time.Time
}

var errFull = errors.New("the disk is full")

func (f *full) Append(ctx context.Context, k uint64, entry []byte) (bool, error) {
	if time.Now().After(f.from) {
		return false, errFull
	}
	return f.side.Append(ctx, k, entry)
}

func (f *full) Tell(ctx context.Context, sequence uint64, body []byte) error {
	if time.Now().After(f.from) {
		return errFull
	}
	return f.side.Tell(ctx, sequence, body)
}

// A bus that takes nothing is said to be so, and ends the run after a while, sooner after Ctrl-C; another coordinator goes on.
func TestABusThatTakesNothing(t *testing.T) {
	for name, interrupt := range map[string]time.Duration{"patiently": time.Hour, "after Ctrl-C": 6 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 23, 2)
				w.hireAll(2)
				cfg, begun, said := w.cfg, time.Now(), atomic.Int64{}
				cfg.Store = &full{&side{memBus: w.bus}, begun.Add(4 * time.Second)}
				cfg.Say = func(line string) {
					if strings.Contains(line, "taken nothing") {
						said.Add(1)
					}
				}
				c, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), interrupt)
				defer cancel()
				if _, err := c.Run(ctx); !errors.Is(err, errFull) || said.Load() == 0 || said.Load() > 6 {
					t.Fatalf("it ended with %v, and said %d times so", err, said.Load())
				}
				if took, most := time.Since(begun), min(interrupt, 31*time.Second)+7*time.Second; took > most {
					t.Errorf("it took %s", took)
				}
				w.finish(w.coordinate(t.Context()))
			})
		})
	}
}

// A worker that is interrupted gives back what it holds.
func TestAWorkerIsInterrupted(t *testing.T) {
	aboard(t, 9, 2, 4*time.Second, func(w *world, hands []*hand, c *lead) {
		hands[0].cancel()
		got := account(w.t, w.finish(c))
		if !errors.Is(hands[0].err, context.Canceled) {
			w.t.Errorf("it ended with %v", hands[0].err)
		}
		if got.Indeterminate > 0 || got.Unsent > 120 {
			w.t.Errorf("%+v", got)
		}
	})
}

// A worker's process that dies leaves a journal; the next one of it delivers that.
func TestAJournalIsTakenUp(t *testing.T) {
	aboard(t, 10, 2, 4*time.Second, func(w *world, hands []*hand, c *lead) {
		hands[0].cut(time.Hour) // it fires on, and tells nobody
		time.Sleep(2500 * time.Millisecond)
		hands[0].kill()
		time.Sleep(3 * time.Second)
		w.hire("w1")
		if got := account(w.t, w.finish(c)); got.Indeterminate > 200 { // of what it began in a second and a bit
			w.t.Errorf("%+v", got)
		}
		for _, x := range c.Workers() {
			if x.Worker > 2 {
				w.t.Errorf("%s joined as another worker", x.Owner)
			}
		}
	})
}

// What a worker's process left is delivered, too, where the next one comes when nothing is dealt any more.
func TestAJournalIsTakenUpAtTheEnd(t *testing.T) {
	aboard(t, 25, 2, 7*time.Second, func(w *world, hands []*hand, c *lead) {
		hands[0].cut(time.Hour)
		c.after(8500 * time.Millisecond)
		hands[0].kill()
		c.after(10200 * time.Millisecond)
		again := w.hire("w1")
		r := w.finish(c)
		left := files(w.t, filepath.Join(w.root, "w1"))
		if got := account(w.t, r); got.Indeterminate > 300 || len(left) > 0 || again.err != nil {
			w.t.Errorf("%+v, %d journals left, it ended with %v", got, len(left), again.err)
		}
		if got := ends(r.Run.Fleet); !strings.Contains(got, "w1 done") {
			w.t.Error(got)
		}
	})
}

var (
	firstSeed = flag.Uint64("first", 0, "the first fleet of TestFleetLaws")
	seeds     = flag.Uint64("fleets", 8, "how many fleets TestFleetLaws tries")
)

// Whatever a bus and a fleet go through, the account is exact, and the record a function of the stream.
func TestFleetLaws(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { suffer(t, seed) })
		})
	}
}

// suffer sends a fleet through what its seed has in store.
func suffer(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	upTo := func(ms int) time.Duration { return time.Duration(random.IntN(ms)) * time.Millisecond }
	n := 1 + random.IntN(5)
	w := newWorld(t, seed, n)
	w.bus.loss = []float64{0, 0.01, 0.1}[random.IntN(3)]
	w.bus.again = []float64{0, 0.2}[random.IntN(2)]
	w.bus.slowest = []time.Duration{0, 5 * time.Millisecond, 80 * time.Millisecond}[random.IntN(3)]
	hands := w.hireAll(n)
	c := w.coordinate(t.Context())
	c.after(0)
	for range random.IntN(5) {
		time.Sleep(upTo(4000))
		h := hands[random.IntN(len(hands))]
		switch random.IntN(6) {
		case 0:
			h.kill()
			hands = append(hands, w.hire("another"))
		case 1:
			h.side.cut(upTo(5000))
		case 2:
			h.stand(upTo(4000))
		case 3:
			h.cancel()
		case 4:
			c.dead.Store(true)
			if <-c.end; c.err == nil { // it was done
				continue
			}
			time.Sleep(upTo(6000))
			c = w.coordinate(t.Context())
		case 5:
			hands = append(hands, w.hire("one more"))
		}
	}
	w.finish(c)
	w.foldAgain()
}
