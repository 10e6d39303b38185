package lab

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// PlaceCookie is the cookie in which a visitor of the waiting room keeps their place.
const PlaceCookie = "ansturm-place"

const (
	// atOnce is how much of its rate a waiting room lets in at a time: a second's worth, as the simulation's does, so that
	// who happens to come just behind another need not wait.
	atOnce = time.Second
	// mostRoomSteps is how many steps a place can keep apart.
	mostRoomSteps = 64
)

// room is the waiting room before the platform. Whoever comes without a place, or for a step their place has let them in
// for before, gets a new one: the first moment that the rate leaves free. From then on it lets them in, once for each
// step of their journey. So the line needs no list of who stands in it, and the rate is kept whatever people do. See
// docs/decisions/0008-a-place-is-a-moment.md.
type room struct {
	c      *core
	every  time.Duration // between two persons
	from   time.Duration
	next   time.Duration // the moment of the next place
	places []place
	// in are the places that were come in on, turned the requests told to wait.
	in, turned           int64
	shownIn, shownTurned int64
	second               event
}

// place is the moment from which its holder is let in, and the steps they were let in for, a bit each.
type place struct {
	at   time.Duration
	used uint64
}

// newRoom is the waiting room of a platform, nil where it has none.
func newRoom(c *core, a *scenarios.Admission) (*room, error) {
	switch {
	case a == nil:
		return nil, nil
	case !(a.Rate > 0) || math.IsInf(a.Rate, 1) || a.From < 0:
		return nil, errors.New("admission: the rate must be more than 0 persons a second, and from not negative")
	case len(c.steps) > mostRoomSteps:
		return nil, fmt.Errorf("admission: a waiting room keeps at most %d steps apart, the scenario has %d", mostRoomSteps, len(c.steps))
	}
	r := &room{c: c, next: -atOnce, every: time.Duration(math.Min(1e9/a.Rate, float64(scenarios.LongestDrain))), from: a.From}
	r.second.fire = r.report
	return r, nil
}

// admits says whether a request may go on now; where not, it has a place and knows how long to wait.
func (m *room) admits(q *request, now time.Duration) bool {
	if now < m.from {
		return true
	}
	bit := uint64(1) << q.step
	if !q.placed || int(q.place) >= len(m.places) || m.places[q.place].used&bit != 0 {
		q.place, q.placed, q.given = m.newPlace(now), true, true
	}
	p := &m.places[q.place]
	if p.at > now {
		q.wait = p.at - now
		m.turned++
		return false
	}
	if p.used == 0 {
		m.in++
	}
	p.used |= bit
	return true
}

// newPlace is the last of the line.
func (m *room) newPlace(now time.Duration) uint32 {
	at := max(m.next, now-atOnce)
	m.next = at + m.every
	m.places = append(m.places, place{at: at})
	return uint32(len(m.places) - 1)
}

// waiting are those who have a place and have not come in on it.
func (m *room) waiting() int64 { return int64(len(m.places)) - m.in }

// report says every second of platform time what the waiting room did in it.
func (m *room) report() {
	m.c.say(record.Event{Kind: record.KindDoor, Values: map[string]float64{
		"waiting": float64(m.waiting()), "let_in": float64(m.in - m.shownIn), "told_to_wait": float64(m.turned - m.shownTurned),
	}})
	m.shownIn, m.shownTurned = m.in, m.turned
	m.c.queue.set(&m.second, m.c.now.Truncate(time.Second)+time.Second)
}
