package main

import (
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

// tally is a target that counts who has asked, and answers after a few milliseconds; some it refuses.
type tally struct {
	url   string
	mu    sync.Mutex
	asked map[uint32]int
}

func (y *tally) refuses(seq uint32) bool { return seq%19 == 0 }

func newTally(t *testing.T) *tally {
	listener := listen(t)
	y := &tally{url: "http://" + listener.Addr().String(), asked: map[uint32]int{}}
	server := &http.Server{Handler: y, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	return y
}

func listen(t *testing.T) net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func (y *tally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseUint(r.Header.Get("Idempotency-Key"), 10, 32)
	if err != nil {
		http.Error(w, "who?", http.StatusBadRequest)
		return
	}
	seq := uint32(n)
	y.mu.Lock()
	y.asked[seq]++
	y.mu.Unlock()
	time.Sleep(time.Duration(3+seq%8) * time.Millisecond)
	status := http.StatusCreated
	if y.refuses(seq) {
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
}

// How a relay cuts.
const (
	cutReset   = "reset"   // connections are reset, and new ones too
	cutSilence = "silence" // nothing comes through, and nobody is told
	cutUp      = "up"      // half open: nothing comes through to the coordinator
	cutDown    = "down"    // half open: nothing comes back
)

// relay is the way between one worker and its coordinator.
type relay struct {
	net.Listener
	to   string
	work sync.WaitGroup

	mu     sync.Mutex
	how    string        // it is cut; empty: it is not
	mended chan struct{} // closed when that ends
	open   []*net.TCPConn
}

func newRelay(t *testing.T, to string) *relay {
	r := &relay{Listener: listen(t), to: to, mended: make(chan struct{})}
	r.work.Go(r.accept)
	t.Cleanup(func() { _ = r.Close(); r.cut(cutReset); r.work.Wait() })
	return r
}

// cut cuts, or mends what was cut.
func (r *relay) cut(how string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.mended)
	r.how, r.mended = how, make(chan struct{})
	for _, c := range r.open {
		if how == cutReset {
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
}

func (r *relay) accept() {
	for {
		near, err := r.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.to)
		r.mu.Lock()
		if err != nil || r.how == cutReset {
			_ = near.(*net.TCPConn).SetLinger(0)
			_ = near.Close()
		}
		if err == nil {
			r.open = append(r.open, near.(*net.TCPConn), far.(*net.TCPConn))
			r.work.Go(func() { r.carry(far, near, cutUp) })
			r.work.Go(func() { r.carry(near, far, cutDown) })
		}
		r.mu.Unlock()
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
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}
