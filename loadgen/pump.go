package loadgen

import (
	"context"
	"net"
	"sync"
	"time"
)

// pumps is the network over a Transport: each connection has a goroutine that reads for it. It serves tests, whose
// time is fake, and systems without epoll.
type pumps struct {
	sleeper
	inbox
	transport Transport
	clock     func(time.Duration) time.Time // the instant of a wall time of the run
	all       *sync.WaitGroup
}

func (p *pumps) wait(now, at time.Duration, _ bool, to []ready) []ready {
	if to = p.take(to); len(to) > 0 || at <= now {
		return to
	}
	p.until(now, at)
	return p.take(to)
}

func (p *pumps) close() {}

func (p *pumps) post(t token) {
	p.put(t)
	p.wake()
}

func (p *pumps) dial(h *host, t token, until time.Duration) (link, error) {
	ctx, cancel := context.WithDeadline(context.Background(), p.clock(until))
	l := &pump{network: p, token: t, cancel: cancel, drained: make(chan struct{}, 1), opening: errAgain}
	p.all.Add(1)
	go func() {
		defer p.all.Done()
		l.run(ctx, h.address)
	}()
	return l, nil
}

// pump is one connection of pumps.
type pump struct {
	network *pumps
	token   token
	cancel  context.CancelFunc
	drained chan struct{} // holds the wish for more

	mu      sync.Mutex
	conn    net.Conn
	opening error // errAgain, nil when open, or why not
	in      []byte
	end     error // what is read after in
	closed  bool
	out     []byte // waits for the writing goroutine
	writing bool
}

// run opens the connection and reads until its end.
func (l *pump) run(ctx context.Context, address string) {
	conn, err := l.network.transport.Dial(ctx, address)
	l.mu.Lock()
	l.conn, l.opening = conn, err
	closed := l.closed
	l.mu.Unlock()
	if closed && err == nil {
		_ = conn.Close()
	}
	if closed {
		return
	}
	l.network.post(l.token)
	buf := make([]byte, readBuffer)
	for err == nil {
		var n int
		n, err = conn.Read(buf)
		l.mu.Lock()
		l.in, l.end = append(l.in[:0], buf[:n]...), err
		l.mu.Unlock()
		l.network.post(l.token)
		if err == nil {
			<-l.drained
		}
	}
}

func (l *pump) opened() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opening
}

func (l *pump) read(b []byte) (int, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.in) == 0 {
		if l.end != nil {
			return 0, 0, l.end
		}
		return 0, 0, errAgain
	}
	n := copy(b, l.in)
	if l.in = l.in[n:]; len(l.in) == 0 && l.end == nil {
		l.more()
	}
	return n, 0, nil
}

// more lets the reading go on.
func (l *pump) more() {
	select {
	case l.drained <- struct{}{}:
	default:
	}
}

// write writes itself what is small, as a send buffer takes that without blocking; a goroutine writes the rest.
func (l *pump) write(b []byte) (int, error) {
	const small = 16 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.writing && len(b) <= small {
		return l.conn.Write(b)
	}
	l.out = append(l.out, b...)
	if !l.writing {
		l.writing = true
		l.network.all.Add(1)
		go l.writeOut()
	}
	return len(b), nil
}

// writeOut writes what is waiting. An error is left to the reading.
func (l *pump) writeOut() {
	defer l.network.all.Done()
	for {
		l.mu.Lock()
		out := l.out
		l.out, l.writing = nil, len(out) > 0
		l.mu.Unlock()
		if len(out) == 0 {
			return
		}
		if _, err := l.conn.Write(out); err != nil {
			out = nil
		}
	}
}

func (l *pump) close() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed = true; l.conn != nil {
		_ = l.conn.Close()
	}
	l.more()
}
