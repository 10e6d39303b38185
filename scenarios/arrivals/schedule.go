package arrivals

import (
	"fmt"
	"iter"
	"math/bits"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// Strands is the number of parts each block is dealt to: the largest number of shares.
const Strands = 64

const (
	strandLevels = 6
	blockAim     = 8192 // the most arrivals a block has in the mean: 200 kB to hold, half a millisecond to make
	tableLevels  = 12   // the levels of the tree that are kept: 32 kB. Those below are dealt again for each block
)

// Schedule is a scenario's arrivals. It holds no arrival: each block is made when asked for. Safe for concurrent use.
type Schedule struct {
	total   int64
	seed    uint64
	uniform bool
	curve   *scenarios.Curve
	levels  int     // blocks are 1 << levels
	kept    int     // the levels of the tree that before has
	before  []int64 // arrivals before each node of the last level kept, and the total at the end
	tenants alias
	people  people
}

// New makes the schedule of a scenario that was loaded, or is valid and has its tenants listed.
func New(s *scenarios.Scenario) (*Schedule, error) { return newSchedule(s, blockAim) }

func newSchedule(s *scenarios.Scenario, aim int64) (*Schedule, error) {
	a := s.Arrivals
	curve, err := s.Curve()
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	if a.Total < 1 || a.Total > 1<<32-1 {
		return nil, fmt.Errorf("schedule: total is %d, must be 1 to 4294967295", a.Total)
	}
	if a.Process != "" && a.Process != "poisson" && a.Process != "uniform" {
		return nil, fmt.Errorf("schedule: process is %q, must be poisson or uniform", a.Process)
	}
	weights := make([]float64, len(s.Tenants.List))
	for i, t := range s.Tenants.List {
		weights[i] = t.Weight
	}
	tenants, err := newAlias(weights)
	if err != nil {
		return nil, fmt.Errorf("schedule: tenants: %w", err)
	}
	people, err := newPeople(s)
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	schedule := &Schedule{
		total: a.Total, seed: a.Seed, uniform: a.Process == "uniform",
		curve: curve, tenants: tenants, people: people,
	}
	schedule.levels = bits.Len64(uint64((a.Total - 1) / aim))
	if !schedule.uniform {
		schedule.deal()
	}
	return schedule, nil
}

// deal counts the arrivals of every node down to the last level kept, root first.
func (s *Schedule) deal() {
	s.kept = min(s.levels, tableLevels)
	s.before = make([]int64, 1<<s.kept+1)
	counts := make([]int64, 1<<s.kept)
	counts[0] = s.total
	for level := range s.kept {
		for i := 1<<level - 1; i >= 0; i-- {
			n := counts[i]
			left := half(n, s.seed, uint64(1)<<level|uint64(i))
			counts[2*i], counts[2*i+1] = left, n-left
		}
	}
	for b, n := range counts {
		s.before[b+1] = s.before[b] + n
	}
}

// span gives the first arrival of block b and the one after its last: from the node above it that is kept down to it.
func (s *Schedule) span(b int) (first, end int64) {
	if s.uniform {
		return s.evenBefore(b), s.evenBefore(b + 1)
	}
	node := b >> (s.levels - s.kept)
	first, end = s.before[node], s.before[node+1]
	for level := s.kept; level < s.levels; level++ {
		below := s.levels - level - 1 // levels between the node's halves and the blocks
		middle := first + half(end-first, s.seed, uint64(1)<<level|uint64(b>>(below+1)))
		if b>>below&1 == 0 {
			end = middle
		} else {
			first = middle
		}
	}
	return first, end
}

// evenBefore is the number of the uniform process' arrivals before block b.
func (s *Schedule) evenBefore(b int) int64 {
	hi, lo := bits.Mul64(uint64(b), uint64(s.total))
	return int64(lo>>s.levels | hi<<(64-s.levels))
}

// half draws Binomial(n, 1/2) for a node of the tree: the ones among n random bits.
func half(n int64, seed, node uint64) int64 {
	var bit rand.PCG
	bit.Seed(key(seed, forNode, node), node)
	ones := 0
	for ; n >= 64; n -= 64 {
		ones += bits.OnesCount64(bit.Uint64())
	}
	if n > 0 {
		ones += bits.OnesCount64(bit.Uint64() >> (64 - n))
	}
	return int64(ones)
}

// Total is the number of arrivals.
func (s *Schedule) Total() int64 { return s.total }

// Blocks is the number of blocks, a power of two.
func (s *Schedule) Blocks() int { return 1 << s.levels }

// Block appends the share's arrivals of block b to buf, in order of Due, then Seq. Blocks follow one another in time.
// A block outside of 0..Blocks()−1 is empty.
func (s *Schedule) Block(b int, share Share, buf []Arrival) []Arrival {
	if b < 0 || b >= s.Blocks() {
		return buf
	}
	if s.uniform {
		return s.even(b, share, buf)
	}
	start := len(buf)
	buf = s.drawn(b, share, buf)
	s.place(b, buf[start:])
	return buf
}

// even makes the arrivals of the uniform process: the k-th of N at the curve's quantile k/N, on strand k mod 64.
func (s *Schedule) even(b int, share Share, buf []Arrival) []Arrival {
	first, end := s.span(b)
	walk := s.curve.Walk(float64(first) / float64(s.total))
	for k := first; k < end; k++ {
		if share.owns(int(k % Strands)) {
			buf = append(buf, Arrival{uint32(k), walk.Quantile(float64(k) / float64(s.total)), s.tenant(k)})
		}
	}
	return buf
}

// drawn makes the arrivals of the Poisson process: deals the block to its strands and draws those of the share. Due is
// their place inside the block as yet, a number of 53 bits, and they are in no order.
func (s *Schedule) drawn(b int, share Share, buf []Arrival) []Arrival {
	seq, end := s.span(b)
	var counts [Strands]int64
	counts[0] = end - seq
	for level := range strandLevels {
		for i := 1<<level - 1; i >= 0; i-- {
			n := counts[i]
			left := half(n, s.seed, uint64(1)<<(s.levels+level)|uint64(b)<<level|uint64(i))
			counts[2*i], counts[2*i+1] = left, n-left
		}
	}
	for strand, n := range counts {
		if share.owns(strand) {
			leaf := uint64(b)*Strands + uint64(strand)
			var draw rand.PCG
			draw.Seed(key(s.seed, forLeaf, leaf), leaf)
			for k := seq; k < seq+n; k++ {
				buf = append(buf, Arrival{uint32(k), time.Duration(draw.Uint64() >> 11), s.tenant(k)})
			}
		}
		seq += n
	}
	return buf
}

// place puts drawn arrivals in order and turns their places inside the block into times.
func (s *Schedule) place(b int, list []Arrival) {
	order(list)
	blocks, base := float64(s.Blocks()), float64(b)
	walk := s.curve.Walk(base / blocks)
	for i := range list {
		list[i].Due = walk.Quantile((base + float64(float64(list[i].Due)*0x1p-53)) / blocks)
		for k := i; k > 0 && list[k].Due == list[k-1].Due && list[k].Seq < list[k-1].Seq; k-- {
			list[k], list[k-1] = list[k-1], list[k]
		}
	}
}

// Tenant of an arrival, as Block gives it.
func (s *Schedule) Tenant(seq uint32) int32 { return s.tenant(int64(seq)) }

// tenant of an arrival.
func (s *Schedule) tenant(seq int64) int32 {
	return s.tenants.draw(key(s.seed, forTenant, uint64(seq)))
}

// All gives the share's arrivals in order of Due.
func (s *Schedule) All(share Share) iter.Seq[Arrival] {
	return func(yield func(Arrival) bool) {
		var buf []Arrival
		for b := range s.Blocks() {
			buf = s.Block(b, share, buf[:0])
			for _, a := range buf {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// CountBefore is the number of arrivals, of all shares, due before t.
func (s *Schedule) CountBefore(t time.Duration) int64 {
	b := s.FirstBlock(t)
	if b == s.Blocks() {
		return s.total
	}
	block := s.Block(b, Share{}, nil)
	inside := sort.Search(len(block), func(i int) bool { return block[i].Due >= t })
	first, _ := s.span(b)
	return first + int64(inside)
}

// FirstBlock is the first block that may hold an arrival due at t or later; Blocks() when none does.
func (s *Schedule) FirstBlock(t time.Duration) int {
	blocks := float64(s.Blocks())
	return sort.Search(s.Blocks(), func(b int) bool { return s.curve.Quantile(float64(b+1)/blocks) >= t })
}
