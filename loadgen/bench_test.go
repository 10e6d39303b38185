package loadgen

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// counter is a Recorder that only counts.
type counter struct{ ok, other atomic.Int64 }

func (c *counter) Sample(s record.Sample) {
	if s.Outcome == record.OK {
		c.ok.Add(1)
	} else {
		c.other.Add(1)
	}
}
func (c *counter) shard(int) Samples      { return c }
func (*counter) Created(record.Created)   {}
func (*counter) Fate(uint32, record.Fate) {}
func (*counter) Event(record.Event)       {}
func (*counter) Err() error               { return nil }

func applicationStep() scenarios.Step {
	return scenarios.Step{
		Method: "POST", URL: "/antrag",
		Headers: map[string]string{"Content-Type": "application/json", "Idempotency-Key": "{{seq}}"},
		Body:    `{"name":"{{p.firstName}} {{p.lastName}}","birthDate":"{{p.birthDate}}","street":"{{p.street}}"}`,
	}
}

// BenchmarkShot sends shots at 5,000/s over loopback: a shot's cost with that of a server of the least kind,
// both in this process.
func BenchmarkShot(b *testing.B) {
	s := uniform(int64(b.N), time.Duration(b.N)*200*time.Microsecond, applicationStep())
	s.Feeders = map[string]scenarios.Feeder{"p": {Synthetic: "person"}}
	fireShots(b, s, okAnswer)
}

// fireShots fires b.N arrivals of one shot each at a server in this process.
func fireShots(b *testing.B, s *scenarios.Scenario, answer string) {
	b.Helper()
	cfg, _ := config(b, s, server(b, answering(answer)))
	cfg.MaxConnections = 500 // the server's ends are this process' too
	count := &counter{}
	cfg.Recorder, cfg.Samples = count, count.shard
	e, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	cpu := readHealth().cpu
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := e.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if count.ok.Load() != int64(b.N) {
		b.Fatalf("%d of %d shots were answered, %d were not", count.ok.Load(), b.N, count.other.Load())
	}
	b.ReportMetric(float64((readHealth().cpu-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
}

func BenchmarkRender(b *testing.B) {
	s := uniform(1000, time.Second, applicationStep())
	s.Feeders = map[string]scenarios.Feeder{"p": {Synthetic: "person"}}
	cfg, _ := config(b, s, "127.0.0.1:80")
	e, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	v := visitOf(b, e)
	var dst, body []byte
	b.ReportAllocs()
	for b.Loop() {
		v.Seq++
		dst, body = e.appendRequest(dst[:0], body, v)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkParser(b *testing.B) {
	answer := []byte("HTTP/1.1 201 Created\r\nServer: fasthttp\r\nDate: Sat, 21 Nov 2026 22:00:00 GMT\r\nContent-Type: application/json\r\n" +
		"Content-Length: 34\r\n\r\n{\"status\":\"accepted\",\"id\":\"12345\"}")
	var p parser
	b.SetBytes(int64(len(answer)))
	b.ReportAllocs()
	for b.Loop() {
		p.reset(false, false, true)
		if n, err := p.feed(answer); n != len(answer) || err != nil || p.state != answered {
			b.Fatal(n, err, p.state)
		}
	}
}

// TestRequestAllocatesNothing once its buffers have their size.
func TestRequestAllocatesNothing(t *testing.T) {
	s := uniform(1000, time.Second, applicationStep())
	s.Feeders = map[string]scenarios.Feeder{"p": {Synthetic: "person"}}
	cfg, _ := config(t, s, "127.0.0.1:80")
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	v := visitOf(t, e)
	var dst, body []byte
	if n := testing.AllocsPerRun(100, func() {
		v.Seq++
		dst, body = e.appendRequest(dst[:0], body, v)
	}); n != 0 {
		t.Errorf("%g allocations a request, want none", n)
	}
}

// visitOf is the first arrival's visit, at its first shot.
func visitOf(t testing.TB, e *Engine) *visit {
	t.Helper()
	s := e.newShard(0, 1, 1, &instant{})
	a, _, _ := s.peek()
	v := s.begin(a)
	s.aim(v, 0)
	return v
}

// BenchmarkSupply is what an arrival costs its shard before it begins: made ahead of it by another goroutine, or made by itself
// and held against a lease of 1 or 200 grants, with a look at the clocks.
func BenchmarkSupply(b *testing.B) {
	for _, grants := range []int{0, 1, 200} {
		b.Run(fmt.Sprint("grants-", grants), func(b *testing.B) {
			cfg, _ := config(b, uniform(int64(b.N)+1, time.Duration(b.N)*100*time.Microsecond+time.Second, scenarios.Step{}), "127.0.0.1:80")
			if grants > 0 {
				cfg.Lease = leaseOf(b, grants, cfg.Scenario.Arrivals.Over)
			}
			e, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			e.start = time.Now().Add(time.Hour)
			s := e.newShard(0, 1, 1, &instant{})
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, due, _ := s.peek(); due == never {
					b.Fatal("there is none")
				}
				s.supply.advance()
			}
			b.StopTimer()
			for _, _, more := s.peek(); more && grants == 0; _, _, more = s.peek() {
				s.supply.advance()
			}
		})
	}
}

// leaseOf is a lease of all parts from beginning to end, in that many grants.
func leaseOf(b *testing.B, n int, over time.Duration) *Lease {
	b.Helper()
	const parts = 256
	lease, err := NewLease(parts)
	if err != nil {
		b.Fatal(err)
	}
	h := Holding{Until: never, Expires: never}
	for i := range n {
		from, to := over*time.Duration(i)/time.Duration(n), over*time.Duration(i+1)/time.Duration(n)
		if i == n-1 {
			to = never
		}
		h.Grants = append(h.Grants, Grant{0, parts / 2, from, to}, Grant{parts / 2, parts, from, to})
	}
	if err := lease.Hold(h); err != nil {
		b.Fatal(err)
	}
	return lease
}
