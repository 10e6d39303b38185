package lab

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/scenarios"
)

// Every request handed in is answered, refused or cut exactly once, whatever happens to the platform; the accepted set
// holds exactly the applications whose answer was that they are served; and no CPU is burnt that nobody asked for.
func TestEveryRequestEndsOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, s := smallWorld(2)
		wl := &p.Workloads[0]
		wl.Replicas = rapid.Int32Range(0, 4).Draw(rt, "replicas")
		wl.Threads, wl.Backlog = rapid.IntRange(1, 4).Draw(rt, "threads"), rapid.IntRange(1, 4).Draw(rt, "backlog")
		wl.Resources.Limits = quantities([]string{"500m", "4"}[rapid.IntRange(0, 1).Draw(rt, "limit")], "512Mi")
		if rapid.Bool().Draw(rt, "autoscaled") {
			autoscale(wl, 50, 1, 20)
		}
		wl.Steps["submit"] = scenarios.Work{
			CPU: *fixed(150 * time.Millisecond), Accepts: true, Backends: map[string]time.Duration{"db": 100 * time.Millisecond},
		}
		p.Backends = []scenarios.Backend{{Name: "db", Cores: 2, Contention: 0.1, Most: 5}}
		w := newWorld(t, p, s)
		sent := map[*request]bool{}
		for i := range rapid.IntRange(1, 150).Draw(rt, "actions") {
			at := w.now + time.Duration(rapid.IntRange(0, 400).Draw(rt, "wait"))*time.Millisecond
			switch rapid.IntRange(0, 20).Draw(rt, "action") {
			case 0:
				w.advance(at)
				w.loseNode([]string{"vm-1", "vm-2", "vm-3"}[rapid.IntRange(0, 2).Draw(rt, "node")])
			case 1:
				w.advance(at)
				w.tenants[rapid.IntRange(0, 1).Draw(rt, "tenant")].resize(rapid.Int32Range(0, 10).Draw(rt, "size"))
			default:
				step := []string{"submit", "form"}[rapid.IntRange(0, 1).Draw(rt, "step")]
				sent[w.send(at, rapid.IntRange(0, 1).Draw(rt, "tenant"), step, uint32(i))] = true
			}
		}
		if rapid.Bool().Draw(rt, "finish early") {
			w.close()
		} else {
			w.advance(w.now + time.Hour)
		}
		settle(rt, w, sent)
	})
}

func settle(rt *rapid.T, w *world, sent map[*request]bool) {
	burnt := 0.0
	for r := range sent {
		o, ended := w.outcomes[r]
		if !ended {
			rt.Fatalf("request %d was never ended", r.key)
		}
		accepts := r.work != nil && r.work.accepts
		if w.accepted.Contains(r.key) != (o == served && accepts) {
			rt.Fatalf("request %d ended as %d, accepted: %v", r.key, o, w.accepted.Contains(r.key))
		}
		if o == served {
			burnt += r.work.cpu.Fixed.Seconds()
		}
	}
	if c := w.counts; int(c.handed) != len(sent) || c.handed != c.served+c.refused+c.cut {
		rt.Fatalf("%d sent, %+v does not add up", len(sent), c)
	}
	used := w.tenants[0].used() + w.tenants[1].used()
	if used < burnt-1e-6 {
		rt.Fatalf("%.3f CPU seconds used for %.3f of work served", used, burnt)
	}
	if c := w.counts; c.cut == 0 && c.refused == 0 && used > burnt+1e-6 {
		rt.Fatalf("%.3f CPU seconds used for %.3f of work", used, burnt)
	}
}

func TestDuplicatesAreCountedNotKept(t *testing.T) {
	p, s := smallWorld(1)
	w := newWorld(t, p, s)
	for i := range 10 {
		w.send(time.Duration(i)*time.Second, 0, "submit", uint32(i%4))
	}
	w.advance(20 * time.Second)
	r := &request{step: 1}
	w.submit(r)
	w.advance(30 * time.Second)
	if n := w.accepted.GetCardinality(); n != 4 || w.duplicates != 6 || w.unkeyed != 1 {
		t.Errorf("%d accepted, %d duplicates, %d without key; want 4, 6, 1", n, w.duplicates, w.unkeyed)
	}
}

func FuzzKeysAreDecimalNumbers(f *testing.F) {
	for _, seed := range []string{"0", "4294967295", "007", "", "4294967296", "-1", "+1", "1e3", "99999999999", "1_0", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, err := strconv.ParseUint(text, 10, 32)
		valid := err == nil && len(text) <= 10
		if got, ok := parseKey([]byte(text)); ok != valid || ok && uint64(got) != want {
			t.Errorf("key %q is %d, %v; want %d, %v", text, got, ok, want, valid)
		}
	})
}

func TestLatenessBucketsHoldTheirValues(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(rt, "d"))
		i := bucketOf(d)
		if d.Truncate(time.Microsecond) > upper(i) || i > 0 && d.Truncate(time.Microsecond) <= upper(i-1) {
			rt.Fatalf("%v is in bucket %d, (%v, %v]", d, i, upper(max(0, i-1)), upper(i))
		}
	})
}

func TestTooManyLateSecondsInvalidate(t *testing.T) {
	scenario := &scenarios.Scenario{SLOs: []scenarios.SLO{{Within: 3 * time.Second}, {Within: 2500 * time.Millisecond}, {}}}
	l := lateness{limit: latenessLimit(scenario, 10)}
	if l.limit != 25*time.Millisecond {
		t.Errorf("the limit at speed 10 is %v, want a tenth of 2.5 s on the wall, 25 ms", l.limit)
	}
	for second := range 100 {
		for range 100 {
			d := time.Millisecond
			if second < 6 {
				d = 30 * time.Millisecond
			}
			l.add(d)
		}
		l.turn()
	}
	var a Account
	l.judge(&a)
	if a.Valid || a.Reason["de"] == "" || a.Reason["en"] == "" || a.LatenessP99 < 28*time.Millisecond || a.LatenessP99 > 34*time.Millisecond {
		t.Errorf("6 of 100 seconds over the limit: %+v, want invalid with a p99 of about 30 ms", a)
	}
}
