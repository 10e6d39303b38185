package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// TestPersonsDoAsTheEngineHasThem fires one surge twice at the same virtual platform: with the crowd of this package, and with
// package loadgen in the fake time of a bubble, over connections in memory. Every shot must be due, and done, at the same
// moment and with the same outcome; so must every fate. (In the bubble an arrival costs some hundred times as much, which is
// why proofs take the crowd.)
func TestPersonsDoAsTheEngineHasThem(t *testing.T) {
	seeds := 0
	for seed := int64(0); seeds < 2; seed++ {
		x := small(t, seed)
		if x.surge.Journeys[0].Impatience == nil || len(x.surge.AllSteps()) == 1 {
			continue
		}
		seeds++
		x.surge.Arrivals.Total = 3000
		x.surge.Arrivals.Over = 8 * time.Second // too many: some are refused and some leave
		crowd, engine := &memory{}, &memory{}
		virtual, err := lab.NewVirtual(x.config(), func(record.Event) {})
		if err != nil {
			t.Fatal(err)
		}
		c, err := newCrowd(virtual, x.surge, crowd)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.run(func(time.Duration) error { return nil }); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		synctest.Test(t, func(t *testing.T) { x.fireEngine(t, engine) })
		t.Logf("seed %d: %d shots, %v a shot in the bubble", seed, len(engine.samples), time.Since(began)/time.Duration(len(engine.samples)))
		crowd.like(t, engine)
	}
}

func (x *subject) config() lab.Config {
	return lab.Config{Platform: x.platform, Scenario: x.surge, Seed: x.surge.Arrivals.Seed}
}

// fireEngine runs in a bubble.
func (x *subject) fireEngine(t *testing.T, m *memory) {
	schedule, err := arrivals.New(x.surge)
	if err != nil {
		t.Fatal(err)
	}
	virtual, err := lab.NewVirtual(x.config(), func(record.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	site := &site{x: x, platform: virtual, start: time.Now(), changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	site.all.Go(func() { site.keepTime(ctx) })
	e, err := loadgen.New(loadgen.Config{
		Scenario: x.surge, Schedule: schedule, RunID: "run", Recorder: m, Samples: func(int) loadgen.Samples { return m },
		Address: func(tenant int) string { return fmt.Sprintf("127.0.0.1:%d", firstPort+tenant) }, Transport: site, Shards: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	site.all.Wait()
}

const firstPort = 20_001

// site serves a virtual platform over connections in memory, in the bubble's time.
type site struct {
	x       *subject
	mu      sync.Mutex
	start   time.Time
	changed chan struct{}
	all     sync.WaitGroup

	platform *lab.Virtual
}

// Dial connects to a tenant.
func (s *site) Dial(_ context.Context, address string) (net.Conn, error) {
	_, port, _ := strings.Cut(address, ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	s.all.Go(func() {
		defer far.Close()
		s.serve(far, n-firstPort)
	})
	return near, nil
}

// keepTime lets the platform's events happen at their time.
func (s *site) keepTime(ctx context.Context) {
	for ctx.Err() == nil {
		s.mu.Lock()
		s.platform.Advance(time.Since(s.start))
		wait := s.platform.Next() - s.platform.Now()
		s.mu.Unlock()
		select {
		case <-time.After(wait):
		case <-s.changed:
		case <-ctx.Done():
		}
	}
}

func (s *site) serve(c net.Conn, tenant int) {
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		status := map[record.Outcome]string{record.OK: "200 OK", record.Failed: "503 Service Unavailable"}[s.ask(r, tenant)]
		if status == "" {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// ask hands a request in and waits for its answer.
func (s *site) ask(r *http.Request, tenant int) record.Outcome {
	step := 0
	for k, ref := range s.x.surge.AllSteps() {
		if ref.Name == r.Header.Get("Ansturm-Step") {
			step = k
		}
	}
	key, err := strconv.Atoi(r.Header.Get(keyHeader))
	answer := make(chan record.Outcome, 1)
	s.mu.Lock()
	s.platform.Advance(time.Since(s.start))
	refused := s.platform.Submit(tenant, step, uint32(key), err == nil, func(o record.Outcome) { answer <- o })
	s.mu.Unlock()
	if refused != nil {
		return record.Failed
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return <-answer
}

// memory keeps samples and fates.
type memory struct {
	mu      sync.Mutex
	samples []record.Sample
	fates   map[uint32]record.Fate
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
		m.fates = map[uint32]record.Fate{}
	}
	m.fates[seq] = f
}

func (m *memory) Created(record.Created) {}
func (m *memory) Event(record.Event)     {}
func (m *memory) Err() error             { return nil }

// like holds two memories against each other: every shot by its arrival, step and try, to the microsecond.
func (m *memory) like(t *testing.T, o *memory) {
	t.Helper()
	for _, x := range []*memory{m, o} {
		slices.SortFunc(x.samples, func(a, b record.Sample) int {
			return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Retry, b.Retry))
		})
	}
	if len(m.samples) != len(o.samples) || len(m.fates) != len(o.fates) {
		t.Fatalf("%d shots and %d fates, %d and %d", len(m.samples), len(m.fates), len(o.samples), len(o.fates))
	}
	unlike, outcomes := 0, map[record.Outcome]int{}
	for i, a := range m.samples {
		b := o.samples[i]
		outcomes[a.Outcome]++
		if a.Outcome != b.Outcome || math.Abs(float64(a.Due-b.Due)) > 1000 || math.Abs(float64(a.Done-b.Done)) > 1000 {
			if unlike++; unlike < 5 {
				t.Errorf("shot\n%+v\n%+v", a, b)
			}
		}
	}
	for seq, fate := range m.fates {
		if o.fates[seq] != fate {
			unlike++
		}
	}
	if unlike > 0 || len(outcomes) < 2 {
		t.Errorf("%d of %d shots and fates are unlike; outcomes %v", unlike, len(m.samples), outcomes)
	}
}
