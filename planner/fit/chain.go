package fit

import (
	"cmp"
	"maps"
	"slices"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// PhaseDecision is the reaction chain's first stage: from the scrape that shows the target passed to the new count.
const PhaseDecision = "decision"

// stages is the order of a pod's life.
var stages = []string{
	record.PhaseCreated, record.PhaseScheduled, record.PhasePulled, record.PhaseStarted, record.PhaseReady, record.PhaseServing,
}

// cached is the length in seconds below which a pull was none: the image was there.
const cached = 0.25

// life is one pod's phases.
type life struct {
	workload, tenant, node string
	at                     map[string]float64
	pending                bool
}

// stageTimes collects the delays of each stage.
type stageTimes struct {
	seconds  map[string][]float64
	censored map[string]int
}

// fitChain fits the delays of a workload's pods that came up in the runs. Those present at the start say nothing.
func fitChain(runs []*run, workload string, opts Options, warn *warnings) map[string]*Delay {
	s := stageTimes{map[string][]float64{}, map[string]int{}}
	for _, r := range runs {
		s.pods(r, workload)
		s.decisions(r, workload)
	}
	out := map[string]*Delay{}
	for _, stage := range append([]string{PhaseDecision}, stages...) {
		if n, c := len(s.seconds[stage]), s.censored[stage]; n+c > 0 {
			out[stage] = fitDelay(s.seconds[stage], c)
			out[stage].intervals(s.seconds[stage], opts)
		}
	}
	if n := len(s.seconds[record.PhaseReady]); n < fewDelays {
		warn.fewStarts(workload, n)
	}
	return out
}

// pods adds one run's pods: each stage counts from the one before.
func (s *stageTimes) pods(r *run, workload string) {
	lives := livesOf(r.Events, workload)
	decided := decisionsUp(r.Events, workload)
	for _, name := range slices.Sorted(maps.Keys(lives)) {
		p := lives[name]
		created, ok := p.at[record.PhaseCreated]
		if !ok || created <= 0 {
			continue
		}
		if at, ok := lastBefore(decided[p.tenant], created); ok && created-at < 60 {
			s.seconds[record.PhaseCreated] = append(s.seconds[record.PhaseCreated], created-at)
		}
		for i := 1; i < len(stages); i++ {
			before, had := p.at[stages[i-1]]
			now, has := p.at[stages[i]]
			switch {
			case stages[i] == record.PhasePulled: // pulls queue on a node: see pulls
			case !had:
			case !has:
				s.censored[stages[i]]++
			case stages[i] == record.PhaseScheduled && p.pending: // waited for room, which is not the scheduler's delay
			default:
				s.seconds[stages[i]] = append(s.seconds[stages[i]], now-before)
			}
		}
	}
	s.pulls(lives)
}

// pulls adds the real pulls: of the pods of one node only the first needs one (images are there from then on), and it
// waits until the pulls before it on that node are through.
func (s *stageTimes) pulls(lives map[string]*life) {
	byNode := map[string][]*life{}
	for _, name := range slices.Sorted(maps.Keys(lives)) {
		p := lives[name]
		if at, ok := p.at[record.PhaseScheduled]; ok && at > 0 && p.node != "" {
			byNode[p.node] = append(byNode[p.node], p)
		}
	}
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		pods := byNode[node]
		slices.SortStableFunc(pods, func(a, b *life) int {
			return cmp.Compare(a.at[record.PhaseScheduled], b.at[record.PhaseScheduled])
		})
		first := pods[0]
		pulled, ok := first.at[record.PhasePulled]
		if !ok {
			s.censored[record.PhasePulled]++
			continue
		}
		if length := pulled - first.at[record.PhaseScheduled]; length >= cached {
			s.seconds[record.PhasePulled] = append(s.seconds[record.PhasePulled], length)
		}
	}
}

// livesOf gathers the pods of a workload, by name.
func livesOf(events []record.Event, workload string) map[string]*life {
	out := map[string]*life{}
	for _, e := range events {
		if e.Kind != record.KindPod || e.Workload != workload {
			continue
		}
		p := out[e.Object]
		if p == nil {
			p = &life{workload: e.Workload, tenant: e.Tenant, at: map[string]float64{}}
			out[e.Object] = p
		}
		if e.Node != "" {
			p.node = e.Node
		}
		if e.Phase == record.PhasePending {
			p.pending = true
		}
		if _, told := p.at[e.Phase]; !told {
			p.at[e.Phase] = e.At.Seconds()
		}
	}
	return out
}

// decisionsUp are the moments at which the autoscaler raised each tenant's count.
func decisionsUp(events []record.Event, workload string) map[string][]float64 {
	out := map[string][]float64{}
	for _, e := range events {
		if e.Kind == record.KindScale && e.Workload == workload && e.Desired > e.From {
			out[e.Tenant] = append(out[e.Tenant], e.At.Seconds())
		}
	}
	return out
}

// lastBefore is the last moment at or before t.
func lastBefore(at []float64, t float64) (float64, bool) {
	i, found := slices.BinarySearch(at, t)
	if found {
		return at[i], true
	}
	if i == 0 {
		return 0, false
	}
	return at[i-1], true
}

// decisions adds, for each tenant, how long it took from the first scrape above the target (by more than the default
// tolerance of a tenth) to the next raise. A later scrape above it starts anew only after a raise, or after one below.
func (s *stageTimes) decisions(r *run, workload string) {
	raised := decisionsUp(r.Events, workload)
	for _, t := range r.tenants {
		target, ok := targetOf(workloadOf(r.Run.Platform, workload, t.name))
		if t.workload != workload || !ok {
			continue
		}
		waiting, since := false, 0.0
		raises := raised[t.name]
		for i, at := range t.used.t {
			for waiting && len(raises) > 0 && raises[0] <= at {
				s.seconds[PhaseDecision] = append(s.seconds[PhaseDecision], raises[0]-since)
				waiting = false
			}
			for len(raises) > 0 && raises[0] <= at {
				raises = raises[1:]
			}
			above := t.used.v[i] > 1.1*target
			if above && !waiting {
				since = at
			}
			waiting = above
		}
	}
}

// targetOf is the CPU utilisation a workload is scaled on, in percent of the requests.
func targetOf(w *scenarios.Workload) (float64, bool) {
	if w == nil || w.HPA == nil {
		return 0, false
	}
	for _, m := range w.HPA.Metrics {
		if m.Resource != nil && m.Resource.Name == "cpu" && m.Resource.Target.AverageUtilization != nil {
			return float64(*m.Resource.Target.AverageUtilization), true
		}
	}
	return 0, false
}
