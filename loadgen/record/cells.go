package record

import (
	"cmp"
	"slices"
	"time"
)

// A cell begins as a list of its values' counters, which is all that a tenant's quiet minute ever needs, and gets pages
// of counters when the list would be longer than mostFew. Pages without a count do not exist: answers of one second lie
// within a few octaves, so a busy window takes 5 to 20 kB instead of the 188 kB of a dense histogram.
const (
	mostFew  = 1024
	pageSize = 128
)

// page counts up to 4 billion shots a counter, more than a minute can hold.
type page [pageSize]uint32

// cell is a window that is being counted: the writer's side of a Window.
type cell struct {
	id            cellID
	layout        *layout
	few           []uint16 // while paged is false: the counter of each value
	paged         bool
	pages         []*page       // nil, or as long as the layout asks for
	sum           uint64        // of all counters
	opened, touch time.Duration // the samples' clock at the first and the last count
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
	if minute {
		return &cell{layout: minuteLayout}
	}
	return &cell{layout: secondLayout}
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
	c.few, c.paged, c.sum = c.few[:0], false, 0
	minute := c.layout == minuteLayout
	s.cells[index(minute)] = append(s.cells[index(minute)], c)
}

// add counts n values more in counter i. That it does not overflow is the caller's to see to, see [Writer.countable].
func (c *cell) add(i, n uint32, s *shelf) {
	c.sum += uint64(n)
	if !c.paged && len(c.few)+int(n) <= mostFew {
		for range n {
			c.few = append(c.few, uint16(i))
		}
		return
	}
	if !c.paged {
		c.turn(s)
	}
	c.page(i, s)[i%pageSize] += n
}

// turn makes pages of the list.
func (c *cell) turn(s *shelf) {
	c.paged = true
	if c.pages == nil {
		c.pages = make([]*page, (c.layout.counts+pageSize-1)/pageSize)
	}
	for _, i := range c.few {
		c.page(uint32(i), s)[i%pageSize]++
	}
	c.few = c.few[:0]
}

// page is the page of counter i.
func (c *cell) page(i uint32, s *shelf) *page {
	p := &c.pages[i/pageSize]
	if *p == nil {
		*p = s.page()
	}
	return *p
}

// each calls do with the counters that are not zero, in ascending order. scratch has room for the layout's counters; it
// must be zero and is left so.
func (c *cell) each(scratch []uint32, do func(i int, n uint32)) {
	if !c.paged {
		c.eachFew(scratch, do)
		return
	}
	for k, p := range c.pages {
		if p == nil {
			continue
		}
		for j, n := range p {
			if n != 0 {
				do(k*pageSize+j, n)
			}
		}
	}
}

// eachFew counts the list out: sorting it would take ten times as long.
func (c *cell) eachFew(scratch []uint32, do func(i int, n uint32)) {
	if len(c.few) == 0 {
		return
	}
	least, most := c.few[0], c.few[0]
	for _, i := range c.few {
		scratch[i]++
		least, most = min(least, i), max(most, i)
	}
	for i := int(least); i <= int(most); i++ {
		if n := scratch[i]; n != 0 {
			do(i, n)
			scratch[i] = 0
		}
	}
}

// merge adds a page of a shard's buffer, whose first counter is number first of the window's.
func (c *cell) merge(first uint32, p *counters, s *shelf) {
	for w, word := range p {
		for word != 0 {
			var lane, n uint32
			lane, n, word = next(word)
			c.add(first+uint32(w)*lanes+lane, n, s)
		}
	}
}

// highest is the largest value in µs, rounded up to the end of its counter's range; 0 of an empty cell.
func (c *cell) highest() int64 {
	last := -1
	if !c.paged {
		for _, i := range c.few {
			last = max(last, int(i))
		}
	}
	for k := len(c.pages) - 1; k >= 0 && last < 0; k-- {
		for j := pageSize - 1; j >= 0 && last < 0 && c.pages[k] != nil; j-- {
			if c.pages[k][j] != 0 {
				last = k*pageSize + j
			}
		}
	}
	if last < 0 {
		return 0
	}
	return c.layout.value(last+1) - 1
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
