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

// noPlace is the place of a visit that is not on the agenda.
const noPlace = -1

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

func (a agenda) Len() int { return len(a) }

// Less is heap.Interface's: among like ones the lower Seq is first.
func (a agenda) Less(i, j int) bool {
	return a[i].listed < a[j].listed || a[i].listed == a[j].listed && a[i].Seq < a[j].Seq
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
	(*a)[last], *a = nil, (*a)[:last]
	v.place = noPlace
	return v
}
