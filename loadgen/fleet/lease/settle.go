package lease

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// Closing is what is known at a run's close of those who fired it.
type Closing struct {
	// Promised is [Keeper.Promised].
	Promised time.Duration
	// Done are the epochs that have told of everything that they began.
	Done map[Owner]bool
}

// Settle splits the arrivals that nobody has told a fate of, given by Seq: into those that nobody can have begun, because they were
// nobody's, never promised, or of somebody who has told of all that it began; and those of which that is not known, by whose they are. With
// Seqs in rising order each block of the schedule is made once. A Seq that the schedule does not have is in neither.
func Settle(s *arrivals.Schedule, t *Table, c Closing, missing iter.Seq[uint32]) (unsent []uint32, indeterminate map[Owner][]uint32, err error) {
	set, err := arrivals.Parts(t.parts, arrivals.Range{Lo: 0, Hi: t.parts})
	if err != nil {
		return nil, nil, err
	}
	var list []arrivals.Arrival
	reader, block := s.Reader(set), -1
	indeterminate = map[Owner][]uint32{}
	for seq := range missing {
		if b := reader.BlockOf(seq); b != block {
			list, block = reader.Block(b, list[:0]), b
			slices.SortFunc(list, func(a, b arrivals.Arrival) int { return cmp.Compare(a.Seq, b.Seq) })
		}
		i, found := slices.BinarySearchFunc(list, seq, func(a arrivals.Arrival, seq uint32) int { return cmp.Compare(a.Seq, seq) })
		if !found {
			continue
		}
		if o := t.Owner(int(list[i].Part), list[i].Due); c.unsent(o, list[i].Due) {
			unsent = append(unsent, seq)
		} else {
			indeterminate[o] = append(indeterminate[o], seq)
		}
	}
	return unsent, indeterminate, nil
}

// unsent says that nobody can have begun an arrival, that is o's at that Due, without telling its fate.
func (c Closing) unsent(o Owner, due time.Duration) bool {
	return due >= c.Promised || o == Owner{} || c.Done[o]
}
