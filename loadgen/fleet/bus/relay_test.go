package bus

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// relay stands between workers and a bus. What it carries when it is muted it carries no more, and says nothing of it; later connections it
// carries as ever: so a network behaves that lost a connection's state.
type relay struct {
	listener net.Listener
	to       string
	wait     sync.WaitGroup

	mu    sync.Mutex
	pairs []*pair
}

type pair struct {
	ends  [2]net.Conn
	muted atomic.Bool
}

func relayed(t *testing.T, s *Server) (r *relay, url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r = &relay{listener: l, to: strings.TrimPrefix(s.URL(), "tls://")}
	r.wait.Go(r.accept)
	t.Cleanup(func() {
		_ = l.Close()
		r.mu.Lock()
		for _, p := range r.pairs {
			p.close()
		}
		r.mu.Unlock()
		r.wait.Wait()
	})
	return r, "tls://" + l.Addr().String()
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		p := &pair{ends: [2]net.Conn{near, far}}
		r.mu.Lock()
		r.pairs = append(r.pairs, p)
		r.mu.Unlock()
		r.wait.Go(func() { p.carry(near, far) })
		r.wait.Go(func() { p.carry(far, near) })
	}
}

func (p *pair) carry(from, to net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			break
		}
		if p.muted.Load() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			break
		}
	}
	if !p.muted.Load() {
		p.close()
	}
}

func (p *pair) close() {
	_, _ = p.ends[0].Close(), p.ends[1].Close()
}

func (r *relay) mute() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pairs {
		p.muted.Store(true)
	}
}

// A connection that died without a word is found out and replaced, that of the frames too.
func TestHalfOpen(t *testing.T) {
	s := started(t, Options{})
	served(t, s, &office{})
	r, url := relayed(t, s)
	seat, err := Join(t.Context(), s.Token(), Abroad{URL: url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer seat.Close()
	if err := seat.Deliver(t.Context(), 1, []byte("before")); err != nil {
		t.Fatal(err)
	}
	r.mute()
	if err := seat.Deliver(t.Context(), 2, []byte("after")); err == nil {
		t.Error("a frame is kept though nothing is carried")
	}
	eventually(t, "a frame is kept again", func() bool { return seat.Deliver(t.Context(), 2, []byte("after")) == nil })
	eventually(t, "a beat is answered again", func() bool {
		_, err := seat.Beat(t.Context(), nil)
		return err == nil
	})
	sameTexts(t, "stream", keptBy(t, s), []string{"1/1/1 before", "1/1/2 after"})
}
