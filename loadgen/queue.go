package loadgen

import (
	"slices"
	"sort"
	"time"
)

// queue is the visits that wait for a connection, the first due first; among like ones the lower Seq. They nearly always
// come in that order, so it is a list that is put at the end of and taken from the front of, each in constant time.
type queue struct {
	list   []waiter
	head   int // before it, all are gone
	live   int // those that still wait
	ticket uint64
}

// waiter is a visit in the queue, as long as it holds that ticket.
type waiter struct {
	visit  *visit
	due    time.Duration
	seq    uint32
	ticket uint64
}

func (w waiter) before(o waiter) bool { return w.due < o.due || w.due == o.due && w.seq < o.seq }

func (q *queue) push(v *visit) {
	q.ticket++
	q.live++
	v.ticket = q.ticket
	w := waiter{v, v.dueWall, v.Seq, q.ticket}
	at := len(q.list)
	if at > q.head && w.before(q.list[at-1]) {
		at = q.head + sort.Search(at-q.head, func(i int) bool { return w.before(q.list[q.head+i]) })
	}
	q.list = slices.Insert(q.list, at, w)
}

// pop takes the first; nil where nobody waits.
func (q *queue) pop() *visit {
	for q.head < len(q.list) {
		w := q.list[q.head]
		q.list[q.head].visit = nil
		q.head++
		if q.head > len(q.list)/2 && q.head > 1000 || q.head == len(q.list) { // what is gone makes room
			q.list = q.list[:copy(q.list, q.list[q.head:])]
			q.head = 0
		}
		if w.visit.ticket == w.ticket {
			q.leave(w.visit)
			return w.visit
		}
	}
	return nil
}

// leave lets v, which is in the queue, wait no longer.
func (q *queue) leave(v *visit) {
	v.ticket = 0
	q.live--
}
