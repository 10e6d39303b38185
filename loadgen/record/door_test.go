package record

import (
	"testing"
	"time"
)

// What people waited in the waiting room is counted apart, and both sides' counts are held against each other.
func TestWaitsAreInTheAccount(t *testing.T) {
	for name, c := range map[string]struct {
		told, given int64
		problems    int
	}{"agree": {2, 2, 0}, "an answer was lost": {2, 3, 0}, "more came than were given": {3, 2, 1}} {
		t.Run(name, func(t *testing.T) {
			run, dir := testRun(3), t.TempDir()+"/run"
			run.WaitingRoom = "place"
			w, err := Create(dir, run)
			if err != nil {
				t.Fatal(err)
			}
			shard := w.Shard()
			for seq, waited := range []time.Duration{0, 10 * time.Second, 30 * time.Second} {
				due := time.Duration(seq) * time.Second
				shard.Sample(Sample{Seq: uint32(seq), Outcome: OK, Due: due, Waited: waited, Sent: due + waited + time.Millisecond, Done: due + waited + 50*time.Millisecond})
				shard.Fate(uint32(seq), Completed)
			}
			if err := w.Close(started.Add(time.Minute), func(r *Run) {
				r.Totals.Shots, r.Totals.Door = 3, &Door{Told: c.told, Waited: 2}
				r.Lab = &LabAccount{LetIn: 3, ToldToWait: c.given}
			}); err != nil {
				t.Fatal(err)
			}
			a := account(t, dir)
			d := a.Door
			if d == nil || d.Waited != 2 || d.LetIn != 3 || d.Mean.Round(time.Second) != 20*time.Second || d.Longest.Round(time.Second) != 30*time.Second {
				t.Fatalf("%+v", d)
			}
			if hasProblem(a, "told to wait") != (c.problems > 0) || hasProblem(a, "shots that waited") {
				t.Errorf("problems %q", a.Problems)
			}
			rec, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			late, err := rec.Windows(func(k Key, _ time.Duration) bool { return k.Measure == Lateness })
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range late {
				if w.Histogram.Max() > 2*time.Millisecond {
					t.Errorf("the wait is held against the generator: lateness %v", w.Histogram.Max())
				}
			}
		})
	}
}
