package lab

import "time"

// event is something that happens at a moment of platform time. Events of one moment happen in the order in which
// they were set.
type event struct {
	at    time.Duration
	order uint64
	place int // in the queue, from 1; 0 means not set
	fire  func()
}

// queue is a heap of events, earliest first, in which an event can be moved or taken out again. container/heap would do
// the same behind an interface call per comparison, which showed in the benchmark of events.
type queue struct {
	events []*event
	order  uint64
}

// set puts e at moment at, moving it if it was set already.
func (q *queue) set(e *event, at time.Duration) {
	q.order++
	e.order = q.order
	e.at = at
	if e.place == 0 {
		q.events = append(q.events, e)
		e.place = len(q.events)
		q.up(e.place)
		return
	}
	if !q.up(e.place) {
		q.down(e.place)
	}
}

// drop takes e out; it may not be in.
func (q *queue) drop(e *event) {
	if e.place == 0 {
		return
	}
	place, last := e.place, q.events[len(q.events)-1]
	q.events[len(q.events)-1] = nil
	q.events = q.events[:len(q.events)-1]
	e.place = 0
	if last == e {
		return
	}
	q.events[place-1] = last
	last.place = place
	if !q.up(place) {
		q.down(place)
	}
}

// first is the earliest event, nil where there is none.
func (q *queue) first() *event {
	if len(q.events) == 0 {
		return nil
	}
	return q.events[0]
}

func earlier(a, b *event) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.order < b.order
}

func (q *queue) up(place int) (moved bool) {
	for place > 1 && earlier(q.events[place-1], q.events[place/2-1]) {
		q.swap(place, place/2)
		place /= 2
		moved = true
	}
	return moved
}

func (q *queue) down(place int) {
	for {
		child := 2 * place
		if child > len(q.events) {
			return
		}
		if child < len(q.events) && earlier(q.events[child], q.events[child-1]) {
			child++
		}
		if !earlier(q.events[child-1], q.events[place-1]) {
			return
		}
		q.swap(place, child)
		place = child
	}
}

func (q *queue) swap(i, j int) {
	q.events[i-1], q.events[j-1] = q.events[j-1], q.events[i-1]
	q.events[i-1].place = i
	q.events[j-1].place = j
}
