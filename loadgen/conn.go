package loadgen

import (
	"errors"
	"fmt"
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
	ahead   bool          // what was read from it is to be worked off
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
	s.connect(v)
}

// unix is the time on the wall that cookies are judged by.
func (s *shard) unix() int64 { return s.e.start.Unix() + int64(s.clock/time.Second) }

// connect finds v a connection to its host, or lets it wait for one.
func (s *shard) connect(v *visit) {
	s.agenda.remind(v, v.deadline)
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
	c.parser.podHeader = s.e.podHeader
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
	if v.sent < 0 { // else it is sent once more, over another connection
		v.sent = at
	}
}

// noteLateness counts how late v's shot is, once: when it is written, or is over without that.
func (s *shard) noteLateness(v *visit) {
	if v.noted {
		return
	}
	v.noted = true
	late := v.sent - v.dueWall
	s.late.add(late)
	if late > LateAfter {
		s.count.late.Add(1)
	}
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
		s.came = now
		s.end(c, v, v.lost())
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
