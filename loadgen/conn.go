package loadgen

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

const (
	readBuffer = 2 << 10 // bytes; answers longer than that take several reads
	// bigRequest is from where a write could block: then it is not the pacer that writes.
	bigRequest = 16 << 10
	// localRetry is the pause after a dial that failed for want of our own means.
	localRetry = 5 * time.Millisecond
)

// conn is one connection. Its goroutine, see serve, reads; whoever has a shot to send writes.
type conn struct {
	net  net.Conn
	host *host
	buf  []byte // the reader's

	// mu is held while a request is written, so that the reader, when it has an answer, waits until the writer is done
	// with the visit.
	mu       sync.Mutex
	visit    *visit // whose answer is awaited; nil: idle
	gone     bool   // closed by the server while idle
	broken   bool   // a write failed
	used     bool   // an answer has come over it: it may be stale
	deadline time.Duration
	parser   parser
	out      []byte
	body     []byte
}

// fire sends v's shot now, or queues it where no connection is to be had.
func (e *Engine) fire(v *visit) {
	c, victim, what := e.pool.take(v)
	if victim != nil {
		_ = victim.net.Close() // idle: nothing is lost
	}
	switch what {
	case useIdle:
		e.send(c, v)
	case dialNew:
		e.connectFor(v)
	case refuse:
		e.abandon(v)
	case wait:
	}
}

// connectFor opens a connection for v in the slot that it holds.
func (e *Engine) connectFor(v *visit) {
	e.goroutines.Add(1)
	go e.connect(v)
}

// connect dials, sends v's shot and becomes the connection's goroutine.
func (e *Engine) connect(v *visit) {
	defer e.goroutines.Done()
	nc, err := e.dial(v)
	if err != nil {
		if next := e.pool.lose(nil); next != nil {
			e.connectFor(next)
		}
		if e.cutting.Load() {
			e.abandon(v)
			return
		}
		v.fired = true
		e.noteLateness(v.sent - v.dueWall)
		e.over(v, record.Refused, e.now())
		return
	}
	c := &conn{net: nc, host: v.host, buf: make([]byte, readBuffer)}
	if !e.pool.opened(c) {
		_ = nc.Close()
		e.abandon(v)
		return
	}
	e.send(c, v)
	e.serve(c)
}

// dial opens a connection within the time that the shot would have had if it had been on time. For want of
// descriptors or ports it tries again: that is the generator's fault, and the wait is lateness.
func (e *Engine) dial(v *visit) (net.Conn, error) {
	began := e.now()
	until := e.start.Add(began + v.deadline - v.dueWall)
	ctx, cancel := context.WithDeadline(e.dialing, until)
	defer cancel()
	for {
		if !v.resent {
			v.sent = e.now()
		}
		nc, err := e.transport.Dial(ctx, v.host.address)
		if err == nil || !isOurs(err) {
			return nc, err
		}
		e.count.starved.Add(1)
		pause := time.NewTimer(localRetry)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, err
		}
	}
}

// isOurs says that a dial failed for want of the generator's own means.
func isOurs(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL) ||
		errors.Is(err, syscall.ENOBUFS)
}

// send writes v's shot to c, which v holds. From the unlocking on v is the reader's.
func (e *Engine) send(c *conn, v *visit) {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		e.pool.replace(c)
		_ = c.net.Close()
		e.connectFor(v)
		return
	}
	st := e.steps[v.at]
	c.out, c.body = e.appendRequest(c.out[:0], c.body, v)
	c.parser.reset(st.head, st.keepHeader, st.keepBody)
	c.visit = v
	if c.deadline == 0 || v.deadline < c.deadline { // a deadline too early is put right by the reader
		c.setDeadline(e, v.deadline)
	}
	v.fired = true
	if v.sent < 0 {
		v.sent = e.now()
	}
	if !v.resent {
		e.noteLateness(v.sent - v.dueWall)
	}
	if len(c.out) > bigRequest {
		e.goroutines.Add(1)
		go func() {
			defer e.goroutines.Done()
			_ = c.net.SetWriteDeadline(e.start.Add(v.sent + v.deadline - v.dueWall))
			c.write(v)
			_ = c.net.SetWriteDeadline(time.Time{})
			c.mu.Unlock()
		}()
		return
	}
	c.write(v)
	c.mu.Unlock()
}

// write writes the request. An error is left to the reader, who may find an early answer all the same.
func (c *conn) write(v *visit) {
	n, err := c.net.Write(c.out)
	v.wrote = v.wrote || n > 0
	c.broken = c.broken || err != nil
}

func (c *conn) setDeadline(e *Engine, d time.Duration) {
	c.deadline = d
	at := time.Time{}
	if d != 0 {
		at = e.start.Add(d)
	}
	_ = c.net.SetReadDeadline(at) // fails only on a closed connection, which the read finds out
}

// serve reads answers until the connection ends.
func (e *Engine) serve(c *conn) {
	for {
		n, err := c.net.Read(c.buf)
		now := e.now()
		c.mu.Lock()
		v := c.visit
		c.mu.Unlock()
		if v == nil {
			again, taken := e.onIdle(c, err)
			if again {
				continue
			}
			if taken == nil {
				return
			}
			v = taken
		}
		if !e.onRead(c, v, n, err, now) {
			return
		}
	}
}

// onIdle handles a read that ended while no answer was awaited: the server closed the connection, or spoke out of
// turn. A visit is given where one has taken the connection in the meantime.
func (e *Engine) onIdle(c *conn, err error) (again bool, taken *visit) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.visit == nil {
			c.setDeadline(e, 0)
		}
		return true, nil
	}
	if e.pool.forget(c) {
		_ = c.net.Close()
		return false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.visit == nil { // taken, not yet written to: the taker will see, or it is closed for the run's end
		c.gone = true
		_ = c.net.Close()
	}
	return false, c.visit
}

// onRead handles what a read gave while v's answer was awaited; false when the connection is at its end.
func (e *Engine) onRead(c *conn, v *visit, n int, err error, now time.Duration) bool {
	p := &c.parser
	if n > 0 {
		if v.firstByte == 0 {
			v.firstByte = now
		}
		used, broken := p.feed(c.buf[:n])
		if broken != nil {
			e.end(c, v, record.Failed, now)
			return false
		}
		if p.state == answered {
			return e.onAnswer(c, v, now, used == n && err == nil)
		}
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return e.onDeadline(c, v, now)
	case errors.Is(err, io.EOF) && p.end() == nil:
		return e.onAnswer(c, v, now, false)
	}
	e.onBroken(c, v, now)
	return false
}

// onAnswer judges a whole answer; clean says that nothing came after it.
func (e *Engine) onAnswer(c *conn, v *visit, now time.Duration, clean bool) bool {
	o := record.OK
	if !e.steps[v.at].judge(&c.parser, v) {
		o = record.Failed
	}
	c.used = true
	if !clean || !c.parser.reusable || c.broken {
		e.end(c, v, o, now)
		return false
	}
	c.mu.Lock()
	c.visit = nil
	c.mu.Unlock()
	next, kept := e.pool.giveBack(c)
	switch {
	case !kept:
		_ = c.net.Close()
		if next != nil {
			e.connectFor(next)
		}
	case next != nil:
		e.send(c, next)
	}
	e.over(v, o, now)
	return kept
}

// onDeadline ends the shot, unless the deadline was one that an earlier shot left behind.
func (e *Engine) onDeadline(c *conn, v *visit, now time.Duration) bool {
	if now < v.deadline {
		c.mu.Lock()
		c.setDeadline(e, v.deadline)
		c.mu.Unlock()
		return true
	}
	o := record.TimedOut
	if v.impatient {
		o = record.Left
	}
	if !v.wrote {
		o = record.Refused
	}
	e.end(c, v, o, now)
	return false
}

// onBroken ends a shot whose connection broke before the answer was whole. A connection that had been used before
// may only have been stale: then the shot is sent once more where that cannot do anything twice. That is so when the
// method is idempotent, when no byte was written, or when the server had closed before anything was sent (RFC 9112,
// 9.3.1 and 9.6). All else, a POST with an idempotency key too, is Lost: what the person does then is up to them.
func (e *Engine) onBroken(c *conn, v *visit, now time.Duration) {
	stale := c.used && !c.parser.begun() && !v.resent && !e.cutting.Load()
	if stale && (e.steps[v.at].idempotent || !v.wrote || now < v.sent) {
		e.pool.replace(c)
		_ = c.net.Close()
		v.resent = true
		e.connectFor(v)
		return
	}
	o := record.Lost
	if !v.wrote {
		o = record.Refused
	}
	e.end(c, v, o, now)
}

// end closes the connection, hands its slot on and ends the shot.
func (e *Engine) end(c *conn, v *visit, o record.Outcome, now time.Duration) {
	_ = c.net.Close() // there is nobody to tell
	if next := e.pool.lose(c); next != nil {
		e.connectFor(next)
	}
	e.over(v, o, now)
}
