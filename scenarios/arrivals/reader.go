package arrivals

import (
	"math/bits"
	"math/rand/v2"
	"sort"
	"time"
)

// Reader makes the arrivals of a set, a block at a time, in any order of blocks. An arrival that the set has not got
// costs a hundredth of one that it has: of a block's tree only the nodes above the set's strands are dealt, of a strand
// that it has in part what comes before the last stretch is drawn and dropped, and where blocks are asked for in rising
// order, the tree above them is dealt once. Not safe for concurrent use.
type Reader struct {
	s    *Schedule
	set  Set
	mine uint64 // strands that the set has any part of

	// The way down the tree to the block last asked for, from the last level kept on.
	way   [mostLevels + 1]node
	block int
	known bool // there was such a block

	sizes [mostStretches]int64
}

// node of the tree: the Seqs of its arrivals, first to end−1.
type node struct{ first, end int64 }

func (n node) len() int64 { return n.end - n.first }

// but is the node without one half: the right one that is left, or else the left one.
func (n node) but(half node, right bool) node {
	if right {
		return node{half.end, n.end}
	}
	return node{n.first, half.first}
}

// Reader of the set's arrivals.
func (s *Schedule) Reader(set Set) *Reader { return &Reader{s: s, set: set, mine: set.touched()} }

// Block appends the set's arrivals of block b to buf, in order of Due, then Seq. Blocks follow one another in time. A
// block outside of 0..Blocks()−1 is empty.
func (r *Reader) Block(b int, buf []Arrival) []Arrival {
	if b < 0 || b >= r.s.Blocks() || r.mine == 0 {
		return buf
	}
	if r.s.uniform {
		return r.even(b, buf)
	}
	start := len(buf)
	buf = r.drawn(b, buf)
	r.s.place(b, buf[start:])
	return buf
}

// even makes the arrivals of the uniform process: the k-th of N at the curve's quantile k/N, on strand k mod 64. The
// rows of 64 go to the stretches in turn, so that a part is an even grid too; in the order of their bits reversed, so
// that stretches nest.
func (r *Reader) even(b int, buf []Arrival) []Arrival {
	s, stretches := r.s, r.set.stretches()
	span := r.span(b)
	walk := s.curve.Walk(float64(span.first) / float64(s.total))
	for row := span.first / Strands; row*Strands < span.end; row++ {
		stretch := r.set.stretch(bits.Reverse8(uint8(row)))
		for mine := r.set.in(stretch); mine != 0; mine &= mine - 1 {
			strand := bits.TrailingZeros64(mine)
			k := row*Strands + int64(strand)
			if k >= span.first && k < span.end {
				due := walk.Quantile(float64(k) / float64(s.total))
				buf = append(buf, Arrival{uint32(k), due, s.tenant(k), uint16(strand*stretches + stretch)})
			}
		}
	}
	return buf
}

// drawn makes the arrivals of the Poisson process. Due is their place inside the block as yet, a number of 53 bits, and
// they are in no order.
func (r *Reader) drawn(b int, buf []Arrival) []Arrival {
	span := r.span(b)
	counts := r.s.strands(b, span.len(), r.mine)
	leaf := node{end: span.first}
	for strand, n := range counts {
		leaf.first, leaf.end = leaf.end, leaf.end+n
		if n > 0 && r.mine>>strand&1 == 1 {
			buf = r.leaf(b, strand, leaf, buf)
		}
	}
	return buf
}

// leaf draws the set's arrivals of a leaf.
func (r *Reader) leaf(b, strand int, leaf node, buf []Arrival) []Arrival {
	which := uint64(b)*Strands + uint64(strand)
	var draw rand.PCG
	draw.Seed(key(r.s.seed, forLeaf, which), which)
	sizes := r.cut(which, leaf.len())
	k, drawn := leaf.first, leaf.first
	for stretch, n := range sizes {
		if r.set.in(stretch)>>strand&1 == 0 {
			k += n
			continue
		}
		for ; drawn < k; drawn++ {
			draw.Uint64()
		}
		part := uint16(strand*len(sizes) + stretch)
		for end := k + n; k < end; k++ {
			buf = append(buf, Arrival{uint32(k), time.Duration(draw.Uint64() >> 11), r.s.tenant(k), part})
		}
		drawn = k
	}
	return buf
}

// cut gives the sizes of a leaf's stretches: each of the n draws one of the most stretches that there can be, and fewer
// are unions of those. With sizes as even as they can be a part would be no Poisson process, and with few arrivals a
// leaf some parts would always have them and others never.
func (r *Reader) cut(leaf uint64, n int64) (sizes []int64) {
	sizes = r.sizes[:r.set.stretches()]
	if len(sizes) == 1 {
		sizes[0] = n
		return sizes
	}
	clear(sizes)
	var draw rand.PCG
	draw.Seed(key(r.s.seed, forStretch, leaf), leaf)
	for ; n > 0; n -= 64 / stretchBits {
		word := draw.Uint64()
		for range min(n, 64/stretchBits) {
			sizes[r.set.stretch(uint8(word))]++
			word >>= stretchBits
		}
	}
	return sizes
}

// span is the node of block b: down from the lowest one that is known of the way to it.
func (r *Reader) span(b int) node {
	s := r.s
	if s.uniform {
		return node{s.evenBefore(b), s.evenBefore(b + 1)}
	}
	level := s.levels - bits.Len(uint(b^r.block)) // of the node where the ways part
	if !r.known || level < s.kept {
		level = s.kept
		top := b >> (s.levels - level)
		r.way[level] = node{s.before[top], s.before[top+1]}
	} else if level < s.levels { // the other half was dealt with the one that is on the old way
		r.way[level+1] = r.way[level].but(r.way[level+1], s.right(b, level))
		level++
	}
	for ; level < s.levels; level++ {
		number := uint64(1)<<level | uint64(b>>(s.levels-level))
		n := r.way[level]
		left := node{n.first, n.first + half(n.len(), s.seed, number)}
		if r.way[level+1] = left; s.right(b, level) {
			r.way[level+1] = n.but(left, true)
		}
	}
	r.block, r.known = b, true
	return r.way[s.levels]
}

// right says whether block b is in the right half of its node on the level.
func (s *Schedule) right(b, level int) bool { return b>>(s.levels-level-1)&1 == 1 }

// BlockOf is the block that has the arrival named seq, whosever it is; Blocks() when none does. With Seqs in rising
// order, the tree above them is dealt once.
func (r *Reader) BlockOf(seq uint32) int {
	s, k := r.s, int64(seq)
	if k >= s.total {
		return s.Blocks()
	}
	if s.uniform {
		return sort.Search(s.Blocks()-1, func(b int) bool { return s.evenBefore(b+1) > k })
	}
	top := sort.Search(1<<s.kept-1, func(i int) bool { return s.before[i+1] > k })
	first, below := top<<(s.levels-s.kept), 1<<(s.levels-s.kept)
	return first + sort.Search(below-1, func(i int) bool { return r.span(first+i).end > k })
}
