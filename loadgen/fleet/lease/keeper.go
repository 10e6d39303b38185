package lease

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// ErrReplaced is that another coordinator has taken over: its number in the list is higher.
var ErrReplaced = errors.New("another coordinator has taken over")

// Keeper is one coordinator's judgement. Not safe for concurrent use.
type Keeper struct {
	terms   Terms
	number  uint64
	table   *Table
	members map[Owner]*Member
	ordered []*Member // by worker, then epoch

	base     time.Duration // the ceiling that others left: they have promised nothing beyond
	promised time.Duration // the same of this one
	begun    bool          // an entry of its own is in the list
	ended    error         // why it does nothing any more
	stopped  bool
	pending  *Entry // said by Next, and not found in the list as yet

	looked  time.Duration // the last look
	stirred bool          // whose what is, or who lives, has changed since there was nothing to take over
	joined  bool          // somebody has joined since all had parts by their capacity
	dealt   time.Duration
	balance Balance
}

// NewKeeper is that of the coordinator with that number (see [Table.Successor]), which keeps the table: the fold of all that is in
// the list, as far as known. It is an error if the list has an entry of such a number, or of a higher one.
func NewKeeper(terms Terms, number uint64, table *Table, now time.Duration) (*Keeper, error) {
	if err := terms.Validate(); err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	if number <= table.last {
		return nil, fmt.Errorf("lease: coordinator %d: there was %d before", number, table.last)
	}
	terms.Speed, terms.Hold = cmp.Or(terms.Speed, 1), cmp.Or(terms.Hold, DefaultHold)
	k := &Keeper{
		terms: terms, number: number, table: table, members: map[Owner]*Member{},
		base: table.Ceiling(), looked: now, dealt: now - joinsApart, stirred: true,
	}
	table.each(func(m Move) { k.presume(m.Owner, now) })
	return k, nil
}

// Table is the fold of what the Keeper knows to be in the list. It is the Keeper's: only to be read.
func (k *Keeper) Table() *Table { return k.table }

// member is an epoch that is known, or becomes so.
func (k *Keeper) member(o Owner, now time.Duration) *Member {
	m := k.members[o]
	if m == nil {
		m = &Member{Owner: o, Since: now, Heard: now, quiet: now, Capacity: 1}
		k.members[o] = m
		i, _ := slices.BinarySearchFunc(k.ordered, o, func(m *Member, o Owner) int {
			return cmp.Or(cmp.Compare(m.Worker, o.Worker), cmp.Compare(m.Epoch, o.Epoch))
		})
		k.ordered = slices.Insert(k.ordered, i, m)
	}
	return m
}

func (k *Keeper) presume(o Owner, now time.Duration) {
	if o != (Owner{}) {
		k.member(o, now)
	}
}

// enter makes an epoch's state a later one.
func (k *Keeper) enter(m *Member, s State, now time.Duration) {
	if s > m.State {
		m.State, m.Since, k.stirred = s, now, true
	}
}

// Joined adds an epoch that may have parts, by its capacity in shots a second. It is an error if it is nobody, was known before, or
// its capacity is not above 0.
func (k *Keeper) Joined(o Owner, capacity float64, now time.Duration) error {
	switch {
	case o == Owner{} || k.members[o] != nil:
		return fmt.Errorf("lease: %s cannot join", o)
	case !(capacity > 0) || math.IsInf(capacity, 1):
		return fmt.Errorf("lease: %s cannot join with a capacity of %g", o, capacity)
	}
	k.Heard(o, Facts{Capacity: capacity}, now)
	return nil
}

// Heard is a heartbeat, and what to answer. An epoch that is not known joins by it: it is one that a coordinator before has
// let in. One that is lost stays so.
func (k *Keeper) Heard(o Owner, f Facts, now time.Duration) Promise {
	if o == (Owner{}) {
		return Promise{}
	}
	m := k.member(o, now)
	if m.State == Presumed && len(k.table.Grants(o)) == 0 {
		k.joined = true
	}
	k.enter(m, Joined, now)
	if f.Capacity > 0 && !math.IsInf(f.Capacity, 1) && f.Capacity != m.Facts.Capacity {
		m.Capacity = f.Capacity
	}
	f.Capacity = cmp.Or(f.Capacity, m.Facts.Capacity)
	if f.Done && !m.Facts.Done {
		k.stirred = true
	}
	f.Done = f.Done || m.Facts.Done
	m.Facts, m.Heard, m.quiet = f, max(m.Heard, now), max(m.quiet, now-f.Deaf)
	k.balance.Heard(o, f, now)
	if f.Fenced {
		k.enter(m, Yielded, now)
	}
	return k.promise(m, now)
}

// promise is what a member holds from now on.
func (k *Keeper) promise(m *Member, now time.Duration) Promise {
	if !k.active() {
		return Promise{}
	}
	if m.living() && !k.stopped {
		m.Until = max(m.Until, min(k.table.Ceiling(), k.terms.at(now+k.terms.Hold)))
		k.promised = max(k.promised, m.Until)
	}
	p := Promise{Lost: m.State > Joined, Final: k.table.Final(m.Owner) || k.stopped && k.pending == nil}
	p.Coordinator, p.Deals = k.number, k.table.Len()
	p.Grants, p.Until, p.Expires = k.table.Grants(m.Owner), m.Until, k.terms.wall(m.Until)
	if m.Until >= k.terms.End { // nothing is left that could be another's: no clock of a coordinator's must stand in its way
		p.Expires = Forever
	}
	return p
}

// Lost takes an epoch for lost without waiting for its silence.
func (k *Keeper) Lost(o Owner, now time.Duration) { k.told(o, Lost, now) }

// Yielded is the word of an epoch itself, if not by a heartbeat, that it is fenced.
func (k *Keeper) Yielded(o Owner, now time.Duration) { k.told(o, Yielded, now) }

// Dead is the proof that an epoch's process has ended.
func (k *Keeper) Dead(o Owner, now time.Duration) { k.told(o, Dead, now) }

func (k *Keeper) told(o Owner, s State, now time.Duration) {
	if m := k.members[o]; m != nil {
		k.enter(m, s, now)
	}
}

// Appended is told that entry n is in the list, its own or another's, in order. After an error the Keeper promises nothing any
// more and appends nothing: ErrReplaced is one, an entry that the Table refuses another.
func (k *Keeper) Appended(n uint64, e Entry) error {
	if k.ended != nil {
		return k.ended
	}
	if k.ended = k.table.Add(n, e); k.ended != nil {
		return k.ended
	}
	k.pending, k.stirred = nil, k.stirred || len(e.Moves) > 0
	for _, m := range e.Moves {
		k.presume(m.Owner, k.looked)
	}
	switch {
	case e.Coordinator == k.number:
		k.begun = true
	case e.Coordinator > k.number:
		k.ended = fmt.Errorf("lease: entry %d: %w", n, ErrReplaced)
	default: // from before this one began
		k.base = max(k.base, e.Ceiling)
	}
	return k.ended
}

// Members are all epochs that it knows, by worker, then epoch.
func (k *Keeper) Members() []Member {
	members := make([]Member, len(k.ordered))
	for i, m := range k.ordered {
		members[i] = *m
		for _, g := range k.table.Grants(m.Owner) {
			if g.To == Forever {
				members[i].Parts += g.Hi - g.Lo
			}
		}
	}
	return members
}

// Promised is the Due from which on nobody can have been promised anything, by this coordinator or one before it; Forever of one that
// may not promise, because another one does.
func (k *Keeper) Promised() time.Duration {
	if !k.active() {
		return Forever
	}
	return max(k.base, k.promised)
}

// active says that its own entries are the last in the list, as far as it knows.
func (k *Keeper) active() bool { return k.begun && k.ended == nil }

// Stop makes it promise and deal nothing more, for a run that is to end.
func (k *Keeper) Stop() { k.stopped = true }

// Closable says whether nothing can come any more, else why not: the last Due has passed, all who live have said that they are
// done, what the others were promised has passed too, and they have had the time to come back. Only the word of the last coordinator in
// the list counts.
func (k *Keeper) Closable(now time.Duration) (ok bool, why string) {
	switch {
	case !k.active():
		return false, "another coordinator may promise more"
	case k.terms.at(now) < k.terms.End && !k.stopped:
		return false, "arrivals are due"
	}
	for _, m := range k.ordered {
		switch {
		case m.State == Dead || m.Facts.Done:
		case m.State <= Joined:
			return false, fmt.Sprintf("%s is not done", m.Owner)
		case k.terms.at(now) < min(k.limit(m), k.terms.End):
			return false, fmt.Sprintf("%s is %s, and was promised more", m.Owner, m.State)
		case now-m.quiet < LostAfter+k.terms.Hold+comeBack:
			return false, fmt.Sprintf("%s is %s, and may come back", m.Owner, m.State)
		}
	}
	return true, ""
}

// limit is the Due before which a member can have been promised something, by anybody.
func (k *Keeper) limit(m *Member) time.Duration { return max(m.Until, k.base) }
