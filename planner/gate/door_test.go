package gate

import (
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// Behind a waiting room a promise begins when a person is let in: it is held against the service time, and what failed is
// still counted. Without one, the time from due on counts, whatever the server took.
func TestPromiseBehindAWaitingRoomBeginsAtTheDoor(t *testing.T) {
	window := func(measure string, o record.Outcome, took time.Duration, n int64) record.Window {
		h := record.NewHistogram(2)
		if err := h.Add(took, n); err != nil {
			t.Fatal(err)
		}
		return record.Window{Key: record.Key{Measure: measure, Step: "submit", Tenant: "a", Outcome: o}, Length: time.Minute, Histogram: h}
	}
	for name, c := range map[string]struct {
		room   string
		failed int64
		slow   int64
	}{"behind one": {"place", 0, 0}, "without": {"", 0, 100}, "failures count": {"place", 7, 7}} {
		r := run(promise())
		r.WaitingRoom = c.room
		data := &Data{Run: r, Windows: []record.Window{
			window(record.Response, record.OK, 10*time.Minute, 100), window(record.Service, record.OK, 50*time.Millisecond, 100),
		}}
		if c.failed > 0 {
			data.Windows = append(data.Windows, window(record.Response, record.Refused, time.Second, c.failed))
		}
		v, err := JudgeData(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		if w := v.SLOs[0].Worst; w == nil || w.Shots != 100+c.failed || w.Slow != c.slow || w.Failed != c.failed {
			t.Errorf("%s: %+v", name, w)
		}
	}
}
