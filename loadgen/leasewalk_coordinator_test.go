package loadgen

import (
	"slices"
	"time"
)

// shared is what coordinators find in their store: the deals, as the rectangles that they leave, how many they are, and the
// ceiling. A coordinator changes either only where it knows both as they are.
type shared struct {
	table   []owned
	deals   uint64
	ceiling int
}

// coordinator is what one has in its memory, by epoch.
type coordinator struct {
	shared
	number      uint64
	told, heard map[int]int
	lost, gone  map[int]bool // gone for good: dead by proof, or fenced by its own word
	base        int          // the ceiling when it began
	born, last  int          // ticks
	frozenUntil int
}

// coordinate begins another coordinator.
func (w *walk) coordinate(tick int) {
	w.numbers++
	w.coordinators = append(w.coordinators, &coordinator{
		shared: w.store, number: w.numbers, base: w.store.ceiling, born: tick, last: tick, frozenUntil: walkBegin,
		told: map[int]int{}, heard: map[int]int{}, lost: map[int]bool{}, gone: map[int]bool{},
	})
}

// reply answers a beat: no promise goes beyond the ceiling, and an epoch that is lost is promised nothing more.
func (w *walk) reply(m letter, e *epoch, tick int) {
	c := m.to
	c.heard[m.epoch] = tick
	if m.fenced {
		c.gone[m.epoch] = true
	}
	if !c.lost[m.epoch] && !c.gone[m.epoch] {
		c.told[m.epoch] = max(c.told[m.epoch], min(c.ceiling, tick+walkHold))
	}
	if tick < e.cutUntil && w.chance(0.95) {
		return
	}
	h := &Holding{Coordinator: c.number, Deals: c.deals, Until: dueAt(c.told[m.epoch]), Expires: time.Duration(c.told[m.epoch]) * walkTick}
	if w.mutant == "no numbers" {
		h.Coordinator, h.Deals = 0, 0
	}
	for _, o := range c.table {
		if o.epoch == m.epoch {
			h.Grants = append(h.Grants, o.Grant)
		}
	}
	for range 1 + w.random.IntN(20)/19 {
		w.net = append(w.net, letter{at: tick + w.delay(), epoch: m.epoch, reply: h})
	}
}

// look is a coordinator's tick: the ceiling, who is lost, and who gets what of it. It is false where the store is not as the
// coordinator knows it.
func (w *walk) look(c *coordinator, tick int) bool {
	if stood := tick - c.last; stood > walkBeat { // it was itself away
		for i := range c.heard {
			c.heard[i] += stood
		}
	}
	c.last = tick
	if tick%20 == 0 {
		if c.deals != w.store.deals || c.ceiling != w.store.ceiling {
			return false
		}
		c.ceiling = max(c.ceiling, tick+walkHold+20)
		w.store.ceiling = c.ceiling
	}
	for i, e := range w.epochs {
		heard, known := c.heard[i]
		if !known && !slices.ContainsFunc(c.table, func(o owned) bool { return o.epoch == i }) {
			continue
		}
		from := -1
		switch {
		case c.gone[i] && !c.lost[i], e.dead && !c.gone[i] && w.random.IntN(3) == 0: // its own word, or proof
			c.gone[i], from = true, tick+walkLead+2
		case !c.lost[i] && tick-max(heard, c.born) > walkLost:
			from = c.promised(i, w.mutant)
		}
		if c.lost[i] = c.lost[i] || from >= 0; from >= 0 && !w.takeOver(c, i, from) {
			return false
		}
	}
	return w.dealFree(c, tick)
}

// promised is the first tick that an epoch was promised nothing of, by this coordinator or one before it.
func (c *coordinator) promised(epoch int, mutant string) int {
	if mutant == "forgotten ceiling" {
		return c.told[epoch]
	}
	return max(c.told[epoch], c.base)
}

// takeOver deals what is an epoch's from a tick on to the living: at each part and Due by whose it is there.
func (w *walk) takeOver(c *coordinator, epoch, from int) bool {
	later := Grant{0, walkParts, dueAt(from), never}
	for _, o := range slices.Clone(c.table) {
		its := o.and(later)
		if w.mutant == "by part" && o.To == never {
			its = Grant{o.Lo, o.Hi, later.From, never}
		}
		if o.epoch == epoch && !its.empty() && !w.deal(c, its) {
			return false
		}
	}
	return true
}

// dealFree deals what nobody has or only the lost have, and now and then something else, all of it beyond every promise.
func (w *walk) dealFree(c *coordinator, tick int) bool {
	from := max(c.ceiling, tick+walkLead)
	switch {
	case tick < walkBegin+10 || tick%walkBeat != 0: // all have been heard before the first deal
		return true
	case len(c.table) == 0 && tick < 0: // nobody has been promised anything
		from = 0
	}
	var taken []Grant
	for _, o := range c.table {
		if !c.lost[o.epoch] {
			taken = append(taken, o.Grant)
		}
	}
	for lo := 0; lo < walkParts; lo += 16 {
		wanted := []Grant{{lo, lo + 16, dueAt(from), never}}
		if !w.chance(0.012) {
			wanted = beyond(wanted, taken)
		}
		for _, g := range wanted {
			if !w.deal(c, g) {
				return false
			}
		}
	}
	return true
}

// deal gives a grant to one of the living. It is false, and nothing has changed, where another coordinator has dealt before.
func (w *walk) deal(c *coordinator, g Grant) bool {
	var living []int
	for i := range w.epochs {
		if _, known := c.heard[i]; known && !c.lost[i] && !c.gone[i] {
			living = append(living, i)
		}
	}
	if len(living) == 0 {
		return true
	}
	if c.deals != w.store.deals || c.ceiling != w.store.ceiling && w.mutant != "ceiling apart" {
		return false
	}
	var table []owned
	for _, o := range c.table {
		for _, rest := range o.without(g, nil) {
			table = append(table, owned{rest, o.epoch})
		}
	}
	c.table, c.deals = append(table, owned{g, one(w, living...)}), c.deals+1
	w.store.table, w.store.deals = c.table, c.deals
	return true
}
