package loadgen

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"syscall"
	"time"
)

// mostRelayed is how many bytes a relay holds in each direction.
const mostRelayed = 64 << 10

// relay is one connection of net/http as a link: what the shard writes into it, a goroutine reads as requests, sends, and
// writes back as HTTP/1.1 answers (exchange.go).
type relay struct {
	post   func() // makes the link ready
	cancel context.CancelFunc
	// toProxy: the connection ends at a proxy that reads the requests.
	toProxy bool

	mu      sync.Mutex
	changed sync.Cond // something for the goroutine
	opening error     // errAgain, nil when open, or why not
	shook   time.Duration
	closed  bool // by the shard
	resting bool // the goroutine waits for a request

	up     bytes.Buffer // requests
	full   bool         // the shard waits for room there
	down   bytes.Buffer // answers
	stamp  int64        // when the last of them came, in Unix nanoseconds
	ending error        // what the shard reads after them
}

func newRelay(post func(), cancel context.CancelFunc) *relay {
	l := &relay{post: post, cancel: cancel, opening: errAgain}
	l.changed.L = &l.mu
	return l
}

// What follows is the shard's side. Nothing in it blocks.

func (l *relay) opened() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opening
}

// handshake is how much of the opening was TLS; only once it is open.
func (l *relay) handshake() time.Duration { return l.shook }

func (l *relay) read(b []byte) (n int, stamp int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.down.Len() > 0:
		n, _ = l.down.Read(b)
		l.changed.Signal()
		return n, l.stamp, nil
	case l.ending != nil:
		return 0, l.stamp, l.ending
	}
	return 0, 0, errAgain
}

func (l *relay) write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	room := mostRelayed - l.up.Len()
	switch {
	case l.ending != nil:
		return 0, syscall.EPIPE
	case room <= 0:
		l.full = true
		return 0, errAgain
	}
	n, _ := l.up.Write(b[:min(len(b), room)])
	l.changed.Signal()
	return n, nil
}

// close also ends what is under way on the other side; nothing is posted from then on.
func (l *relay) close() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.changed.Signal()
}

// What follows is the goroutine's side.

// run opens the connection, and relays until either side is through with it.
func (l *relay) run(ctx context.Context, t *http.Transport, h *host) {
	conn, shook, err := open(ctx, t, h)
	if err == nil {
		defer conn.Close()
	}
	if l.settle(shook, err); err != nil {
		return
	}
	conn.SetStateHook(func(c *http.ClientConn) {
		if c.Err() != nil {
			l.wither()
		}
	})
	defer conn.SetStateHook(nil)
	x := newExchange(l, conn, h)
	x.toProxy = l.toProxy
	for l.awaitRequest(conn) {
		if err := x.relay(ctx); err != nil {
			l.end(err)
			return
		}
	}
}

// open opens a connection; shook is how much of that was the TLS handshake.
func open(ctx context.Context, t *http.Transport, h *host) (conn *http.ClientConn, shook time.Duration, err error) {
	var began time.Time
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { began = time.Now() },
	})
	if conn, err = t.NewClientConn(ctx, h.scheme(), h.address); err == nil && !began.IsZero() {
		shook = time.Since(began) // and the first frames of HTTP/2, which wait for nothing
	}
	return conn, shook, err
}

// settle says what became of the opening.
func (l *relay) settle(shook time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opening, l.shook = err, shook
	l.announce()
}

// announce makes the link ready, while the shard knows it.
func (l *relay) announce() {
	if !l.closed {
		l.post()
	}
}

// awaitRequest waits for the first byte of a request; false when none will come.
func (l *relay) awaitRequest(conn *http.ClientConn) bool {
	lost := conn.Err() != nil // asked without the lock: its hook takes that
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resting = true
	defer func() { l.resting = false }()
	for l.up.Len() == 0 && l.ending == nil && !l.closed {
		if lost {
			l.ending = io.EOF
			l.announce()
			return false
		}
		l.changed.Wait()
	}
	return l.up.Len() > 0 && l.ending == nil && !l.closed
}

// wither ends a connection that was closed while it rested. While a request is under way that says itself what happened.
func (l *relay) wither() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.resting && l.up.Len() == 0 && l.ending == nil {
		l.ending = io.EOF
		l.announce()
		l.changed.Signal()
	}
}

// end is what the shard reads after the answers.
func (l *relay) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending == nil {
		l.ending = err
		l.announce()
	}
}

// Read gives bytes of requests.
func (l *relay) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.up.Len() == 0 {
		if l.closed {
			return 0, io.ErrUnexpectedEOF
		}
		l.changed.Wait()
	}
	if l.full {
		l.full = false
		l.announce()
	}
	return l.up.Read(b)
}

// Write takes bytes of answers; it waits for the shard where that does not keep up.
func (l *relay) Write(b []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(b) > 0 {
		if l.closed {
			return n, io.ErrClosedPipe
		}
		room := mostRelayed - l.down.Len()
		if room <= 0 {
			l.changed.Wait()
			continue
		}
		news := l.down.Len() == 0
		k, _ := l.down.Write(b[:min(len(b), room)])
		n, b, l.stamp = n+k, b[k:], time.Now().UnixNano()
		if news {
			l.announce()
		}
	}
	return n, nil
}
