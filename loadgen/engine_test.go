package loadgen

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// memory is a Recorder that keeps everything.
type memory struct {
	mu      sync.Mutex
	samples []record.Sample
	fates   map[uint32][]record.Fate
	events  []record.Event
	created []record.Created
	err     error
}

func (m *memory) Sample(s record.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, s)
}

func (m *memory) Fate(seq uint32, f record.Fate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fates == nil {
		m.fates = map[uint32][]record.Fate{}
	}
	m.fates[seq] = append(m.fates[seq], f)
}

func (m *memory) Created(c record.Created) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.Value = bytes.Clone(c.Value)
	m.created = append(m.created, c)
}

func (m *memory) shard(int) Samples { return m }

func (m *memory) Event(e record.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, e)
}

func (m *memory) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// uniform is a scenario of total arrivals, evenly over a time, of one step.
func uniform(total int64, over time.Duration, step scenarios.Step) *scenarios.Scenario {
	if step.Name == "" {
		step.Name = "step"
	}
	if step.URL == "" {
		step.URL = "/"
	}
	return &scenarios.Scenario{
		Name:     "test",
		Arrivals: scenarios.Arrivals{Total: total, Over: over, Process: "uniform"},
		Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "a", Weight: 1}}},
		Journeys: []scenarios.Journey{{Name: "j", Weight: 1, Steps: []scenarios.Step{step}}},
	}
}

// config makes the engine's configuration for a scenario fired at one address.
func config(t testing.TB, s *scenarios.Scenario, address string) (Config, *memory) {
	t.Helper()
	schedule, err := arrivals.New(s)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	return Config{
		Scenario: s, Schedule: schedule, RunID: "run-1", Recorder: m, Samples: m.shard,
		Address: func(int) string { return address },
	}, m
}

func run(t testing.TB, ctx context.Context, cfg Config) (Result, error) {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e.Run(ctx)
}

// checkFates says whether every arrival has exactly one fate, and counts them.
func checkFates(t testing.TB, m *memory, total int) (n [4]int) {
	t.Helper()
	if len(m.fates) != total {
		t.Errorf("%d arrivals have a fate, want %d", len(m.fates), total)
	}
	for seq, fates := range m.fates {
		if len(fates) != 1 || int(seq) >= total {
			t.Errorf("arrival %d has fates %v", seq, fates)
		}
		n[fates[0]]++
	}
	return n
}

// server answers every request on a loopback socket by what handle says, a connection a goroutine.
func server(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = c.Close() }()
				handle(c)
			})
		}
	})
	return l.Addr().String()
}

// answering answers each read, which holds one request, with the same bytes.
func answering(answer string) func(net.Conn) { return replying(func() string { return answer }) }

// replying answers each read with what answer gives then; an empty one is none.
func replying(answer func() string) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil || !said(c, answer()) {
				return
			}
		}
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestFiresOverSockets(t *testing.T) {
	const total = 500
	cfg, m := config(t, uniform(total, time.Second, scenarios.Step{}), server(t, answering(okAnswer)))
	cfg.Speed = 2
	result, err := run(t, t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, total); n[record.Completed] != total {
		t.Errorf("fates %v, want all completed", n)
	}
	if len(m.samples) != total || result.Totals.Shots != total || result.Totals.ByOutcome["ok"] != total {
		t.Errorf("%d samples, totals %+v", len(m.samples), result.Totals)
	}
	for _, s := range m.samples {
		if s.Sent < s.Due || s.FirstByte < s.Sent || s.Done < s.FirstByte {
			t.Errorf("times out of order: %+v", s)
		}
	}
	if result.Validity.Unsent != 0 || result.Interrupted {
		t.Errorf("result %+v", result)
	}
	t.Logf("%+v", result.Validity)
}
