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

// Strands is how many a block is dealt to: the largest number of shares, and the least of parts.
const Strands = 64

const (
	strandLevels = 6
	blockAim     = 8192 // the most arrivals a block has in the mean: 200 kB to hold, half a millisecond to make
	tableLevels  = 12   // the levels of the tree that are kept: 32 kB. Those below are dealt again by each Reader
	mostLevels   = 32   // the tree of the largest total, were the aim 1
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

// Block appends the set's arrivals of block b to buf, as a Reader that has not read yet.
func (s *Schedule) Block(b int, set Set, buf []Arrival) []Arrival { return s.Reader(set).Block(b, buf) }

// strands deals the n arrivals of block b to its strands. Where none of those below a node is wanted, its arrivals stay
// with the first of them.
func (s *Schedule) strands(b int, n int64, wanted uint64) (counts [Strands]int64) {
	counts[0] = n
	for level := range strandLevels {
		below := Strands >> level
		for i := 1<<level - 1; i >= 0; i-- {
			n, left := counts[i], counts[i]
			if wanted>>(i*below)&(1<<below-1) != 0 {
				left = half(n, s.seed, uint64(1)<<(s.levels+level)|uint64(b)<<level|uint64(i))
			}
			counts[2*i], counts[2*i+1] = left, n-left
		}
	}
	return counts
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

// All gives the set's arrivals in order of Due.
func (s *Schedule) All(set Set) iter.Seq[Arrival] { return s.From(set, 0) }

// From gives the set's arrivals due at t or later, in order of Due. What is before costs nothing but the way down the
// tree and the rest of t's block.
func (s *Schedule) From(set Set, t time.Duration) iter.Seq[Arrival] {
	return func(yield func(Arrival) bool) {
		var buf []Arrival
		reader := s.Reader(set)
		for b := s.FirstBlock(t); b < s.Blocks(); b++ {
			buf = reader.Block(b, buf[:0])
			for _, a := range buf {
				if a.Due >= t && !yield(a) {
					return
				}
			}
		}
	}
}

// CountBefore is the number of arrivals, of all parts, due before t.
func (s *Schedule) CountBefore(t time.Duration) int64 {
	b := s.FirstBlock(t)
	if b == s.Blocks() {
		return s.total
	}
	reader := s.Reader(Set{})
	block := reader.Block(b, nil)
	inside := sort.Search(len(block), func(i int) bool { return block[i].Due >= t })
	return reader.span(b).first + int64(inside)
}

// FirstBlock is the first block that may hold an arrival due at t or later; Blocks() when none does.
func (s *Schedule) FirstBlock(t time.Duration) int {
	blocks := float64(s.Blocks())
	return sort.Search(s.Blocks(), func(b int) bool { return s.curve.Quantile(float64(b+1)/blocks) >= t })
}
