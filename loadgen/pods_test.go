package loadgen

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// podsBehind answers as pods that a balancer chooses from at random, and notes when the first request of each came in.
type podsBehind struct {
	begun time.Time
	mu    sync.Mutex
	rand  *rand.Rand
	pods  int
	first map[string]time.Duration
}

func (p *podsBehind) serve(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		p.mu.Lock()
		header, took := "", time.Duration(p.rand.Int64N(int64(time.Second)))
		if n := p.rand.IntN(p.pods + 1); n > 0 { // else the balancer answers itself
			pod := fmt.Sprintf("web-%d", n)
			header = "Ansturm-Pod: " + pod + "\r\n"
			if _, had := p.first[pod]; !had {
				p.first[pod] = time.Since(p.begun)
			}
		}
		p.mu.Unlock()
		time.Sleep(took)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+header+"Content-Length: 2\r\n\r\nok")
	}
}

// TestFirstRequestOfPods: whatever the order of the answers, the moment at which a pod's first request came in lies within
// what the events of that pod say together; and without the setting nobody tells anything.
func TestFirstRequestOfPods(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pods, shards := rapid.IntRange(1, 6).Draw(rt, "pods"), rapid.IntRange(1, 3).Draw(rt, "shards")
		seed, header := rapid.Uint64().Draw(rt, "seed"), rapid.SampledFrom([]string{"Ansturm-Pod", "ansturm-pod", ""}).Draw(rt, "header")
		var problem error
		synctest.Test(t, func(t *testing.T) {
			p := &podsBehind{begun: time.Now(), rand: rand.New(rand.NewPCG(seed, 0)), pods: pods, first: map[string]time.Duration{}}
			cfg, m := config(t, uniform(60, 2*time.Second, scenarios.Step{}), "127.0.0.1:1")
			network := &memNet{handle: p.serve}
			cfg.Transport, cfg.Shards, cfg.PodHeader = network, shards, header
			if _, err := run(t, t.Context(), cfg); err != nil {
				problem = err
				return
			}
			network.all.Wait()
			if header == "" {
				clear(p.first)
			}
			problem = p.check(m)
		})
		if problem != nil {
			rt.Fatal(problem)
		}
	})
}

func (p *podsBehind) check(m *memory) error {
	told := map[string]record.Span{}
	for _, e := range m.events {
		if e.Kind != record.KindPod {
			continue
		}
		if e.Phase != record.PhaseServing || e.Tenant != "a" || e.Source != "generator" || e.Within == nil || e.At != e.Within.From {
			return fmt.Errorf("told as %+v", e)
		}
		s, again := told[e.Object]
		if !again {
			s = *e.Within
		}
		told[e.Object] = record.Span{From: min(s.From, e.Within.From), To: min(s.To, e.Within.To)}
	}
	for pod, truth := range p.first {
		if s, known := told[pod]; !known || truth < s.From || truth > s.To {
			return fmt.Errorf("the first request of %s came in at %v, told was %v", pod, truth, s)
		}
	}
	if len(told) != len(p.first) {
		return fmt.Errorf("told of %v, there were %v", told, p.first)
	}
	return nil
}

func TestPodNames(t *testing.T) {
	long := strings.Repeat("a", mostPodName)
	for value, want := range map[string]string{
		" web-7d.4-x9 ": "web-7d.4-x9", "": "", "Web": "", "a b": "", "\t": "", "a\xc3\xa4": "", long: long, long + "a": "",
	} {
		if got := string(podName([]byte(value))); got != want {
			t.Errorf("%q is the pod %q, want %q", value, got, want)
		}
	}
}

// TestPodsAllocateNothing: neither reading nor looking up a pod that is known costs memory.
func TestPodsAllocateNothing(t *testing.T) {
	cfg, m := config(t, uniform(1000, time.Second, scenarios.Step{}), "127.0.0.1:80")
	cfg.PodHeader = "Ansturm-Pod"
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := e.newShard(0, 1, 1, &instant{})
	a, _, _ := s.peek()
	v := s.begin(a)
	s.aim(v, 0)
	p, h, answers, turn := parser{podHeader: e.podHeader}, &s.headings[0], podAnswers(20), 0
	if n := testing.AllocsPerRun(1000, func() {
		turn++
		p.reset(false, false, false)
		if _, err := h.feed(&p, answers[turn%len(answers)]); err != nil {
			t.Fatal(err)
		}
		s.noteAnswerOf(p.pod, v)
	}); n != 0 {
		t.Errorf("%g allocations an answer, want none", n)
	}
	if len(m.events) != len(answers) {
		t.Errorf("%d pods told, want %d", len(m.events), len(answers))
	}
}

// podAnswers are answers that differ in their pod.
func podAnswers(n int) (answers [][]byte) {
	for i := range n {
		answers = append(answers, fmt.Appendf(nil,
			"HTTP/1.1 200 OK\r\nServer: lab\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 2\r\nAnsturm-Pod: antrag-7d4b9c6f5-%04d\r\n\r\nok", i))
	}
	return answers
}
