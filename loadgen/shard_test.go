package loadgen

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// TestManyHostsFewConnections: where connections to one host must go for those to another, no request goes to the
// wrong one.
func TestManyHostsFewConnections(t *testing.T) {
	var wrong atomic.Int64
	addresses := make([]string, 3)
	for i := range addresses {
		addresses[i] = server(t, func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if !strings.Contains(string(buf[:n]), "Host: "+c.LocalAddr().String()+"\r\n") {
					wrong.Add(1)
				}
				time.Sleep(time.Duration(n*37%5+4) * time.Millisecond)
				_, _ = io.WriteString(c, okAnswer)
			}
		})
	}
	s := uniform(900, time.Second, scenarios.Step{Timeout: time.Minute})
	s.Arrivals.Process = "poisson"
	s.Tenants.List = []scenarios.Tenant{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	cfg, m := config(t, s, "")
	cfg.Address = func(i int) string { return addresses[i] }
	cfg.MaxConnections, cfg.Shards = 12, 1
	if _, err := run(t, t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, 900); n[record.Completed] != 900 || wrong.Load() > 0 {
		t.Errorf("fates %v, %d requests at the wrong host", n, wrong.Load())
	}
}

func TestVictimIsTheOldest(t *testing.T) {
	h := &host{}
	p := pool{max: 3, idle: make([][]*conn, 1)}
	oldest, other := p.house(h), p.house(h)
	p.rest(oldest)
	p.rest(other)
	if got := p.victim(); got != oldest || p.idles != 1 || p.idle[0][0] != other {
		t.Errorf("the victim is %v, left are %v", got.token, p.idle)
	}
}

// slowSamples hold their shard up.
type slowSamples struct{ *memory }

func (m slowSamples) Sample(s record.Sample) {
	m.memory.Sample(s)
	time.Sleep(40 * time.Millisecond)
}

// TestRedirectReadLateKeepsItsTimeout: an answer that came in time and is read after the time-out, because the shard was
// held up, leads to another request; that one is given up all the same.
func TestRedirectReadLateKeepsItsTimeout(t *testing.T) {
	var connections atomic.Int64
	address := server(t, func(c net.Conn) {
		buf := make([]byte, 4096)
		k := connections.Add(1)
		if _, err := c.Read(buf); err != nil {
			return
		}
		switch k {
		case 1:
			time.Sleep(290 * time.Millisecond)
			_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return
		case 2:
			time.Sleep(280 * time.Millisecond)
			_, _ = io.WriteString(c, okAnswer)
			_, _ = c.Read(buf)
		}
		_, _ = c.Read(buf) // silent until the client goes
	})
	cfg, m := config(t, uniform(2, 4*time.Millisecond, scenarios.Step{Timeout: 300 * time.Millisecond, Follow: 3}), address)
	cfg.Samples, cfg.Shards = func(int) Samples { return slowSamples{m} }, 1
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if result, err := run(t, ctx, cfg); err != nil || result.Interrupted {
		t.Errorf("error %v, ended by itself %v; shots %+v", err, !result.Interrupted, m.samples)
	}
	checkFates(t, m, 2)
}

// TestEndedShardIsNotWoken: a shard that is through has given its descriptors back; what uses their numbers since is
// somebody else's.
func TestEndedShardIsNotWoken(t *testing.T) {
	cfg, _ := config(t, uniform(1, time.Millisecond, scenarios.Step{Timeout: time.Minute}), server(t, silent))
	cfg.Shards, cfg.Grace = 2, time.Millisecond
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := e.Run(ctx)
		ended <- err
	}()
	for e.Progress().InFlight == 0 {
		time.Sleep(time.Millisecond)
	}
	var files []*os.File
	for i := range 30 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, f := range files {
		if text, err := os.ReadFile(f.Name()); err != nil || len(text) > 0 {
			t.Errorf("%q, %v in a file of nobody's business", text, err)
		}
		_ = f.Close()
	}
}

// TestResentInVain: what the first connection has taken may have been worked off, whatever the second meets.
func TestResentInVain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		_ = l.Close()
		if err != nil {
			return
		}
		buf := make([]byte, 4096)
		_, _ = c.Read(buf)
		_, _ = io.WriteString(c, okAnswer)
		_, _ = c.Read(buf) // the second: worked off, and dead
		_ = c.Close()
	}()
	cfg, m := config(t, uniform(2, 100*time.Millisecond, scenarios.Step{Method: "PUT", Body: "x"}), l.Addr().String())
	cfg.Shards = 1
	if _, err := run(t, t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	<-served
	if n := checkFates(t, m, 2); n[record.Completed] != 1 || n[record.Indeterminate] != 1 {
		t.Errorf("fates %v, want one completed and one indeterminate", n)
	}
}

// TestNeverSentIsLate: who leaves before a connection is free has waited for the generator, and that is counted.
func TestNeverSentIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &memNet{handle: replying(func() string {
			time.Sleep(2 * time.Second)
			return okAnswer
		})}
		all := uniform(400, 300*time.Millisecond, scenarios.Step{})
		all.Journeys = []scenarios.Journey{
			{Name: "patient", Steps: []scenarios.Step{{Name: "patient", URL: "/", Timeout: 10 * time.Second}}},
			{Name: "hasty", Steps: []scenarios.Step{{Name: "hasty", URL: "/", Timeout: 100 * time.Millisecond}}},
		}
		cfg, m := config(t, all, "127.0.0.1:1")
		cfg.Transport, cfg.MaxConnections = network, 150
		result, err := run(t, t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		late, never := int64(0), 0
		for _, s := range m.samples {
			if s.Lateness() > LateAfter {
				late++
			}
			if s.Outcome == record.Refused {
				never++
			}
		}
		if never == 0 || result.Totals.Late != late || result.Validity.Valid {
			t.Errorf("%d never sent, %d late, the totals say %d; valid %v", never, late, result.Totals.Late, result.Validity.Valid)
		}
	})
}

// TestRedirectKeepsItsConnection: who is on the way through redirects does not wait behind those who come after.
func TestRedirectKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &memNet{handle: func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
				answer := "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
				if strings.HasPrefix(string(buf[:n]), "GET /b") {
					answer = okAnswer
				}
				_, _ = io.WriteString(c, answer)
			}
		}}
		cfg, m := config(t, uniform(10, 10*time.Millisecond, scenarios.Step{Follow: 3}), "127.0.0.1:1")
		cfg.Transport, cfg.MaxConnections = network, 1
		if _, err := run(t, t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		for _, s := range m.samples {
			if s.Service() != 20*time.Millisecond || s.Outcome != record.OK {
				t.Errorf("%+v took %s, want 20ms", s, s.Service())
			}
		}
	})
}

// TestOutOfTurn: what a server says on a used connection before it is asked is nobody's answer: it is about to close, as
// servers do with a 408, and the shot goes over another connection.
func TestOutOfTurn(t *testing.T) {
	cfg, m := config(t, uniform(1, time.Second, scenarios.Step{}), "127.0.0.1:1")
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.start = time.Now()
	s := e.newShard(0, 1, 10, &instant{})
	a, _, _ := s.peek()
	s.enter(a)
	c := s.pool.places[0]
	v := c.visit
	s.open(c)
	c.used = true
	n := copy(s.in, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	s.came = v.sent - 1
	s.onRead(c, v, s.in[:n], nil, true)
	if len(m.samples) > 0 || !v.resent || v.conn == nil || !v.conn.opening {
		t.Errorf("shots %+v, sent once more %v", m.samples, v.resent)
	}
}
