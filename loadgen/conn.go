package loadgen

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

const (
	readBuffer = 64 << 10 // bytes, one buffer a shard
	// readsAtOnce is how many buffers are read from one connection before others have their turn.
	readsAtOnce = 4
	// restedLong is how long a connection may be idle and be used without another look at it.
	restedLong = time.Millisecond
	// localRetry is the pause after a dial that failed for want of our own means.
	localRetry = 5 * time.Millisecond
)

// conn is one connection of a shard: being opened, idle, or with a shot under way.
type conn struct {
	link  link
	host  *host
	token token

	visit   *visit // whose answer is awaited; nil: idle
	opening bool
	secured bool          // the TCP connection is open, TLS is on top of it
	broken  bool          // a write failed
	used    bool          // an answer has come over it: it may be stale
	began   time.Duration // to be opened
	rested  time.Duration // idle since
	parser  parser
	out     []byte  // of the request, what could not be written yet
	stream  *upload // what is to be written after that; nil for nothing
	owner   *visit  // whose own the connection is; nil: anybody's
}

// sending says that a part of the request has not been written.
func (c *conn) sending() bool { return len(c.out) > 0 || c.stream != nil }

// deadLink is a connection that could not even begin to be opened.
type deadLink struct{ err error }

func (l deadLink) opened() error                   { return l.err }
func (l deadLink) read([]byte) (int, int64, error) { return 0, 0, l.err }
func (l deadLink) write([]byte) (int, error)       { return 0, l.err }
func (l deadLink) close()                          {}

// isOurs says that a dial failed for want of the generator's own means.
func isOurs(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL) ||
		errors.Is(err, syscall.ENOBUFS)
}

// fire sends v's shot now, or queues it where no connection is to be had.
func (s *shard) fire(v *visit) {
	if v.session != nil {
		if err := v.session.begin(s.e, v, s.unix()); err != nil {
			s.e.mishaps.note(err)
			v.fired = true
			s.over(v, record.Failed, s.clock)
			return
		}
		v.host = v.session.host
	}
	s.agenda.remind(v, v.deadline)
	s.connect(v)
}

// unix is the time on the wall that cookies are judged by.
func (s *shard) unix() int64 { return s.e.start.Unix() + int64(s.clock/time.Second) }

// connect finds v a connection to its host, or lets it wait for one.
func (s *shard) connect(v *visit) {
	for _, c := range v.own {
		if c.host == v.host {
			s.reuse(c, v)
			return
		}
	}
	c, victim, what := s.pool.take(v)
	if victim != nil {
		s.shut(victim) // idle: nothing is lost
	}
	switch what {
	case useIdle:
		s.reuse(c, v)
	case dialNew:
		s.dial(v)
	case inQueue:
		v.state = queued
	}
}

// reuse sends v's shot over an idle connection, if that is still open: servers close those that rest, and a shard may
// not have heard of it yet.
func (s *shard) reuse(c *conn, v *visit) {
	if s.now()-c.rested > restedLong {
		if _, _, err := c.link.read(s.in); err != errAgain {
			s.shut(c)
			s.dial(v)
			return
		}
	}
	s.send(c, v)
}

// dial begins to open a connection for v in the slot that it holds. What the shot meets from here on is the target's,
// unless it is for want of descriptors or ports: then it is tried again, and the wait is lateness.
func (s *shard) dial(v *visit) {
	c := s.pool.house(v.host)
	c.opening, c.began = true, s.now()
	l, err := s.network.dial(v.host, c.token, v.deadline)
	s.fresh = false
	if err != nil && isOurs(err) {
		s.pool.evict(c)
		s.starve(v, err)
		return
	}
	if err != nil {
		l = deadLink{err}
		s.pending = append(s.pending, ready{token: c.token})
	}
	c.link, c.visit = l, v
	if s.e.steps[v.at].ownConnections {
		c.owner = v
		v.own = append(v.own, c)
	}
	v.state, v.conn, v.fired = flying, c, true
	s.stamp(v, c.began)
	s.e.connections.add()
}

// starve gives up v's slot and lets it wait for a connection, or for better times.
func (s *shard) starve(v *visit, why error) {
	s.count.starved.Add(1)
	if errors.Is(why, syscall.EADDRNOTAVAIL) {
		s.count.portless.Add(1)
	}
	s.pool.slots--
	s.pool.waiting.push(v)
	v.state = queued
	s.pool.starved, s.retry = true, s.e.now()+localRetry
}

// feed dials for those who wait since dialing failed for want of our own means.
func (s *shard) feed() {
	s.pool.starved, s.retry = false, never
	for !s.pool.starved && s.pool.slots < s.pool.max {
		v := s.pool.waiting.pop()
		if v == nil {
			return
		}
		s.pool.slots++
		s.dial(v)
	}
}

// shut closes c; its slot remains taken.
func (s *shard) shut(c *conn) {
	c.link.close()
	if c.owner != nil {
		c.owner.own = slices.DeleteFunc(c.owner.own, func(o *conn) bool { return o == c })
	}
	s.pool.evict(c)
	s.e.connections.remove()
}

// discard closes c and hands its slot to the visit that has waited longest, if there is one.
func (s *shard) discard(c *conn) {
	s.shut(c)
	if next := s.pool.waiting.pop(); next != nil {
		s.dial(next)
		return
	}
	s.pool.slots--
}

// stamp notes when the generator turned to the network for v's shot.
func (s *shard) stamp(v *visit, at time.Duration) {
	if v.sent >= 0 {
		return // sent once more, over another connection
	}
	v.sent = at
	late := at - v.dueWall
	s.late.add(late)
	if late > LateAfter {
		s.count.late.Add(1)
	}
}

// send sends v's shot over c, which is open and idle.
func (s *shard) send(c *conn, v *visit) {
	v.state, v.conn, v.fired = flying, c, true
	c.visit = v
	s.stamp(v, s.now())
	s.write(c, v)
}

func (s *shard) write(c *conn, v *visit) {
	st := s.e.steps[v.at]
	if v.session != nil {
		s.out = v.session.appendRequest(s.out[:0], s.e, v)
		c.stream = v.session.stream(st)
	} else {
		s.out, s.body = s.e.appendRequest(s.out[:0], s.body, v)
	}
	c.parser.reset(st.head && !v.bare(), st.keepHeader, st.keepBody)
	n := s.push(c, v, s.out)
	if n < len(s.out) { // the buffer goes along: what does not fit into a socket may be long
		c.out, s.out = s.out[n:], nil
	} else if c.stream != nil {
		s.pour(c, v)
	}
}

// push writes b as far as the connection takes it, and says how far. An error is left to the reading, which may find an
// early answer all the same.
func (s *shard) push(c *conn, v *visit, b []byte) (n int) {
	for n < len(b) {
		k, err := c.link.write(b[n:])
		s.fresh = false
		v.wrote = v.wrote || k > 0
		n += k
		if err == errAgain {
			return n
		}
		if err != nil {
			c.broken, c.out, c.stream = true, nil, nil
			s.pending = append(s.pending, ready{token: c.token})
			return len(b)
		}
	}
	return n
}

// pour writes the stream as far as the connection takes it.
func (s *shard) pour(c *conn, v *visit) {
	for c.stream != nil {
		b := c.stream.next()
		if len(b) == 0 {
			c.stream = nil
			return
		}
		n := s.push(c, v, b)
		if n < len(b) {
			c.stream.advance(n)
			return
		}
		if c.stream != nil {
			c.stream.advance(n)
		}
	}
}

// resume goes on writing the request.
func (s *shard) resume(c *conn) {
	if len(c.out) > 0 {
		n := s.push(c, c.visit, c.out)
		c.out = c.out[min(n, len(c.out)):]
	}
	if len(c.out) == 0 {
		s.pour(c, c.visit)
	}
}

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

// open finds out what became of the opening of c, and sends the shot it was opened for.
func (s *shard) open(c *conn) bool {
	err := c.link.opened()
	s.fresh = false
	if err == errAgain {
		return false
	}
	v, now := c.visit, s.now()
	switch {
	case err == nil && c.host.secure != nil && !c.secured && !s.e.relayed():
		v.connect, c.began, c.secured = now-c.began, now, true
		t := c.token
		c.link = newSecure(c.link, c.host.secure, func() { s.network.post(t) }, &s.e.goroutines)
		return false
	case err == nil:
		c.opening = false
		v.opened(c, now)
		s.e.connections.opened.Add(1)
		s.write(c, v)
		return true
	case isOurs(err):
		s.shut(c)
		v.sent, v.conn = notSent, nil
		s.starve(v, err)
	default:
		s.e.mishaps.note(fmt.Errorf("%s: %w", c.host.address, err))
		s.discard(c)
		s.over(v, record.Refused, now)
	}
	return false
}

// opened notes how long c took to open, of which the handshake is its own part.
func (v *visit) opened(c *conn, now time.Duration) {
	took := now - c.began
	if l, ok := c.link.(interface{ handshake() time.Duration }); ok {
		v.handshake = min(l.handshake(), took)
		v.connect = took - v.handshake
	} else if c.secured {
		v.handshake = took
	} else {
		v.connect = took
	}
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
	if n > 0 {
		if v.firstByte == 0 {
			v.firstByte = s.came
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
		s.onBroken(c, v, err)
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
			s.release(c, v, clean)
			v.host, v.wrote, v.resent, v.firstByte = v.session.host, false, false, 0
			s.connect(v)
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

// release takes c from v, whose request is answered, and gives it to whom it is of use.
func (s *shard) release(c *conn, v *visit, clean bool) {
	v.conn = nil
	if !clean || !c.parser.reusable || c.broken || c.sending() {
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
// may know better: that nothing was worked off, or that the target ended this very request.
func (s *shard) onBroken(c *conn, v *visit, err error) {
	stale := c.used && !c.parser.begun() && !v.resent
	var told *relayError
	if errors.As(err, &told) {
		s.e.mishaps.note(told)
		v.wrote = v.wrote && !told.unsent
		stale = stale && told.unsent
	}
	if stale && (v.idempotent(s.e.steps[v.at]) || !v.wrote || s.heard < v.sent) {
		s.shut(c)
		v.resent = true
		s.dial(v)
		return
	}
	o := record.Lost
	if !v.wrote {
		o = record.Refused
	}
	s.end(c, v, o)
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
