package arrivals

import (
	"fmt"
	"math"
	"math/bits"
)

// purpose keeps the draws for different ends apart.
type purpose uint64

const (
	forNode purpose = iota + 1
	forLeaf
	forTenant
	forJourney
	forShare
	forThink
	forPatience
	forReaction
	forPause
	forWork
	forStretch
)

// key is the random word of (seed, purpose, which): pure, so that nothing must be drawn in any order.
func key(seed uint64, p purpose, which uint64) uint64 {
	return mix(mix(seed+uint64(p)*0x9e3779b97f4a7c15) ^ mix(which+0xd1b54a32d192ed03))
}

// mix is the output function of SplitMix64 (Steele, Lea, Flood 2014, figure 15): every bit of x moves every bit of
// the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// open turns a random word into a uniform number in the open interval (0, 1).
func open(word uint64) float64 { return (float64(word>>12) + 0.5) * 0x1p-52 }

// alias draws an index by weight in constant time (Walker 1977, in Vose's form of 1991): a slot is chosen evenly,
// then either the slot itself or its alias. Below a slot's threshold, of 2⁶⁴, it is the slot itself.
type alias struct {
	threshold []uint64
	other     []int32
}

// newAlias makes the table; a weight of 0 means 1, as in a scenario.
func newAlias(weights []float64) (alias, error) {
	n := len(weights)
	if n == 0 || n > math.MaxInt32 {
		return alias{}, fmt.Errorf("there are %d, at least 1 is needed", n)
	}
	scaled, total := make([]float64, n), 0.0
	for i, w := range weights {
		if w == 0 {
			w = 1
		}
		if !(w > 0) || math.IsInf(w, 0) {
			return alias{}, fmt.Errorf("weight %v of number %d, must be above 0", w, i+1)
		}
		scaled[i] = w
		total += w
	}
	var small, large []int
	for i := range scaled {
		scaled[i] = float64(scaled[i] / total * float64(n))
		if scaled[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	t := alias{make([]uint64, n), make([]int32, n)}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		t.threshold[s], t.other[s] = uint64(scaled[s]*0x1p63)<<1, int32(l)
		scaled[l] -= 1 - scaled[s]
		if scaled[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) { // what rounding left over is full
		t.threshold[i], t.other[i] = math.MaxUint64, int32(i)
	}
	return t, nil
}

// draw turns a random word into an index: its high part chooses the slot, the rest is compared with the threshold.
func (t alias) draw(word uint64) int32 {
	slot, rest := bits.Mul64(word, uint64(len(t.threshold)))
	if rest < t.threshold[slot] {
		return int32(slot)
	}
	return t.other[slot]
}
