package lease

import (
	"math"
	"slices"
)

// estate is parts with one history, and whose they are to be in the end: their last owner's, or another's.
type estate struct {
	strip
	hi   int
	heir Owner
}

func (t *Table) estates() []estate {
	list := make([]estate, len(t.strips))
	for i, s := range t.strips {
		list[i] = estate{s, t.end(i), s.spells[len(s.spells)-1].Owner}
	}
	return list
}

// parts is how many each owner is to have in the end.
func parts(list []estate) map[Owner]int {
	of := map[Owner]int{}
	for _, e := range list {
		of[e.heir] += e.hi - e.lo
	}
	return of
}

// split makes n parts at an estate's begin one of their own.
func split(list []estate, i, n int) []estate {
	left, right := list[i], list[i]
	left.hi, right.lo = left.lo+n, left.lo+n
	list[i] = right
	return slices.Insert(list, i, left)
}

// take makes the last n parts of an owner nobody's.
func take(list []estate, o Owner, n int) []estate {
	for i := len(list) - 1; i >= 0 && n > 0; i-- {
		if list[i].heir != o {
			continue
		}
		if has := list[i].hi - list[i].lo; has > n {
			list = split(list, i, has-n)
			i++
		}
		list[i].heir = Owner{}
		n -= list[i].hi - list[i].lo
	}
	return list
}

// give makes what is nobody's the members', as many parts of it to each as the shares say, in ranges that are as long as can be.
func give(list []estate, to []*Member, shares []int) []estate {
	given := make([]estate, 0, len(list)+len(to))
	next := 0
	for _, e := range list {
		for e.heir == (Owner{}) {
			for next < len(to) && shares[next] == 0 {
				next++
			}
			if next == len(to) {
				break
			}
			piece := e
			piece.hi, piece.heir = min(e.hi, e.lo+shares[next]), to[next].Owner
			shares[next] -= piece.hi - piece.lo
			given = append(given, piece)
			if e.lo = piece.hi; e.lo == e.hi {
				break
			}
		}
		if e.lo < e.hi {
			given = append(given, e)
		}
	}
	return given
}

// apportion divides n by the weights, none of which is below 0: to each the whole number below its part, and what is left to the
// largest remainders (Hamilton's method). Where all are 0, nothing is divided.
func apportion(n int, weights []float64) []int {
	shares, largest := make([]int, len(weights)), 0.0
	for _, w := range weights {
		largest = max(largest, w)
	}
	if largest == 0 {
		return shares
	}
	sum, left := 0.0, n
	for _, w := range weights {
		sum += w / largest // no sum of them is infinite
	}
	remainders, order := make([]float64, len(weights)), make([]int, len(weights))
	for i, w := range weights {
		whole, rest := math.Modf(float64(n) * (w / largest / sum))
		shares[i], remainders[i], order[i] = int(whole), rest, i
		left -= int(whole)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case remainders[a] > remainders[b]:
			return -1
		case remainders[a] < remainders[b]:
			return 1
		}
		return 0
	})
	for i := 0; left > 0; i, left = (i+1)%len(order), left-1 {
		shares[order[i]]++
	}
	return shares
}

// moves of a deal.
type moves []Move

// add adds a move, in one with a neighbour before it that is alike.
func (list *moves) add(m Move) {
	for i := len(*list) - 1; i >= 0 && i >= len(*list)-8; i-- {
		if o := &(*list)[i]; o.Hi == m.Lo && o.From == m.From && o.To == m.To && o.Owner == m.Owner {
			o.Hi = m.Hi
			return
		}
	}
	*list = append(*list, m)
}

// deal is the first of the moves as an entry, as many as fit into one; false where there are none.
func (list moves) deal(why string) (Entry, bool) {
	return Entry{Moves: list[:min(len(list), mostMoves)], Why: why}, len(list) > 0
}
