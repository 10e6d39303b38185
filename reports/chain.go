package reports

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/chain"
)

// stage is one stage of the reaction chain, over all pods that went through it.
type stage struct {
	phase       string // a record.Phase constant, or "total" for created to ready
	count       int
	median, p95 float64 // seconds
}

// podCount is what became of the pods made in the run.
type podCount struct{ made, ready int }

// stages are the phases in their order; each stage goes from the phase before that a pod was seen in.
var stages = []string{record.PhaseScheduled, record.PhasePulled, record.PhaseStarted, record.PhaseReady, record.PhaseRotation, record.PhaseServing}

// readTimeline takes replicas, pods and the lab's own timers from the timeline.
func (m *measured) readTimeline(r *record.Record) error {
	events, err := r.Timeline()
	if err != nil {
		return err
	}
	m.sumReplicas(events)
	m.chain, m.pods = reactionChain(events)
	m.reactions = chain.Of(events, r.Run.Platform).Summary()
	for _, e := range events {
		if e.Kind == record.KindThrottling {
			m.addThrottling(&e)
		}
		if v, has := e.Values["lateness_p99_seconds"]; has && e.Kind == record.KindLab {
			i := int(e.At / m.bin)
			if i >= 0 && i < len(m.labLateness) && m.labLateness[i] > v {
				continue
			}
			put(&m.labLateness, i, v, math.NaN())
		}
	}
	return nil
}

// replicas are replica counts of one workload, or summed over many.
type replicas struct{ desired, current, ready int32 }

// sumReplicas adds up the replicas of all workloads, as they were at the end of each bin.
func (m *measured) sumReplicas(events []record.Event) {
	latest, sum := map[[2]string]replicas{}, replicas{}
	for _, e := range events {
		if e.Kind != record.KindReplicas {
			continue
		}
		i := min(max(int(e.At/m.bin), 0), most-1)
		m.holdReplicas(i, sum, len(latest) > 0)
		w := [2]string{e.Tenant, e.Workload}
		was, is := latest[w], replicas{e.Desired, e.Current, e.Ready}
		latest[w] = is
		sum.desired += is.desired - was.desired
		sum.current += is.current - was.current
		sum.ready += is.ready - was.ready
		m.holdReplicas(i+1, sum, true)
		m.desired[i], m.current[i], m.ready[i] = float64(sum.desired), float64(sum.current), float64(sum.ready)
	}
}

// holdReplicas keeps the counts as they are up to, but without, bin end; nothing is known before the first event.
func (m *measured) holdReplicas(end int, now replicas, known bool) {
	d, c, r := math.NaN(), math.NaN(), math.NaN()
	if known {
		d, c, r = float64(now.desired), float64(now.current), float64(now.ready)
	}
	stretch(&m.desired, end, d)
	stretch(&m.current, end, c)
	stretch(&m.ready, end, r)
}

// reactionChain gives the stages' durations of all pods made after the start.
func reactionChain(events []record.Event) ([]stage, podCount) {
	pods := map[string]map[string]time.Duration{}
	for _, e := range events {
		if e.Kind != record.KindPod {
			continue
		}
		name := e.Tenant + "/" + e.Object
		if e.Phase == record.PhaseCreated && e.At > 0 && pods[name] == nil {
			pods[name] = map[string]time.Duration{record.PhaseCreated: e.At}
		}
		if pod := pods[name]; pod != nil {
			if _, had := pod[e.Phase]; !had {
				pod[e.Phase] = e.At
			}
		}
	}
	times, count := map[string][]float64{}, podCount{made: len(pods)}
	for _, pod := range pods {
		last := pod[record.PhaseCreated]
		for _, phase := range stages {
			if at, reached := pod[phase]; reached {
				times[phase] = append(times[phase], max(0, at-last).Seconds()) // estimates may cross
				last = at
			}
		}
		if at, reached := pod[record.PhaseReady]; reached {
			count.ready++
			times["total"] = append(times["total"], (at - pod[record.PhaseCreated]).Seconds())
		}
	}
	var through []stage
	for _, phase := range append(append([]string{}, stages...), "total") {
		if ts := times[phase]; len(ts) > 0 {
			through = append(through, stage{phase: phase, count: len(ts), median: quantileOf(ts, 0.5), p95: quantileOf(ts, 0.95)})
		}
	}
	return through, count
}

// attributed says how many of the scale-ups that are over can be told stage by stage, and what keeps the others from it.
func (t tongue) attributed(s *chain.Summary) string {
	over := s.Attributed + s.Partly
	if over == 0 {
		return ""
	}
	say := " " + t.say("chain.attributed", t.count(int64(s.Attributed)), t.count(int64(over)))
	if s.Partly == 0 {
		return say
	}
	most, n := chain.Reason(""), 0
	for _, r := range slices.Sorted(maps.Keys(s.Reasons)) {
		if r.Unseen() && s.Reasons[r] > n {
			most, n = r, s.Reasons[r]
		}
	}
	return say + " " + t.say("chain.unattributed", t.text(most.Text()))
}
