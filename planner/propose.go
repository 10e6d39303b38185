package planner

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// Proposal is the smallest set of calibration runs that settles what a plan needs and is not known yet.
type Proposal struct {
	Runs []ProposedRun `json:"runs"`
	// Condition is the condition number of the proposed mixes' step rates, by workload: above 30 steps cannot be told apart.
	Condition map[string]float64 `json:"condition,omitempty"`
	// Left is what stays open after these runs, and why.
	Left []fit.Parameter `json:"left,omitempty"`
}

// ProposedRun is one run of a Proposal.
type ProposedRun struct {
	Name string `json:"name"`
	// Why says what is done in it and what for.
	Why scenarios.Text `json:"why"`
	// Settles are the parameters it is fired for.
	Settles []fit.Parameter `json:"settles"`
	// Lasts is its length in platform time; Wall is what it takes at the speed asked for.
	Lasts time.Duration `json:"lasts"`
	Wall  time.Duration `json:"wall"`

	Experiment Experiment `json:"-"`
}

// generatorRate is the rate of shots a second on the wall that a calibration run stays below.
const generatorRate = 5500.0

// option is a group of runs that may be proposed, and the kinds of parameters it settles.
type option struct {
	runs    []ProposedRun
	settles []string
}

// Propose finds the smallest set of runs that settles what a plan for the platform needs: fewest runs first, then the
// shortest. A model fitted before says what is known already; nil means nothing. Speed is times life's: what the generator
// can fire bounds the rates, the faster the platform's clock the lower.
func Propose(sc *scenarios.Scenario, pf *scenarios.Platform, model *fit.Model, speed float64) (*Proposal, error) {
	d, err := newDesigner(sc, pf, speed)
	if err != nil {
		return nil, err
	}
	open := fit.Needed(pf)
	if model != nil {
		open = stillOpen(open, model.Parameters)
		d.tried(model.Runs, open)
	}
	out := &Proposal{Condition: map[string]float64{}}
	options, err := d.options(out)
	if err != nil {
		return nil, err
	}
	settleable := slices.DeleteFunc(slices.Clone(open), func(p fit.Parameter) bool { return d.unsettled(&p) != nil })
	for _, i := range fewest(options, settleable) {
		o := options[i]
		for _, r := range o.runs {
			if slices.ContainsFunc(out.Runs, func(x ProposedRun) bool { return x.Name == r.Name }) {
				continue
			}
			for _, p := range settleable {
				if slices.Contains(o.settles, p.Kind) {
					r.Settles = append(r.Settles, p)
				}
			}
			r.Lasts = r.Experiment.Scenario.Arrivals.Over
			r.Wall = time.Duration(float64(r.Lasts) / speed)
			out.Runs = append(out.Runs, r)
		}
	}
	for _, p := range open {
		if !slices.ContainsFunc(out.Runs, func(r ProposedRun) bool {
			return slices.ContainsFunc(r.Settles, func(s fit.Parameter) bool { return same(&s, &p) })
		}) {
			p.Settles, p.Why, p.Needless = "", d.whyLeft(&p), d.needless[p.Of] && p.Kind == fit.KindBackend
			out.Left = append(out.Left, p)
		}
	}
	return out, nil
}

// tried leaves out what a run was fired for already and did not show: once more would show no more.
func (d *designer) tried(runs []fit.Source, open []fit.Parameter) {
	for _, p := range open {
		if p.Kind == fit.KindDemand || !slices.ContainsFunc(runs, func(r fit.Source) bool { return filepath.Base(r.Dir) == p.Settles }) {
			continue
		}
		d.left[p.Kind+" "+p.Of] = scenarios.Text{
			"de": fmt.Sprintf("Der Lauf %s ist gefeuert und hat es nicht gezeigt.", p.Settles),
			"en": fmt.Sprintf("Run %s was fired and did not show it.", p.Settles),
		}
	}
}

func same(a, b *fit.Parameter) bool {
	return a.Kind == b.Kind && a.Workload == b.Workload && a.Of == b.Of
}

// stillOpen are the needed parameters that a model does not know, as it tells of them.
func stillOpen(needed, told []fit.Parameter) []fit.Parameter {
	var out []fit.Parameter
	for _, p := range needed {
		i := slices.IndexFunc(told, func(t fit.Parameter) bool { return same(&t, &p) })
		switch {
		case i < 0:
			out = append(out, p)
		case told[i].Open():
			out = append(out, told[i])
		}
	}
	return out
}

// fewest tries all sets of options, of which there are few: those that settle as many of the open parameters as all
// options together, with the fewest runs, and of these the shortest.
func fewest(options []option, open []fit.Parameter) []int {
	best, settled, runs, length := 0, -1, 0, time.Duration(0)
	for set := range 1 << len(options) {
		n, count, lasts := 0, 0, time.Duration(0)
		for _, p := range open {
			for i, o := range options {
				if set>>i&1 == 1 && slices.Contains(o.settles, p.Kind) {
					n++
					break
				}
			}
		}
		names := map[string]bool{}
		for i, o := range options {
			for _, r := range o.runs {
				if set>>i&1 == 1 && !names[r.Name] {
					names[r.Name] = true
					count++
					lasts += r.Experiment.Scenario.Arrivals.Over
				}
			}
		}
		if c := cmp.Or(cmp.Compare(settled, n), cmp.Compare(count, runs), cmp.Compare(lasts, length)); settled < 0 || c < 0 {
			best, settled, runs, length = set, n, count, lasts
		}
	}
	out := make([]int, 0, bits.OnesCount(uint(best)))
	for i := range options {
		if best>>i&1 == 1 {
			out = append(out, i)
		}
	}
	return out
}

// designer lays out the runs for one scenario and platform.
type designer struct {
	sc    *scenarios.Scenario
	pf    *scenarios.Platform
	shots float64 // most a second, in platform time
	peak  float64 // arrivals a second of the surge at its peak
	base  *sim.Params
	each  []float64 // expected shots of a person, by step
	with  []int     // of each step the first one that always comes with it
	left  map[string]scenarios.Text
	// needless are the back ends whose limit the surge comes nowhere near.
	needless map[string]bool
}

func newDesigner(sc *scenarios.Scenario, pf *scenarios.Platform, speed float64) (*designer, error) {
	if sc == nil || pf == nil || len(sc.Tenants.List) == 0 || len(sc.AllSteps()) == 0 {
		return nil, errors.New("calibrate: a scenario needs a journey and a tenant at the least")
	}
	if !(speed > 0) {
		return nil, fmt.Errorf("calibrate: speed %g must be above 0", speed)
	}
	curve, err := sc.Curve()
	if err != nil {
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	d := &designer{sc: sc, pf: pf, shots: generatorRate / speed, left: map[string]scenarios.Text{}, needless: map[string]bool{}}
	_, d.peak = curve.Peak()
	if d.base, err = paramsOf(sc, pf, nil); err != nil {
		return nil, err
	}
	d.each = perPerson(d.base, sc)
	return d, nil
}

// perPerson are the shots of a person by step, as expected.
func perPerson(p *sim.Params, sc *scenarios.Scenario) []float64 {
	out := make([]float64, len(p.Shape))
	for k := range p.Shape {
		for _, x := range p.Shape[k] {
			out[k] += x / float64(sc.Arrivals.Total)
		}
	}
	return out
}

func summed(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum
}

// options are all groups of runs that can be fired here.
func (d *designer) options(out *Proposal) ([]option, error) {
	mixes, err := d.mixes(out.Condition)
	if err != nil {
		return nil, err
	}
	plain := []string{fit.KindIdle, fit.KindMemory}
	list := []option{
		{mixes, append([]string{fit.KindDemand}, plain...)},
		{mixes[:1], plain},
	}
	for _, more := range []struct {
		make    func() (*ProposedRun, error)
		settles []string
	}{
		{d.knee, []string{fit.KindKnee}},
		{d.starts, []string{fit.KindDelay, fit.KindWarmUp}},
		{d.loud, []string{fit.KindNeighbours}},
	} {
		run, err := more.make()
		if err != nil {
			return nil, err
		}
		if run != nil {
			list = append(list, option{[]ProposedRun{*run}, more.settles})
		}
	}
	return d.withBackends(list)
}

// unsettled says why a parameter is not settled although its kind is; nil where it is.
func (d *designer) unsettled(p *fit.Parameter) scenarios.Text { return d.left[p.Kind+" "+p.Of] }

// whyLeft says why a parameter stays open.
func (d *designer) whyLeft(p *fit.Parameter) scenarios.Text {
	if why := d.unsettled(p); why != nil {
		return why
	}
	if why := d.left[p.Kind]; why != nil {
		return why
	}
	if p.Kind == fit.KindSurge {
		return scenarios.Text{
			"de": "Kein Lauf klärt das; Zahlen früherer Ereignisse würden es.",
			"en": "No run settles this; figures of past events would.",
		}
	}
	return scenarios.Text{"de": "Kein Lauf mit diesem Szenario klärt das.", "en": "No run with this scenario settles this."}
}

// Keep leaves only the named runs; what the others would have settled is then left open. No names keep all.
func (p *Proposal) Keep(names []string) error {
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(p.Runs, func(r ProposedRun) bool { return r.Name == name }) {
			return fmt.Errorf("calibrate: no run %q is proposed", name)
		}
	}
	var kept []ProposedRun
	for _, r := range p.Runs {
		if slices.Contains(names, r.Name) {
			kept = append(kept, r)
			continue
		}
		for _, s := range r.Settles {
			s.Settles, s.Why = r.Name, scenarios.Text{
				"de": fmt.Sprintf("Der Lauf %s würde es klären.", r.Name), "en": fmt.Sprintf("Run %s would settle it.", r.Name),
			}
			p.Left = append(p.Left, s)
		}
	}
	p.Runs = kept
	return nil
}

// Least names the runs that a fit cannot do without: all else may be assumed as described.
func (p *Proposal) Least() []string {
	var out []string
	for _, r := range p.Runs {
		if slices.ContainsFunc(r.Settles, func(s fit.Parameter) bool { return s.Kind == fit.KindDemand || s.Kind == fit.KindIdle }) {
			out = append(out, r.Name)
		}
	}
	return out
}

// settling says of a model's open parameters which run would settle them for this surge, or why none.
func settling(model *fit.Model, sc *scenarios.Scenario, pf *scenarios.Platform, speed float64) error {
	p, err := Propose(sc, pf, model, cmp.Or(speed, 1))
	if err != nil {
		return err
	}
	for i := range model.Parameters {
		q := &model.Parameters[i]
		for _, left := range p.Left {
			if same(&left, q) {
				q.Settles, q.Why, q.Needless = "", left.Why, left.Needless
			}
		}
		for _, r := range p.Runs {
			if slices.ContainsFunc(r.Settles, func(s fit.Parameter) bool { return same(&s, q) }) {
				q.Settles = r.Name
			}
		}
	}
	model.Warnings = slices.DeleteFunc(model.Warnings, func(w record.Warning) bool { return w.Code == fit.CodeOpen })
	if w, open := fit.OpenWarning(model.Parameters); open {
		model.Warnings = append(model.Warnings, w)
	}
	return nil
}
