package loadgen

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

const (
	readBuffer = 64 << 10 // bytes, one buffer a shard
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
	broken  bool // a write failed
	used    bool // an answer has come over it: it may be stale
	began   time.Duration
	parser  parser
	out     []byte // of the request, what could not be written yet
}

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
	s.agenda.remind(v, v.deadline)
	c, victim, what := s.pool.take(v)
	if victim != nil {
		s.shut(victim) // idle: nothing is lost
	}
	switch what {
	case useIdle:
		s.send(c, v)
	case dialNew:
		s.dial(v)
	case queue:
		v.state = queued
	}
}

// dial begins to open a connection for v in the slot that it holds. What the shot meets from here on is the target's,
// unless it is for want of descriptors or ports: then it is tried again, and the wait is lateness.
func (s *shard) dial(v *visit) {
	c := s.pool.house(v.host)
	c.opening, c.began = true, s.e.now()
	l, err := s.network.dial(v.host, c.token, v.deadline)
	if err != nil && isOurs(err) {
		s.pool.evict(c)
		s.starve(v)
		return
	}
	if err != nil {
		l = deadLink{err}
		s.pending = append(s.pending, ready{token: c.token})
	}
	c.link, c.visit = l, v
	v.state, v.conn, v.fired = flying, c, true
	s.stamp(v, c.began)
	s.e.connections.add()
}

// starve gives up v's slot and lets it wait for a connection, or for better times.
func (s *shard) starve(v *visit) {
	s.count.starved.Add(1)
	s.pool.slots--
	s.pool.wait(v)
	v.state = queued
	s.pool.starved, s.retry = true, s.e.now()+localRetry
}

// feed dials for those who wait since dialing failed for want of our own means.
func (s *shard) feed() {
	s.pool.starved, s.retry = false, never
	for !s.pool.starved && s.pool.slots < s.pool.max {
		v := s.pool.next()
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
	s.pool.evict(c)
	s.e.connections.remove()
}

// discard closes c and hands its slot to the visit that has waited longest, if there is one.
func (s *shard) discard(c *conn) {
	s.shut(c)
	if next := s.pool.next(); next != nil {
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
	s.stamp(v, s.e.now())
	s.write(c, v)
}

func (s *shard) write(c *conn, v *visit) {
	st := s.e.steps[v.at]
	s.out, s.body = s.e.appendRequest(s.out[:0], s.body, v)
	c.parser.reset(st.head, st.keepHeader, st.keepBody)
	if left := s.push(c, v, s.out); len(left) > 0 {
		c.out = append(c.out[:0], left...)
	}
}

// push writes b as far as the connection takes it, and gives the rest. An error is left to the reading, which may find
// an early answer all the same.
func (s *shard) push(c *conn, v *visit, b []byte) []byte {
	for len(b) > 0 {
		n, err := c.link.write(b)
		v.wrote = v.wrote || n > 0
		b = b[n:]
		if err == errAgain {
			return b
		}
		if err != nil {
			c.broken = true
			s.pending = append(s.pending, ready{token: c.token})
			return nil
		}
	}
	return nil
}

// onReady goes on with a connection on which something happened.
func (s *shard) onReady(r ready) {
	c := s.pool.at(r.token)
	if c == nil || c.opening && !s.open(c) {
		return
	}
	if len(c.out) > 0 {
		left := s.push(c, c.visit, c.out)
		c.out = c.out[:copy(c.out, left)]
	}
	s.receive(c, r.hangup)
}

// open finds out what became of the opening of c, and sends the shot it was opened for.
func (s *shard) open(c *conn) bool {
	err := c.link.opened()
	if err == errAgain {
		return false
	}
	v, now := c.visit, s.e.now()
	switch {
	case err == nil:
		c.opening = false
		v.connect = now - c.began
		s.e.connections.opened.Add(1)
		s.write(c, v)
		return true
	case isOurs(err):
		s.shut(c)
		v.sent, v.conn = notSent, nil
		s.starve(v)
	default:
		s.discard(c)
		s.over(v, record.Refused, now)
	}
	return false
}

// receive reads what has come over c. A read that does not fill the buffer has emptied the socket; after the other
// side's last byte, only the end of the connection says that there is no more.
func (s *shard) receive(c *conn, hangup bool) {
	t := c.token
	for c.token == t {
		n, stamp, err := c.link.read(s.in)
		if err == errAgain {
			return
		}
		s.clock = s.e.now()
		s.came = s.whenCame(stamp)
		if c.visit == nil { // closed by the server while idle, or it spoke out of turn
			s.pool.forget(c)
			s.discard(c)
			return
		}
		if !s.onRead(c, c.visit, n, err, hangup) || n < len(s.in) && !hangup {
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
		s.onBroken(c, v)
	}
	return false
}

// onAnswer judges a whole answer; clean says that nothing came after it.
func (s *shard) onAnswer(c *conn, v *visit, clean bool) {
	o := record.OK
	if !s.e.steps[v.at].judge(&c.parser, v) {
		o = record.Failed
	}
	if !clean || !c.parser.reusable || c.broken || len(c.out) > 0 {
		s.end(c, v, o)
		return
	}
	c.used, c.visit, v.conn = true, nil, nil
	switch next := s.pool.next(); {
	case next == nil:
		s.pool.rest(c)
	case next.host == c.host:
		s.send(c, next)
	default:
		s.shut(c)
		s.dial(next)
	}
	s.over(v, o, max(s.came, v.sent))
}

// onBroken ends a shot whose connection broke before the answer was whole. A connection that had been used before
// may only have been stale: then the shot is sent once more where that cannot do anything twice. That is so when the
// method is idempotent, when no byte was written, or when the server had closed before anything was sent (RFC 9112,
// 9.3.1 and 9.6). All else, a POST with an idempotency key too, is Lost: what the person does then is up to them.
func (s *shard) onBroken(c *conn, v *visit) {
	stale := c.used && !c.parser.begun() && !v.resent
	if stale && (s.e.steps[v.at].idempotent || !v.wrote || s.heard < v.sent) {
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

// giveUp ends a shot whose time is over.
func (s *shard) giveUp(v *visit, now time.Duration) {
	o := record.TimedOut
	if v.impatient {
		o = record.Left
	}
	if !v.wrote {
		o = record.Refused
	}
	if v.state == queued {
		s.pool.leave(v)
		v.fired = true
	} else {
		c := v.conn
		v.conn = nil
		s.discard(c)
	}
	s.over(v, o, now)
}
