package main

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

// tally is a target that counts who has asked, and answers after a few milliseconds; some it refuses.
type tally struct {
	url string

	mu    sync.Mutex
	asked map[uint32]int
}

// refuses says of whom it wants to know nothing.
func (t *tally) refuses(seq uint32) bool { return seq%19 == 0 }

func newTally(t *testing.T) *tally {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	y := &tally{url: "http://" + listener.Addr().String(), asked: map[uint32]int{}}
	server := &http.Server{Handler: y, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return y
}

func (t *tally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seq, err := strconv.ParseUint(r.Header.Get("Idempotency-Key"), 10, 32)
	if err != nil {
		http.Error(w, "who?", http.StatusBadRequest)
		return
	}
	t.mu.Lock()
	t.asked[uint32(seq)]++
	t.mu.Unlock()
	time.Sleep(time.Duration(3+seq%8) * time.Millisecond)
	if t.refuses(uint32(seq)) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// How a relay cuts.
const (
	cutReset   = "reset"   // connections are reset, and new ones too
	cutSilence = "silence" // nothing comes through, nobody is told
	cutUp      = "up"      // half open: nothing comes through to the coordinator
	cutDown    = "down"    // half open: nothing comes back
)

// relay is the way between one worker and its coordinator, which can be cut.
type relay struct {
	net.Listener
	to   string
	work sync.WaitGroup

	mu     sync.Mutex
	how    string        // it is cut; empty: it is not
	mended chan struct{} // closed when it is not
	open   map[net.Conn]bool
	closed bool
}

func newRelay(t *testing.T, to string) *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: listener, to: to, open: map[net.Conn]bool{}, mended: make(chan struct{})}
	close(r.mended)
	r.work.Go(r.accept)
	t.Cleanup(r.end)
	return r
}

// cut cuts until mend.
func (r *relay) cut(how string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.how, r.mended = how, make(chan struct{})
	if how == cutReset {
		r.reset()
	}
}

func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.how != "" {
		r.how = ""
		close(r.mended)
	}
}

// reset resets all connections. The caller holds mu.
func (r *relay) reset() {
	for c := range r.open {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

func (r *relay) end() {
	_ = r.Close()
	r.mend()
	r.mu.Lock()
	r.closed = true
	r.reset()
	r.mu.Unlock()
	r.work.Wait()
}

func (r *relay) accept() {
	for {
		near, err := r.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.to)
		if err != nil { // no coordinator
			_ = near.Close()
			continue
		}
		r.mu.Lock()
		r.open[near], r.open[far] = true, true
		if r.how == cutReset || r.closed {
			r.reset()
		}
		r.mu.Unlock()
		r.work.Go(func() { r.carry(far, near, cutUp) })
		r.work.Go(func() { r.carry(near, far, cutDown) })
	}
}

// carry brings what comes from one end to the other, unless that way is cut.
func (r *relay) carry(to, from net.Conn, way string) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		r.mu.Lock()
		how, mended := r.how, r.mended
		r.mu.Unlock()
		if how == way || how == cutSilence {
			<-mended
		}
		if n > 0 {
			if _, failed := to.Write(buf[:n]); failed != nil {
				err = failed
			}
		}
		if err != nil {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range []io.Closer{to, from} {
		_ = c.Close()
	}
	delete(r.open, to)
	delete(r.open, from)
}
