package hpa

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// world is the plant of the published traces, as far as they describe it: a load in millicores that is shared evenly by
// the ready pods. What the description leaves open is assumed: the load steps from 1 request (2 pods at 50 %) to 9 and
// back, at 120 s and 300 s; a pod is ready 20 s after it was asked for; usage is the mean of the last 15 s, scraped and
// served at the very time of the sync; pods go youngest first.
type world struct {
	created []time.Duration
	average []float64 // millicores of each pod over the last period
}

const (
	worldPeriod = 15 * time.Second
	worldReady  = 20 * time.Second
)

func worldLoad(at time.Duration) float64 {
	if at >= 120*time.Second && at < 300*time.Second {
		return 9000
	}
	return 1000
}

// run lets a period go by, second by second.
func (w *world) run(until time.Duration) {
	w.average = make([]float64, len(w.created))
	for at := until - worldPeriod; at < until; at += time.Second {
		ready := 0
		for _, created := range w.created {
			if created+worldReady <= at {
				ready++
			}
		}
		for i, created := range w.created {
			if created+worldReady <= at {
				w.average[i] += worldLoad(at) / float64(ready) / worldPeriod.Seconds()
			}
		}
	}
}

func (w *world) input(now time.Duration) *Input {
	in := &Input{Now: now, SpecReplicas: int32(len(w.created)), StatusReplicas: int32(len(w.created))}
	for i, created := range w.created {
		p := Pod{
			HasStart: true, Start: created, Ready: NotReady, ReadyChanged: created,
			Containers: []Container{{Request: Of(1000, 1<<30), Usage: Of(int64(w.average[i]+0.5), 1<<29)}},
			Sample:     Sample{Has: true, Time: now, Window: worldPeriod},
		}
		if created+worldReady <= now {
			p.Ready, p.ReadyChanged = Ready, created+worldReady
		}
		in.Pods = append(in.Pods, p)
	}
	return in
}

func (w *world) scale(now time.Duration, replicas int32) {
	for int32(len(w.created)) < replicas {
		w.created = append(w.created, now)
	}
	w.created = w.created[:replicas]
}

// changes are the counts of the first 15 minutes with their seconds.
func changes(t *testing.T, spec *Spec) (out []string) {
	c := mustNew(t, spec)
	w := world{created: []time.Duration{-time.Hour, -time.Hour}}
	for now := worldPeriod; now <= 15*time.Minute; now += worldPeriod {
		w.run(now)
		d := c.Sync(w.input(now))
		if d.Err != nil {
			t.Fatal(d.Err)
		}
		if d.Scale {
			out = append(out, fmt.Sprintf("%d s: %d", int(now.Seconds()), d.Desired))
			w.scale(now, d.Desired)
		}
	}
	return out
}

// TestMeasuredTraces are the two traces measured with the unmodified controller: no behavior is not the documented
// defaults written out, neither on the way up nor on the way down.
func TestMeasuredTraces(t *testing.T) {
	spec := cpuSpec(2, 30, 60)
	if got, want := changes(t, spec), []string{"135 s: 4", "150 s: 8", "165 s: 15", "615 s: 2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("without behavior: %q, want %q", got, want)
	}
	if got, want := changes(t, WriteOut(spec, Default())), []string{"135 s: 6", "150 s: 12", "195 s: 15", "600 s: 2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("with the defaults written out: %q, want %q", got, want)
	}
}
