package fit

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
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
	from, to  float64 // seconds
	in, rate  float64
	residence float64 // seconds (Little 1961)
	steady    bool    // about as many in service all the time
}

// fitBackends tells of each shared back end how much it serves at most and with how many requests in service it does, if
// the runs reached that; nil where none is told of.
func fitBackends(seen map[string][]serving, opts Options, warn *warnings) map[string]*Backend {
	if len(seen) == 0 {
		return nil
	}
	out := map[string]*Backend{}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		b := fitBackend(seen[name], opts)
		warn.backend(name, b)
		out[name] = b
	}
	return out
}

// allServings are those of all runs, by back end.
func allServings(runs []*run) map[string][]serving {
	seen := map[string][]serving{}
	for i, r := range runs {
		for name, list := range r.servings(i) {
			seen[name] = append(seen[name], list...)
		}
	}
	return seen
}

// servings averages a run's seconds of each back end.
func (r *run) servings(index int) map[string][]serving {
	seconds := map[string][]record.Event{}
	out := map[string][]serving{}
	for _, e := range r.Events {
		if e.Kind != record.KindBackend {
			continue
		}
		bin := append(seconds[e.Object], e)
		if len(bin) < backendBin {
			seconds[e.Object] = bin
			continue
		}
		seconds[e.Object] = nil
		if s := servingOf(bin); s.rate > 0 || s.in >= leastCrowd {
			s.run = index
			out[e.Object] = append(out[e.Object], s)
		}
	}
	return out
}

// servingOf averages a bin's seconds; each is told of at its end. It is steady where there was no crowd, or never less than
// half of what there was on average.
func servingOf(bin []record.Event) serving {
	s := serving{from: bin[0].At.Seconds() - 1, to: bin[len(bin)-1].At.Seconds()}
	least := math.Inf(1)
	for _, e := range bin {
		s.in, s.rate = s.in+e.Values["in_service"]/float64(len(bin)), s.rate+e.Values["served"]/float64(len(bin))
		least = math.Min(least, e.Values["in_service"])
	}
	// Nothing served says no more than that all there wait for one, at the least.
	s.residence, s.steady = s.in/math.Max(s.rate, 1.0/backendBin), s.in < leastCrowd || least >= s.in/2
	return s
}

// alone is how long a request takes in the emptier half of the bins, in seconds.
func alone(list []serving) float64 {
	var out []float64
	for _, s := range byCrowd(list)[:(len(list)+1)/2] {
		out = append(out, s.residence)
	}
	slices.Sort(out)
	return out[len(out)/2]
}

// fitBackend finds what a back end gives at its limit. Where it serves less the more there are in service, that is what it
// gives at its knee; else it is the mean of the bins in which requests took several times as long as in the emptier half.
func fitBackend(list []serving, opts Options) *Backend {
	out := &Backend{Most: constant(0, "1/s", opts), Knee: constant(0, "requests", opts)}
	least := slowed * alone(list)
	var steady []serving
	for _, s := range list {
		out.AtLeast = math.Max(out.AtLeast, s.rate)
		if s.steady {
			steady = append(steady, s)
		}
	}
	full := lasting(list, func(s serving) bool { return s.in >= leastCrowd && s.residence >= least })
	rng := source(opts, streamBackend)
	if out.knee(steady, rng, opts); out.KneeObserved || len(full) < leastSlowed {
		return out
	}
	figures := drawn(full, rng, opts, func(list []serving) []float64 { return []float64{rateOf(list)} })
	out.Most, out.Reached = figures[0].estimate("1/s", opts), true
	return out
}

// rateOf is the mean rate of some bins.
func rateOf(list []serving) (rate float64) {
	for _, s := range list {
		rate += s.rate / float64(len(list))
	}
	return rate
}

// byCrowd are bins in the order of how many were in service.
func byCrowd(list []serving) []serving {
	return slices.SortedStableFunc(slices.Values(list), func(a, b serving) int { return cmp.Compare(a.in, b.in) })
}

// figure is one with its draws.
type figure struct {
	value float64
	draws []float64
}

// estimate is told of uncut draws: a fall that may as well be a rise is none.
func (f *figure) estimate(unit string, opts Options) Estimate {
	return positive(estimate(f.value, f.draws, unit, opts))
}

// drawn are figures of a list and of resamples of it.
func drawn(list []serving, rng *rand.Rand, opts Options, of func([]serving) []float64) []figure {
	var out []figure
	for _, v := range of(list) {
		out = append(out, figure{value: v})
	}
	again := make([]serving, len(list))
	for range opts.Draws {
		for i, k := range resample(rng, len(list)) {
			again[i] = list[k]
		}
		for i, v := range of(again) {
			out[i].draws = append(out[i].draws, v)
		}
	}
	short := len(list) - blockOf(len(list))
	for i := range out {
		widen(out[i].draws, out[i].value, math.Sqrt(float64(len(list))/float64(short)), short, opts.Level)
	}
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
