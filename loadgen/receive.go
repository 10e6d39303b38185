package loadgen

import (
	"errors"
	"io"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// together is how many connections are read before the answers are worked off, and those before the next shots are
// fired: reading, judging and sending are each cheaper several times in a row, while their code is in the processor's
// caches.
const together = 16

// intake is what one read gave.
type intake struct {
	bytes  []byte
	err    error         // errAgain: there was nothing
	came   time.Duration // when the bytes came in
	more   bool          // there may be more to read
	buffer []byte        // of intakes that are read together; no multiple of a page long, or all would share few lines of a cache
}

const intakeBuffer = 2<<10 + 64

// read reads from c. A read that does not fill the buffer has emptied the socket; after the other side's last byte, only
// the end of the connection says that there is no more.
func (s *shard) read(c *conn, buffer []byte, hangup bool, p *intake) {
	n, stamp, err := c.link.read(buffer)
	p.bytes, p.err, p.came, p.more = buffer[:n], err, s.whenCame(stamp), n == len(buffer) || hangup || c.secured
}

// gather reads from the first connections that are ready, and says how many they are. Nothing else that is ready is
// touched: its intake has no bytes and no error. All that is read here had been announced before the clock was looked at.
func (s *shard) gather(events []ready) (n int) {
	s.now()
	for n = range min(len(events), together) {
		r, p := events[n], &s.intakes[n]
		p.bytes, p.err = nil, nil
		if c := s.pool.at(r.token); c != nil && c.visit != nil && !c.opening && !c.sending() && !c.ahead {
			c.ahead = true // what comes later must not be worked off before
			if p.buffer == nil {
				p.buffer = make([]byte, intakeBuffer)
			}
			s.read(c, p.buffer, r.hangup, p)
		}
	}
	return n + 1
}

// onReady goes on with a connection on which something happened, and of which p has been read.
func (s *shard) onReady(r ready, p *intake) {
	c := s.pool.at(r.token)
	if c == nil || c.opening && !s.open(c) {
		return
	}
	if c.sending() {
		s.resume(c)
	}
	c.ahead = false
	if (len(p.bytes) > 0 || p.err != nil) && !s.take(c, p, r.hangup) {
		return
	}
	s.receive(c, r.hangup)
}

// receive reads what has come over c.
func (s *shard) receive(c *conn, hangup bool) {
	t := c.token
	var p intake
	for reads := 0; c.token == t; reads++ {
		if reads == readsAtOnce { // others have their turn, then this one again
			s.pending = append(s.pending, ready{t, hangup})
			return
		}
		s.look()
		if s.read(c, s.in, hangup, &p); !s.take(c, &p, hangup) {
			return
		}
	}
}

// take works an intake off, and says whether there may be more.
func (s *shard) take(c *conn, p *intake, hangup bool) bool {
	if p.err == errAgain {
		return false
	}
	s.came = p.came
	if c.visit == nil { // closed by the server while idle, or it spoke out of turn
		if c.owner == nil {
			s.pool.forget(c)
		}
		s.discard(c)
		return false
	}
	return s.onRead(c, c.visit, p.bytes, p.err, hangup) && p.more
}

// whenCame is the wall time of the run at which bytes came in that the kernel stamped: when they are read says more
// about the generator than about the target. The stamp is on a clock that may be set: it is used only over the short time
// since the network was last asked.
func (s *shard) whenCame(stamp int64) time.Duration {
	ago := time.Duration(s.heardAt - stamp)
	if stamp == 0 || ago.Abs() > longestSleep {
		return s.clock
	}
	return min(s.heard-ago, s.clock)
}

// onRead handles what a read gave while v's answer was awaited; false when there is nothing more to be read.
func (s *shard) onRead(c *conn, v *visit, b []byte, err error, hangup bool) bool {
	p, n := &c.parser, len(b)
	if s.came > v.deadline {
		s.giveUp(v)
		return false
	}
	if n > 0 && c.used && !p.begun() && s.came < v.sent { // it spoke before it was asked
		s.onBroken(c, v, err, hangup)
		return false
	}
	if n > 0 {
		if v.firstByte == 0 {
			v.firstByte = max(s.came, v.sent)
		}
		used, bad := s.headings[v.at].feed(p, b)
		if bad != nil {
			s.end(c, v, record.Failed)
			return false
		}
		if p.state == answered {
			s.onAnswer(c, v, used == n && err == nil && !hangup)
			return false
		}
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, io.EOF) && p.end() == nil:
		s.onAnswer(c, v, false)
	default:
		s.onBroken(c, v, err, hangup)
	}
	return false
}

// onAnswer goes on after a whole answer: with the redirect that it is, or judges it. clean says that nothing came after
// it.
func (s *shard) onAnswer(c *conn, v *visit, clean bool) {
	st, p := s.e.steps[v.at], &c.parser
	if len(p.pod) > 0 {
		s.noteAnswerOf(p.pod, v)
	}
	var err error
	if v.session != nil {
		var again bool
		if again, err = v.session.answer(st, p, s.unix()); again {
			s.goOn(c, v, clean)
			return
		}
	}
	if pause, waits := s.toldToWait(v, p); waits && err == nil {
		came := max(s.came, v.sent)
		s.release(c, v, clean)
		s.standInLine(v, came, pause)
		return
	}
	o := record.OK
	if !st.judge(p, v, v.session) || err != nil {
		o = record.Failed
	}
	if err != nil {
		s.e.mishaps.note(err)
	}
	st.tellCreated(v, s.samples)
	came := max(s.came, v.sent)
	s.release(c, v, clean)
	s.over(v, o, came)
}

// goOn sends the next request of a redirected shot: over the same connection, if that leads there.
func (s *shard) goOn(c *conn, v *visit, clean bool) {
	v.host, v.wrote, v.resent, v.firstByte = v.session.host, false, false, 0
	if c.host == v.host && s.usable(c, clean) {
		c.used = true
		s.write(c, v)
		return
	}
	s.release(c, v, clean)
	s.connect(v)
}

// usable says that another request may go over c.
func (s *shard) usable(c *conn, clean bool) bool {
	return clean && c.parser.reusable && !c.broken && !c.sending()
}

// release takes c from v, whose request is answered, and gives it to whom it is of use.
func (s *shard) release(c *conn, v *visit, clean bool) {
	v.conn = nil
	if !s.usable(c, clean) {
		s.discard(c)
		return
	}
	c.used, c.visit, c.rested = true, nil, s.clock
	if c.owner != nil {
		return
	}
	switch next := s.pool.waiting.pop(); {
	case next == nil:
		s.pool.rest(c)
	case next.host == c.host:
		s.send(c, next)
	default:
		s.shut(c)
		s.dial(next)
	}
}

// onBroken ends a shot whose connection broke before the answer was whole. A connection that had been used before
// may only have been stale: then the shot is sent once more where that cannot do anything twice. That is so when the
// method is idempotent, when no byte was written, or when the server had closed before anything was sent (RFC 9112,
// 9.3.1 and 9.6). All else, a POST with an idempotency key too, is Lost: what the person does then is up to them. A relay
// may know better: that nothing was worked off, or that the target ended this very request. hangup says that the connection's end was
// announced when the network was last asked.
func (s *shard) onBroken(c *conn, v *visit, err error, hangup bool) {
	stale := c.used && !c.parser.begun() && !v.resent
	var told *relayError
	if errors.As(err, &told) {
		s.e.mishaps.note(told)
		v.wrote = v.wrote && !told.unsent
		stale = stale && told.unsent
	}
	if stale && (v.idempotent(s.e.steps[v.at]) || !v.wrote || hangup && s.heard < v.sent) {
		s.shut(c)
		v.resent = true
		s.agenda.remind(v, v.deadline)
		s.dial(v)
		return
	}
	s.end(c, v, v.lost())
}

// end closes the connection, hands its slot on and ends the shot.
func (s *shard) end(c *conn, v *visit, o record.Outcome) {
	v.conn = nil
	s.discard(c)
	s.over(v, o, max(s.came, v.sent))
}

// giveUp ends a shot whose time is over: the person has left then, whenever the shard comes to see it.
func (s *shard) giveUp(v *visit) {
	o := record.TimedOut
	if v.impatient {
		o = record.Left
	}
	if !v.wrote {
		o = record.Refused
	}
	if v.state == queued {
		s.pool.waiting.leave(v)
		v.fired = true
	} else {
		c := v.conn
		v.conn = nil
		s.discard(c)
	}
	s.over(v, o, max(v.deadline, v.sent))
}
