package fit

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/ansturm/ansturm/scenarios"
)

const (
	// quietShare is the part of the minutes that count as the quietest; leastShots is the least they rest on.
	quietShare = 0.25
	leastShots = 50
	// enoughShots are so many that minutes above calmUse are not needed: one in four shares its pod there.
	enoughShots = 200
	calmUse     = 0.25
	// mostQuiet bounds the work.
	mostQuiet = 240
	// loadedFloor is the utilisation from which the quietest minutes are not quiet.
	loadedFloor = 0.5
	// leastSeen is the part of a minute, in seconds, that scrapes must span to say how busy it was.
	leastSeen = 30
)

// quiet is one step in one tenant's minute, with the load it was measured under.
type quiet struct {
	moment
	used float64 // utilisation of the limits, 0 to 1
	due  float64 // what it would have been had every request cost what the mean one does
	pods float64
}

// fitSteps gives each step its demand and the response times of an unloaded pod.
func (f *demandFit) fitSteps(runs []*run, described *scenarios.Workload, limit float64, opts Options, warn *warnings, name string) map[string]*StepModel {
	out := map[string]*StepModel{}
	rng := source(opts, streamFloor)
	for k, step := range f.steps {
		m := &StepModel{Demand: estimate(f.x[1+k], atLeast(f.draws[1+k], f.x[1+k]/100), "s", opts), Divided: f.divided[k]}
		if m.Demand.Value == 0 {
			warn.unseen(name, step)
		}
		minutes := f.quietest(runs, name, step)
		if len(minutes) == 0 {
			m.assume(limit, opts)
			warn.noFloor(name, step)
		} else {
			if u := meanUse(minutes); u > loadedFloor {
				warn.loadedFloor(name, step, u)
			}
			m.floor(rng, minutes, limit, opts)
		}
		if m.Divided {
			m.Spread = m.undivided(waitOf(described, step), limit)
		}
		out[step] = m
	}
	return out
}

// atLeast keeps draws of a demand above nothing: a request that was shown to cost something costs something in every world.
func atLeast(draws []float64, least float64) []float64 {
	out := make([]float64, len(draws))
	for i, d := range draws {
		out[i] = math.Max(d, least)
	}
	return out
}

// assume stands in where no quiet minute was measured: the demand at the pod's own speed.
func (m *StepModel) assume(limit float64, opts Options) {
	speed := math.Min(limit, 1)
	m.Floor = constant(m.Demand.Value/speed, "s", opts)
	m.Backend, m.Spread = constant(0, "s", opts), constant(0, "1", opts)
}

// quietest are a step's tenant-minutes under the least load, of calibration runs where there are any, without those in
// which young pods served, requests failed or earlier ones still waited. Minutes of single tenants, and not seconds of all
// together: where tenants differ in size some are saturated while the platform is all but idle, and their waiting is no floor.
func (f *demandFit) quietest(runs []*run, workload, step string) []quiet {
	calibrated := slices.ContainsFunc(runs, func(r *run) bool { return r.Run.Purpose == "calibration" })
	var out []quiet
	for _, r := range runs {
		if calibrated && r.Run.Purpose != "calibration" {
			continue
		}
		tenants := map[string]*tenant{}
		for _, t := range r.tenants {
			if t.workload == workload {
				tenants[t.name] = t
			}
		}
		for _, m := range r.moments {
			t := tenants[m.tenant]
			if m.step != step || t == nil || r.minutes[m.minuteKey].good < (1-dirty)*r.minutes[m.minuteKey].all || r.restless(t, float64(m.minute*60)) {
				continue
			}
			if used, pods, ok := t.quietness(float64(m.minute*60), float64(m.minute*60+60)); ok {
				out = append(out, quiet{m, used, f.due(r.minutes[m.minuteKey], pods) / (pods * t.limit), pods})
			}
		}
	}
	// By how many requests came, not by what those used: that would be a choice of the cheap ones.
	slices.SortStableFunc(out, func(a, b quiet) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(b.Count(), a.Count()))
	})
	n, shots := 0, int64(0)
	for n < len(out) && n < mostQuiet && (float64(n) < quietShare*float64(len(out)) || shots < leastShots) {
		if shots >= enoughShots && out[n].due > calmUse {
			break // these wait for each other, and the others suffice
		}
		shots += out[n].Count()
		n++
	}
	return out[:n]
}

// due is how many cores a tenant's requests of a minute use on average.
func (f *demandFit) due(m *tally, pods float64) float64 {
	cores := f.x[0] * pods
	for k, step := range f.steps {
		cores += f.x[1+k] * m.ok[step] / 60
	}
	return cores
}

// quietness is a tenant's utilisation and pods over a stretch of time, as far as it was scraped; false where too little
// of it was, or a pod was young.
func (t *tenant) quietness(from, to float64) (used, pods float64, ok bool) {
	if len(t.cpu.t) == 0 {
		return 0, 0, false
	}
	from, to = math.Max(from, t.cpu.t[0]), math.Min(to, t.cpu.t[len(t.cpu.t)-1])
	oldest := from - warmUps[len(warmUps)-1]
	young := slices.ContainsFunc(t.fresh, func(ready float64) bool { return ready > oldest && ready < to })
	if to-from < leastSeen || young {
		return 0, 0, false
	}
	a, _ := t.cpu.at(from)
	b, _ := t.cpu.at(to)
	pods = (t.replicas(from) + t.replicas(to)) / 2
	if pods <= 0 || b < a {
		return 0, 0, false
	}
	return (b - a) / (to - from) / (pods * t.limit), pods, true
}

// meanUse is the shots' mean utilisation.
func meanUse(minutes []quiet) float64 {
	var used, n float64
	for _, q := range minutes {
		used += q.used * float64(q.Count())
		n += float64(q.Count())
	}
	if n == 0 {
		return 0
	}
	return used / n
}

// floor fits the unloaded response time. The wait for back ends is what the mean response time has over the demand at
// the pod's own speed and over the waiting for CPU at the utilisation measured; means are compared with means, because
// the regression's demand is one.
func (m *StepModel) floor(rng *rand.Rand, minutes []quiet, limit float64, opts Options) {
	p := pool(minutes)
	var wait, n float64
	for _, q := range minutes {
		wait += float64(q.Count()) * waiting(q.used, q.pods*math.Max(1, limit))
		n += float64(q.Count())
	}
	own := (1 + wait/math.Max(1, n)) / math.Min(limit, 1)
	median, average, variance := p.moments(p.all())
	var medians, averages, variances []float64
	for range opts.Draws {
		a, b, c := p.moments(p.again(rng))
		medians, averages, variances = append(medians, a), append(averages, b), append(variances, c)
	}
	freedom := p.units() - 1
	short := math.Sqrt(float64(freedom+1) / math.Max(1, float64(freedom)))
	stretch(medians, median, short, freedom, opts.Level)
	widen(averages, average, short, freedom, opts.Level)
	stretchLog(variances, variance, short, p.freedom(average, variance), opts.Level)
	for i, d := range m.Demand.Draws { // which are as wide as they should be
		variances[i] = unlike(variances[i], averages[i], d*own)
		averages[i] -= d * own
	}
	m.Floor, m.Backend = estimate(median, medians, "s", opts), positive(estimate(average-m.Demand.Value*own, averages, "s", opts))
	m.Spread = proportional(unlike(variance, average, m.Demand.Value*own), variances, "1", opts)
}

// unlike is the squared coefficient of variation of the work, of which a response time cannot have less than all.
func unlike(variance, average, work float64) float64 {
	if work = math.Min(work, average); work <= 0 {
		return 0
	}
	return variance / (work * work)
}

// waiting is the mean wait in units of the service time at utilisation rho with c servers (Sakasegawa 1977,
// Ann. Inst. Statist. Math. 29, with both coefficients of variation 1). For one processor-sharing server it is exact:
// there the mean does not depend on the distribution of the work.
func waiting(rho, c float64) float64 {
	rho = math.Min(math.Max(rho, 0), 0.95)
	c = math.Max(c, 1)
	return math.Pow(rho, math.Sqrt(2*(c+1))-1) / (c * (1 - rho))
}
