package arrivals

import (
	"fmt"
	"math/bits"
)

// MostParts is how many a schedule can have: 256 stretches of each strand.
const MostParts = Strands * mostStretches

const (
	mostStretches = 1 << stretchBits
	stretchBits   = 8
)

// Range is the parts Lo to Hi−1.
type Range struct{ Lo, Hi int }

// Set is the parts of a schedule that somebody fires: how many parts there are, m stretches of each strand, and which of
// them. Part p is stretch p mod m of strand p/m; of twice as many it is the parts 2p and 2p+1. In a block of the Poisson
// process its Seqs follow one another. The zero value is the whole, and a part of it a strand. A Set does not change.
type Set struct {
	// strands that the set has of each stretch, a bit each; nil is all of the one that a strand then has.
	strands []uint64
}

// Parts is the set of the parts, of that many and counted from 0, in any of the ranges; they may be empty and overlap. It
// is an error if of is not Strands times a power of two, or more than MostParts, or if a range is not within 0 to of.
func Parts(of int, ranges ...Range) (Set, error) {
	stretches := of / Strands
	if of%Strands != 0 || bits.OnesCount(uint(stretches)) != 1 || of > MostParts {
		return Set{}, fmt.Errorf("parts: %d, must be %d times a power of two, at most %d", of, Strands, MostParts)
	}
	set := Set{make([]uint64, stretches)}
	for _, r := range ranges {
		if r.Lo < 0 || r.Lo > r.Hi || r.Hi > of {
			return Set{}, fmt.Errorf("parts: range %d to %d, must rise and be within 0 to %d", r.Lo, r.Hi, of)
		}
		for part := r.Lo; part < r.Hi; part++ {
			set.strands[part%stretches] |= 1 << (part / stretches)
		}
	}
	return set, nil
}

// Share is every Of-th part of the set, those whose number mod Of is Index: whose a part is does not hang on what else the
// set has. An Index outside of 0..Of−1 owns nothing.
func (s Set) Share(share Share) Set {
	if share.Of <= 1 && share.Index == 0 {
		return s
	}
	m := s.stretches()
	own := Set{make([]uint64, m)}
	for part := share.Index; 0 <= share.Index && share.Index < share.Of && part < Strands*m; part += share.Of {
		own.strands[part%m] |= s.in(part%m) & (1 << (part / m))
	}
	return own
}

// Of is the number of parts of the whole schedule.
func (s Set) Of() int { return Strands * s.stretches() }

// Len is the number of parts that the set has.
func (s Set) Len() int {
	n := 0
	for stretch := range s.stretches() {
		n += bits.OnesCount64(s.in(stretch))
	}
	return n
}

// Has says whether the set has the part; none that is outside of 0..Of−1.
func (s Set) Has(part int) bool {
	m := s.stretches()
	return part >= 0 && part < Strands*m && s.in(part%m)>>(part/m)&1 == 1
}

// stretches of each strand.
func (s Set) stretches() int { return max(1, len(s.strands)) }

// stretch of a strand that a number of stretchBits stands for: that of fewer stretches is the one it lies in.
func (s Set) stretch(finest uint8) int {
	return int(finest >> (stretchBits + 1 - bits.Len(uint(s.stretches()))))
}

// in is the strands of which the set has that stretch.
func (s Set) in(stretch int) uint64 {
	if s.strands == nil {
		return 1<<Strands - 1
	}
	return s.strands[stretch]
}

// touched are the strands of which the set has any stretch.
func (s Set) touched() (strands uint64) {
	for stretch := range s.stretches() {
		strands |= s.in(stretch)
	}
	return strands
}
