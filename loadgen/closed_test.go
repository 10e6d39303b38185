package loadgen

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// TestClosedLoop: as many people as asked for are under way, on however many shards; the arrivals that were begun are Seq
// 0 to n−1, each with one fate, and none begins after the end, or after the run is interrupted.
func TestClosedLoop(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		people, shards := rapid.IntRange(1, 60).Draw(rt, "people"), rapid.IntRange(1, 4).Draw(rt, "shards")
		service := time.Duration(rapid.IntRange(1, 200).Draw(rt, "service ms")) * time.Millisecond
		end := time.Duration(rapid.IntRange(1, 5000).Draw(rt, "interrupted ms"))*time.Millisecond + time.Microsecond // no tie
		synctest.Test(t, func(t *testing.T) { closedLoopOf(t, people, shards, service, end) })
	})
}

func closedLoopOf(t *testing.T, people, shards int, service, end time.Duration) {
	const over = 3 * time.Second
	var now, most atomic.Int64
	network := &memNet{handle: replying(func() string {
		for n, seen := now.Add(1), most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		time.Sleep(service)
		now.Add(-1)
		return okAnswer
	})}
	cfg, m := config(t, uniform(1<<32-1, over, scenarios.Step{}), "127.0.0.1:1")
	cfg.Transport, cfg.Closed, cfg.Shards, cfg.Grace = network, people, shards, time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), end)
	defer cancel()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(ctx); err != nil {
		t.Fatal(err)
	}
	network.all.Wait()
	n := len(m.fates)
	fates := checkFates(t, m, n)
	done := fates[record.Completed]
	if fates[record.Unsent] > shards || done != n-fates[record.Unsent] {
		t.Errorf("fates %v of %d", fates, n)
	}
	if got := most.Load(); got != int64(people) {
		t.Errorf("%d at a time, want %d", got, people)
	}
	last := min(over, end)
	if want := people * int((last+service-1)/service); done != want {
		t.Errorf("%d completed, want %d: %d people for %s, %s each", done, want, people, last, service)
	}
	for _, s := range m.samples {
		if s.Due >= last || s.Lateness() != 0 || s.Response() != service {
			t.Errorf("%+v, want it begun before %s and answered after %s", s, last, service)
		}
	}
}

// Whoever is free begins anew in the same round, though the clock goes on while others are served: else most of the people stand around.
func TestClosedLoopKeepsEverybodyBusy(t *testing.T) {
	const people = 64
	cfg, _ := config(t, uniform(1<<32-1, time.Hour, scenarios.Step{Method: "GET"}), "127.0.0.1:80")
	cfg.Closed = people
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.start = time.Now()
	s := e.newShard(0, 1, people, &instant{answer: []byte(okAnswer)})
	for round := range 100 {
		s.look()
		s.listen(s.fireDue())
		if round >= people/volley && s.live != people {
			t.Fatalf("round %d: %d under way", round, s.live)
		}
	}
}
