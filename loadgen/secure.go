package loadgen

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// secure is a link over TLS. The handshake is crypto/tls's, blocking, and has a goroutine: it costs a hundred shots, and
// a shard has no time for it. From then on crypto/tls works in the shard, on a connection that never blocks: what is
// not there yet is a temporary error, after which it goes on where it was, and what it writes is kept until the socket takes it.
type secure struct {
	wire *wire
	conn *tls.Conn
	err  error // of the handshake, once done
}

// mostUnsent is how much of a long request is encrypted ahead of the socket, in bytes.
const mostUnsent = 64 << 10

// newSecure begins the handshake on an open link. post is called when it is over.
func newSecure(below link, config *tls.Config, post func(), all *sync.WaitGroup) *secure {
	s := &secure{wire: &wire{below: below, poked: make(chan struct{}, 1), gone: make(chan struct{})}}
	s.conn = tls.Client(s.wire, config)
	all.Add(1)
	go func() {
		defer all.Done()
		s.err = s.conn.Handshake()
		if s.wire.state.CompareAndSwap(handshaking, settled) {
			post()
		} else {
			below.close()
		}
	}()
	return s
}

// opened passes on that something has come, and says what became of the handshake.
func (s *secure) opened() error {
	if s.wire.state.Load() == settled {
		return s.err
	}
	select {
	case s.wire.poked <- struct{}{}:
	default:
	}
	return errAgain
}

func (s *secure) read(b []byte) (n int, stamp int64, err error) {
	if err := s.wire.flush(); err != nil && err != errAgain {
		return 0, 0, err
	}
	s.wire.stamp = 0
	n, err = s.conn.Read(b)
	if err == errAgain && n > 0 {
		err = nil
	}
	if err := s.wire.flush(); err != nil && err != errAgain { // an answer to a key update
		return n, s.wire.stamp, err
	}
	return n, s.wire.stamp, err
}

func (s *secure) write(b []byte) (int, error) {
	if err := s.wire.flush(); err != nil {
		return 0, err
	}
	n, err := s.conn.Write(b[:min(len(b), mostUnsent)])
	if err != nil {
		return n, err
	}
	if err := s.wire.flush(); err != nil && err != errAgain {
		return n, err
	}
	return n, nil
}

// close leaves the link below to the handshake's goroutine while that uses it.
func (s *secure) close() {
	left := s.wire.state.CompareAndSwap(handshaking, abandoned)
	close(s.wire.gone)
	if !left {
		s.wire.below.close()
	}
}

// The states of a wire.
const (
	handshaking int32 = iota
	settled           // the handshake is over: the shard reads and writes
	abandoned         // closed before that
)

// wire is the connection that crypto/tls sees.
type wire struct {
	below link
	state atomic.Int32
	poked chan struct{} // something has come during the handshake
	gone  chan struct{} // closed with the link
	out   []byte        // encrypted
	sent  int           // so much of it
	stamp int64         // of the last read
}

func (w *wire) Read(b []byte) (int, error) {
	for {
		n, stamp, err := w.below.read(b)
		if err != errAgain || w.state.Load() == settled {
			w.stamp = max(w.stamp, stamp)
			return n, err
		}
		select {
		case <-w.poked:
		case <-w.gone:
			return 0, net.ErrClosed
		}
	}
}

func (w *wire) Write(b []byte) (int, error) {
	w.out = append(w.out, b...)
	if w.state.Load() == settled {
		return len(b), nil
	}
	for {
		switch err := w.flush(); err {
		case nil:
			return len(b), nil
		case errAgain:
		default:
			return 0, err
		}
		select {
		case <-w.poked:
		case <-w.gone:
			return 0, net.ErrClosed
		}
	}
}

// flush sends what is kept; errAgain where the socket does not take all of it.
func (w *wire) flush() error {
	for w.sent < len(w.out) {
		n, err := w.below.write(w.out[w.sent:])
		w.sent += n
		if err != nil {
			return err
		}
	}
	w.out, w.sent = w.out[:0], 0
	return nil
}

// What follows is net.Conn's, and nobody calls it.

func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
