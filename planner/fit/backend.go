package fit

import (
	"math"
	"slices"

	"github.com/ansturm/ansturm/loadgen/record"
)

const (
	// backendBin is the number of seconds that are averaged: what is in service at the end of one second is mostly chance.
	backendBin = 5
	// leastCrowd is the number of requests in service, and slowed by how much they must be served, that make a back end's
	// limit: a lone server with eight in service gives 8/9 of all it can (M/M/1, ρ/(1−ρ) = 8).
	leastCrowd = 8
	slowed     = 5
	// leastSlowed is the number of such bins its limit is told from.
	leastSlowed = 4
)

// serving is a back end's mean over some seconds: requests in service, and served a second.
type serving struct {
	run       int
	in, rate  float64
	residence float64 // seconds (Little 1961)
}

// fitBackends tells of each shared back end how much it serves at most, if the runs reached that; nil where none is told of.
func fitBackends(runs []*run, opts Options) map[string]*Backend {
	seen := map[string][]serving{}
	for i, r := range runs {
		for name, list := range r.servings(i) {
			seen[name] = append(seen[name], list...)
		}
	}
	if len(seen) == 0 {
		return nil
	}
	out := map[string]*Backend{}
	for name, list := range seen {
		out[name] = fitBackend(list, opts)
	}
	return out
}

// servings averages a run's seconds of each back end.
func (r *run) servings(index int) map[string][]serving {
	sums, counts := map[string]*serving{}, map[string]int{}
	out := map[string][]serving{}
	for _, e := range r.Events {
		if e.Kind != record.KindBackend {
			continue
		}
		s := sums[e.Object]
		if s == nil {
			s = &serving{run: index}
			sums[e.Object] = s
		}
		s.in, s.rate = s.in+e.Values["in_service"]/backendBin, s.rate+e.Values["served"]/backendBin
		if counts[e.Object]++; counts[e.Object]%backendBin == 0 {
			if s.rate > 0 {
				s.residence = s.in / s.rate
				out[e.Object] = append(out[e.Object], *s)
			}
			sums[e.Object] = nil
		}
	}
	return out
}

// fitBackend finds the bins in which requests took several times as long as in the emptier half: there the back end gives
// all it can, and their mean rate is its most.
func fitBackend(list []serving, opts Options) *Backend {
	out := &Backend{Most: constant(0, "1/s", opts)}
	byCrowd := slices.Clone(list)
	slices.SortStableFunc(byCrowd, func(a, b serving) int {
		switch {
		case a.in < b.in:
			return -1
		case a.in > b.in:
			return 1
		}
		return 0
	})
	var alone []float64
	for _, s := range byCrowd[:(len(byCrowd)+1)/2] {
		alone = append(alone, s.residence)
	}
	slices.Sort(alone)
	for _, s := range list {
		out.AtLeast = math.Max(out.AtLeast, s.rate)
	}
	var full []float64
	for _, s := range lasting(list, func(s serving) bool { return s.in >= leastCrowd && s.residence >= slowed*alone[len(alone)/2] }) {
		full = append(full, s.rate)
	}
	if len(full) < leastSlowed {
		return out
	}
	value, rng := mean(full), source(opts, streamBackend)
	var draws []float64
	for range opts.Draws {
		var sum float64
		for _, k := range resample(rng, len(full)) {
			sum += full[k]
		}
		draws = append(draws, sum/float64(len(full)))
	}
	short := len(full) - blockOf(len(full))
	stretch(draws, value, math.Sqrt(float64(len(full))/float64(short)), short, opts.Level)
	out.Most, out.KneeObserved = estimate(value, draws, "1/s", opts), true
	return out
}

// lasting are the full ones of a list of bins, without those in which it filled up where enough others are left: in them it
// was not at its limit all the time.
func lasting(list []serving, full func(serving) bool) []serving {
	var all, out []serving
	for i, s := range list {
		if !full(s) {
			continue
		}
		all = append(all, s)
		if i > 0 && list[i-1].run == s.run && full(list[i-1]) {
			out = append(out, s)
		}
	}
	if len(out) < leastSlowed {
		return all
	}
	return out
}
