package loadgen

import (
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// visitState is where a visit is.
type visitState uint8

const (
	free     visitState = iota // of no arrival
	thinking                   // its next shot is due later
	queued                     // it waits for a connection
	flying                     // its shot is on a connection
)

// notSent is the sent of a shot for which the generator has not turned to the network yet.
const notSent time.Duration = -1

// visit is an arrival under way: the shot it is at and what it has met so far. Its times are wall time since the
// start, but for due.
type visit struct {
	arrivals.Arrival
	state visitState
	conn  *conn // of a flying shot
	// own are the person's own connections, session their cookies and where they are; both only where the journey asks.
	own     []*conn
	session *session

	alarm, listed time.Duration // see agenda
	place         int           // on the agenda
	ticket        uint64        // in the queue for a connection; 0: in none

	person arrivals.Person
	end    int // the step after the journey's last
	at     int // the step under way, an index into Engine.steps
	retry  int
	host   *host

	due       time.Duration // platform time
	waited    time.Duration // platform time: in the waiting room, from the shot's first due to this one
	dueWall   time.Duration
	deadline  time.Duration // when the shot is given up
	impatient bool          // … because the person leaves, not because of the time-out
	sent      time.Duration // or notSent
	connect   time.Duration // how long the connection took to open; 0: it was open
	handshake time.Duration // … and its TLS handshake
	firstByte time.Duration
	wrote     bool // a byte of this shot was written
	noted     bool // the lateness is counted
	resent    bool // on a second connection, because the first was stale

	fired      bool // some shot of the arrival was sent or tried
	unanswered bool // some shot was sent and never answered

	turn    []byte   // the place in the waiting room, as its cookie; empty: none
	values  [][]byte // extracted
	scratch []byte
}

// begin starts an arrival: its first shot is due when the arrival is.
func (s *shard) begin(a arrivals.Arrival) *visit {
	v := s.visit()
	for i := range v.values {
		v.values[i] = emptied(v.values[i])
	}
	v.turn = v.turn[:0]
	v.Arrival, v.person, v.state = a, s.e.cfg.Schedule.Person(a.Seq), flying
	v.at, v.end = v.person.Steps()
	v.retry, v.fired, v.unanswered = 0, false, false
	if s.e.steps[v.at].session {
		v.session = s.takeSession()
	}
	s.live++
	s.count.offered.Add(1)
	return v
}

// visit gives one that is free.
func (s *shard) visit() *visit {
	if n := len(s.visits); n > 0 {
		v := s.visits[n-1]
		s.visits = s.visits[:n-1]
		return v
	}
	return &visit{place: noPlace, values: make([][]byte, s.e.slots)}
}

// takeSession gives a person a session without a past.
func (s *shard) takeSession() *session {
	n := len(s.sessions)
	if n == 0 {
		return new(session)
	}
	x := s.sessions[n-1]
	s.sessions = s.sessions[:n-1]
	x.reset()
	return x
}

// bare says that the request under way is the GET that a redirect has made of another.
func (v *visit) bare() bool { return v.session != nil && v.session.bare }

// idempotent says that the request under way may be sent twice.
func (v *visit) idempotent(st *step) bool {
	if v.session != nil {
		return v.session.idempotent(st)
	}
	return st.idempotent
}

// lost is the outcome of a shot that no answer can come to: refused where the target has not got a byte of it.
func (v *visit) lost() record.Outcome {
	if v.wrote {
		return record.Lost
	}
	return record.Refused
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
func (s *shard) aim(v *visit, due time.Duration) {
	e := s.e
	st := e.steps[v.at]
	v.due, v.waited, v.dueWall = due, 0, e.wall(due)
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
	v.sent, v.connect, v.handshake, v.firstByte = notSent, 0, 0, 0
	v.noted = false
	v.wrote, v.resent = false, false
}

// over ends a shot at that wall time and goes on with the journey.
func (s *shard) over(v *visit, o record.Outcome, done time.Duration) {
	s.stamp(v, done)
	s.noteLateness(v)
	e := s.e
	sample := record.Sample{
		Seq: v.Seq, Tenant: v.Tenant, Step: e.steps[v.at].index, Retry: uint8(min(v.retry, 255)), Outcome: o,
		Due: v.due - v.waited, Waited: v.waited, Sent: e.platform(v.sent), FirstByte: e.platform(v.firstByte), Done: e.platform(done),
		Connect: e.platform(v.connect), Handshake: e.platform(v.handshake),
	}
	s.samples.Sample(sample)
	s.count.outcomes[o].Add(1)
	if v.waited > 0 {
		s.count.waited.Add(1)
	}
	if o == record.TimedOut || o == record.Lost || o == record.Left {
		v.unanswered = true
	}
	switch {
	case o != record.OK:
		s.react(v, sample.Done)
	case v.toTaken(v.at + 1):
		v.retry = 0
		s.schedule(v, sample.Done+v.person.Think(v.at))
	default:
		s.settle(v, record.Completed)
	}
}

// react is what the person does after a shot in vain.
func (s *shard) react(v *visit, now time.Duration) {
	if s.stopped || !s.e.impatient[v.at] {
		s.abandon(v)
		return
	}
	reaction, pause := v.person.React(v.at, v.retry)
	switch reaction {
	case arrivals.Reload:
		s.count.reloads.Add(1)
		pause = 0
	case arrivals.ComeBack:
		s.count.comeBacks.Add(1)
	default:
		s.count.gaveUp.Add(1)
		s.abandon(v)
		return
	}
	v.retry++
	s.schedule(v, now+pause)
}

// schedule sends v's next shot when it is due.
func (s *shard) schedule(v *visit, due time.Duration) {
	s.aim(v, due)
	s.start(v)
}

// start sends the shot that v aims at when it is due.
func (s *shard) start(v *visit) {
	switch {
	case s.stopped:
		s.abandon(v)
	case v.dueWall <= s.clock:
		s.fire(v)
	default:
		v.state = thinking
		s.agenda.remind(v, v.dueWall)
	}
}

// abandon ends an arrival whose journey does not go on.
func (s *shard) abandon(v *visit) {
	switch {
	case v.unanswered:
		s.settle(v, record.Indeterminate)
	case v.fired:
		s.settle(v, record.FailedArrival)
	default:
		s.count.offered.Add(-1)
		s.settle(v, record.Unsent)
	}
}

// settle gives the arrival its one fate; v is free afterwards.
func (s *shard) settle(v *visit, f record.Fate) {
	s.samples.Fate(v.Seq, f)
	s.count.fates[f].Add(1)
	v.state, v.conn = free, nil
	for len(v.own) > 0 {
		s.discard(v.own[0])
	}
	if v.session != nil {
		s.sessions = append(s.sessions, v.session)
		v.session = nil
	}
	s.visits = append(s.visits, v)
	s.live--
}

// appendRequest writes v's shot as it goes over the wire.
func (e *Engine) appendRequest(dst, body []byte, v *visit) (request, bodyScratch []byte) {
	st := e.steps[v.at]
	dst = st.request.append(dst, e, v)
	for i := range st.headers {
		dst = st.headers[i].append(dst, e, v)
	}
	dst = v.appendPlace(dst)
	if st.hasBody {
		body = st.body.append(body[:0], e, v)
		dst = append(appendLength(dst, int64(len(body))), "\r\n"...)
		return append(dst, body...), body
	}
	return append(dst, "\r\n"...), body
}
