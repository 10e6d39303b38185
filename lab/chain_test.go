package lab

import (
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/chain"
)

// Every scale-up of the embedded platform is attributed from its timeline alone, each stage at its moment.
func TestTimelineTellsWholeChains(t *testing.T) {
	p, s := smallWorld(2)
	autoscale(&p.Workloads[0], 60, 2, 10)
	w := newWorld(t, p, s)
	for i := range 3 * 60 * 4 { // t2's load stays at 2/s, t1's rises from 2/s to 8/s
		at := time.Duration(i) * 250 * time.Millisecond
		if i%2 == 0 {
			w.send(at, 1, "submit", uint32(3*i))
		}
		if i%2 == 0 || at >= time.Minute {
			w.send(at, 0, "submit", uint32(3*i+1))
		}
		if at >= time.Minute {
			w.send(at, 0, "submit", uint32(3*i+2))
		}
	}
	w.advance(4 * time.Minute)

	chains := chain.Of(w.events, p)
	sum := chains.Summary()
	if sum.ScaleUps < 2 || sum.Attributed != sum.ScaleUps || sum.Strays != 0 {
		t.Fatalf("%+v; want at least 2 scale-ups, all attributed\n%+v", sum, chains.ScaleUps)
	}
	for _, up := range chains.ScaleUps {
		decision, sample, load := up.Stage(chain.Decision), up.Stage(chain.Sample), up.Stage(chain.Load)
		if sample.At%(15*time.Second) != 0 || sample.At > decision.At-time.Second || sample.At < decision.At-31*time.Second {
			t.Errorf("%s %d→%d at %v was led to by a sample at %v", up.Tenant, up.From, up.To, decision.At, sample.At)
		}
		// The sample before the first one above the target may have shown the rise already, by a part of its window.
		if load.From-20*time.Second > time.Minute || load.To < time.Minute {
			t.Errorf("%s: the load rose at 1m0s, not within %v to %v", up.Tenant, load.From, load.To)
		}
		for _, pod := range up.Pods {
			if got := pod.Stage(record.PhaseReady).At - pod.Stage(record.PhaseStarted).At; got != 5*time.Second {
				t.Errorf("%s: ready %v after its start, want 5s", pod.Name, got)
			}
		}
	}
}
