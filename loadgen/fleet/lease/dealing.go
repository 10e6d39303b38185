package lease

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Next is what to append to the list now, as entry Table().Len()+1. It stays the same until Appended is told what stands there. To be
// called every LookEvery, and again after each Appended until it is false.
func (k *Keeper) Next(now time.Duration) (Entry, bool) {
	k.look(now)
	if k.ended != nil {
		return Entry{}, false
	}
	if k.pending == nil && (!k.stopped || !k.begun) { // who is to close must be the last in the list
		if e, some := k.decide(now); some {
			e.Coordinator = k.number
			k.pending = &e
		}
	}
	if k.pending == nil {
		return Entry{}, false
	}
	return *k.pending, true
}

// look finds who has been silent for too long. Where the look itself comes late, the silence may be the Keeper's own.
func (k *Keeper) look(now time.Duration) {
	late := now - k.looked - LookEvery
	k.looked = now
	for _, m := range k.ordered {
		if late > lateLook {
			m.quiet = min(m.quiet+late, now)
		}
		if m.State <= Joined && !m.Facts.Done && now-m.quiet > LostAfter {
			k.enter(m, Lost, now)
		}
	}
}

// decide is what is the most urgent.
func (k *Keeper) decide(now time.Duration) (Entry, bool) {
	if !k.begun {
		return k.raise(now, fmt.Sprintf("coordinator %d begins", k.number)), true
	}
	if e, some := k.takeOver(now); some {
		return e, true
	}
	if k.table.Ceiling() < k.terms.at(now+k.terms.Hold+lead) {
		return k.raise(now, ""), true
	}
	if e, some := k.share(now); some {
		return e, true
	}
	return k.relieve(now)
}

func (k *Keeper) raise(now time.Duration, why string) Entry {
	return Entry{Ceiling: max(k.table.Ceiling(), k.terms.at(now+k.terms.Hold+lead+raiseBy)), Why: why}
}

// takeOver deals what is nobody's, or of somebody who is promised nothing more: each Due from where that one's promises ended.
func (k *Keeper) takeOver(now time.Duration) (Entry, bool) {
	if !k.stirred {
		return Entry{}, false
	}
	var moves moves
	from, waits := []Owner{}, map[Owner]bool{}
	for _, e := range k.inherited() {
		for i, s := range e.spells {
			due, heir := max(s.from, k.free(s.Owner, now)), k.after(e, i)
			switch {
			case k.keeps(s.Owner) || k.table.Final(s.Owner) || due >= min(e.to(i), k.terms.End) || heir == s.Owner:
			case k.isPresumed(heir):
				waits[s.Owner] = true
			default:
				moves.add(Move{e.lo, e.hi, due, e.to(i), heir})
				if !slices.Contains(from, s.Owner) {
					from = append(from, s.Owner)
				}
			}
		}
	}
	e, some := moves.deal(k.reasons(from))
	if len(e.Moves) == len(moves) {
		e.Final = k.final(waits)
	}
	k.stirred = some
	return e, some || len(e.Final) > 0
}

// final are those who wait to hear what is theirs for good, but for those from whom something will be taken.
func (k *Keeper) final(but map[Owner]bool) (final []Owner) {
	for _, m := range k.ordered {
		if m.State == Yielded && !but[m.Owner] && !k.table.Final(m.Owner) {
			final = append(final, m.Owner)
		}
	}
	return final
}

// free is the Due from which on what is an owner's can be dealt, if it is not one that keeps it.
func (k *Keeper) free(o Owner, now time.Duration) time.Duration {
	m := k.members[o]
	if m == nil { // nobody's
		return k.terms.at(now + lead)
	}
	from := k.limit(m)
	if m.gone() && m.Facts.Measured {
		from = min(from, k.terms.at(now+lead+m.Facts.Apart))
	}
	return from
}

// after is who gets spell i: who has the parts next, so that they do not change hands more often, or in the end.
func (k *Keeper) after(e estate, i int) Owner {
	for _, next := range e.spells[i+1:] {
		if m := k.members[next.Owner]; m != nil && m.living() {
			return next.Owner
		}
	}
	return e.heir
}

// keeps says whether an owner stays what it is for now.
func (k *Keeper) keeps(o Owner) bool {
	m := k.members[o]
	return m != nil && (m.living() || m.State == Presumed)
}

func (k *Keeper) isPresumed(o Owner) bool {
	m := k.members[o]
	return m != nil && m.State == Presumed
}

func (k *Keeper) living() (living []*Member) {
	for _, m := range k.ordered {
		if m.living() {
			living = append(living, m)
		}
	}
	return living
}

// inherited is all parts, with heirs who are living where there are any.
func (k *Keeper) inherited() []estate {
	list := k.table.estates()
	for i, e := range list {
		if !k.keeps(e.heir) {
			list[i].heir = Owner{}
		}
	}
	living := k.living()
	return give(list, living, apportion(parts(list)[Owner{}], k.wants(list, living)))
}

// wants is how many parts each of the living has less than its share by capacity, at least 0.
func (k *Keeper) wants(list []estate, living []*Member) []float64 {
	wants := make([]float64, len(living))
	for i, n := range k.lacks(list, living) {
		wants[i] = max(0, float64(n))
	}
	return wants
}

// lacks is how many parts each of the living has less than its share by capacity of what is not presumed to be another's.
func (k *Keeper) lacks(list []estate, living []*Member) []int {
	have, all := parts(list), 0
	for o, n := range have {
		if !k.isPresumed(o) {
			all += n
		}
	}
	capacities := make([]float64, len(living))
	for i, m := range living {
		capacities[i] = m.Capacity
	}
	lacks := apportion(all, capacities)
	for i, m := range living {
		lacks[i] -= have[m.Owner]
	}
	return lacks
}

// share deals those who have joined their share of what the others have, from where nobody has been promised anything.
func (k *Keeper) share(now time.Duration) (Entry, bool) {
	if !k.joined || now-k.dealt < joinsApart {
		return Entry{}, false
	}
	k.joined, k.dealt = false, now
	list, living := k.table.estates(), k.living()
	wants, lacks := k.wants(list, living), k.lacks(list, living)
	for i, m := range living {
		list = take(list, m.Owner, -lacks[i])
	}
	list = give(list, living, apportion(parts(list)[Owner{}], wants))
	return k.moved(list, now, "who has joined gets a share")
}

// relieve deals parts of one that has too much to do to those who have little.
func (k *Keeper) relieve(now time.Duration) (Entry, bool) {
	if !k.balance.due(now) {
		return Entry{}, false
	}
	list, living := k.table.estates(), k.living()
	have, loads := parts(list), make([]Load, len(living))
	for i, m := range living {
		loads[i] = Load{m.Owner, have[m.Owner]}
	}
	s, some := k.balance.Next(loads, now)
	if !some {
		return Entry{}, false
	}
	for i, m := range living { // what is shared later is shared by what has been found out
		if loads[i].Owner == s.From {
			m.Capacity *= 1 - float64(s.Parts)/float64(loads[i].Parts)
		} else if s.To[i] > 0 {
			m.Capacity *= 1 + float64(s.To[i])/float64(max(1, loads[i].Parts))
		}
	}
	list = give(take(list, s.From, s.Parts), living, s.To)
	return k.moved(list, now, fmt.Sprintf("%s has too much to do", s.From))
}

// moved deals all estates whose heir is another than their last owner, from where nobody has been promised anything.
func (k *Keeper) moved(list []estate, now time.Duration, why string) (Entry, bool) {
	var moves moves
	from := max(k.table.Ceiling(), k.terms.at(now+lead))
	for _, e := range list {
		if e.heir != e.spells[len(e.spells)-1].Owner && from < k.terms.End {
			moves.add(Move{e.lo, e.hi, from, Forever, e.heir})
		}
	}
	return moves.deal(why)
}

// reasons says for people why parts are taken from their owners.
func (k *Keeper) reasons(of []Owner) string {
	const named = 5
	var why []string
	for i, o := range of {
		m := k.members[o]
		switch {
		case i == named:
			return fmt.Sprintf("%s, and %d more", strings.Join(why, ", "), len(of)-named)
		case m == nil:
			why = append(why, "parts are nobody's")
		case m.State <= Joined:
			why = append(why, fmt.Sprintf("%s is done", o))
		default:
			why = append(why, fmt.Sprintf("%s is %s", o, m.State))
		}
	}
	return strings.Join(why, ", ")
}
