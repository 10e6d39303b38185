package loadgen

import (
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// instant is a network whose connections are open at once and answer at once: what is left is the engine's own work.
type instant struct {
	answer  []byte
	answers [][]byte // in turn, in the place of answer
	turn    int
	waiting []ready
}

func (n *instant) dial(_ *host, t token, _ time.Duration) (link, error) {
	n.waiting = append(n.waiting, ready{token: t})
	return &instantLink{network: n, token: t}, nil
}

func (n *instant) wait(_, _ time.Duration, _ bool, to []ready) []ready {
	to = append(to, n.waiting...)
	n.waiting = n.waiting[:0]
	return to
}

func (n *instant) wake()      {}
func (n *instant) post(token) {}
func (n *instant) close()     {}

type instantLink struct {
	network *instant
	token   token
	asked   bool
}

func (l *instantLink) opened() error { return nil }

func (l *instantLink) read(b []byte) (int, int64, error) {
	if !l.asked {
		return 0, 0, errAgain
	}
	l.asked = false
	answer := l.network.answer
	if all := l.network.answers; len(all) > 0 {
		l.network.turn++
		answer = all[l.network.turn%len(all)]
	}
	return copy(b, answer), 0, nil
}

func (l *instantLink) write(b []byte) (int, error) {
	l.asked = true
	l.network.waiting = append(l.network.waiting, ready{token: l.token})
	return len(b), nil
}

func (l *instantLink) close() {}

// BenchmarkEngine is the engine's own cost of a shot, without the system calls: a closed loop of 64.
func BenchmarkEngine(b *testing.B) { benchmarkEngine(b, &instant{answer: []byte(okAnswer)}, "") }

// BenchmarkEngineOfPods is that of answers by 50 pods in turn, whose names are looked for or not.
func BenchmarkEngineOfPods(b *testing.B) {
	b.Run("told", func(b *testing.B) { benchmarkEngine(b, &instant{answers: podAnswers(50)}, "Ansturm-Pod") })
	b.Run("not-told", func(b *testing.B) { benchmarkEngine(b, &instant{answers: podAnswers(50)}, "") })
}

func benchmarkEngine(b *testing.B, network *instant, podHeader string) {
	s := uniform(1<<32-1, 24*time.Hour, scenarios.Step{Method: "GET"})
	cfg, _ := config(b, s, "127.0.0.1:80")
	cfg.PodHeader = podHeader
	count := &counter{}
	cfg.Recorder, cfg.Samples, cfg.Closed = count, count.shard, 64
	e, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	e.start = time.Now()
	shard := e.newShard(0, 1, 100, network)
	cpu := readHealth().cpu
	b.ReportAllocs()
	for b.Loop() {
		for before := count.ok.Load(); count.ok.Load() == before; {
			shard.look()
			shard.listen(shard.fireDue())
		}
	}
	b.ReportMetric(float64((readHealth().cpu-cpu).Nanoseconds())/float64(count.ok.Load()), "cpu-ns/shot")
}
