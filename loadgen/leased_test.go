package loadgen

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// TestLeasedGivesWhatIsHeld: whatever is granted, taken away and granted again, a shard gives each arrival at most once: in the
// first holding that has it by its Due, forgone if that came more than a quarter of a second later. Only what it lost when
// others after it had been given does not come back.
func TestLeasedGivesWhatIsHeld(t *testing.T) {
	schedule := Walked(t)
	set, err := arrivals.Parts(WalkParts, arrivals.Range{Lo: 0, Hi: WalkParts})
	if err != nil {
		t.Fatal(err)
	}
	shard := arrivals.Share{Index: 1, Of: 3}
	all := slices.Collect(schedule.All(set.Share(shard)))
	steps := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 20 * time.Second, 100 * time.Second})
	rapid.Check(t, func(t *rapid.T) {
		lease, err := NewLease(WalkParts)
		if err != nil {
			t.Fatal(err)
		}
		l, out := newLeased(lease, schedule, shard), map[uint32]bool{} // given, or lost for good
		var held Holding
		now, front := time.Duration(0), time.Duration(0)
		for range rapid.IntRange(1, 10).Draw(t, "holdings") {
			h := Holding{Until: never, Expires: never}
			for _, g := range rapid.SliceOfN(anyGrant(WalkParts, DueAt(WalkTicks)), 0, 5).Draw(t, "grants") {
				h.Grants = append(h.Grants, beyond([]Grant{g}, h.Grants)...)
			}
			if err := lease.Hold(h); err != nil {
				t.Fatal(err)
			}
			came := now
			now += steps.Draw(t, "for")
			var want, got []uint32
			for _, a := range all {
				was, is := held.has(int(a.Part), a.Due), h.has(int(a.Part), a.Due)
				if was && !is && a.Due < front {
					out[a.Seq] = true
				}
				if is && a.Due <= now && !out[a.Seq] {
					want = append(want, a.Seq)
				}
			}
			for a, r, more := l.peek(came, came-mostOverdue); more && a.Due <= now; a, r, more = l.peek(now, now-mostOverdue) {
				if (r == forgone) != (a.Due < came-mostOverdue) || r != forgone && r != begins {
					t.Fatalf("%+v, granted at %s: %d", a, came, r)
				}
				l.take(a)
				got, out[a.Seq], front = append(got, a.Seq), true, max(front, a.Due+1)
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("from %s to %s it gives %d arrivals, want %d", came, now, len(got), len(want))
			}
			held = h
		}
	})
}

// TestLapsedLease: what was overdue when a lease that had lapsed came back is forgone, and there is no burst; with a lease that
// was there all the time the late are only late.
func TestLapsedLease(t *testing.T) {
	const lapsed = 10 * time.Second
	for _, test := range []struct{ back, forgone time.Duration }{
		{lapsed, 0},
		{lapsed + 1, lapsed + 1 - mostOverdue},
		{lapsed + 4*time.Second, lapsed + 4*time.Second - mostOverdue},
	} {
		lease, err := NewLease(WalkParts)
		if err != nil {
			t.Fatal(err)
		}
		l := newLeased(lease, Walked(t), arrivals.Share{})
		hold := func(until time.Duration) {
			if err := lease.Hold(Holding{Grants: []Grant{{0, WalkParts, 0, never}}, Until: until, Expires: until}); err != nil {
				t.Fatal(err)
			}
		}
		hold(lapsed)
		if _, r, _ := l.peek(0, -mostOverdue); r != begins {
			t.Fatalf("before: %d", r)
		}
		if _, r, _ := l.peek(lapsed+1, lapsed+1-mostOverdue); r != waits {
			t.Fatalf("a lapsed lease: %d", r)
		}
		hold(never)
		n := 0
		for a, r, _ := l.peek(test.back, test.back-mostOverdue); a.Due < 20*time.Second; a, r, _ = l.peek(test.back, test.back-mostOverdue) {
			if (r == forgone) != (a.Due < test.forgone) || r == waits {
				t.Errorf("back after %s, due at %s: %d", test.back, a.Due, r)
			}
			l.take(a)
			n++
		}
		if n < 500 { // of 800 in the mean
			t.Errorf("only %d arrivals", n)
		}
	}
}

// TestFencedLease: by a lease that is fenced nothing begins and nothing is forgone, whatever was held and read before.
func TestFencedLease(t *testing.T) {
	lease, err := NewLease(WalkParts)
	if err != nil {
		t.Fatal(err)
	}
	l := newLeased(lease, Walked(t), arrivals.Share{})
	grant := func(deals uint64, to int) {
		h := Holding{Deals: deals, Grants: []Grant{{0, to, 0, never}}, Until: never, Expires: never}
		if err := lease.Hold(h); err != nil {
			t.Fatal(err)
		}
	}
	grant(1, WalkParts/2)
	for range 100 {
		a, r, more := l.peek(0, 0)
		if r != begins || !more {
			t.Fatalf("before: %d, %v", r, more)
		}
		l.take(a)
	}
	grant(2, WalkParts)
	if _, r, _ := l.peek(10*time.Second, 10*time.Second); r != forgone {
		t.Fatalf("what was overdue: %d", r)
	}
	lease.Fence("stood still")
	for deals := range uint64(3) {
		if a, r, more := l.peek(10*time.Second, 10*time.Second); r != waits || more {
			t.Errorf("fenced: %+v, %d", a, r)
		}
		grant(3+deals, WalkParts)
	}
}

// TestAShardReadsNoFurtherThanItsPromise: a shard that has nothing of a long schedule does not read it to its end, and what it is
// granted then is not in its memory before its time.
func TestAShardReadsNoFurtherThanItsPromise(t *testing.T) {
	const total, blocks, steps = 200_000, 32, 64
	schedule, err := arrivals.New(&scenarios.Scenario{
		Name:     "long",
		Arrivals: scenarios.Arrivals{Total: total, Over: steps * time.Second, Seed: 3},
		Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "a"}}},
		Journeys: []scenarios.Journey{{Name: "j", Steps: []scenarios.Step{{Name: "s", URL: "/"}}}},
	})
	if err != nil || schedule.Blocks() != blocks {
		t.Fatal(schedule.Blocks(), err)
	}
	lease, err := NewLease(WalkParts)
	if err != nil {
		t.Fatal(err)
	}
	l, taken := newLeased(lease, schedule, arrivals.Share{}), 0
	for step := range steps + 1 {
		h := Holding{Until: time.Duration(step) * time.Second, Expires: never, Grants: []Grant{{0, WalkParts, 20 * time.Second, never}}}
		if step < 20 {
			h.Grants = nil
		}
		if step == steps {
			h.Until = never
		}
		if h.Deals = uint64(min(step, 20)); lease.Hold(h) != nil {
			t.Fatal("not held")
		}
		for {
			a, r, more := l.peek(0, -mostOverdue)
			if have := len(l.pending) + len(l.overdue); have > 2*total/blocks || l.next > schedule.FirstBlock(h.Until)+1 {
				t.Fatalf("promised up to %s: %d arrivals in memory, %d blocks read", h.Until, have, l.next)
			}
			if r != begins && r != waits {
				t.Fatalf("%+v: %d", a, r)
			}
			if !more || r == waits {
				break
			}
			l.take(a)
			taken++
		}
	}
	if want := int(total - schedule.CountBefore(20*time.Second)); taken != want {
		t.Errorf("%d arrivals, want %d", taken, want)
	}
}
