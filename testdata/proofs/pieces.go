package proofs

import (
	"cmp"
	"iter"
	"slices"
)

// Span is a range of seeds: From, and all up to the one before To.
type Span struct{ From, To int64 }

// Pieces are the ranges of seeds that a proof goes through, in order, none longer than piece: those from..to, whether
// they are done or not. A negative from means everything from seed 0 on that done does not hold, a negative to means up
// to goal; so what was ended goes on where it stopped. The order of done does not matter, and its spans may overlap.
func Pieces(from, to, goal, piece int64, done []Span) iter.Seq2[int64, int64] {
	if to < 0 {
		to = goal
	}
	if from < 0 {
		from = 0
		done = slices.SortedFunc(slices.Values(done), func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	} else {
		done = nil
	}
	return func(yield func(int64, int64) bool) {
		for from, done := from, done; from < to; {
			end := min(from+piece, to)
			if len(done) > 0 && done[0].From <= from {
				from, done = max(from, done[0].To), done[1:]
				continue
			}
			if len(done) > 0 {
				end = min(end, done[0].From)
			}
			if !yield(from, end) {
				return
			}
			from = end
		}
	}
}
