package arrivals

import (
	"testing"
	"time"
)

// TestMemoryIsIndependentOfTotal: a schedule of any length keeps the same small table, and any block of it is made
// from there.
func TestMemoryIsIndependentOfTotal(t *testing.T) {
	for _, total := range []int64{1, 8193, 600_000, 100_000_000} {
		s := must(t, scenario(total, 24*time.Hour, "poisson", 9))
		if len(s.before) > 1<<tableLevels+1 {
			t.Errorf("%d arrivals: a table of %d", total, len(s.before))
		}
		last := s.Blocks() - 1
		if span := s.Reader(Set{}).span(last); span.end != total || span.len() > 2*blockAim {
			t.Errorf("%d arrivals: the last block has those from %d to %d", total, span.first, span.end)
		}
		buf := s.Block(last, Set{}, nil)
		if n := testing.AllocsPerRun(10, func() { buf = s.Block(last/2, Set{}, buf[:0]) }); n > 0 {
			t.Errorf("%d arrivals: %v allocations for a block", total, n)
		}
		if even := must(t, scenario(total, 24*time.Hour, "uniform", 9)); len(even.before) != 0 {
			t.Errorf("%d arrivals of the uniform process: a table of %d", total, len(even.before))
		}
	}
}

// TestTreeBelowTheTable: the levels that are dealt again for each block give what the whole tree would.
func TestTreeBelowTheTable(t *testing.T) {
	s, err := newSchedule(scenario(100_000, time.Hour, "poisson", 9), 6)
	if err != nil {
		t.Fatal(err)
	}
	if s.levels <= tableLevels+1 {
		t.Fatalf("only %d levels", s.levels)
	}
	b, reader := 0, s.Reader(Set{})
	var walk func(n int64, level int, index uint64)
	next := int64(0)
	walk = func(n int64, level int, index uint64) {
		if level < s.levels {
			left := half(n, s.seed, uint64(1)<<level|index)
			walk(left, level+1, 2*index)
			walk(n-left, level+1, 2*index+1)
			return
		}
		if span := reader.span(b); span != (node{next, next + n}) {
			t.Fatalf("block %d spans %+v, want %d to %d", b, span, next, next+n)
		}
		next += n
		b++
	}
	walk(s.total, 0, 0)
	if b != s.Blocks() || next != s.total {
		t.Errorf("%d blocks with %d arrivals", b, next)
	}
}
