package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

func ptr[T any](v T) *T { return &v }

// world is a target that does at random what targets do, and the people who meet it.
type world struct {
	seed                                       uint64
	refused, reset, hangs, garbage, short, bad float64 // shares
	delay                                      time.Duration
	mu                                         sync.Mutex
	random                                     *rand.Rand
}

func (w *world) draw() (float64, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Float64(), time.Duration(w.random.Int64N(int64(w.delay) + 1))
}

func (w *world) dial() error {
	if u, _ := w.draw(); u < w.refused {
		return syscall.ECONNREFUSED
	}
	return nil
}

func (w *world) serve(c net.Conn) {
	buf := make([]byte, 8192)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		u, delay := w.draw()
		time.Sleep(delay)
		switch {
		case u < w.reset:
			c.(*memConn).Reset()
			return
		case u < w.reset+w.hangs:
			_, _ = c.Read(buf) // until the client goes
			return
		case u < w.reset+w.hangs+w.garbage:
			_, _ = c.Write([]byte("220 mail.example.org ESMTP\r\n"))
		case u < w.reset+w.hangs+w.garbage+w.short:
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"))
			return
		case u < w.reset+w.hangs+w.garbage+w.short+w.bad:
			_, _ = c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
		default:
			_, _ = c.Write([]byte(okAnswer))
		}
	}
}

func drawWorld(t *rapid.T) *world {
	share := rapid.Float64Range(0, 0.2)
	w := &world{
		seed: rapid.Uint64().Draw(t, "seed"), refused: share.Draw(t, "refused"), reset: share.Draw(t, "reset"),
		hangs: share.Draw(t, "hangs"), garbage: share.Draw(t, "garbage"), short: share.Draw(t, "short"),
		bad: share.Draw(t, "bad"), delay: time.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(t, "delay")),
	}
	w.random = rand.New(rand.NewPCG(w.seed, 1))
	return w
}

func drawScenario(t *rapid.T) *scenarios.Scenario {
	s := uniform(rapid.Int64Range(1, 300).Draw(t, "total"), 20*time.Second, scenarios.Step{})
	s.Arrivals.Process, s.Arrivals.Seed = "poisson", rapid.Uint64().Draw(t, "arrivals")
	think := scenarios.Distribution{Exponential: ptr(2 * time.Second)}
	s.Journeys[0].Steps = []scenarios.Step{
		{Name: "one", URL: "/", Share: ptr(rapid.Float64Range(0, 1).Draw(t, "share")), Timeout: 8 * time.Second},
		{Name: "two", URL: "/{{seq}}", Method: "POST", Think: &think, Timeout: 6 * time.Second},
	}
	if rapid.Bool().Draw(t, "impatient") {
		s.Journeys[0].Impatience = &scenarios.Impatience{
			Patience: scenarios.Distribution{Exponential: ptr(4 * time.Second)},
			Reload:   0.4, ComeBack: 0.3, GiveUp: 0.3,
			After: &scenarios.Distribution{Exponential: ptr(3 * time.Second)}, Most: 3,
		}
	}
	return s
}

// TestEveryFateOnce: whatever the target does, and whenever the run is cancelled, every arrival has exactly one fate,
// it is the one its shots tell, the totals are the samples', and nothing is left behind.
func TestEveryFateOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, s := drawWorld(rt), drawScenario(rt)
		connections := rapid.SampledFrom([]int{1, 3, 20, 1000}).Draw(rt, "connections")
		speed := rapid.SampledFrom([]float64{1, 10}).Draw(rt, "speed")
		cancelAt := time.Duration(0)
		if rapid.Bool().Draw(rt, "cancelled") {
			cancelAt = time.Duration(rapid.Int64Range(1, int64(25*time.Second)).Draw(rt, "cancel at"))
		}
		var problem error
		synctest.Test(t, func(t *testing.T) {
			cfg, m := config(t, s, "127.0.0.1:1")
			network := &memNet{handle: w.serve, refuse: w.dial}
			cfg.Transport, cfg.MaxConnections, cfg.Speed = network, connections, speed
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if cancelAt > 0 {
				defer time.AfterFunc(cancelAt, cancel).Stop()
			}
			result, err := run(t, ctx, cfg)
			network.all.Wait() // hangs, and fails the bubble, where a connection was left open
			problem = errors.Join(err, checkWorld(s, m, result))
		})
		if problem != nil {
			rt.Fatal(problem)
		}
	})
}

func checkWorld(s *scenarios.Scenario, m *memory, r Result) error {
	var problems []string
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	bySeq := map[uint32][]record.Sample{}
	outcomes := map[string]int64{}
	for _, x := range m.samples {
		bySeq[x.Seq] = append(bySeq[x.Seq], x)
		outcomes[x.Outcome.String()]++
		if x.Sent < x.Due || x.Done < x.Sent || (x.FirstByte != 0 && (x.FirstByte < x.Sent || x.FirstByte > x.Done)) {
			complain("times out of order: %+v", x)
		}
	}
	if int64(len(m.fates)) != s.Arrivals.Total {
		complain("%d fates of %d arrivals", len(m.fates), s.Arrivals.Total)
	}
	unsent := int64(0)
	for seq, fates := range m.fates {
		if len(fates) != 1 {
			complain("arrival %d has the fates %v", seq, fates)
		}
		want, cutOff := fateOf(bySeq[seq])
		if fates[0] != want && !(want == record.Completed && r.Interrupted && fates[0] == cutOff) {
			complain("arrival %d is %v, its shots say %v: %+v", seq, fates[0], want, bySeq[seq])
		}
		if fates[0] == record.Unsent {
			unsent++
		}
	}
	if unsent > 0 && !r.Interrupted || unsent != r.Validity.Unsent {
		complain("%d unsent, interrupted %v, in the evidence %d", unsent, r.Interrupted, r.Validity.Unsent)
	}
	for name, n := range r.Totals.ByOutcome {
		if outcomes[name] != n {
			complain("%d shots are %s, the totals say %d", outcomes[name], name, n)
		}
	}
	if r.Totals.Shots != int64(len(m.samples)) {
		complain("%d shots, the totals say %d", len(m.samples), r.Totals.Shots)
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n"))
	}
	return nil
}

// fateOf is the fate that an arrival's shots tell, and the one if the run was cancelled before its next step.
func fateOf(shots []record.Sample) (whole, cutOff record.Fate) {
	if len(shots) == 0 {
		return record.Unsent, record.Unsent
	}
	last := shots[0]
	cutOff = record.FailedArrival
	for _, x := range shots {
		if x.Done >= last.Done {
			last = x
		}
		if x.Outcome == record.TimedOut || x.Outcome == record.Lost || x.Outcome == record.Left {
			cutOff = record.Indeterminate
		}
	}
	if last.Outcome == record.OK {
		return record.Completed, cutOff
	}
	return cutOff, cutOff
}
