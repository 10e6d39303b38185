package lease

import (
	"errors"
	"time"

	"github.com/ansturm/ansturm/loadgen"
)

// Every is how a fleet's coordinators and workers keep time, on the wall.
const (
	BeatEvery   = 200 * time.Millisecond // a worker's heartbeat
	LookEvery   = 50 * time.Millisecond  // a coordinator's call of Keeper.Next
	LostAfter   = 800 * time.Millisecond // of silence
	DefaultHold = 3 * time.Second

	lead       = 250 * time.Millisecond // of a deal at once before its first Due
	lateLook   = 200 * time.Millisecond // a look later than that moves all deadlines
	raiseBy    = time.Second            // the ceiling, beyond the hold and the lead
	comeBack   = 2 * time.Second        // of one that is lost, beyond the hold
	joinsApart = time.Second            // two deals for who has joined
	mostMoves  = 4096                   // of one deal
)

// ErrReplaced is that another coordinator has taken over: its number in the list is higher.
var ErrReplaced = errors.New("another coordinator has taken over")

// Terms are what holds for the whole run.
type Terms struct {
	// Speed is platform time by wall time; 0 means 1.
	Speed float64
	// End is a Due after all of the schedule's.
	End time.Duration
	// Hold is how far ahead a promise reaches; 0 means DefaultHold.
	Hold time.Duration
}

// Facts are what a heartbeat says that the coordinator goes by.
type Facts struct {
	// Capacity is as Joined takes it, for a coordinator that comes later; 0 leaves what is known.
	Capacity float64
	// Apart is how far its run clock may be from the coordinator's (see [Offset.Apart]), if that is Measured.
	Apart    time.Duration
	Measured bool
	// Fenced: it begins nothing any more, and every shard of it knows.
	Fenced bool
	// Done: it has told what it had to tell, and begins nothing any more.
	Done bool

	// What [Balance] goes by: arrivals a second; how busy its shards' processors are, 0 to 1; its lateness' 99th percentile
	// by the limit beyond which a run is invalid.
	Rate, Busy, Late float64
}

// Promise is the answer to a heartbeat: what the epoch holds. It is all zero, which changes no [loadgen.Lease], from a coordinator
// that may not promise anything yet, or not any more.
type Promise struct {
	loadgen.Holding
	// Lost: it is promised nothing more, and nothing more will be dealt to it.
	Lost bool
}

// State is what a Keeper thinks of an epoch.
type State int

const (
	Presumed State = iota // is in the list; this coordinator has not heard of it
	Joined
	Lost    // not heard for too long: promised nothing more
	Yielded // fenced, by its own word
	Dead    // proved
)

// Member is an epoch as a Keeper knows it.
type Member struct {
	Owner
	State State
	// Since when it is in that state, and when it was last heard.
	Since, Heard time.Duration
	Capacity     float64
	// Parts that are its in the end.
	Parts int
	// Until is what it was promised, in platform time.
	Until time.Duration
	Done  bool
	Facts Facts
}

// Keeper is a coordinator's judgement. Not safe for concurrent use.
type Keeper struct {
	table *Table
}

// NewKeeper is that of the coordinator with that number (see [Table.Successor]), which keeps the table. It must be told all
// entries that are in the list; what it is not told it learns where it finds its own next entry's place taken. It is an error if a coordinator
// with such a number is in the list.
func NewKeeper(terms Terms, number uint64, table *Table, now time.Duration) (*Keeper, error) {
	return &Keeper{table: table}, nil
}

// Table is the fold of what the Keeper was told to be in the list. It is the Keeper's: only to be read.
func (k *Keeper) Table() *Table { return k.table }

// Joined adds an epoch that may have parts, by its capacity in shots a second. It is an error if it was known, is nobody, or its capacity
// is not above 0.
func (k *Keeper) Joined(o Owner, capacity float64, now time.Duration) error { return nil }

// Heard is a heartbeat, and what to answer. An epoch that is not known joins by it.
func (k *Keeper) Heard(o Owner, f Facts, now time.Duration) Promise { return Promise{} }

// Lost takes an epoch for lost without waiting for its silence.
func (k *Keeper) Lost(o Owner, now time.Duration) {}

// Dead is told with proof that the epoch's process has ended.
func (k *Keeper) Dead(o Owner, now time.Duration) {}

// Yielded is told by the word of the epoch itself, if not by its heartbeat, that it is fenced.
func (k *Keeper) Yielded(o Owner, now time.Duration) {}

// Next is what to append to the list now, as entry Table().Len()+1; it stays the same until Appended is told what stands there. To
// be called every LookEvery, and again after each Appended until it is false.
func (k *Keeper) Next(now time.Duration) (Entry, bool) { return Entry{}, false }

// Appended is told that an entry is in the list, its own or another's, in order. After an error the Keeper promises nothing any
// more and appends nothing: ErrReplaced is one, an entry that no Table adds another.
func (k *Keeper) Appended(n uint64, e Entry) error { return nil }

// Members are all epochs that it knows, in order.
func (k *Keeper) Members() []Member { return nil }

// Promised is the Due from which on nobody can have been promised anything, by this coordinator or one before it.
func (k *Keeper) Promised() time.Duration { return 0 }

// Stop makes it promise nothing more and deal nothing more, for a run that is to end early.
func (k *Keeper) Stop() {}

// Closable says whether nothing can come any more, else why not: every promise of a Due of the schedule has passed, the
// living have said that they are done, and the lost have had the time to come back.
func (k *Keeper) Closable(now time.Duration) (ok bool, why string) { return false, "" }
