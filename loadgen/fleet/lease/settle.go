package lease

import (
	"iter"
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

// Settle splits arrivals that nobody has told a fate of, as Seqs in rising order: those that nobody can have begun, and the rest.
func Settle(s *arrivals.Schedule, t *Table, c Closing, missing iter.Seq[uint32]) (unsent, indeterminate []uint32) {
	return nil, nil
}
