package loadgen

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// once reads one request, answers with the bytes and closes.
func once(answer string) func(net.Conn) {
	return func(c net.Conn) {
		if asked(c) {
			said(c, answer)
		}
	}
}

// TestHostileServers: each mishap over real sockets is counted as what it is.
func TestHostileServers(t *testing.T) {
	for _, c := range []struct {
		name   string
		handle func(net.Conn)
		want   record.Outcome
		fate   record.Fate
	}{
		{"good", answering(okAnswer), record.OK, record.Completed},
		{"closes after each answer", once("HTTP/1.1 200 OK\r\n\r\nx"), record.OK, record.Completed},
		{"answers twice", answering(okAnswer + okAnswer), record.OK, record.Completed},
		{"503", answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), record.Failed, record.FailedArrival},
		{"speaks mail", func(c net.Conn) { _, _ = c.Write([]byte("220 hello\r\n")); answering("500 what\r\n")(c) }, record.Failed, record.FailedArrival},
		{"garbage", answering("\x00\xff\r\n\r\n"), record.Failed, record.FailedArrival},
		{"short body", once("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), record.Lost, record.Indeterminate},
		{"closes unread", func(net.Conn) {}, record.Lost, record.Indeterminate},
		{"resets", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_ = c.(*net.TCPConn).SetLinger(0)
		}, record.Lost, record.Indeterminate},
		{"is silent", silent, record.TimedOut, record.Indeterminate},
	} {
		t.Run(c.name, func(t *testing.T) {
			const total = 20
			step := scenarios.Step{Method: "POST", Body: "x", Timeout: 200 * time.Millisecond}
			if c.want != record.TimedOut {
				step.Timeout = 30 * time.Second
			}
			cfg, m := config(t, uniform(total, 100*time.Millisecond, step), server(t, c.handle))
			if _, err := run(t, t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			if n := checkFates(t, m, total); n[c.fate] != total {
				t.Errorf("fates %v, want all %s", n, c.fate)
			}
			for _, s := range m.samples {
				// A server that closes or speaks before it reads may do so before anything is sent.
				if s.Outcome != c.want {
					t.Errorf("outcome %s, want %s: %+v", s.Outcome, c.want, s)
				}
			}
		})
	}
}

func TestRefusedConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	cfg, m := config(t, uniform(10, 50*time.Millisecond, scenarios.Step{}), address)
	result, err := run(t, t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, 10); n[record.FailedArrival] != 10 || result.Totals.ByOutcome["refused"] != 10 {
		t.Errorf("fates %v, outcomes %v, want all refused", n, result.Totals.ByOutcome)
	}
}

// TestStaleConnection: a GET that meets a connection the server has just closed is sent once more, a POST is not.
func TestStaleConnection(t *testing.T) {
	for method, want := range map[string]record.Outcome{"GET": record.OK, "POST": record.Lost} {
		synctest.Test(t, func(t *testing.T) {
			var connections, requests atomic.Int64
			network := &memNet{handle: func(c net.Conn) {
				buf := make([]byte, 4096)
				first := connections.Add(1) == 1
				for range 2 {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if requests.Add(1) == 2 && first {
						return // has read it, and closes without a word
					}
					_, _ = c.Write([]byte(okAnswer))
				}
			}}
			cfg, m := config(t, uniform(2, 2*time.Second, scenarios.Step{Method: method}), "127.0.0.1:1")
			cfg.Transport = network
			if _, err := run(t, t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			network.all.Wait()
			if len(m.samples) != 2 || m.samples[0].Outcome != record.OK || m.samples[1].Outcome != want {
				t.Errorf("%s: samples %+v, want the second %s", method, m.samples, want)
			}
		})
	}
}

// TestIdleCloseIsNoticed: a connection closed while idle costs nothing, whatever the method.
func TestIdleCloseIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &memNet{handle: once(okAnswer)}
		cfg, m := config(t, uniform(5, 5*time.Second, scenarios.Step{Method: "POST"}), "127.0.0.1:1")
		cfg.Transport = network
		result, err := run(t, t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		if n := checkFates(t, m, 5); n[record.Completed] != 5 || result.Totals.Connections != 5 {
			t.Errorf("fates %v, %d connections, want 5 and 5", n, result.Totals.Connections)
		}
	})
}

// TestWaitsInDueOrderAcrossHosts: one connection for two hosts serves everybody, in due order.
func TestWaitsInDueOrderAcrossHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &memNet{handle: replying(func() string {
			time.Sleep(100 * time.Millisecond)
			return okAnswer
		})}
		s := uniform(40, time.Second, scenarios.Step{})
		s.Tenants.List = []scenarios.Tenant{{Name: "a", Weight: 1}, {Name: "b", Weight: 1}}
		cfg, m := config(t, s, "")
		cfg.Address = func(tenant int) string { return []string{"127.0.0.1:1", "127.0.0.1:2"}[tenant] }
		cfg.Transport, cfg.MaxConnections = network, 1
		result, err := run(t, t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		if n := checkFates(t, m, 40); n[record.Completed] != 40 || result.Totals.ConnectionsPeak != 1 {
			t.Errorf("fates %v, at most %d connections", n, result.Totals.ConnectionsPeak)
		}
		for i, x := range m.samples {
			if want := time.Duration(i+1) * 100 * time.Millisecond; x.Due != time.Duration(i)*25*time.Millisecond || x.Done != want {
				t.Errorf("answer %d was due at %s and came at %s, want %s", i, x.Due, x.Done, want)
			}
		}
		if result.Validity.Valid || result.Totals.Late == 0 {
			t.Errorf("a wait for connections is the generator's, but the run is valid: %+v", result.Validity)
		}
	})
}

// TestBigRequests arrive whole, though a socket does not take them at once.
func TestBigRequests(t *testing.T) {
	body := strings.Repeat("0123456789", 100_000)
	var got atomic.Int64
	handle := func(c net.Conn) {
		buf := make([]byte, 1<<16)
		for n := 0; ; {
			k, err := c.Read(buf)
			if err != nil {
				return
			}
			if n += k; n >= len(body) {
				got.Add(1)
				n = 0
				_, _ = c.Write([]byte(okAnswer))
			}
		}
	}
	step := scenarios.Step{Method: "POST", Body: body}
	cfg, m := config(t, uniform(10, 50*time.Millisecond, step), server(t, handle))
	if _, err := run(t, t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, 10); n[record.Completed] != 10 || got.Load() != 10 {
		t.Errorf("fates %v, %d requests arrived", n, got.Load())
	}
}

// TestCancelOverSockets: a run ended in the middle adds up, and leaves no goroutine behind, though 50 shots are stuck.
func TestCancelOverSockets(t *testing.T) {
	before := runtime.NumGoroutine()
	var stuck sync.WaitGroup
	stuck.Add(50)
	var n atomic.Int64
	address := server(t, replying(func() string {
		switch k := n.Add(1); {
		case k <= 100:
			return okAnswer
		case k <= 150:
			stuck.Done()
		}
		return ""
	}))
	const total = 1000
	cfg, m := config(t, uniform(total, 100*time.Second, scenarios.Step{}), address)
	cfg.Speed, cfg.MaxConnections, cfg.Grace = 100, 50, 50*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		stuck.Wait()
		cancel()
	}()
	result, err := run(t, ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	fates := checkFates(t, m, total)
	if !result.Interrupted || fates[record.Completed] != 100 || fates[record.Indeterminate] != 50 || fates[record.Unsent] != total-150 {
		t.Errorf("fates %v, interrupted %v, want 100 completed, 50 indeterminate, the others unsent", fates, result.Interrupted)
	}
	for range 100 { // the server's own goroutines end by themselves
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines before the run, %d after", before, runtime.NumGoroutine())
}

func TestRecorderErrorEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		network := &memNet{handle: answering(okAnswer)}
		cfg, m := config(t, uniform(1000, 100*time.Second, scenarios.Step{}), "127.0.0.1:1")
		cfg.Transport = network
		time.AfterFunc(10*time.Second, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.err = full
		})
		result, err := run(t, t.Context(), cfg)
		network.all.Wait()
		if !errors.Is(err, full) || !result.Interrupted {
			t.Errorf("error %v, interrupted %v", err, result.Interrupted)
		}
		n := checkFates(t, m, 1000)
		if n[record.Completed] < 100 || n[record.Completed] > 102 || n[record.Unsent] != 1000-n[record.Completed] {
			t.Errorf("fates %v, want about 101 completed and the others unsent", n)
		}
	})
}
