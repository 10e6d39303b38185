package record

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// crowd is a run of that many tenants and steps.
func crowd(tenants, steps int, speed float64) Run {
	run := testRun(1)
	run.Speed, run.Scenario.Tenants.List, run.Scenario.Journeys[0].Steps = speed, nil, nil
	for k := range steps {
		run.Scenario.Journeys[0].Steps = append(run.Scenario.Journeys[0].Steps, scenarios.Step{Name: fmt.Sprintf("step-%d", k)})
	}
	for k := range tenants {
		run.Scenario.Tenants.List = append(run.Scenario.Tenants.List, tenantNamed(k))
	}
	return run
}

func TestCountingAllocatesNothingOnceUnderWay(t *testing.T) {
	w, err := Create(t.TempDir(), testRun(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(started, nil)
	sh := w.Shard()
	k := 0
	again := func() { // the same second over and over
		sh.Sample(testSample(k%200, 10_000))
		k++
	}
	for range 400 {
		again()
	}
	if n := testing.AllocsPerRun(1000, again); n > 0 {
		t.Errorf("%v allocations a sample", n)
	}
}

// BenchmarkShardSample is one shot, recorded by one shard; the writer merges and writes meanwhile. The names say how
// many tenants with how many steps there are and how many shots a second of the samples' own time: the more, the less
// often the writer comes.
func BenchmarkShardSample(b *testing.B) {
	for _, c := range []struct {
		tenants, steps, rate int
		speed                float64
	}{{1, 1, 100_000, 1}, {150, 6, 100_000, 1}, {150, 6, 10_000, 1}, {2000, 10, 10_000, 1}, {150, 2, 900, 10}} {
		b.Run(fmt.Sprintf("%dx%d@%d", c.tenants, c.steps, c.rate), func(b *testing.B) {
			w, err := Create(b.TempDir(), crowd(c.tenants, c.steps, c.speed))
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close(started, nil)
			sh := w.Shard()
			samples := shots(1<<16, c.tenants, c.steps)
			b.ReportAllocs()
			k := 0
			for b.Loop() {
				s := samples[k%len(samples)]
				due := time.Duration(k) * time.Second / time.Duration(c.rate)
				s.Seq, s.Due = uint32(k), due
				s.Sent, s.FirstByte, s.Done = s.Sent+due, s.FirstByte+due, s.Done+due
				sh.Sample(s)
				k++
			}
		})
	}
}

// shots are samples due at 0: a good answer takes about 200 ms, one in fifty fails.
func shots(n, tenants, steps int) []Sample {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]Sample, n)
	for i := range out {
		s := &out[i]
		s.Tenant, s.Step = random.Int32N(int32(tenants)), random.Int32N(int32(steps))
		s.Sent = time.Duration(40e3 * random.ExpFloat64())
		s.FirstByte = s.Sent + time.Duration(200e6*math.Exp(0.6*random.NormFloat64()))
		s.Done = s.FirstByte + 30*time.Microsecond
		if i%50 == 0 {
			s.Outcome = Failed
		}
	}
	return out
}
