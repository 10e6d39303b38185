package loadgen

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// memNet is a Transport in memory, for the fake time of testing/synctest: handle serves each connection's other end.
type memNet struct {
	// refuse, if set, says what dialing fails with.
	refuse func() error
	handle func(net.Conn)
	all    sync.WaitGroup
}

func (n *memNet) Dial(ctx context.Context, _ string) (net.Conn, error) {
	if n.refuse != nil {
		if err := n.refuse(); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	near, far := memPipe()
	n.all.Go(func() {
		defer func() { _ = far.Close() }()
		n.handle(far)
	})
	return near, nil
}

// memPipe is a connection whose writes never block.
func memPipe() (a, b *memConn) {
	ab, ba := newMemHalf(), newMemHalf()
	return &memConn{in: ba, out: ab}, &memConn{in: ab, out: ba}
}

// memHalf is one direction.
type memHalf struct {
	mu       sync.Mutex
	data     []byte
	end      error // what the reader gets after the data
	deadline time.Time
	timer    *time.Timer
	changed  chan struct{}
}

func newMemHalf() *memHalf { return &memHalf{changed: make(chan struct{}, 1)} }

func (h *memHalf) notify() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

type memConn struct {
	net.Conn
	in, out *memHalf
}

func (c *memConn) Read(b []byte) (int, error) {
	for {
		h := c.in
		h.mu.Lock()
		switch {
		case !h.deadline.IsZero() && !time.Now().Before(h.deadline):
			h.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(h.data) > 0:
			n := copy(b, h.data)
			h.data = h.data[n:]
			h.mu.Unlock()
			return n, nil
		case h.end != nil:
			end := h.end
			h.mu.Unlock()
			return 0, end
		}
		h.mu.Unlock()
		<-h.changed
	}
}

func (c *memConn) Write(b []byte) (int, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.end != nil {
		return 0, syscall.EPIPE
	}
	c.out.data = append(c.out.data, b...)
	c.out.notify()
	return len(b), nil
}

func (c *memConn) Close() error {
	c.shut(io.EOF, net.ErrClosed)
	return nil
}

// Reset closes as a TCP reset does: the other side reads an error, and nothing that was written before.
func (c *memConn) Reset() {
	c.out.mu.Lock()
	c.out.data = nil
	c.out.mu.Unlock()
	c.shut(syscall.ECONNRESET, net.ErrClosed)
}

func (c *memConn) shut(theirs, ours error) {
	for h, end := range map[*memHalf]error{c.out: theirs, c.in: ours} {
		h.mu.Lock()
		if h.end == nil || h == c.in {
			h.end = end
		}
		if h == c.in {
			h.data = nil
		}
		if h.timer != nil {
			h.timer.Stop()
		}
		h.mu.Unlock()
		h.notify()
	}
}

func (c *memConn) SetReadDeadline(t time.Time) error {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer != nil {
		h.timer.Stop()
	}
	h.deadline, h.timer = t, nil
	if !t.IsZero() {
		h.timer = time.AfterFunc(time.Until(t), h.notify)
	}
	h.notify()
	return nil
}

func (c *memConn) SetWriteDeadline(time.Time) error { return nil }
