package lab

import (
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// mix hashes words into one (the finaliser of SplitMix64, Steele, Lea, Flood 2014). Draws are hashed from what they
// are for, not taken from one stream, so that a live run whose requests come in another order still gives the same
// pod the same start and the same application the same work.
func mix(words ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, w := range words {
		h = (h ^ w) + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// unit makes a hash a number strictly between 0 and 1.
func unit(h uint64) float64 { return (float64(h>>11) + 0.5) / (1 << 53) }

// delay is the u-quantile of d, nil meaning none; never negative.
func delay(d *scenarios.Distribution, u float64) time.Duration {
	if d == nil {
		return 0
	}
	return max(0, d.Quantile(u))
}
