package loadgen

import (
	"container/heap"
	"time"
)

// agenda is when the visits of a shard want to be looked at: when a shot is given up, or when the next is due.
//
// It is lazy, since nearly every shot is answered long before its time-out: a visit keeps its place in the heap until
// that comes, whatever happens to it meanwhile, and is then put where it wants to be by now. So a shot costs a
// comparison, and a visit is looked at in vain once in a time-out.
type agenda []*visit

// remind says that v wants to be looked at then, and not before.
func (a *agenda) remind(v *visit, at time.Duration) {
	v.alarm = at
	switch {
	case v.place == noPlace:
		v.listed = at
		heap.Push(a, v)
	case at < v.listed:
		v.listed = at
		heap.Fix(a, v.place)
	}
}

// next is when the first visit may want to be looked at.
func (a agenda) next() time.Duration {
	if len(a) == 0 {
		return never
	}
	return a[0].listed
}

// pop gives a visit that wants to be looked at by now, or nil.
func (a *agenda) pop(now time.Duration) *visit {
	for len(*a) > 0 && (*a)[0].listed <= now {
		v := (*a)[0]
		if v.alarm > now {
			v.listed = v.alarm
			heap.Fix(a, 0)
			continue
		}
		heap.Pop(a)
		if v.state != free {
			return v
		}
	}
	return nil
}

// noPlace is the place of a visit that is in no heap.
const noPlace = -1

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if a[i].listed != a[j].listed {
		return a[i].listed < a[j].listed
	}
	return a[i].Seq < a[j].Seq
}

func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

// Push is heap.Interface's.
func (a *agenda) Push(x any) {
	v := x.(*visit)
	v.place = len(*a)
	*a = append(*a, v)
}

// Pop is heap.Interface's.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	v := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	v.place = noPlace
	return v
}

// byDue is a heap of visits that wait for a connection, the first due on top; among like ones the lower Seq. A visit
// that is no longer waiting stays until it is on top.
type byDue []*visit

func (h byDue) Len() int { return len(h) }
func (h byDue) Less(i, j int) bool {
	if h[i].dueWall != h[j].dueWall {
		return h[i].dueWall < h[j].dueWall
	}
	return h[i].Seq < h[j].Seq
}
func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].waiting, h[j].waiting = i, j
}

// Push is heap.Interface's.
func (h *byDue) Push(x any) {
	v := x.(*visit)
	v.waiting = len(*h)
	*h = append(*h, v)
}

// Pop is heap.Interface's.
func (h *byDue) Pop() any {
	last := len(*h) - 1
	v := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	v.waiting = noPlace
	return v
}
