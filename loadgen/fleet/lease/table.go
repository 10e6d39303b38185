package lease

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// Table says who may begin an arrival: one owner for each part and Due. It is the fold of the list of entries. Not safe for
// concurrent use.
type Table struct {
	parts   int
	entries uint64
	last    uint64 // the coordinator of the last entry
	ceiling time.Duration
	strips  []strip // in order, together all parts
	final   map[Owner]bool

	grants map[Owner][]loadgen.Grant // by the strips; nil where they have changed since
}

// strip is parts with one history, from its lo to before the next one's.
type strip struct {
	lo     int
	spells []spell // in order of Due, the first from 0
}

// spell is an owner from a Due to before that of the next.
type spell struct {
	from time.Duration
	Owner
}

// NewTable is the table of a schedule of that many parts (see [arrivals.Parts]) before the first entry: everything is nobody's.
func NewTable(parts int) (*Table, error) {
	if _, err := arrivals.Parts(parts); err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	return &Table{parts: parts, strips: []strip{{0, []spell{{}}}}, final: map[Owner]bool{}}, nil
}

// Add folds entry k, counted from 1. It is an error, and changes nothing, if it is not the next one, comes from a coordinator with
// a lower number than the last one's, lowers the ceiling, or has a move that is none.
func (t *Table) Add(k uint64, e Entry) error {
	err := e.check(t.parts)
	switch {
	case k != t.entries+1:
		err = fmt.Errorf("comes after %d", t.entries)
	case e.Coordinator < t.last:
		err = fmt.Errorf("coordinator %d comes after %d", e.Coordinator, t.last)
	case err == nil && !e.isDeal() && e.Ceiling < t.ceiling:
		err = fmt.Errorf("the ceiling falls from %s to %s", t.ceiling, e.Ceiling)
	}
	if err != nil {
		return fmt.Errorf("lease: entry %d: %w", k, err)
	}
	for _, m := range e.Moves {
		t.move(m)
	}
	if len(e.Moves) > 0 {
		t.join()
		t.grants = nil
	}
	for _, o := range e.Final {
		t.final[o] = true
	}
	t.entries, t.last, t.ceiling = k, e.Coordinator, max(t.ceiling, e.Ceiling)
	return nil
}

// Len is how many entries it is the fold of.
func (t *Table) Len() uint64 { return t.entries }

// Ceiling is the Due from which on nothing has been promised to anybody.
func (t *Table) Ceiling() time.Duration { return t.ceiling }

// Successor is a number for another coordinator: above all that are in the list, and with 32 random bits in it, so that two which
// begin at the same time are told apart.
func (t *Table) Successor(random uint32) uint64 { return (t.last>>32+1)<<32 | uint64(random) }

// Final says whether nothing will be taken from an owner any more.
func (t *Table) Final(o Owner) bool { return t.final[o] }

// Owner is who may begin what is due then in that part; nobody where there is no such part or Due.
func (t *Table) Owner(part int, due time.Duration) Owner {
	if part < 0 || part >= t.parts || due < 0 {
		return Owner{}
	}
	spells := t.strips[t.find(part)].spells
	return spells[sort.Search(len(spells), func(i int) bool { return spells[i].from > due })-1].Owner
}

// Grants is all that is an owner's, past and to come; they do not overlap. They are the table's own: only to be read, and of
// the table as it is now also after it has changed.
func (t *Table) Grants(o Owner) []loadgen.Grant {
	if t.grants == nil {
		t.grants = map[Owner][]loadgen.Grant{}
		t.each(func(m Move) {
			if m.Owner != (Owner{}) {
				t.grants[m.Owner] = widen(t.grants[m.Owner], loadgen.Grant{Lo: m.Lo, Hi: m.Hi, From: m.From, To: m.To})
			}
		})
	}
	return t.grants[o]
}

// widen adds a grant to those of the parts before it and of its own, in one with a neighbour of the same Dues.
func widen(grants []loadgen.Grant, g loadgen.Grant) []loadgen.Grant {
	for i := len(grants) - 1; i >= 0 && i >= len(grants)-8; i-- {
		if o := &grants[i]; o.Hi == g.Lo && o.From == g.From && o.To == g.To {
			o.Hi = g.Hi
			return grants
		}
	}
	return append(grants, g)
}

// each gives every spell of every strip as the move that would make it, in order of parts, then Dues.
func (t *Table) each(give func(Move)) {
	for i, s := range t.strips {
		for k := range s.spells {
			give(Move{s.lo, t.end(i), s.spells[k].from, s.to(k), s.spells[k].Owner})
		}
	}
}

// end is the first part after strip i.
func (t *Table) end(i int) int {
	if i+1 < len(t.strips) {
		return t.strips[i+1].lo
	}
	return t.parts
}

// to is the Due before which spell k ends.
func (s strip) to(k int) time.Duration {
	if k+1 < len(s.spells) {
		return s.spells[k+1].from
	}
	return Forever
}

// find is the strip that has the part.
func (t *Table) find(part int) int {
	return sort.Search(len(t.strips), func(i int) bool { return t.strips[i].lo > part }) - 1
}

// cut makes a strip begin at the part, and says which; a part beyond all is after the last.
func (t *Table) cut(part int) int {
	if part >= t.parts {
		return len(t.strips)
	}
	i := t.find(part)
	if t.strips[i].lo == part {
		return i
	}
	t.strips = slices.Insert(t.strips, i+1, strip{part, slices.Clone(t.strips[i].spells)})
	return i + 1
}

func (t *Table) move(m Move) {
	first := t.cut(m.Lo)
	for i := range t.strips[first:t.cut(m.Hi)] {
		s := &t.strips[first+i]
		s.spells = s.with(m)
	}
}

// with is the strip's history after a move of all its parts.
func (s strip) with(m Move) []spell {
	spells := make([]spell, 0, len(s.spells)+2)
	add := func(from time.Duration, o Owner) {
		if n := len(spells); n == 0 || spells[n-1].Owner != o {
			spells = append(spells, spell{from, o})
		}
	}
	for k, old := range s.spells {
		if old.from < m.From {
			add(old.from, old.Owner)
		}
		if to := s.to(k); old.from <= m.From && m.From < to {
			add(m.From, m.Owner)
		}
		if to := s.to(k); m.To < to {
			add(max(old.from, m.To), old.Owner)
		}
	}
	return spells
}

// join makes one of neighbours with the same history.
func (t *Table) join() {
	t.strips = slices.CompactFunc(t.strips, func(a, b strip) bool { return slices.Equal(a.spells, b.spells) })
}
