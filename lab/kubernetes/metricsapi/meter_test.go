package metricsapi

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/planner/hpa"
)

// TestStoreServesWhatTheAutoscalerMeters: whatever scrapes bring, the store serves of each pod what planner/hpa makes of the
// same readings: the containers, their usage, time and window. Containers come and go, restart, are read twice in a scrape
// or not since the last one; counters may fall.
func TestStoreServesWhatTheAutoscalerMeters(t *testing.T) {
	const resolution = 15 * time.Second
	rapid.Check(t, func(t *rapid.T) {
		store := NewStore(resolution)
		boxes := make([]*box, rapid.IntRange(1, 3).Draw(t, "containers"))
		for i := range boxes {
			boxes[i] = &box{name: "c" + strconv.Itoa(i)}
		}
		now := time.Duration(0)
		for range rapid.IntRange(1, 12).Draw(t, "scrapes") {
			now += resolution
			var batch []Usage
			for _, b := range boxes {
				batch = append(batch, b.scrape(t, now, resolution)...)
			}
			store.Put(batch)
			agree(t, store.Pod("n", "p"), boxes)
		}
	})
}

// box is a container, and what planner/hpa would keep of it.
type box struct {
	name  string
	last  hpa.Reading
	meter hpa.Meter
}

// scrape moves the container on and has it read: not at all, or once, or twice in one scrape, of which the first counts.
func (b *box) scrape(t *rapid.T, now, resolution time.Duration) []Usage {
	seconds := func(most int, what string) time.Duration {
		return time.Duration(rapid.IntRange(0, most*4).Draw(t, what)) * time.Second / 4
	}
	switch rapid.SampledFrom([]string{"read", "read", "read", "again", "restarted", "odd", "gone"}).Draw(t, b.name) {
	case "read":
		at := now - seconds(20, "since it was read")
		b.last = hpa.Reading{Started: b.last.Started, At: at, CPU: b.last.CPU + seconds(30, "used"), Memory: b.last.Memory + 1}
	case "restarted":
		at := now - seconds(5, "since it was read")
		b.last = hpa.Reading{Started: at - seconds(20, "age"), At: at, CPU: seconds(30, "used"), Memory: 1}
	case "odd": // clocks and counters that ran backwards
		b.last = hpa.Reading{Started: now - seconds(60, "age"), At: now - seconds(40, "since it was read"), CPU: seconds(30, "used"), Memory: 2}
	case "gone":
		b.meter = hpa.Meter{}
		return nil
	}
	b.meter.Take(b.last, resolution)
	u := Usage{
		Namespace: "n", Pod: "p", Container: b.name, Node: "vm-1", Started: t0.Add(b.last.Started), At: t0.Add(b.last.At),
		CPU: b.last.CPU, Memory: b.last.Memory,
	}
	twice := u
	twice.CPU += time.Second
	return []Usage{u, twice}[:rapid.IntRange(1, 2).Draw(t, "times")]
}

func agree(t *rapid.T, served []Reading, boxes []*box) {
	pod := hpa.Pod{Containers: make([]hpa.Container, len(boxes))}
	meters := make([]hpa.Meter, len(boxes))
	for i, b := range boxes {
		meters[i] = b.meter
	}
	pod.Measure(meters)
	if pod.Sample.Has != (len(served) > 0) {
		t.Fatalf("served %+v, metered %+v", served, pod.Sample)
	}
	if !pod.Sample.Has {
		return
	}
	earliest := slices.MinFunc(served, func(a, b Reading) int { return a.At.Compare(b.At) })
	if !earliest.At.Equal(t0.Add(pod.Sample.Time)) || earliest.Window != pod.Sample.Window {
		t.Errorf("served %+v, metered %+v", earliest, pod.Sample)
	}
	for i, b := range boxes {
		c := pod.Containers[i]
		at := slices.IndexFunc(served, func(r Reading) bool { return r.Container == b.name })
		if c.Unlisted != (at < 0) {
			t.Fatalf("%s: served %+v, metered %+v", b.name, served, c)
		}
		if c.Unlisted {
			continue
		}
		if r := served[at]; c.Usage != hpa.Of((r.CPU+999_999)/1_000_000, r.Memory) {
			t.Errorf("%s: served %+v, metered %+v", b.name, r, c.Usage)
		}
	}
}
