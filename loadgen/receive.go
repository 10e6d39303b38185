package loadgen

import (
	"errors"
	"io"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// onReady goes on with a connection on which something happened.
func (s *shard) onReady(r ready) {
	c := s.pool.at(r.token)
	if c == nil || c.opening && !s.open(c) {
		return
	}
	if c.sending() {
		s.resume(c)
	}
	s.receive(c, r.hangup)
}

// receive reads what has come over c. A read that does not fill the buffer has emptied the socket; after the other
// side's last byte, only the end of the connection says that there is no more.
func (s *shard) receive(c *conn, hangup bool) {
	t := c.token
	for reads := 0; c.token == t; reads++ {
		if reads == readsAtOnce { // others have their turn, then this one again
			s.pending = append(s.pending, ready{t, hangup})
			return
		}
		n, stamp, err := c.link.read(s.in)
		if err == errAgain {
			return
		}
		s.look()
		s.came = s.whenCame(stamp)
		if c.visit == nil { // closed by the server while idle, or it spoke out of turn
			if c.owner == nil {
				s.pool.forget(c)
			}
			s.discard(c)
			return
		}
		if !s.onRead(c, c.visit, n, err, hangup) || n < len(s.in) && !hangup && !c.secured {
			return
		}
	}
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
func (s *shard) onRead(c *conn, v *visit, n int, err error, hangup bool) bool {
	p := &c.parser
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
		used, bad := p.feed(s.in[:n])
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
	var err error
	if v.session != nil {
		var again bool
		if again, err = v.session.answer(st, p, s.unix()); again {
			s.goOn(c, v, clean)
			return
		}
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
