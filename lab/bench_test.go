package lab

import (
	"bufio"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// country is 150 tenants of three pods each: the size of the demo, loaded to 60 % at 900 requests/s of platform time.
func country() (*scenarios.Platform, *scenarios.Scenario) {
	p, s := smallWorld(150)
	p.Pools = []scenarios.NodePool{{Name: "vm", Count: 20, Capacity: quantities("16", "64Gi")}}
	p.Workloads[0].Replicas = 3
	return p, s
}

// BenchmarkCore is one request through the core, from hand-in to outcome, at 9,000/s on the wall of speed 10.
func BenchmarkCore(b *testing.B) {
	p, s := country()
	autoscale(&p.Workloads[0], 60, 3, 10)
	c, err := newCore(p, s, 1)
	if err != nil {
		b.Fatal(err)
	}
	ended := 0
	free := make([]*request, 0, 1000)
	c.answered = func(r *request) { ended++; free = append(free, r) }
	c.begin(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.advance(time.Duration(i) * time.Second / 900)
		var r *request
		if n := len(free); n > 0 {
			r, free = free[n-1], free[:n-1]
		} else {
			r = new(request)
		}
		*r = request{tenant: i % 150, step: 1, key: uint32(i), keyed: true}
		c.submit(r)
	}
	if ended == 0 && b.N > 1000 {
		b.Fatal("nothing ended")
	}
}

// BenchmarkServe is one request over loopback, 64 connections in flight, no work in the pod: what the sockets cost, lab
// and this bare client together.
func BenchmarkServe(b *testing.B) {
	p, s := country()
	p.Workloads[0].Steps["submit"] = scenarios.Work{CPU: *fixed(0), Accepts: true}
	e := startLab(b, Config{Platform: p, Scenario: s, Speed: 10})
	if err := Dial(e.Control).Begin(b.Context(), time.Now()); err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(32)
	before := cpuTime()
	b.ReportAllocs()
	b.RunParallel(func(loop *testing.PB) {
		conn, err := net.Dial("tcp", e.Tenants["t7"])
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		answer := bufio.NewReader(conn)
		shot := []byte(fmt.Sprintf("POST / HTTP/1.1\r\nHost: lab\r\nAnsturm-Run: x\r\nAnsturm-Step: submit\r\nIdempotency-Key: 7\r\n"+
			"Content-Length: %d\r\n\r\n%s", 120, string(make([]byte, 120))))
		for loop.Next() {
			if _, err := conn.Write(shot); err != nil {
				b.Error(err)
				return
			}
			line, err := answer.Peek(12)
			if err != nil || string(line[9:12]) != "201" {
				b.Errorf("answer %q, %v", line, err)
				return
			}
			_, _ = answer.Discard(answer.Buffered())
		}
	})
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "µs-cpu/op")
}
