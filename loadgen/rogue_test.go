//go:build linux

package loadgen

import (
	"context"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// The hostile suite: servers that do what no server should, over real sockets. Whatever one does, three things hold:
// each shot's outcome is one that tells what happened, no shot takes longer than its time-out, and afterwards there
// are no more goroutines and descriptors than before.

const (
	shortly  = 120 * time.Millisecond // the time-out where there is no answer to wait for
	patently = 30 * time.Second       // the time-out that must not be needed
	// slack is what a busy machine may add to a time-out before the shot counts as hung.
	slack = 5 * time.Second
)

// hostile is one server and what must come of its shots.
type hostile struct {
	name string
	// serve handles one connection, which is closed when it returns.
	serve func(net.Conn)
	// listen opens the server's socket; nil means TCP on 127.0.0.1. A suite of TLS servers needs no more than this: a
	// listener that wraps the socket, and the scheme in the step's URL.
	listen func(testing.TB) net.Listener
	step   scenarios.Step
	total  int64 // arrivals, 5 unless said
	over   time.Duration
	// want are the outcomes that may come. Where there are several, the network decides.
	want []record.Outcome
	// check, if set, looks closer.
	check func(testing.TB, *memory, Result)
}

var post = scenarios.Step{Method: "POST", Body: "x", Timeout: patently}

func posting(timeout time.Duration) scenarios.Step {
	return scenarios.Step{Method: "POST", Body: "x", Timeout: timeout}
}

func only(o ...record.Outcome) []record.Outcome { return o }

// rogue is a running server that can be ended with all its connections.
type rogue struct {
	listener net.Listener
	all      sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]struct{} // nil once the server has ended
}

func startRogue(l net.Listener, serve func(net.Conn)) *rogue {
	r := &rogue{listener: l, open: map[net.Conn]struct{}{}}
	r.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if !r.keep(c) {
				_ = c.Close()
				return
			}
			r.all.Go(func() {
				defer r.drop(c)
				serve(c)
			})
		}
	})
	return r
}

func (r *rogue) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open != nil {
		r.open[c] = struct{}{}
	}
	return r.open != nil
}

func (r *rogue) drop(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = c.Close()
	delete(r.open, c)
}

func (r *rogue) end() {
	_ = r.listener.Close()
	r.mu.Lock()
	for c := range r.open {
		_ = c.Close()
	}
	r.open = nil
	r.mu.Unlock()
	r.all.Wait()
}

func listenOn(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("no socket on %s: %v", address, err)
	}
	return l
}

// inUse counts what a run must give back. The first socket of a process opens descriptors that stay.
func inUse(t testing.TB) (goroutines, descriptors int) {
	t.Helper()
	_ = listenOn(t, "127.0.0.1:0").Close()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("descriptors can be counted on Linux only")
	}
	return runtime.NumGoroutine(), len(list)
}

// noLeaks waits until no more is in use than before: a closed connection's last goroutine takes a moment to end.
func noLeaks(t testing.TB, goroutines, descriptors int) {
	t.Helper()
	g, d := 0, 0
	for range 2000 {
		if g, d = inUse(t); g <= goroutines && d <= descriptors {
			return
		}
		time.Sleep(time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines and %d descriptors before, %d and %d after\n%s", goroutines, descriptors, g, d, stacks[:runtime.Stack(stacks, true)])
}

// try fires at the server and holds everything against what it must be.
func (h hostile) try(t *testing.T) {
	if h.total == 0 {
		h.total = 5
	}
	street(t, h.step, h.total, max(h.over, 20*time.Millisecond), h)
}

// street fires one run at several servers, a tenant each.
func street(t *testing.T, step scenarios.Step, total int64, over time.Duration, houses ...hostile) {
	t.Helper()
	goroutines, descriptors := inUse(t)
	var addresses []string
	var servers []*rogue
	for _, h := range houses {
		open := h.listen
		if open == nil {
			open = func(t testing.TB) net.Listener { return listenOn(t, "127.0.0.1:0") }
		}
		r := startRogue(open(t), h.serve)
		servers = append(servers, r)
		addresses = append(addresses, r.listener.Addr().String())
	}
	fireAt(t, step, total, over, addresses, houses)
	for _, r := range servers {
		r.end()
	}
	noLeaks(t, goroutines, descriptors)
}

func fireAt(t *testing.T, step scenarios.Step, total int64, over time.Duration, addresses []string, houses []hostile) {
	t.Helper()
	s := uniform(total, over, step)
	s.Tenants.List = nil
	for _, h := range houses {
		s.Tenants.List = append(s.Tenants.List, scenarios.Tenant{Name: h.name, Weight: 1})
	}
	cfg, m := config(t, s, "")
	cfg.Address = func(tenant int) string { return addresses[tenant] }
	ctx, cancel := context.WithTimeout(t.Context(), over+step.Timeout+4*slack)
	defer cancel()
	result, err := run(t, ctx, cfg)
	if err != nil || result.Interrupted {
		t.Errorf("the run hung: %v, interrupted %v", err, result.Interrupted)
	}
	checkFates(t, m, int(total))
	bySeq, met := map[uint32][]record.Sample{}, map[int32]bool{}
	for _, x := range m.samples {
		bySeq[x.Seq] = append(bySeq[x.Seq], x)
		met[x.Tenant] = true
		houses[x.Tenant].judge(t, x, step.Timeout)
	}
	for seq, fates := range m.fates {
		if want, _ := fateOf(bySeq[seq]); fates[0] != want {
			t.Errorf("arrival %d is %s, its shots say %s", seq, fates[0], want)
		}
	}
	if len(met) != len(houses) {
		t.Errorf("only %d of %d servers were met", len(met), len(houses))
	}
	for _, h := range houses {
		if h.check != nil {
			h.check(t, m, result)
		}
	}
}

// judge says what is wrong with one shot.
func (h hostile) judge(t *testing.T, s record.Sample, timeout time.Duration) {
	t.Helper()
	// A generator that had no processor may not have got as far as writing in the time that the shot had.
	unwritten := s.Outcome == record.Refused && s.Done >= s.Due+timeout && slices.Contains(h.want, record.TimedOut)
	if !slices.Contains(h.want, s.Outcome) && !unwritten {
		t.Errorf("%s: shot %d is %s, want one of %v", h.name, s.Seq, s.Outcome, h.want)
	}
	if s.Sent < s.Due || s.Done < s.Sent || s.Done > s.Due+timeout+slack {
		t.Errorf("%s: shot %d: due %s, sent %s, done %s with a time-out of %s", h.name, s.Seq, s.Due, s.Sent, s.Done, timeout)
	}
	if s.Outcome == record.TimedOut && s.Done < s.Due+timeout {
		t.Errorf("%s: shot %d timed out after %s of %s", h.name, s.Seq, s.Done-s.Due, timeout)
	}
}

// asked reads one request, which is small; false when the connection has ended.
func asked(c net.Conn) bool {
	_, err := c.Read(make([]byte, 4096))
	return err == nil
}

// saying answers the first request with the text, and then waits for the client to go.
func saying(text string) func(net.Conn) {
	return func(c net.Conn) {
		if asked(c) && said(c, text) {
			asked(c)
		}
	}
}

func said(c net.Conn, text string) bool {
	_, err := c.Write([]byte(text))
	return err == nil
}

// repeating answers with begin and then says again without end.
func repeating(begin, again string) func(net.Conn) {
	block := strings.Repeat(again, 1+(1<<16)/len(again))
	return func(c net.Conn) {
		if !asked(c) || !said(c, begin) {
			return
		}
		for said(c, block) {
		}
	}
}

// dripping answers byte by byte.
func dripping(text string, every time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		for asked(c) {
			for i := range len(text) {
				if !said(c, text[i:i+1]) {
					return
				}
				time.Sleep(every) // this is what the server is like; nobody waits for it
			}
		}
	}
}
