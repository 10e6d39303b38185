package record

import (
	"cmp"
	"slices"
	"time"
)

// pageSize counters are kept together; pages without a count do not exist. Answers of one second lie within a few
// octaves, so a window takes 5 to 20 kB instead of the 188 kB of a dense histogram.
const pageSize = 128

type page [pageSize]uint32

// cell is a window that is being counted: the writer's side of a Window.
type cell struct {
	id            cellID
	layout        *layout
	pages         []*page
	count         int64
	highest       int64         // largest value in µs
	opened, touch time.Duration // the writer's clock at the first and the last count
}

// cellID names a window: its series and its start in whole lengths.
type cellID struct{ series, slot uint32 }

// shelf owns the pages and cells of a writer and uses them again: counting allocates nothing once the run is under way.
type shelf struct {
	pages []*page
	cells [2][]*cell // by layout: seconds, minutes
}

func (s *shelf) cell(minute bool) *cell {
	free := &s.cells[index(minute)]
	if n := len(*free); n > 0 {
		c := (*free)[n-1]
		*free = (*free)[:n-1]
		return c
	}
	l := secondLayout
	if minute {
		l = minuteLayout
	}
	return &cell{layout: l, pages: make([]*page, (l.counts+pageSize-1)/pageSize)}
}

func (s *shelf) page() *page {
	if n := len(s.pages); n > 0 {
		p := s.pages[n-1]
		s.pages = s.pages[:n-1]
		return p
	}
	return new(page)
}

// back takes c's pages and c itself back, emptied.
func (s *shelf) back(c *cell) {
	for i, p := range c.pages {
		if p != nil {
			*p = page{}
			s.pages = append(s.pages, p)
			c.pages[i] = nil
		}
	}
	c.count, c.highest = 0, 0
	minute := c.layout == minuteLayout
	s.cells[index(minute)] = append(s.cells[index(minute)], c)
}

// add counts the value v (µs, within range).
func (c *cell) add(v int64, s *shelf) {
	i := c.layout.index(v)
	p := c.pages[i/pageSize]
	if p == nil {
		p = s.page()
		c.pages[i/pageSize] = p
	}
	p[i%pageSize]++
	c.count++
	c.highest = max(c.highest, v)
}

func index(minute bool) int {
	if minute {
		return 1
	}
	return 0
}

// sortCells puts cells in the order of their starts, then of their series: the log reads in order of time.
func sortCells(cells []*cell) {
	slices.SortFunc(cells, func(a, b *cell) int {
		return cmp.Or(cmp.Compare(a.start(), b.start()), cmp.Compare(a.id.series, b.id.series))
	})
}

// start of the window in seconds.
func (c *cell) start() int64 {
	if c.layout == minuteLayout {
		return int64(c.id.slot) * 60
	}
	return int64(c.id.slot)
}
