package chain

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// reading is a timeline sorted by workload.
type reading struct {
	workloads []*workload
	end       time.Duration // of the record
}

// workload is what a timeline says of one.
type workload struct {
	tenant, name string
	scales       []record.Event
	samples      []sample
	pods         []*pod // by creation
	target       float64
	hasTarget    bool
	lag          time.Duration // from sample to being served
}

// sample is one sample of the utilisation.
type sample struct {
	moment Moment
	used   float64       // percent
	window time.Duration // zero: not said
}

// pod is what a timeline says of one.
type pod struct {
	name, node  string
	seen        map[string]Moment
	waited      bool
	gone        time.Duration
	isGone, had bool // had: it was there at the start
}

type workloadKey struct{ tenant, name string }

// read sorts the events.
func read(events []record.Event, platform *scenarios.Platform) *reading {
	r := &reading{}
	byKey, pods := map[workloadKey]*workload{}, map[string]*pod{}
	get := func(e *record.Event) *workload {
		key := workloadKey{e.Tenant, e.Workload}
		w := byKey[key]
		if w == nil {
			w = newWorkload(key, platform)
			byKey[key] = w
		}
		return w
	}
	for i := range events {
		e := &events[i]
		r.end = max(r.end, e.At)
		switch e.Kind {
		case record.KindScale:
			w := get(e)
			w.scales = append(w.scales, *e)
		case record.KindMetrics:
			get(e).sample(e)
		case record.KindAutoscaler:
			if t, said := e.Values["target_percent"]; said {
				w := get(e)
				w.target, w.hasTarget = t, true
			}
		case record.KindPod:
			if ofAnswers(e) {
				continue
			}
			key := e.Tenant + "/" + e.Object
			if pods[key] == nil {
				pods[key] = &pod{name: e.Object, seen: map[string]Moment{}}
				w := get(e)
				w.pods = append(w.pods, pods[key])
			}
			pods[key].phase(e)
		}
	}
	for i := range events { // after the pods: notices make their moments sharper, and answers know nothing but a pod's name
		e := &events[i]
		switch p := pods[e.Tenant+"/"+e.Object]; {
		case p == nil:
		case e.Kind == record.KindNotice:
			p.notice(e)
		case ofAnswers(e):
			p.answered(e)
		}
	}
	r.workloads = slices.SortedFunc(maps.Values(byKey), func(a, b *workload) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.name, b.name))
	})
	return r
}

func newWorkload(key workloadKey, platform *scenarios.Platform) *workload {
	w := &workload{tenant: key.tenant, name: key.name, lag: scenarios.Autoscaling{}.WithDefaults().MetricLag}
	if platform == nil {
		return w
	}
	w.lag = platform.Autoscaling.WithDefaults().MetricLag
	spec := platform.WorkloadOf(key.tenant)
	if spec == nil || spec.HPA == nil || spec.Name != key.name {
		return w
	}
	for _, m := range spec.HPA.Metrics {
		if m.Resource != nil && m.Resource.Name == "cpu" && m.Resource.Target.AverageUtilization != nil {
			w.target, w.hasTarget = float64(*m.Resource.Target.AverageUtilization), true
			break
		}
		if m.ContainerResource != nil && m.ContainerResource.Name == "cpu" && m.ContainerResource.Target.AverageUtilization != nil {
			w.target, w.hasTarget = float64(*m.ContainerResource.Target.AverageUtilization), true
			break
		}
	}
	return w
}

// momentOf is an event's moment.
func momentOf(stage, evidence string, e *record.Event) Moment {
	m := Moment{Stage: stage, At: e.At, From: e.At, To: e.At, Evidence: evidence, Late: e.Late}
	if e.Within != nil {
		m.From, m.To = min(e.Within.From, e.At), max(e.Within.To, e.At)
	}
	return m
}

func (w *workload) sample(e *record.Event) {
	used, said := e.Values["utilisation_percent"]
	if !said {
		return
	}
	w.samples = append(w.samples, sample{
		moment: momentOf(Sample, cmp.Or(e.Source, "metrics")+": a sample of "+percent(used), e), used: used,
		window: time.Duration(e.Values["window_seconds"] * float64(time.Second)),
	})
}

// evidence says in words what a pod's phase was taken from.
var evidence = map[string]string{
	record.PhaseCreated: "the pod's creationTimestamp and the watch", record.PhaseScheduled: "the PodScheduled condition and the watch",
	record.PhasePulled: "the Pulled event", record.PhaseStarted: "the containers' startedAt and the watch",
	record.PhaseReady: "the Ready condition and the watch", record.PhaseRotation: "the EndpointSlice's watch",
	record.PhaseServing: "the first request",
}

func (p *pod) phase(e *record.Event) {
	if e.Node != "" {
		p.node = e.Node
	}
	switch e.Phase {
	case record.PhasePending:
		p.waited = true
	case record.PhaseDeleted:
		p.gone, p.isGone = e.At, true
	default:
		if e.Message == "initial" {
			p.had = true
		}
		if _, told := p.seen[e.Phase]; !told {
			how := evidence[e.Phase]
			if e.Source == "lab" {
				how = "the embedded platform's own log"
			}
			p.seen[e.Phase] = momentOf(e.Phase, how, e)
		}
	}
}

// ofAnswers says whether an event is the generator's, which knows of a pod what its answers say.
func ofAnswers(e *record.Event) bool {
	return e.Kind == record.KindPod && e.Evidence == record.EvidenceAnswer
}

// answered takes in one of the answers that bound when a pod's first request came in. It came in when the earliest of those
// requests was sent, as a rule: a pod that is new has nobody before it.
func (p *pod) answered(e *record.Event) {
	m := momentOf(record.PhaseServing, "the first answers that name the pod", e)
	if had, told := p.seen[record.PhaseServing]; told {
		m.At, m.From, m.To = min(m.At, had.At), min(m.From, had.From), min(m.To, had.To)
	}
	p.seen[record.PhaseServing] = m
}

// sharper are the phases that a notice tells of, too.
var sharper = map[string]string{"Scheduled": record.PhaseScheduled, "Started": record.PhaseStarted}

// notice makes a phase's moment sharper: an Event is made right after what it tells of, so that the truth is not later. One
// with microseconds that came before the watch's own word is the best estimate; one with whole seconds bounds the truth too.
func (p *pod) notice(e *record.Event) {
	stage, known := sharper[e.Phase]
	had, told := p.seen[stage]
	if !known || !told || had.Late || e.Late {
		return
	}
	is := momentOf(stage, "", e)
	if is.To >= had.To || is.To < had.From {
		return
	}
	had.To, had.At = is.To, min(had.At, is.At)
	had.At = max(had.At, had.From)
	had.Evidence += ", the " + e.Phase + " event"
	p.seen[stage] = had
}
