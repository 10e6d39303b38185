package lease

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// TestSettle: unsent is what was nobody's, never promised, or of somebody who is done, by each arrival's part and Due; for both kinds of
// schedules, in which Seqs follow one another otherwise.
func TestSettle(t *testing.T) {
	const total, s = 20_000, time.Second
	done, lost := Owner{1, 1}, Owner{2, 1}
	table := newTable(t, 128)
	if err := table.Add(1, Entry{Moves: []Move{{0, 40, 0, Forever, done}, {40, 100, 0, Forever, lost}, {50, 60, 10 * s, 20 * s, done}}}); err != nil {
		t.Fatal(err)
	}
	closing := Closing{Promised: 40 * s, Done: map[Owner]bool{done: true}}
	for _, process := range []string{"poisson", "uniform"} {
		schedule, err := arrivals.New(&scenarios.Scenario{
			Name:     "settled",
			Arrivals: scenarios.Arrivals{Total: total, Over: 60 * s, Seed: 3, Process: process},
			Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "a"}}},
			Journeys: []scenarios.Journey{{Name: "j", Steps: []scenarios.Step{{Name: "s", URL: "/"}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		set, err := arrivals.Parts(128, arrivals.Range{Lo: 0, Hi: 128})
		if err != nil {
			t.Fatal(err)
		}
		missing, want := map[uint32]bool{total: true}, []uint32{} // one that there is not
		for a := range schedule.All(set) {
			if a.Seq%3 == 0 {
				continue
			}
			missing[a.Seq] = true
			theirs := 40 <= a.Part && a.Part < 100 && (a.Part < 50 || a.Part >= 60 || a.Due < 10*s || a.Due >= 20*s)
			if theirs && a.Due < 40*s {
				want = append(want, a.Seq)
			}
		}
		slices.Sort(want)
		unsent, all, err := Settle(schedule, table, closing, slices.Values(slices.Sorted(maps.Keys(missing))))
		indeterminate := all[lost]
		if len(all) > 1 {
			t.Errorf("%s: indeterminate of %v, only %s is lost", process, slices.Collect(maps.Keys(all)), lost)
		}
		if err != nil || !slices.Equal(indeterminate, want) || len(unsent) != len(missing)-1-len(want) || len(want) == 0 {
			t.Errorf("%s: %d unsent, %d indeterminate, want %d and %d; %v", process, len(unsent), len(indeterminate), len(missing)-1-len(want), len(want), err)
		}
	}
}
