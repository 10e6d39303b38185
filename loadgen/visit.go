package loadgen

import (
	"container/heap"
	"strconv"
	"sync"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// visit is an arrival under way: the shot it is at and what it has met so far. Exactly one goroutine, queue or
// connection holds it at any time. Its times are wall time since the start, but for due.
type visit struct {
	arrivals.Arrival
	person arrivals.Person
	end    int // the step after the journey's last
	at     int // the step under way, an index into Engine.steps
	retry  int
	host   *host

	due       time.Duration // platform time
	dueWall   time.Duration
	deadline  time.Duration // when the shot is given up
	impatient bool          // … because the person leaves, not because of the time-out
	sent      time.Duration // −1: not yet
	firstByte time.Duration
	wrote     bool // a byte of this shot was written
	resent    bool // on a second connection, because the first was stale

	fired      bool // some shot of the arrival was sent or tried
	unanswered bool // some shot was sent and never answered

	values  [][]byte // extracted
	scratch []byte
}

// begin starts an arrival: its first shot is due when the arrival is.
func (e *Engine) begin(a arrivals.Arrival) *visit {
	v := e.visits.Get().(*visit)
	values := v.values
	for i := range values {
		values[i] = values[i][:0]
	}
	for len(values) < e.slots {
		values = append(values, nil)
	}
	*v = visit{Arrival: a, person: e.cfg.Schedule.Person(a.Seq), values: values, scratch: v.scratch}
	v.at, v.end = v.person.Steps()
	e.unfinished.Add(1)
	e.count.offered.Add(1)
	return v
}

// toTaken moves v to the next step from step on that the person takes; false where there is none.
func (v *visit) toTaken(step int) bool {
	for ; step < v.end; step++ {
		if v.person.Takes(step) {
			v.at = step
			return true
		}
	}
	return false
}

// aim makes the shot of v's current step and try, due at that platform time.
func (e *Engine) aim(v *visit, due time.Duration) {
	st := e.steps[v.at]
	v.due, v.dueWall = due, e.wall(due)
	patience := v.person.Patience(v.at, v.retry)
	v.impatient = patience > 0 && patience < st.timeout
	v.deadline = v.dueWall + e.wall(st.timeout)
	if v.impatient {
		v.deadline = v.dueWall + e.wall(patience)
	}
	v.host = st.host
	if v.host == nil {
		v.host = e.tenants[v.Tenant].host
	}
	v.sent, v.firstByte = -1, 0
	v.wrote, v.resent = false, false
}

// over ends a shot at that wall time and goes on with the journey.
func (e *Engine) over(v *visit, o record.Outcome, done time.Duration) {
	if v.sent < 0 {
		v.sent = done
	}
	s := record.Sample{
		Seq: v.Seq, Tenant: v.Tenant, Step: e.steps[v.at].index, Retry: uint8(min(v.retry, 255)), Outcome: o,
		Due: v.due, Sent: e.platform(v.sent), FirstByte: e.platform(v.firstByte), Done: e.platform(done),
	}
	e.samples.Sample(s)
	e.count.outcomes[o].Add(1)
	if o == record.TimedOut || o == record.Lost || o == record.Left {
		v.unanswered = true
	}
	switch {
	case o != record.OK:
		e.react(v, s.Done)
	case v.toTaken(v.at + 1):
		v.retry = 0
		e.schedule(v, s.Done+v.person.Think(v.at))
	default:
		e.settle(v, record.Completed)
	}
}

// react is what the person does after a shot in vain.
func (e *Engine) react(v *visit, now time.Duration) {
	if e.stopping.Load() || !e.impatient[v.at] {
		e.abandon(v)
		return
	}
	reaction, pause := v.person.React(v.at, v.retry)
	switch reaction {
	case arrivals.Reload:
		e.count.reloads.Add(1)
		pause = 0
	case arrivals.ComeBack:
		e.count.comeBacks.Add(1)
	default:
		e.count.gaveUp.Add(1)
		e.abandon(v)
		return
	}
	v.retry++
	e.schedule(v, now+pause)
}

// schedule sends v's next shot when it is due: at once, or through the pacer.
func (e *Engine) schedule(v *visit, due time.Duration) {
	e.aim(v, due)
	switch {
	case e.stopping.Load():
		e.abandon(v)
	case v.dueWall <= e.now():
		e.fire(v)
	case !e.later.push(v):
		e.abandon(v)
	}
}

// abandon ends an arrival whose journey does not go on.
func (e *Engine) abandon(v *visit) {
	switch {
	case v.unanswered:
		e.settle(v, record.Indeterminate)
	case v.fired:
		e.settle(v, record.FailedArrival)
	default:
		e.count.offered.Add(-1)
		e.settle(v, record.Unsent)
	}
}

// settle gives the arrival its one fate; v is not to be touched afterwards.
func (e *Engine) settle(v *visit, f record.Fate) {
	e.samples.Fate(v.Seq, f)
	e.count.fates[f].Add(1)
	e.visits.Put(v)
	e.release()
}

// appendRequest writes v's shot as it goes over the wire.
func (e *Engine) appendRequest(dst, body []byte, v *visit) (request, bodyScratch []byte) {
	st := e.steps[v.at]
	dst = st.request.append(dst, e, v)
	for i := range st.headers {
		dst = st.headers[i].append(dst, e, v)
	}
	if st.hasBody {
		body = st.body.append(body[:0], e, v)
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(body)), 10)
		dst = append(dst, "\r\n\r\n"...)
		return append(dst, body...), body
	}
	return append(dst, "\r\n"...), body
}

// later holds the visits whose next shot is due in future: think times and come-backs.
type later struct {
	mu     sync.Mutex
	visits byDue
	closed bool
	// wake tells the pacer that something is due earlier than it knew.
	wake func()
}

// push takes v unless the run is over.
func (l *later) push(v *visit) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	heap.Push(&l.visits, v)
	if l.visits[0] == v {
		l.wake()
	}
	return true
}

// next is when the first visit is due; false where there is none.
func (l *later) next() (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.visits) == 0 {
		return 0, false
	}
	return l.visits[0].dueWall, true
}

// pop gives the first visit if it is due.
func (l *later) pop(now time.Duration) *visit {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.visits) == 0 || l.visits[0].dueWall > now {
		return nil
	}
	return heap.Pop(&l.visits).(*visit)
}

// close gives what is left and takes no more.
func (l *later) close() []*visit {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	left := l.visits
	l.visits = nil
	return left
}

// byDue is a heap of visits, the first due on top; among like ones the lower Seq.
type byDue []*visit

func (h byDue) Len() int { return len(h) }
func (h byDue) Less(i, j int) bool {
	if h[i].dueWall != h[j].dueWall {
		return h[i].dueWall < h[j].dueWall
	}
	return h[i].Seq < h[j].Seq
}
func (h byDue) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is heap.Interface's.
func (h *byDue) Push(x any) { *h = append(*h, x.(*visit)) }

// Pop is heap.Interface's.
func (h *byDue) Pop() any {
	last := len(*h) - 1
	v := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return v
}
