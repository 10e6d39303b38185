package fit

import (
	"math"
	"math/rand/v2"
)

const (
	// leastFall is the share by which a back end must serve less with more in service before it has a knee.
	leastFall = 0.1
	// mostBracket is how many times its low end the high end of a knee's bracket may be, for the most it serves to be known
	// too: a back end may rush past its knee in a second, and nobody saw what it gave there.
	mostBracket = 3
)

// knee looks for the number in service from which on a back end serves the less the more there are. It lies between the last
// number below the one with which it was seen to serve most and the next one above, with which it was seen to serve less: at
// least as far from each other as chance makes the number itself uncertain.
func (b *Backend) knee(list []serving, rng *rand.Rand, opts Options) {
	if len(list) < 2*leastSlowed {
		return
	}
	figures := drawn(list, rng, opts, func(list []serving) []float64 {
		at, most, fall := summit(list)
		return []float64{at, most, fall}
	})
	at, most, fall := &figures[0], &figures[1], &figures[2]
	if fall.value < math.Max(leastFall, chance(most.value)) || fall.estimate("1", opts).Low <= 0 {
		return
	}
	b.KneeObserved, b.Knee = true, at.estimate("requests", opts)
	below, above := around(list, at.value, most.value)
	b.Knee.Value = math.Max(1, b.Knee.Value)
	b.Knee.Low = math.Max(1, math.Min(b.Knee.Low, below))
	b.Knee.High = math.Max(b.Knee.High, above)
	if b.Reached = b.Knee.High <= mostBracket*b.Knee.Low; b.Reached {
		b.Most = most.estimate("1/s", opts)
		b.Most.High = math.Max(b.Most.High, b.AtLeast)
	}
}

// chance is by what share a group's rate may be off, as the largest or the least of many.
func chance(rate float64) float64 { return 4 / math.Sqrt(rate*backendBin*leastSlowed) }

// summit is the number in service with which a back end was seen to serve most, in leastSlowed bins, how much that is, and
// by what share it served less with twice as many and more.
func summit(list []serving) (at, most, fall float64) {
	ordered := byCrowd(list)
	for _, g := range grouped(ordered) {
		if g.rate > most {
			at, most = g.in, g.rate
		}
	}
	for i, s := range ordered {
		if s.in < math.Max(2*at, leastCrowd) {
			continue
		}
		if len(ordered)-i >= leastSlowed && most > 0 {
			fall = 1 - rateOf(ordered[i:])/most
		}
		break
	}
	return at, most, fall
}

// around are the numbers in service next below and next above at with which a back end served less than most, by more than
// chance: 1 and the highest seen where there is none.
func around(list []serving, at, most float64) (below, above float64) {
	ordered := byCrowd(list)
	below, above = 1, ordered[len(ordered)-1].in
	for _, g := range grouped(ordered) {
		if g.rate >= most*(1-chance(most)) {
			continue
		}
		if g.in > at {
			return below, g.in
		}
		below = g.in
	}
	return below, above
}

// grouped are the means of leastSlowed neighbours each, from the fullest bins down.
func grouped(ordered []serving) []serving {
	var out []serving
	for i := len(ordered) % leastSlowed; i < len(ordered); i += leastSlowed {
		var g serving
		for _, s := range ordered[i : i+leastSlowed] {
			g.in, g.rate = g.in+s.in/leastSlowed, g.rate+s.rate/leastSlowed
		}
		out = append(out, g)
	}
	return out
}
