package fit

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// The calibration runs that settle something, by the names that ansturm calibrate gives their records.
const (
	RunRare     = "calibration-1"        // optional steps rare, the rate in steps
	RunCommon   = "calibration-2"        // optional steps common
	RunKnee     = "calibration-knee"     // pods of unlike number past their limit
	RunStarts   = "calibration-starts"   // pods start under load
	RunLoud     = "calibration-loud"     // one workload loud beside the others
	RunBackends = "calibration-backends" // the shared back ends at their limit
)

// How much is known of a parameter.
const (
	Known   = "known"
	Assumed = "assumed" // as the platform's description says, or as the fit assumes
	Unknown = "unknown" // left out, or counted with something else
)

// The kinds of parameters.
const (
	KindDemand     = "demand"     // Of: the step
	KindIdle       = "idle"       //
	KindKnee       = "knee"       // of a workload's replicas
	KindBackend    = "backend"    // Of: the back end
	KindDelay      = "delay"      // Of: the stage of a pod's start
	KindWarmUp     = "warm-up"    //
	KindMemory     = "memory"     //
	KindNeighbours = "neighbours" // Of: the node pool
	KindSurge      = "surge"      // how far the forecast may be off
)

// Parameter is one thing that a plan needs, and how much is known of it.
type Parameter struct {
	Kind     string `json:"kind"`
	Workload string `json:"workload,omitempty"`
	Of       string `json:"of,omitempty"`
	Status   string `json:"status"`
	// Value, Low and High where there is one; of a knee or a back end that was not reached Low is what was shown.
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Unit  string  `json:"unit,omitempty"`
	// Settles is the run of ansturm calibrate that would settle it, or tell more of it; empty where none is needed or would.
	Settles string         `json:"settles,omitempty"`
	Name    scenarios.Text `json:"name"`
	// Why says, for a certain surge, why no run settles it; Needless that the surge comes nowhere near its value.
	Why      scenarios.Text `json:"why,omitempty"`
	Needless bool           `json:"needless,omitempty"`
}

// Open says whether something is still to be learnt of it.
func (p *Parameter) Open() bool { return p.Status != Known }

// started are the stages of a pod's start that a plan needs.
var started = []string{record.PhasePulled, record.PhaseStarted, record.PhaseReady}

// Needed lists what a plan for a platform needs, all of it unknown or assumed: what is known before any run.
func Needed(pf *scenarios.Platform) []Parameter {
	var out []Parameter
	names := map[string]bool{}
	for i := range pf.Workloads {
		w := &pf.Workloads[i]
		if names[w.Name] {
			continue
		}
		names[w.Name] = true
		for _, step := range slices.Sorted(maps.Keys(w.Steps)) {
			out = append(out, parameter(KindDemand, w.Name, step, Unknown, RunCommon))
		}
		out = append(out, parameter(KindIdle, w.Name, "", Unknown, RunRare), parameter(KindKnee, w.Name, "", Unknown, RunKnee))
		for _, stage := range started {
			out = append(out, parameter(KindDelay, w.Name, stage, Assumed, RunStarts))
		}
		out = append(out, parameter(KindWarmUp, w.Name, "", Assumed, RunStarts), parameter(KindMemory, w.Name, "", described(w.Memory.Base > 0), RunRare))
	}
	for _, b := range pf.Backends {
		out = append(out, parameter(KindBackend, "", b.Name, Assumed, RunBackends))
	}
	if Overcommitted(pf) {
		for _, p := range pf.Pools {
			if p.Count > 0 {
				out = append(out, parameter(KindNeighbours, "", p.Name, Unknown, RunLoud))
			}
		}
	}
	return append(out, parameter(KindSurge, "", "", Assumed, ""))
}

// Overcommitted says whether workloads share nodes and may use more of them than they requested: only then a loud one can
// take from the others.
func Overcommitted(pf *scenarios.Platform) bool {
	names, more := map[string]bool{}, false
	for _, w := range pf.Workloads {
		names[w.Name] = true
		more = more || w.CPULimit() == 0 || w.CPULimit() > w.CPURequest()
	}
	return more && len(names) > 1
}

func described(it bool) string {
	if it {
		return Assumed
	}
	return Unknown
}

// parameters says of everything that a plan needs what the model knows of it.
func parameters(m *Model, runs []*run, pastEvents bool) []Parameter {
	var out []Parameter
	var pf *scenarios.Platform
	for _, r := range runs { // the last one is the surge, as a rule
		if r.Run.Platform != nil {
			pf = r.Run.Platform
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Workloads)) {
		out = append(out, m.Workloads[name].parameters(name, describedWorkload(name, runs))...)
	}
	if pf != nil {
		for _, b := range pf.Backends {
			p := parameter(KindBackend, "", b.Name, Assumed, RunBackends)
			if seen := m.Backends[b.Name]; seen != nil {
				if p.Low, p.Unit = seen.AtLeast, "1/s"; seen.Reached {
					p.know(seen.Most)
				}
			}
			out = append(out, p)
		}
	}
	for _, pool := range slices.Sorted(maps.Keys(m.Neighbours)) {
		if !m.Neighbours[pool].Known && (pf == nil || !Overcommitted(pf)) {
			continue
		}
		p := parameter(KindNeighbours, "", pool, Unknown, RunLoud)
		if n := m.Neighbours[pool]; n.Known {
			p.know(n.Eta)
		}
		out = append(out, p)
	}
	surge := parameter(KindSurge, "", "", Assumed, "")
	surge.Value, surge.Low, surge.High, surge.Unit = m.Demand.Value, m.Demand.Low, m.Demand.High, m.Demand.Unit
	if pastEvents {
		surge.know(m.Demand)
	}
	return append(out, surge)
}

// parameters of one workload; described is nil where no platform has it.
func (w *WorkloadModel) parameters(name string, pf *scenarios.Workload) []Parameter {
	var out []Parameter
	for _, step := range slices.Sorted(maps.Keys(w.Steps)) {
		p := parameter(KindDemand, name, step, Unknown, RunCommon)
		d := w.Steps[step].Demand
		p.Value, p.Low, p.High, p.Unit = d.Value, d.Low, d.High, d.Unit
		switch divided := w.Steps[step].Divided; {
		case d.Value > 0 && !divided:
			p.know(d)
		case divided && pf != nil && pf.Steps[step].CPU.Mean() > 0:
			p.Status = Assumed
		}
		out = append(out, p)
	}
	idle := parameter(KindIdle, name, "", Unknown, RunRare)
	if w.Idle.High > 0 {
		idle.know(w.Idle)
	}
	knee := parameter(KindKnee, name, "", Unknown, RunKnee)
	knee.Low, knee.Unit = w.Capacity.AtLeast, "1/s"
	if w.Capacity.KneeObserved {
		c := &w.Capacity
		u := usl{c.Gamma.Value, c.Alpha.Value, c.Beta.Value}
		knee.know(Estimate{
			Value: u.knee(), Unit: "replicas",
			Low: usl{1, c.Alpha.High, c.Beta.High}.knee(), High: usl{1, c.Alpha.Low, c.Beta.Low}.knee(),
		})
	}
	out = append(out, idle, knee)
	for _, stage := range started {
		p := parameter(KindDelay, name, stage, described(pf != nil), RunStarts)
		if d := w.Chain[stage]; d != nil && d.Observed > 0 {
			if p.know(d.Median); d.Observed < fewDelays {
				p.Settles = RunStarts
			}
		}
		out = append(out, p)
	}
	warm := parameter(KindWarmUp, name, "", described(pf != nil), RunStarts)
	warm.Value, warm.Low, warm.High, warm.Unit = w.WarmUpFactor.Value, w.WarmUpFactor.Low, w.WarmUpFactor.High, w.WarmUpFactor.Unit
	if w.WarmUpSeen {
		warm.know(w.WarmUpFactor)
	}
	memory := parameter(KindMemory, name, "", described(pf != nil && pf.Memory.Base > 0), RunRare)
	if w.Memory != nil && w.Memory.Known {
		memory.know(w.Memory.PerRequest)
	}
	return append(out, warm, memory)
}

// know puts a parameter among those that are known.
func (p *Parameter) know(e Estimate) {
	p.Status, p.Settles = Known, ""
	p.Value, p.Low, p.High, p.Unit = e.Value, e.Low, e.High, e.Unit
}

// stageNames are the stages of a pod's start in words.
var stageNames = map[string][2]string{
	record.PhasePulled: {"Laden des Abbilds", "pulling the image"}, record.PhaseStarted: {"Start des Containers", "starting the container"},
	record.PhaseReady: {"vom Start bis zur Bereitschaft", "from started to ready"},
}

// parameter names a parameter in words.
func parameter(kind, workload, of, status, settles string) Parameter {
	de, en := "", ""
	switch kind {
	case KindDemand:
		de, en = fmt.Sprintf("%s: Rechenzeit des Schritts %s", workload, of), fmt.Sprintf("%s: CPU time of step %s", workload, of)
	case KindIdle:
		de, en = workload+": Grundverbrauch eines Pods", workload+": what an idle pod uses"
	case KindKnee:
		de, en = workload+": Wendepunkt der Kapazität", workload+": knee of the capacity"
	case KindBackend:
		de, en = fmt.Sprintf("Hintergrunddienst %s: höchster Durchsatz", of), fmt.Sprintf("back end %s: most it serves", of)
	case KindDelay:
		de, en = fmt.Sprintf("%s: Pod-Start, %s", workload, stageNames[of][0]), fmt.Sprintf("%s: start of a pod, %s", workload, stageNames[of][1])
	case KindWarmUp:
		de, en = workload+": Mehraufwand junger Pods", workload+": extra cost of young pods"
	case KindMemory:
		de, en = workload+": Arbeitsspeicher je offener Anfrage", workload+": memory of a request in flight"
	case KindNeighbours:
		de, en = fmt.Sprintf("Knotenpool %s: Einfluss lauter Nachbarn", of), fmt.Sprintf("node pool %s: effect of loud neighbours", of)
	case KindSurge:
		de, en = "Umfang der Welle gegenüber der Vorhersage", "size of the surge against the forecast"
	}
	return Parameter{Kind: kind, Workload: workload, Of: of, Status: status, Settles: settles, Name: scenarios.Text{"de": de, "en": en}}
}
