package fit

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

const (
	// saturated is the utilisation of the limits from which throughput is capacity; loaded that from which a point is shown.
	saturated = 0.95
	loaded    = 0.7
	// wasteful is the share of failed answers beyond which throughput says nothing about capacity.
	wasteful = 0.2
	// mostPoints bounds the chart.
	mostPoints = 400
	// leastPoints is the number of saturated minutes a curve is fitted to.
	leastPoints = 8
)

// points observes each tenant's minutes: replicas, throughput, utilisation of the limits.
func (r *run) points(workload string) []CapacityPoint {
	var out []CapacityPoint
	for _, t := range r.tenants {
		if t.workload != workload {
			continue
		}
		for m := range minutesOf(t) {
			from, to := float64(m*60), float64(m*60+60)
			a, okA := t.cpu.at(from)
			b, okB := t.cpu.at(to)
			tally := r.minutes[minuteKey{t.name, m}]
			n := t.ready.over(from, to)
			if n <= 0 {
				n = (t.replicas(from) + t.replicas(to)) / 2
			}
			if !okA || !okB || b < a || tally == nil || n <= 0 || tally.good < (1-wasteful)*tally.all {
				continue
			}
			out = append(out, CapacityPoint{Replicas: n, Throughput: tally.good / 60, Utilisation: (b - a) / 60 / (n * t.limit)})
		}
	}
	return out
}

// minutesOf is the number of minutes that a tenant was scraped over.
func minutesOf(t *tenant) int {
	if len(t.cpu.t) == 0 {
		return 0
	}
	return int(t.cpu.t[len(t.cpu.t)-1] / 60)
}

// over is the mean of a step function over [from, to); 0 before its first value.
func (c *counter) over(from, to float64) float64 {
	var area float64
	for i := range c.t {
		end := to
		if i+1 < len(c.t) {
			end = math.Min(to, c.t[i+1])
		}
		area += c.v[i] * math.Max(0, end-math.Max(from, c.t[i]))
	}
	return area / (to - from)
}

// fitCapacity fits the scalability law to the saturated minutes. Without them γ follows from the demand (a pod's limit
// over the mean work of a request), and nothing is known of α and β. β is told only where the knee was passed.
func (f *demandFit) fitCapacity(all []CapacityPoint, limit float64, opts Options, warn *warnings, name string) Capacity {
	var n, x []float64
	out := Capacity{}
	for _, p := range all {
		out.AtLeast = math.Max(out.AtLeast, p.Throughput)
		if p.Utilisation >= saturated {
			n, x = append(n, p.Replicas), append(x, p.Throughput)
		}
	}
	out.Points = thinned(all)
	if len(n) < leastPoints || distinct(rounded(n)) < 3 {
		out.Gamma, out.Alpha, out.Beta = f.derived(limit, opts), constant(0, "1", opts), constant(0, "1", opts)
		warn.noKnee(name, out.AtLeast)
		return out
	}
	u, err := fitUSL(n, x)
	if err != nil {
		out.Gamma, out.Alpha, out.Beta = f.derived(limit, opts), constant(0, "1", opts), constant(0, "1", opts)
		warn.noKnee(name, out.AtLeast)
		return out
	}
	draws := uslDraws(n, x, u, opts)
	out.Gamma, out.Alpha, out.Beta = estimate(u.gamma, draws[0], "1/s", opts), estimate(u.alpha, draws[1], "1", opts), estimate(u.beta, draws[2], "1", opts)
	out.KneeObserved = out.Beta.Low > 0 && u.knee() <= slices.Max(n)
	if !out.KneeObserved {
		warn.noKnee(name, out.AtLeast)
	}
	return out
}

// uslDraws resamples whole minutes; a resample that cannot be fitted repeats the fit itself.
func uslDraws(n, x []float64, u usl, opts Options) (draws [3][]float64) {
	rng := source(opts, streamCapacity)
	for range opts.Draws {
		bn, bx := make([]float64, len(n)), make([]float64, len(x))
		for i, k := range resample(rng, len(n)) {
			bn[i], bx[i] = n[k], x[k]
		}
		v, err := fitUSL(bn, bx)
		if err != nil {
			v = u
		}
		for i, p := range []float64{v.gamma, v.alpha, v.beta} {
			draws[i] = append(draws[i], p)
		}
	}
	shortfall := len(n) - blockOf(len(n)) // as for the demand
	for i, p := range []float64{u.gamma, u.alpha, u.beta} {
		stretch(draws[i], p, math.Sqrt(float64(len(n))/float64(shortfall)), shortfall-3, opts.Level)
	}
	return draws
}

// derived is γ from the demand: what a pod does with its whole limit, in the mix of the slots fitted.
func (f *demandFit) derived(limit float64, opts Options) Estimate {
	mix := make([]float64, len(f.steps))
	for _, s := range f.slots {
		for k, r := range s.rate {
			mix[k] += r
		}
	}
	all := sum(mix)
	per := func(x func(k int) float64) float64 {
		var work float64
		for k := range mix {
			work += mix[k] * x(k)
		}
		if work <= 0 {
			return 0
		}
		return limit * all / work
	}
	value := per(func(k int) float64 { return f.x[1+k] })
	draws := make([]float64, opts.Draws)
	for d := range draws {
		draws[d] = per(func(k int) float64 { return f.draws[1+k][d] })
	}
	return estimate(value, draws, "1/s", opts)
}

// thinned keeps the loaded points, evenly thinned to what a chart can show, by replicas.
func thinned(all []CapacityPoint) []CapacityPoint {
	kept := slices.DeleteFunc(slices.Clone(all), func(p CapacityPoint) bool { return p.Utilisation < loaded })
	slices.SortStableFunc(kept, func(a, b CapacityPoint) int {
		return cmp.Or(cmp.Compare(a.Replicas, b.Replicas), cmp.Compare(a.Throughput, b.Throughput))
	})
	if len(kept) <= mostPoints {
		return kept
	}
	out := make([]CapacityPoint, mostPoints)
	for i := range out {
		out[i] = kept[i*len(kept)/mostPoints]
	}
	return out
}

func rounded(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = math.Round(x)
	}
	return out
}

// domain is where the model may be believed.
func domain(runs []*run, subjects []*subject) Domain {
	d, steps := Domain{}, map[string]bool{}
	for _, r := range runs {
		for step := range r.ok {
			steps[step] = true
		}
		d.MaxRate = math.Max(d.MaxRate, r.busiest())
		for _, t := range r.tenants {
			for _, n := range append(slices.Clone(t.ready.v), t.pods.v...) {
				d.MaxReplicas = max(d.MaxReplicas, int32(n))
			}
		}
	}
	for _, subject := range subjects {
		for _, p := range subject.points {
			d.MaxUtilisation = math.Max(d.MaxUtilisation, p.Utilisation)
		}
		for _, s := range subject.slots {
			if s.room > 0 {
				d.MaxUtilisation = math.Max(d.MaxUtilisation, s.cores/s.room)
			}
		}
	}
	d.MaxUtilisation = math.Min(1, d.MaxUtilisation)
	d.Steps = slices.Sorted(maps.Keys(steps))
	return d
}

// busiest is the most answers in a second, of all steps and the bad ones too.
func (r *run) busiest() float64 {
	var total []float64
	for _, v := range r.ok {
		total = grown(total, len(v)-1)
		for i, n := range v {
			total[i] += n
		}
	}
	most := 0.0
	for i, n := range total {
		if i < len(r.bad) {
			n += r.bad[i]
		}
		most = math.Max(most, n)
	}
	return most
}
