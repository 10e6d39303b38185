package main

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/loadgen/record"
)

// agreeing gives both sides of a run of ten: 0 to 6 completed, 7 was lost at first and completed by a retry though it had
// been accepted both times, 8 was refused with 503, and 9 was lost and accepted.
func agreeing() (*ledger, *logbook) {
	l := &ledger{
		total: 10,
		fates: [4]*roaring.Bitmap{
			record.Completed: roaring.BitmapOf(0, 1, 2, 3, 4, 5, 6, 7), record.FailedArrival: roaring.BitmapOf(8),
			record.Indeterminate: roaring.BitmapOf(9), record.Unsent: roaring.New(),
		},
		shots: map[string]map[record.Outcome]int64{
			formStep:   {record.OK: 2},
			submitStep: {record.OK: 8, record.Failed: 1, record.Lost: 2},
		},
		totals:  record.Totals{Reloads: 1, Connections: 3},
		created: roaring.BitmapOf(0, 1, 2, 3, 4, 5, 6, 7),
		done:    map[int64]int64{0: 4, 1: 6},
	}
	b := &logbook{
		lines:    13,
		answers:  map[answer]int64{formShown: 2, accepted: 10, refusals[submitStep]: 1},
		accepted: roaring.BitmapOf(0, 1, 2, 3, 4, 5, 6, 7, 9), again: 1, connections: 3,
		answered: map[int64]int64{0: 5, 1: 7},
	}
	return l, b
}

func TestBothSidesOfASoundRunAgree(t *testing.T) {
	l, b := agreeing()
	if found := disagree(l, b, 0); len(found) > 0 {
		t.Errorf("differences in a run without any: %q", found)
	}
}

// Whatever one side says that the other does not is found.
func TestEveryDifferenceIsFound(t *testing.T) {
	for name, change := range map[string]func(*ledger, *logbook){
		"a completed arrival was never accepted":      func(_ *ledger, b *logbook) { b.accepted.Remove(3) },
		"a failed arrival was accepted":               func(_ *ledger, b *logbook) { b.accepted.Add(8) },
		"an arrival was accepted that does not exist": func(_ *ledger, b *logbook) { b.accepted.Add(10) },
		"an unsent arrival was accepted": func(l *ledger, _ *logbook) {
			l.fate(record.Indeterminate).Remove(9)
			l.fate(record.Unsent).Add(9)
		},
		"one was accepted again without a retry":       func(l *ledger, _ *logbook) { l.totals.Reloads = 0 },
		"one was accepted again without being in want": func(l *ledger, _ *logbook) { l.shots[submitStep][record.Lost] = 0 },
		"a form more in the log":                       func(_ *ledger, b *logbook) { b.answers[formShown]++; b.lines++ },
		"a form less in the log":                       func(_ *ledger, b *logbook) { b.answers[formShown]--; b.lines-- },
		"a submit less in the log":                     func(_ *ledger, b *logbook) { b.answers[accepted] -= 3; b.lines -= 3 },
		"a refusal less in the log":                    func(_ *ledger, b *logbook) { b.answers[refusals[submitStep]]--; b.lines-- },
		"more than was sent":                           func(_ *ledger, b *logbook) { b.answers[refusals[submitStep]]++; b.lines++ },
		"a status of another kind":                     func(_ *ledger, b *logbook) { b.answers[answer{submitStep, "400"}]++; b.lines++ },
		"a line of another run":                        func(_ *ledger, b *logbook) { b.strange++; b.lines++ },
		"more connections in the log":                  func(_ *ledger, b *logbook) { b.connections++ },
		"an answer that was not given yet":             func(_ *ledger, b *logbook) { b.answered[0], b.answered[1] = 3, 9 },
		"an id of somebody else":                       func(l *ledger, _ *logbook) { l.miscreated = "A-4 of arrival 5" },
		"an id listed twice":                           func(l *ledger, _ *logbook) { l.again++ },
		"an id that is not listed":                     func(l *ledger, _ *logbook) { l.created.Remove(2) },
		"an id of one who did not complete":            func(l *ledger, _ *logbook) { l.created.Add(9) },
		"a record that does not add up":                func(l *ledger, _ *logbook) { l.problems = []string{"2 arrivals have no fate"} },
	} {
		l, b := agreeing()
		change(l, b)
		if found := disagree(l, b, 0); len(found) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

// A worker that is killed may have answered some requests that it had not written down, and no more than these.
func TestAKilledWorkerMayKeepSomeLines(t *testing.T) {
	for lines, want := range map[int64]bool{1: true, inHand: true, inHand + 1: false} {
		l, b := agreeing()
		for seq := range lines {
			b.accepted.Remove(uint32(seq))
		}
		b.answers[accepted] -= lines + 2 // and neither of the lost ones was accepted
		b.accepted.Remove(9)
		b.again, b.lines = 0, b.lines-lines-2
		if found := disagree(l, b, 1); (len(found) == 0) != want {
			t.Errorf("%d completed arrivals not in the log of a killed worker: %q", lines, found)
		}
	}
}

func TestStepsAreThoseOfTheLibrary(t *testing.T) {
	s, err := shorten(1000, time.Minute, 1)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, step := range s.AllSteps() {
		names = append(names, step.Name)
	}
	if want := slices.Sorted(maps.Keys(requests)); !slices.Equal(names, want) {
		t.Errorf("the journey has the steps %v, the log is read for %v", names, want)
	}
}
