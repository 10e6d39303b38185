package chain

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

const (
	// late is how long after a decision its pods may be created: beyond it, whatever made them was something else.
	late = time.Minute
	// tardy is how much later a decision may be seen than the pods that came of it: they come by watches of their own.
	tardy = time.Second
	// stale is how long before a decision the sample that led to it may have been taken: a period of the autoscaler and
	// two of the metrics, with some to spare.
	stale = time.Minute
	// window is a sample's where it does not say it.
	window = 15 * time.Second
)

// attribute gives out the workload's pods to its scale-ups.
func (w *workload) attribute(end time.Duration) (ups []ScaleUp, strays []Pod) {
	var open []*ScaleUp
	var down []time.Duration // for each of open, when it was scaled down again; 0: it was not
	for i := range w.scales {
		e := &w.scales[i]
		if e.Desired < e.From {
			for k := range open {
				if down[k] == 0 {
					down[k] = e.At
				}
			}
		}
		if e.Desired <= e.From {
			continue
		}
		up := &ScaleUp{Tenant: w.tenant, Workload: w.name, From: e.From, To: e.Desired, Cause: e.Message, Lacking: e.Desired - e.From}
		how := "the watch of spec.replicas"
		if e.Source == "lab" {
			how = "the embedded platform's own log"
		}
		decision := momentOf(Decision, how, e)
		load, sample := w.causes(decision)
		up.Stages = []Moment{load, sample, decision}
		open, down = append(open, up), append(down, 0)
	}
	pods := slices.DeleteFunc(slices.Clone(w.pods), func(p *pod) bool {
		created, known := p.seen[record.PhaseCreated]
		return p.had || !known || created.At == 0
	})
	slices.SortStableFunc(pods, func(a, b *pod) int {
		return cmp.Compare(a.seen[record.PhaseCreated].At, b.seen[record.PhaseCreated].At)
	})
	for _, p := range pods {
		if k := taker(open, down, p.seen[record.PhaseCreated]); k >= 0 {
			open[k].Lacking--
			open[k].precede(p.seen[record.PhaseCreated])
			open[k].Pods = append(open[k].Pods, p.stages(end))
		} else {
			strays = append(strays, p.stages(end))
		}
	}
	for k, up := range open {
		if up.Lacking > 0 {
			up.Why = lacking(up, down[k], end)
		}
		ups = append(ups, *up)
	}
	return ups, strays
}

// taker is the earliest scale-up that lacks a pod and that one created then can have come after; -1 where there is none.
func taker(open []*ScaleUp, down []time.Duration, created Moment) int {
	return slices.IndexFunc(open, func(up *ScaleUp) bool {
		decision := up.Stage(Decision)
		k := slices.Index(open, up)
		return up.Lacking > 0 && decision.From <= created.To+tardy && created.From <= decision.To+late &&
			(down[k] == 0 || created.From <= down[k])
	})
}

// precede bounds the decision by a pod that came of it: it was before that.
func (up *ScaleUp) precede(created Moment) {
	d := &up.Stages[len(up.Stages)-1]
	if created.To < d.To {
		d.To = created.To
		d.At, d.From = min(d.At, d.To), min(d.From, d.To)
		d.Evidence += ", and its pod"
	}
}

func lacking(up *ScaleUp, down, end time.Duration) Reason {
	switch {
	case down != 0:
		return TakenBack
	case up.Stage(Decision).To+late > end:
		return EndOfRecord
	}
	return NoPod
}

// causes finds the sample that led to a decision, and when the load rose that it shows.
func (w *workload) causes(decision Moment) (load, sampled Moment) {
	missing := func(r Reason) (Moment, Moment) {
		return Moment{Stage: Load, To: decision.To, Missing: r}, Moment{Stage: Sample, To: decision.To, Missing: r}
	}
	switch {
	case len(w.samples) == 0:
		return missing(NoSamples)
	case !w.hasTarget:
		return missing(NoTarget)
	}
	i := w.served(decision, w.lag)
	if i < 0 {
		i = w.served(decision, 0)
	}
	if i < 0 {
		return missing(NotAbove)
	}
	first := i
	for first > 0 && w.samples[first-1].used > w.target {
		first--
	}
	return w.rise(first), w.samples[i].moment
}

// served is the newest sample above the target that can have been there at a decision; -1 where there is none.
func (w *workload) served(decision Moment, lag time.Duration) int {
	for i := len(w.samples) - 1; i >= 0; i-- {
		s := &w.samples[i]
		switch {
		case s.moment.From+lag > decision.To:
		case decision.From-s.moment.At > stale:
			return -1
		case s.used > w.target:
			return i
		}
	}
	return -1
}

// rise is when the load rose that sample i is the first to show: in the window it was taken over.
func (w *workload) rise(i int) Moment {
	s := &w.samples[i]
	length := s.window
	if length == 0 {
		length = window
		if i > 0 {
			length = min(s.moment.At-w.samples[i-1].moment.At, 4*window)
		}
	}
	from := max(0, s.moment.From-length)
	return Moment{
		Stage: Load, At: (from + s.moment.At) / 2, From: from, To: s.moment.To, Late: s.moment.Late,
		Evidence: fmt.Sprintf("the window of %v of the first sample above the target, %s", length.Round(time.Millisecond), percent(w.target)),
	}
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", v) }

// stages are the pod's, those that were seen and those that were not.
func (p *pod) stages(end time.Duration) Pod {
	out := Pod{Name: p.name, Node: p.node, Waited: p.waited}
	_, rotation := p.seen[record.PhaseRotation]
	_, serving := p.seen[record.PhaseServing]
	for i, stage := range PodStages {
		m, known := p.seen[stage]
		switch {
		case known:
			out.Stages = append(out.Stages, m)
		case stage == record.PhaseRotation && serving, stage == record.PhaseServing && (rotation || !serving):
		default:
			out.Stages = append(out.Stages, p.missing(i, end))
		}
	}
	return out
}

// missing says why a stage was not seen, and what the stages around it leave open.
func (p *pod) missing(i int, end time.Duration) Moment {
	m := Moment{Stage: PodStages[i], To: end, Missing: EndOfRecord}
	_, scheduled := p.seen[record.PhaseScheduled]
	for _, before := range PodStages[:i] {
		if b, known := p.seen[before]; known {
			m.From = max(m.From, b.From)
		}
	}
	switch {
	case p.isGone:
		m.Missing, m.To = PodGone, p.gone
	case p.waited && !scheduled:
		m.Missing = NoRoom
	}
	for _, after := range PodStages[i+1:] {
		if a, known := p.seen[after]; known {
			m.Missing, m.To = NotSeen, min(m.To, a.To)
		}
	}
	m.To = max(m.From, m.To)
	m.At = (m.From + m.To) / 2
	return m
}
