package fleet

import (
	"flag"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// set are clocks that were set wrongly, by worker.
var set = map[string]time.Duration{"w1": 5 * time.Second, "w2": -5 * time.Second, "w3": 1500 * time.Microsecond}

// However wrongly clocks are set and however unlike the ways to and fro, the truth is within the bounds in the record, all begin when they should
// within them, and what makes them wide is warned of.
func TestClocks(t *testing.T) {
	for name, c := range map[string]struct {
		slowest, back time.Duration
		most          time.Duration // of the uncertainty
		warned        bool
	}{
		"on one host":               {300 * time.Microsecond, 0, 2 * time.Millisecond, false},
		"20 ms longer back than to": {300 * time.Microsecond, 20 * time.Millisecond, 10500 * time.Microsecond, true},
		"5 ms longer":               {time.Millisecond, 5 * time.Millisecond, 4 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 9, 4)
				w.bus.slowest, w.bus.back, w.ahead = c.slowest, c.back, set
				w.hireAll(4)
				r := w.finish(w.coordinate(t.Context()))
				w.foldAgain()
				f := r.Run.Fleet
				if f.Parts == 0 || f.Hold != 3*time.Second || f.Coordinators != 1 || len(f.Epochs) != 4 || f.Broken() != 0 || f.Workers() != 4 {
					t.Fatalf("%+v", f)
				}
				apart := checkClocks(t, f, c.most)
				for _, a := range w.arrivals() {
					due := r.Run.StartedAt.Add(time.Duration(float64(a.Due) / w.cfg.Engine.Speed))
					if off := w.target.when[a.Seq].Sub(due); off.Abs() > apart {
						t.Fatalf("arrival %d began %s from when it was due, clocks are within %s", a.Seq, off, apart)
					}
				}
				warned := slices.ContainsFunc(r.Run.Warnings, func(w record.Warning) bool { return w.Code == "fleet-clock" })
				if warned != c.warned {
					t.Errorf("warned %t of %s", warned, apart)
				}
			})
		})
	}
}

// arrivals are all of the schedule.
func (w *world) arrivals() (all []arrivals.Arrival) {
	s := w.cfg.Engine.Schedule
	for b := range s.Blocks() {
		all = append(all, s.Block(b, arrivals.Set{}, nil)...)
	}
	return all
}

// checkClocks holds the clocks in a record against what they were set to, and gives how far the runs' were apart at most.
func checkClocks(t *testing.T, f *record.Fleet, most time.Duration) (apart time.Duration) {
	t.Helper()
	for i := range f.Epochs {
		e := &f.Epochs[i]
		k := e.Clock
		if e.Processors == 0 || k == nil {
			t.Fatalf("%+v with %+v", e, k)
		}
		t.Logf("%s (%s): %s ± %s, at worst %s; drift %.1f ± %.1f; apart %s", e, e.Name, k.Offset, k.Uncertainty, k.Worst, k.Drift, k.DriftUncertainty, k.Apart)
		if off := (k.Offset - set[e.Name]).Abs(); off > k.Uncertainty || k.Uncertainty > most || k.Worst > most || k.Worst < k.Uncertainty {
			t.Errorf("%s is %s ahead, said to be %s ± %s (at worst %s, want %s)", e.Name, set[e.Name], k.Offset, k.Uncertainty, k.Worst, most)
		}
		if math.Abs(k.Drift) > k.DriftUncertainty+0.001 || k.Steps != 0 { // by the same quartz
			t.Errorf("%s drifts by %g ± %g ppm, with %d steps", e.Name, k.Drift, k.DriftUncertainty, k.Steps)
		}
		apart = max(apart, k.Apart)
	}
	return apart
}

// Bearings by a coordinator's clock that goes faster or slower: offset and drift are within their bounds. One that is set is found out.
func TestBearings(t *testing.T) {
	for _, ppm := range []int64{-40, 0, 7, 40} {
		random := rand.New(rand.NewPCG(uint64(ppm+50), 1))
		delay := func() time.Duration { return time.Duration(random.Int64N(int64(time.Millisecond))) }
		own := newClock(0)
		b, start, ahead := bearings{own: own}, own.origin.Add(10*time.Second), -3*time.Second
		theirs := func(at time.Time) int64 {
			return own.stamp(at.Add(ahead)) + int64(at.Sub(start))*ppm/1_000_000
		}
		var beat Beat
		for n := range 1000 {
			sent := own.origin.Add(time.Duration(n) * 200 * time.Millisecond)
			heard := sent.Add(delay())
			said := heard.Add(delay())
			came := said.Add(delay())
			b.hear(sent, came, &Reply{Received: theirs(heard), Sent: theirs(said), Start: theirs(start)})
			b.tell(&beat, came)
			if came.After(start) {
				b.began(time.Millisecond)
			}
		}
		k := b.all
		t.Logf("%d ppm: %+v", ppm, k)
		if math.Abs(k.Drift+float64(ppm)) > k.DriftUncertainty+0.001 || k.DriftUncertainty > 15 || k.Steps != 0 {
			t.Errorf("%d ppm: drift %g ± %g, with %d steps", ppm, k.Drift, k.DriftUncertainty, k.Steps)
		}
		if off := (k.Offset + ahead).Abs(); off > k.Uncertainty || k.Worst > 2*time.Millisecond || k.Apart < time.Duration(ppm)*190*time.Microsecond {
			t.Errorf("%d ppm: %+v, %s from the truth", ppm, k, off)
		}
		if *k.Skew < time.Millisecond || *k.Skew > 3*time.Millisecond {
			t.Errorf("%d ppm: skew %s", ppm, *k.Skew)
		}
		ahead += time.Minute
		at := own.origin.Add(201 * time.Second)
		b.hear(at, at, &Reply{Received: theirs(at), Sent: theirs(at), Start: theirs(start)})
		b.tell(&beat, at)
		if beat.Clock.Steps != 1 || beat.Clock.Drift != 0 {
			t.Errorf("after a step %+v", beat.Clock)
		}
	}
}

var starts = flag.Int("starts", 1, "starts of a fleet whose skew is measured")

// Four workers over the embedded bus, with clocks that are wrong by seconds, begin within a millisecond of each other. Processors are few where this runs,
// others use them too, and at times the hypervisor gives them to somebody else: so what is asserted is the least of a few starts, the others being
// measured for who asks by -starts. That the truth is within the bounds hangs on no such luck: it is asserted of each.
func TestStartTogether(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(16)) // as many as that many processes would have
	var skews, uncertain []time.Duration
	for n := 0; n < *starts || n < *starts+3 && slices.Min(skews) > time.Millisecond; n++ {
		run, _ := overNATS(t, server.URL, 4, 40, 400*time.Millisecond, func(w *WorkerConfig) {
			w.ahead, w.Engine = set[w.Name], func(c *loadgen.Config) { c.Shards = 1 }
		})
		checkClocks(t, run.Fleet, time.Second)
		skew, known := run.Fleet.Skew()
		if !known {
			t.Fatalf("%+v", run.Fleet)
		}
		skews = append(skews, skew)
		for i := range run.Fleet.Epochs {
			uncertain = append(uncertain, run.Fleet.Epochs[i].Clock.Uncertainty)
		}
	}
	slices.Sort(skews)
	slices.Sort(uncertain)
	n := len(uncertain)
	t.Logf("skew of %d starts: median %s, largest %s; uncertainty of %d clocks: median %s, largest %s",
		len(skews), skews[len(skews)/2], skews[len(skews)-1], n, uncertain[n/2], uncertain[n-1])
	if skews[0] > time.Millisecond || uncertain[n/2] > 2*time.Millisecond {
		t.Errorf("the workers began %s from the start at best, and knew their clocks to %s", skews[0], uncertain[n/2])
	}
}

// An epoch's word on its clock stays, whoever leads the run afterwards; who never heard it knows how it ended at most.
func TestHeed(t *testing.T) {
	clock := &record.FleetClock{Worst: 1}
	for _, c := range []struct {
		said []record.FleetEpoch
		want string
	}{
		{[]record.FleetEpoch{{Clock: clock}, {Ended: "dead", Clock: clock}, {Ended: "lost"}}, "dead"},
		{[]record.FleetEpoch{{Clock: clock}, {Ended: "lost"}}, "lost"},
		{[]record.FleetEpoch{{Ended: "lost", Clock: clock}, {Clock: clock}, {Ended: "done", Clock: clock}}, "done"},
	} {
		var k kept
		for _, said := range c.said {
			k.heed(said)
		}
		if k.said.Ended != c.want || k.said.Clock != clock {
			t.Errorf("%+v, want %s", k.said, c.want)
		}
	}
}

// The clocks are warned of where seconds are smeared, by the worst of them.
func TestWarnClocks(t *testing.T) {
	r := &record.Run{Fleet: &record.Fleet{Epochs: []record.FleetEpoch{
		{},
		{Clock: &record.FleetClock{Apart: 10 * time.Millisecond}},
		{Clock: &record.FleetClock{Apart: 11 * time.Millisecond}},
		{Clock: &record.FleetClock{Apart: 40 * time.Millisecond}},
	}}}
	if warnClocks(r); len(r.Warnings) != 1 || r.Warnings[0].Code != "fleet-clock" {
		t.Fatalf("%+v", r.Warnings)
	}
	want := scenarios.Text{
		"de": "Die Uhren der Lastgeneratoren können um bis zu 40 ms von der des Koordinators abgewichen sein (2 von 4): Um so viel sind die Ein-Sekunden-Fenster verwischt, zu denen mehrere beigetragen haben.",
		"en": "The workers' clocks may have been up to 40 ms off the coordinator's (2 of 4): one-second windows to which several have contributed are smeared by as much.",
	}
	for lang := range want {
		if r.Warnings[0].Text[lang] != want[lang] {
			t.Errorf("%q", r.Warnings[0].Text[lang])
		}
	}
}

// A coordinator whose run clock stood still for longer than the hold leaves no engine waiting.
func TestACoordinatorsClockStandsStill(t *testing.T) {
	aboard(t, 24, 2, 3*time.Second, func(w *world, _ []*hand, c *lead) {
		c.fold.change(func() { c.fold.start = c.fold.start.Add(4 * time.Second) })
		select {
		case <-c.end:
			account(w.t, w.finish(c))
		case <-time.After(time.Minute):
			w.t.Fatal("it goes on a minute later")
		}
	})
}

// Clocks that go apart between two looks end a coordinator; by a second they may.
func TestParted(t *testing.T) {
	now := time.Now()
	for wall, fine := range map[time.Duration]bool{0: true, time.Second: true, 1300 * time.Millisecond: false, -time.Second: false, time.Hour: false} {
		if err := parted(now, now.Add(100*time.Millisecond), wall); (err == nil) != fine {
			t.Errorf("%s on the wall: %v", wall, err)
		}
	}
}
