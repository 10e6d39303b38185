package planner

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

const (
	rare, common = 0.1, 0.9
	// mostTenants is how many tenants of a workload are taken past their limit; leastTenants how many it takes, since the
	// fit wants three different numbers of replicas.
	mostTenants, leastTenants = 6, 3
	// overload is the load at which pods are past their limit and still answer most requests.
	overload = 1.08
	// leastStarts is the number of pods to be started: those that a fit calls sound.
	leastStarts = 12
	// louder is how many times its load a loud neighbour is given.
	louder = 1.5
)

// group is some tenants of one workload.
type group struct {
	workload string
	tenants  []member
}

// member is one tenant: what it needs in the surge, and what a person costs it: cores, and work at each shared back end.
type member struct {
	need
	title  string
	each   float64
	behind []float64
}

// groups are the largest tenants of every workload, at most so many.
func (d *designer) groups(most int) []group {
	var out []group
	titles := map[string]string{}
	for _, t := range d.sc.Tenants.List {
		titles[t.Name] = t.Title
	}
	list := needs(d.base, d.pf, 1, 1)
	for i, n := range list {
		at := slices.IndexFunc(out, func(g group) bool { return g.workload == n.workload.Name })
		if at < 0 {
			out, at = append(out, group{workload: n.workload.Name}), len(out)
		}
		g := member{need: n, title: titles[n.tenant]}
		w := &d.base.Workloads[d.base.Tenants[i].Workload]
		for k := range d.each {
			g.each += d.each[k] * w.Work[k].Mean
		}
		for b := range d.base.Backends {
			g.behind = append(g.behind, askedThrough(w, d.each, b))
		}
		out[at].tenants = append(out[at].tenants, g)
	}
	for i := range out {
		slices.SortStableFunc(out[i].tenants, func(a, b member) int { return cmp.Compare(b.peak, a.peak) })
		out[i].tenants = out[i].tenants[:min(most, len(out[i].tenants))]
	}
	return out
}

// busy is a scenario in which each chosen tenant keeps so many pods busy at the highest level: its weight and the rate
// follow. Nil, and why, where that is more than the generator can fire or the shared back ends carry.
func (d *designer) busy(name string, chosen []member, pods []float64, levels []float64, each time.Duration, seed uint64) (*scenarios.Scenario, scenarios.Text) {
	s := mixedAsIs(d.sc, name, seed)
	s.Tenants = d.sc.Tenants
	s.Tenants.List = nil
	persons, work := 0.0, make([]float64, len(d.base.Backends))
	for i, g := range chosen {
		rate := pods[i] * g.pod / math.Max(g.each, 1e-9)
		persons += rate
		for b := range work {
			work[b] += rate * g.behind[b]
		}
		s.Tenants.List = append(s.Tenants.List, scenarios.Tenant{Name: g.tenant, Title: g.title, Weight: rate})
	}
	if persons*summed(d.each) > d.shots {
		return nil, tooFast()
	}
	for b := range work {
		if work[b] > calm*d.base.Backends[b].Best() {
			return nil, behind()
		}
	}
	s.Arrivals = stepped(levels, each, each, d.sc.Arrivals.Seed+seed)
	s.Arrivals.Total = max(1, int64(math.Round(persons*mean(levels)*s.Arrivals.Over.Seconds())))
	s.SLOs = slices.DeleteFunc(slices.Clone(s.SLOs), func(o scenarios.SLO) bool { // of tenants that are not there
		return o.Tenant != "" && o.Tenant != "each" && o.Tenant != "all" &&
			!slices.ContainsFunc(chosen, func(m member) bool { return m.tenant == o.Tenant })
	})
	return s, nil
}

// lineup is the tenants that a run is about, how they are set, and how many pods each is to keep busy.
type lineup struct {
	chosen []member
	sets   []setting
	pods   []float64
}

func (l *lineup) add(m member, set setting, pods float64) {
	l.chosen, l.sets, l.pods = append(l.chosen, m), append(l.sets, set), append(l.pods, pods)
}

// levels are a run's rates, relative to each other and each for a minute, and the seed of its own.
type levels struct {
	rates []float64
	seed  uint64
}

// stood is the run of a line-up; nil, and why, where it cannot be fired.
func (d *designer) stood(name string, of lineup, at levels, why scenarios.Text) (*ProposedRun, scenarios.Text) {
	s, not := d.busy(name, of.chosen, of.pods, at.rates, time.Minute, at.seed)
	if s == nil {
		return nil, not
	}
	return &ProposedRun{Name: name, Experiment: Experiment{name, s, housed(d.pf, of.sets, 1.25, 1)}, Why: why}, nil
}

// knee takes pods of unlike number past their limit, tenant by tenant, of as many tenants as can be fired at.
func (d *designer) knee() (*ProposedRun, error) {
	if !slices.ContainsFunc(d.groups(leastTenants), func(g group) bool { return len(g.tenants) == leastTenants }) {
		d.left[fit.KindKnee] = scenarios.Text{
			"de": fmt.Sprintf("Dazu gehören Mandanten mit unterschiedlich vielen Pods; keine Anwendung hat wenigstens %d.", leastTenants),
			"en": fmt.Sprintf("That takes tenants with different numbers of pods; no workload has at least %d.", leastTenants),
		}
		return nil, nil
	}
	var not scenarios.Text
	for most := mostTenants; most >= leastTenants; most-- {
		var run *ProposedRun
		run, not = d.stood(fit.RunKnee, staircase(d.groups(most)), levels{[]float64{0.5, 0.8, 1, 1, 1, 1, 0.3}, 11}, scenarios.Text{
			"de": "Feste, unterschiedlich viele Replikate, die Rate in Stufen bis über ihre Grenze: ob weitere Replikate noch helfen",
			"en": "Fixed, unlike numbers of replicas, the rate in steps past their limit: whether further replicas still help",
		})
		if run != nil {
			return run, nil
		}
	}
	d.left[fit.KindKnee] = not
	return nil, nil
}

// staircase gives each group's tenants one pod fewer than the one before.
func staircase(groups []group) (out lineup) {
	for _, g := range groups {
		if len(g.tenants) < leastTenants {
			continue
		}
		for i, t := range g.tenants {
			n := int32(len(g.tenants) - i)
			out.add(t, setting{need: t.need, least: n, most: n, target: 90}, overload*float64(n))
		}
	}
	return out
}

func tooFast() scenarios.Text {
	return scenarios.Text{
		"de": "Die nötige Rate schafft der Lastgenerator bei dieser Geschwindigkeit nicht; mit kleinerem --speed geht es.",
		"en": "The generator cannot fire the rate that this takes at this speed; a lower --speed helps.",
	}
}

func behind() scenarios.Text {
	return scenarios.Text{
		"de": "Ein gemeinsamer Hintergrunddienst käme dabei vor den Pods an seine Grenze; im Lauf wäre nur sie zu sehen.",
		"en": "A shared back end would be at its limit before the pods are; the run would show nothing else.",
	}
}

// starts lets an autoscaler double the pods under a load that those there carry: as many as a fit calls sound under a heavy
// load, as that shows best what young pods cost, or fewer under less.
func (d *designer) starts() (*ProposedRun, error) {
	groups := d.groups(4)
	var not scenarios.Text
	for _, try := range []struct {
		starts int
		load   float64
	}{{leastStarts, 0.8}, {leastStarts, 0.4}, {leastStarts, 0.2}, {leastStarts / 2, 0.2}, {leastStarts / 4, 0.2}, {leastStarts / 4, 0.1}} {
		for most := 4; most > 0; most-- {
			var run *ProposedRun
			run, not = d.stood(fit.RunStarts, doubled(groups, most, try.starts, try.load), levels{[]float64{0.4, 1, 1, 1}, 12}, scenarios.Text{
				"de": "Die Autoskalierung verdoppelt mitten im Lauf die Pods: wie lange ein Start dauert, und was junge Pods kosten",
				"en": "The autoscaler doubles the pods in the middle of the run: how long a start takes, and what young pods cost",
			})
			if run != nil {
				return run, nil
			}
		}
	}
	d.left[fit.KindDelay], d.left[fit.KindWarmUp] = not, not
	return nil, nil
}

// doubled are so many starts of each group's largest tenants, most of them at most, with pods that are so busy before.
func doubled(groups []group, most, starts int, load float64) (out lineup) {
	for _, g := range groups {
		list := g.tenants[:min(most, len(g.tenants))]
		n := int32(max(3, (starts+len(list)-1)/len(list)))
		for _, t := range list {
			target := int32(math.Round(100 * load / 2 * t.pod * 1000 / math.Max(1, float64(t.request))))
			out.add(t, setting{need: t.need, least: n, most: 2 * n, target: max(1, target)}, load*float64(n))
		}
	}
	return out
}

// loud makes one workload half as loud again, with all others as in the first mix, and the nodes full.
func (d *designer) loud() (*ProposedRun, error) {
	if !fit.Overcommitted(d.pf) {
		return nil, nil
	}
	limits := map[string]float64{}
	for _, n := range needs(d.base, d.pf, 1, 1) {
		limits[n.workload.Name] += n.peak * n.pod
	}
	neighbour := ""
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if neighbour == "" || limits[name] > limits[neighbour] {
			neighbour = name
		}
	}
	sc := *d.sc
	list, raised := d.raised(neighbour)
	sc.Tenants.List = list
	e, err := mixture(&sc, d.pf, fit.RunLoud, func(int, int) float64 { return rare }, 13, calibrationLength, d.shots, raised*d.peak)
	if err != nil {
		return nil, err
	}
	quiet := *e.Scenario // the pods are those for everybody as loud as ever
	quiet.Tenants.List = d.sc.Tenants.List
	quiet.Arrivals.Total = int64(math.Round(float64(quiet.Arrivals.Total) / raised))
	p, err := paramsOf(&quiet, d.pf, nil)
	if err != nil {
		return nil, err
	}
	sets := quietSettings(needs(p, d.pf, 1, 1))
	return &ProposedRun{
		Name: fit.RunLoud, Experiment: Experiment{fit.RunLoud, e.Scenario, housed(d.pf, sets, 1, 0)},
		Why: scenarios.Text{
			"de": fmt.Sprintf("Wie der erste Lauf, aber %s um die Hälfte lauter und die Knoten voll: wie sehr ein Nachbar bremst", neighbour),
			"en": fmt.Sprintf("As the first run, but %s half as loud again and the nodes full: how much a neighbour slows the others", neighbour),
		},
	}, nil
}

// raised are the tenants with those of a workload louder, and how many times as many persons come for it.
func (d *designer) raised(workload string) ([]scenarios.Tenant, float64) {
	var before, after float64
	of, list := servers(d.pf), slices.Clone(d.sc.Tenants.List)
	for i := range list {
		w := weightOf(list[i].Weight)
		before += w
		if of(list[i].Name).Name == workload {
			w *= louder
		}
		list[i].Weight = w
		after += w
	}
	return list, after / before
}

// withBackends adds the run that tells how much the shared back ends serve: the only one that takes them past their limit.
func (d *designer) withBackends(list []option) ([]option, error) {
	most := d.shots / summed(d.each) // persons a second
	rate := 0.0
	for b := range d.base.Backends {
		spec := &d.base.Backends[b]
		key := fit.KindBackend + " " + spec.Name
		work := askedOf(d.base, d.each, b)
		limit := spec.Best() / math.Max(work, 1e-12)
		switch {
		case work == 0:
			d.needless[spec.Name] = true
			d.left[key] = scenarios.Text{"de": "Kein Schritt dieses Szenarios nutzt ihn.", "en": "No step of this scenario uses it."}
		case d.peak < calm*limit:
			share := 100 * d.peak / limit
			d.needless[spec.Name] = true
			d.left[key] = scenarios.Text{
				"de": fmt.Sprintf("Die Welle braucht höchstens %.0f %% dessen, was die Beschreibung ihm zutraut; ihn für den Plan auszureizen ist nicht nötig.", share),
				"en": fmt.Sprintf("The surge asks for at most %.0f %% of what the description says it can; the plan does not need its limit.", share),
			}
		case most < 1.05*limit:
			d.left[key] = tooFast()
		default:
			rate = math.Max(rate, math.Min(1.2*limit, most))
		}
	}
	if rate == 0 {
		return list, nil
	}
	s := mixedAsIs(d.sc, fit.RunBackends, 14)
	s.Arrivals = stepped([]float64{0.25, 0.5, 0.75, 1, 1}, 24*time.Second, 24*time.Second, d.sc.Arrivals.Seed+14)
	s.Arrivals.Total = int64(rate * 0.7 * s.Arrivals.Over.Seconds())
	return append(list, option{[]ProposedRun{{
		Name: fit.RunBackends, Experiment: Experiment{fit.RunBackends, s, still(s, d.pf)},
		Why: scenarios.Text{
			"de": "Genug Replikate, die Rate in Stufen bis über die Grenze der Hintergrunddienste: wie viel sie höchstens schaffen",
			"en": "Replicas enough, the rate in steps past the limit of the shared back ends: how much they serve at most",
		},
	}}, []string{fit.KindBackend}}), nil
}

// mixedAsIs is the scenario for a calibration run with its own mix.
func mixedAsIs(sc *scenarios.Scenario, name string, seed uint64) *scenarios.Scenario {
	return mixed(sc, name, func(j, i int) float64 { return *sc.Journeys[j].Steps[i].Share }, seed, calibrationLength)
}
