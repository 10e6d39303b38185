package reports

import (
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// Of a large fleet the worst are listed, and how many more there are; of a small one all, in order.
func TestFleetRows(t *testing.T) {
	f := &record.Fleet{}
	for n := range uint32(20) {
		f.Epochs = append(f.Epochs, record.FleetEpoch{
			Worker: n + 1, Epoch: 1, Name: "w", Ended: record.EpochDone, Clock: &record.FleetClock{Apart: time.Duration(n) * time.Millisecond},
		})
	}
	f.Epochs[4].Ended, f.Epochs[4].Name = record.EpochLost, "last-5"
	f.Epochs[7].Ended, f.Epochs[7].Lost, f.Epochs[7].Clock = record.EpochDead, 9, nil
	f.Epochs[9].Ended = "nonsense"
	rows := speak("en").fleetRows(f)
	if len(rows) != 1+mostEpochs+1 || rows[17][0] != "and 4 more" || len(rows[17]) != len(rows[0]) {
		t.Fatalf("%d rows, the last %q", len(rows), rows[len(rows)-1])
	}
	for i, want := range []string{"w8:1", "w10:1", "w5:1 (last-5)", "w20:1", "w19:1"} {
		if got := strings.TrimSuffix(rows[i+1][0], " (w)"); got != want {
			t.Errorf("row %d is of %q, want %s", i+1, got, want)
		}
	}
	if rows[1][2] != "died" || rows[1][4] != "9" || rows[1][5] != "–" || rows[2][2] != "–" || rows[3][2] != "fell silent" || rows[4][7] != "19.00"+nbsp+"ms" {
		t.Errorf("%q", rows[1:5])
	}
	f.Epochs = f.Epochs[:mostEpochs]
	if rows = speak("de").fleetRows(f); len(rows) != 1+mostEpochs || rows[1][0] != "w1:1" && rows[1][0] != "w1:1 (w)" {
		t.Errorf("%d rows, the first %q", len(rows), rows[1])
	}
}

// A run of one process says nothing of a fleet, and one whose clocks nobody measured nothing of clocks.
func TestFleetLine(t *testing.T) {
	en := speak("en")
	if line := fleetLine(nil, en); line != "" {
		t.Error(line)
	}
	skew := 1234 * time.Microsecond
	for want, f := range map[string]*record.Fleet{
		"Fired by 1 load generator: none broke off.": {Epochs: []record.FleetEpoch{{Worker: 1, Epoch: 1, Ended: record.EpochDone}}},
		"Fired by 2 load generators: 2 of 3 stints broke off; all at the start within 1.24 ms; the clock farthest off by −5.0000 s ± 0.01 ms, which was allowed for.": {
			Epochs: []record.FleetEpoch{
				{Worker: 1, Epoch: 1, Ended: record.EpochDone, Clock: &record.FleetClock{Offset: 4 * time.Second, Skew: &skew}},
				{Worker: 2, Epoch: 1, Ended: record.EpochLost},
				{Worker: 2, Epoch: 2, Clock: &record.FleetClock{Offset: -5 * time.Second, Uncertainty: 1}},
			},
		},
	} {
		if got := strings.ReplaceAll(fleetLine(f, en), nbsp, " "); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
