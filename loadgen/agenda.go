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
type agenda struct{ visitHeap }

func newAgenda() agenda {
	return agenda{visitHeap{
		key:   func(v *visit) time.Duration { return v.listed },
		place: func(v *visit) *int { return &v.place },
	}}
}

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
func (a *agenda) next() time.Duration {
	if len(a.list) == 0 {
		return never
	}
	return a.list[0].listed
}

// pop gives a visit that wants to be looked at by now, or nil.
func (a *agenda) pop(now time.Duration) *visit {
	for len(a.list) > 0 && a.list[0].listed <= now {
		v := a.list[0]
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

// queue is the visits that wait for a connection, the first due on top.
type queue struct{ visitHeap }

func newQueue() queue {
	return queue{visitHeap{
		key:   func(v *visit) time.Duration { return v.dueWall },
		place: func(v *visit) *int { return &v.waiting },
	}}
}

// visitHeap is a heap.Interface of visits by a time of theirs; among like ones the lower Seq is first. Each visit knows
// its place.
type visitHeap struct {
	list  []*visit
	key   func(*visit) time.Duration
	place func(*visit) *int
}

// noPlace is the place of a visit that is in no heap.
const noPlace = -1

func (h *visitHeap) Len() int { return len(h.list) }

func (h *visitHeap) Less(i, j int) bool {
	a, b := h.key(h.list[i]), h.key(h.list[j])
	return a < b || a == b && h.list[i].Seq < h.list[j].Seq
}

func (h *visitHeap) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	*h.place(h.list[i]), *h.place(h.list[j]) = i, j
}

// Push is heap.Interface's.
func (h *visitHeap) Push(x any) {
	v := x.(*visit)
	*h.place(v) = len(h.list)
	h.list = append(h.list, v)
}

// Pop is heap.Interface's.
func (h *visitHeap) Pop() any {
	last := len(h.list) - 1
	v := h.list[last]
	h.list[last], h.list = nil, h.list[:last]
	*h.place(v) = noPlace
	return v
}
