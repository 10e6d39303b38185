package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/lab/kubernetes/audit"
	"github.com/ansturm/ansturm/lab/kubernetes/nodeagent"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/chain"
)

// The promises of issue and docs.
const (
	leastShare    = 0.99                   // of the scale-ups, attributed stage by stage
	mostError     = 100 * time.Millisecond // of a stage's estimate, at p95
	leastInside   = 0.99                   // of a stage's bounds, that hold the truth
	leastScaleUps = 200
)

// span is a stretch of the run's time that holds a truth.
type span struct{ from, to time.Duration }

// compareChains holds scale events against the audit of spec.replicas, and the chains' stages against audit and journal.
func compareChains(s *seen, p *proof) error {
	chains := chain.Of(s.events, s.run.Platform)
	sum := chains.Summary()
	p.ScaleUps, p.Attributed, p.Unfinished, p.Partly, p.Reasons = sum.ScaleUps, sum.Attributed, sum.Unfinished, sum.Partly, sum.Reasons
	p.Audited, p.Unlike = s.unlikeScalings()
	p.Stages = s.errors(chains)
	var problems []error
	broken := func(is bool, format string, args ...any) {
		if is {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	broken(sum.ScaleUps < leastScaleUps, "%d scale-ups, wanted %d at least", sum.ScaleUps, leastScaleUps)
	broken(p.Unlike > 0, "%d scalings are in one of timeline and audit only", p.Unlike)
	broken(!(sum.Share() >= leastShare), "%.1f %% of the scale-ups are attributed, wanted %.0f", 100*sum.Share(), 100*leastShare)
	for _, stage := range p.Stages {
		broken(stage.P95ms > mostError.Seconds()*1e3 && (stage.Bounded < stage.Count || stage.Inside < leastInside),
			"%s: off by %.0f ms at p95; of %d of %d there are bounds, which hold the truth in %.1f %%",
			stage.Stage, stage.P95ms, stage.Bounded, stage.Count, 100*stage.Inside)
	}
	broken(s.account.Lab == nil || !s.account.Lab.Agrees, "the platform's own account does not agree with the ledger: %+v", s.account.Lab)
	return errors.Join(problems...)
}

// offset is a moment on the wall in the run's time.
func (s *seen) offset(t time.Time) time.Duration { return t.Sub(s.run.StartedAt) }

func (s *seen) span(a audit.Span) span { return span{s.offset(a.From), s.offset(a.To)} }

// scaling is a change of a workload's count as both sides write it down.
type scaling struct {
	tenant, workload, version string
	to                        int32
}

// unlikeScalings says how many changes of spec.replicas the audit has of the run's time, and how many the timeline does not
// have, or has beside them. Those of the last second may be on their way when the watching ends.
func (s *seen) unlikeScalings() (audited, unlike int) {
	balance := map[scaling]int{}
	last := time.Duration(math.MinInt64)
	for _, e := range s.events {
		last = max(last, e.At)
		if e.Kind == record.KindScale {
			balance[scaling{e.Tenant, e.Workload, e.ResourceVersion, e.Desired}]--
		}
	}
	for _, w := range audit.Changes(s.writes) {
		at := s.offset(w.At)
		key := scaling{w.Namespace, w.Name, fmt.Sprint(w.ResourceVersion), w.Replicas}
		if w.Resource != "deployments" || at < 0 || at > last-time.Second && balance[key] == 0 {
			continue
		}
		audited++
		balance[key]++
	}
	for _, n := range balance {
		unlike += max(n, -n)
	}
	return audited, unlike
}

// stageError is how far the estimates of a stage are from the truth.
type stageError struct {
	Stage string  `json:"stage"`
	Count int     `json:"count"`
	P50ms float64 `json:"p50ms"`
	P95ms float64 `json:"p95ms"`
	MaxMs float64 `json:"maxMs"`
	// Bounded are given as bounds, Inside of them (a share) hold the truth; WidthMs is their median width.
	Bounded int     `json:"bounded"`
	Inside  float64 `json:"inside"`
	WidthMs float64 `json:"widthMs"`
	// Unknown are those of which the truth was not written down.
	Unknown int `json:"unknown,omitempty"`
}

// errors compares every stage of which there is a truth.
func (s *seen) errors(chains *chain.Chains) (all []stageError) {
	decisions, pods := s.decisions(), s.podTruths()
	found := map[string][]deviation{}
	unknown := map[string]int{}
	see := func(m chain.Moment, truth span, known bool) {
		switch {
		case !m.Known() || m.Stage == "":
		case !known:
			unknown[m.Stage]++
		default:
			found[m.Stage] = append(found[m.Stage], deviate(m, truth))
		}
	}
	for i := range chains.ScaleUps {
		up := &chains.ScaleUps[i]
		decision := up.Stage(chain.Decision)
		truth, known := nearest(decisions[scaled{up.Tenant, up.Workload, up.From, up.To}], decision.At)
		see(decision, truth, known)
		for _, pod := range up.Pods {
			for _, m := range pod.Stages {
				truth, known := pods[up.Tenant+"/"+pod.Name][m.Stage]
				see(m, truth, known)
			}
		}
	}
	for _, stage := range append([]string{chain.Decision}, chain.PodStages...) {
		if len(found[stage])+unknown[stage] > 0 {
			e := sumUp(stage, found[stage])
			e.Unknown = unknown[stage]
			all = append(all, e)
		}
	}
	return all
}

// scaled names the scale events of a workload from one count to another.
type scaled struct {
	tenant, workload string
	from, to         int32
}

// decisions are the truths of the scale events: from the write's being received until it was answered.
func (s *seen) decisions() map[scaled][]span {
	versions := map[string]audit.Write{}
	for _, w := range s.writes {
		versions[fmt.Sprint(w.ResourceVersion)] = w
	}
	truths := map[scaled][]span{}
	for _, e := range s.events {
		if w, known := versions[e.ResourceVersion]; known && e.Kind == record.KindScale {
			key := scaled{e.Tenant, e.Workload, e.From, e.Desired}
			truths[key] = append(truths[key], s.span(audit.Span{From: w.Received, To: w.At}))
		}
	}
	return truths
}

// nearest is the span nearest to a moment.
func nearest(list []span, at time.Duration) (span, bool) {
	if len(list) == 0 {
		return span{}, false
	}
	return slices.MinFunc(list, func(a, b span) int { return cmp.Compare((a.to - at).Abs(), (b.to - at).Abs()) }), true
}

// stageOf are the journal's words for the chain's stages. Of those that others than the node agent bring about the audit log
// knows more truly: the agent, too, has them from watches.
var stageOf = map[string]string{
	nodeagent.StagePulled: record.PhasePulled, nodeagent.StageStarted: record.PhaseStarted, nodeagent.StageReady: record.PhaseReady,
	nodeagent.StageServing: record.PhaseServing,
}

// podTruths are the truths of the pods' stages, by namespace/name.
func (s *seen) podTruths() map[string]map[string]span {
	truths := map[string]map[string]span{}
	put := func(pod, stage string, t span) {
		if truths[pod] == nil {
			truths[pod] = map[string]span{}
		}
		if _, told := truths[pod][stage]; !told {
			truths[pod][stage] = t
		}
	}
	for name, p := range s.pods {
		for stage, a := range map[string]audit.Span{record.PhaseCreated: p.Created, record.PhaseScheduled: p.Bound, record.PhaseRotation: p.Ready} {
			if !a.From.IsZero() {
				put(name, stage, s.span(a))
			}
		}
	}
	for _, e := range s.journal {
		if stage := stageOf[e.Stage]; stage != "" {
			at := s.offset(time.Unix(0, e.At))
			put(e.Namespace+"/"+e.Pod, stage, span{at, at})
		}
	}
	return truths
}

// deviation is how far an estimate is from the truth, whether its bounds hold it, and how wide they are.
type deviation struct {
	off, width time.Duration
	inside     bool
}

// grain is what stamps of microseconds cut off.
const grain = time.Microsecond

func deviate(m chain.Moment, truth span) deviation {
	return deviation{
		off: max(0, truth.from-m.At, m.At-truth.to), width: m.To - m.From,
		inside: truth.to >= m.From-grain && truth.from <= m.To+grain,
	}
}

func sumUp(stage string, list []deviation) stageError {
	e := stageError{Stage: stage, Count: len(list)}
	if len(list) == 0 {
		return e
	}
	var off, width []float64
	inside := 0
	for _, d := range list {
		off = append(off, d.off.Seconds()*1e3)
		if d.width > 0 {
			width = append(width, d.width.Seconds()*1e3)
			if d.inside {
				inside++
			}
		}
	}
	e.P50ms, e.P95ms, e.MaxMs = rank(off, 0.5), rank(off, 0.95), rank(off, 1)
	if e.Bounded = len(width); e.Bounded > 0 {
		e.WidthMs, e.Inside = rank(width, 0.5), float64(inside)/float64(e.Bounded)
	}
	return e
}

// rank is the q-quantile by the nearest rank; it sorts v.
func rank(v []float64, q float64) float64 {
	slices.Sort(v)
	return math.Round(1000*v[max(0, int(math.Ceil(q*float64(len(v))))-1)]) / 1000
}
