package loadgen_test

import (
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet/lease"
)

// coordinator is one coordinator's judgement, and what happens to it.
type coordinator struct {
	*lease.Keeper
	number      uint64
	ahead       int // its clock, in ticks
	frozenUntil int
	cutUntil    int // from the list
}

// write is an entry on its way into the list.
type write struct {
	at    int
	place uint64
	line  []byte
}

// mutants are the rules that are broken, and the first seed that shows it: a part judged by who has it last, not at each Due; a
// new coordinator that knows nothing of its predecessor's promises; one that does not mind what another has raised the ceiling
// to before it began; one that goes on though it was replaced; one that promises before an entry of its own is in the list; one that
// goes on promising to the lost; and workers who believe whatever comes last.
var mutants = map[string]uint64{
	"by part": 150, "forgotten ceiling": 1, "ceiling apart": 2631, "goes on": 0, "too early": 165, "promised to the lost": 165, "no numbers": 38,
}

func (c *coordinator) now(tick int) time.Duration {
	return time.Duration(tick+c.ahead) * loadgen.WalkTick
}

var walkTerms = lease.Terms{Speed: loadgen.WalkSpeed, End: loadgen.DueAt(loadgen.WalkTicks)}

// coordinate begins another coordinator.
func (w *walk) coordinate(tick int) {
	table := w.table(0)
	c := &coordinator{number: table.Successor(w.random.Uint32()), frozenUntil: walkBegin, cutUntil: walkBegin}
	if !w.calm {
		c.ahead, c.cutUntil = w.random.IntN(3)-1, tick+one(w, 0, 0, 2, 20)
	}
	if w.mutant == "forgotten ceiling" {
		table = w.table(table.Ceiling())
	}
	var err error
	if c.Keeper, err = lease.NewKeeper(walkTerms, c.number, table, c.now(tick)); err != nil {
		w.t.Fatal(err)
	}
	w.coordinators = append(w.coordinators, c)
}

// table is what the list says, with every ceiling that much lower.
func (w *walk) table(lower time.Duration) *lease.Table {
	table, err := lease.NewTable(loadgen.WalkParts)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range w.list {
		e := w.entry(uint64(i + 1))
		e.Ceiling = max(0, e.Ceiling-lower)
		if err := table.Add(uint64(i+1), e); err != nil && w.mutant == "" {
			w.t.Fatal(err)
		}
	}
	return table
}

func (w *walk) entry(k uint64) lease.Entry {
	e, err := lease.ParseEntry(w.list[k-1])
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// reply answers a beat.
func (w *walk) reply(m letter, e *epoch, tick int) {
	c := m.to
	p := c.Heard(e.name, m.facts, c.now(tick))
	if w.isCut(e, c, tick) {
		return
	}
	switch t := c.Table(); {
	case w.mutant == "no numbers":
		p.Coordinator, p.Deals = 0, 0
	case w.mutant == "too early" && p.Coordinator == 0, w.mutant == "promised to the lost" && p.Lost:
		p.Coordinator, p.Deals, p.Grants = c.number, t.Len(), t.Grants(e.name)
		p.Until = min(t.Ceiling(), loadgen.WalkSpeed*(c.now(tick)+lease.DefaultHold))
		p.Expires = p.Until / loadgen.WalkSpeed
	}
	for range 1 + w.random.IntN(20)/19 {
		w.net = append(w.net, letter{at: tick + w.delay(), epoch: m.epoch, reply: &p})
	}
}

// look is a coordinator's tick. It is false where another one has taken over.
func (w *walk) look(c *coordinator, tick int) bool {
	for _, e := range w.epochs {
		if e.dead && w.random.IntN(3) == 0 { // proof
			c.Dead(e.name, c.now(tick))
		}
	}
	for e, some := c.Next(c.now(tick)); some; e, some = c.Next(c.now(tick)) {
		if tick < c.cutUntil {
			break
		}
		place := c.Table().Len() + 1
		line := w.broken(c, e).Line()
		if w.chance(0.1) { // it takes its time, and nobody hears whether it arrived
			w.writes = append(w.writes, write{tick + w.delay(), place, line})
			break
		}
		w.append(place, line)
		if w.chance(0.05) {
			break
		}
		if !w.learn(c, place) {
			return false
		}
	}
	if ok, _ := c.Closable(c.now(tick)); ok && !w.closed && w.entry(uint64(len(w.list))).Coordinator == c.number {
		w.closed, w.closing.Promised = true, c.Promised()
	}
	return true
}

// append puts an entry into its place in the list, if that is the next.
func (w *walk) append(place uint64, line []byte) {
	if place == uint64(len(w.list)+1) {
		w.list = append(w.list, line)
	}
}

// arrive is the list's tick.
func (w *walk) arrive(tick int) {
	writes := w.writes
	w.writes = nil
	for _, m := range writes {
		if m.at > tick {
			w.writes = append(w.writes, m)
		} else {
			w.append(m.place, m.line)
		}
	}
}

// learn tells a coordinator what stands in the list from a place on. It is false where that ends it.
func (w *walk) learn(c *coordinator, place uint64) bool {
	for ; place <= uint64(len(w.list)); place++ {
		e := w.entry(place)
		if e.Coordinator != c.number {
			switch {
			case w.mutant == "goes on":
				e.Coordinator = c.number
			case w.mutant == "ceiling apart" && e.Ceiling != 0:
				e.Ceiling = c.Table().Ceiling()
			}
		}
		if c.Appended(place, e) != nil {
			return false
		}
	}
	return true
}

// broken is an entry as one says it that looks at whose a part is in the end, not at each Due.
func (w *walk) broken(c *coordinator, e lease.Entry) lease.Entry {
	if w.mutant != "by part" {
		return e
	}
	var living []lease.Owner
	for _, m := range c.Members() {
		if m.State == lease.Joined {
			living = append(living, m.Owner)
		}
	}
	for i := range e.Moves {
		if m := &e.Moves[i]; m.To != lease.Forever && len(living) > 0 {
			m.To, m.Owner = lease.Forever, one(w, living...)
		}
	}
	return e
}
