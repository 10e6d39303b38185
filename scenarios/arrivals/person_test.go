package arrivals

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/scenarios"
)

// crowd is a scenario of two journeys, one impatient.
func crowd(t testing.TB) (*scenarios.Scenario, *Schedule) {
	half, think, patience, pause := 0.25, 4*time.Second, 8*time.Second, time.Minute
	sc := scenario(40_000, time.Minute, "poisson", 9)
	sc.Journeys = []scenarios.Journey{
		{Name: "calm", Weight: 1, Steps: []scenarios.Step{{Name: "look", URL: "/"}}},
		{
			Name: "apply", Weight: 3,
			Steps: []scenarios.Step{
				{Name: "form", URL: "/f", Share: &half},
				{Name: "submit", URL: "/s", Think: &scenarios.Distribution{Exponential: &think}},
			},
			Impatience: &scenarios.Impatience{
				Patience: scenarios.Distribution{Exponential: &patience},
				Reload:   0.3, ComeBack: 0.2, GiveUp: 0.5, After: &scenarios.Distribution{Exponential: &pause}, Most: 2,
			},
		},
	}
	return sc, must(t, sc)
}

// near fails unless the share of hits among n is want, within five standard deviations.
func near(t *testing.T, what string, hits, n int, want float64) {
	t.Helper()
	if got := float64(hits) / float64(n); math.Abs(got-want) > 5*math.Sqrt(want*(1-want)/float64(n)) {
		t.Errorf("%s: share %.4f of %d, want %.4f", what, got, n, want)
	}
}

// TestPeopleBehaveAsTheScenarioSays holds shares and means of 40,000 persons to the scenario.
func TestPeopleBehaveAsTheScenarioSays(t *testing.T) {
	_, s := crowd(t)
	apply, form, reload, comeBack := 0, 0, 0, 0
	var think, patience, pause time.Duration
	for seq := range uint32(s.Total()) {
		p := s.Person(seq)
		if p.Journey() == 0 {
			if first, end := p.Steps(); first != 0 || end != 1 || !p.Takes(0) || p.Think(0) != 0 || p.Patience(0, 0) != 0 {
				t.Fatalf("a calm person: steps %d to %d", first, end)
			}
			if r, _ := p.React(0, 0); r != GiveUp {
				t.Fatal("a person without impatience tries again")
			}
			continue
		}
		if first, end := p.Steps(); first != 1 || end != 3 || !p.Takes(2) {
			t.Fatalf("an applicant: steps %d to %d", first, end)
		}
		apply++
		if p.Takes(1) {
			form++
		}
		think += p.Think(2)
		patience += p.Patience(2, 0)
		switch r, after := p.React(2, 1); r {
		case Reload:
			reload++
		case ComeBack:
			comeBack++
			pause += after
		}
		if r, _ := p.React(2, 2); r != GiveUp {
			t.Fatal("a third retry where two are the most")
		}
	}
	near(t, "journey", apply, int(s.Total()), 0.75)
	near(t, "form", form, apply, 0.25)
	near(t, "reload", reload, apply, 0.3)
	near(t, "come back", comeBack, apply, 0.2)
	for what, x := range map[string][2]float64{
		"think":    {think.Seconds() / float64(apply), 4},
		"patience": {patience.Seconds() / float64(apply), 8},
		"pause":    {pause.Seconds() / float64(comeBack), 60},
	} {
		if math.Abs(x[0]-x[1]) > 0.07*x[1] { // five standard deviations of 6,000 exponentials' mean
			t.Errorf("mean %s is %.2f s, want %v s", what, x[0], x[1])
		}
	}
}

// TestDrawsAreApart: what is drawn for one end says nothing about another: correlations over 40,000 persons stay
// within five standard deviations, 5/√40000.
func TestDrawsAreApart(t *testing.T) {
	_, s := crowd(t)
	draws := map[string]func(Person) float64{
		"work of a try":        func(p Person) float64 { return p.Work(2, 0) },
		"work of the next":     func(p Person) float64 { return p.Work(2, 1) },
		"work of another step": func(p Person) float64 { return p.Work(1, 0) },
		"work of the next Seq": func(p Person) float64 { return s.Person(p.seq+1).Work(2, 0) },
		"patience":             func(p Person) float64 { return p.Uniform(0, 2, 0) },
		"another purpose":      func(p Person) float64 { return p.Uniform(1, 2, 0) },
		"tenant":               func(p Person) float64 { return open(key(s.seed, forTenant, uint64(p.seq))) },
	}
	n := float64(s.Total())
	for a, drawA := range draws {
		for b, drawB := range draws {
			if a >= b {
				continue
			}
			sum := 0.0
			for seq := range uint32(s.Total()) {
				p := s.Person(seq)
				sum += (drawA(p) - 0.5) * (drawB(p) - 0.5) * 12
			}
			if math.Abs(sum/n) > 5/math.Sqrt(n) {
				t.Errorf("%s and %s are correlated: %.4f", a, b, sum/n)
			}
		}
	}
}

// TestPeopleArePure: the same from another schedule of the same scenario, whatever was asked before.
func TestPeopleArePure(t *testing.T) {
	sc, s := crowd(t)
	rapid.Check(t, func(t *rapid.T) {
		other, err := New(sc)
		if err != nil {
			t.Fatal(err)
		}
		seq := uint32(rapid.Int64Range(0, s.Total()-1).Draw(t, "seq"))
		step, try := rapid.IntRange(0, 2).Draw(t, "step"), rapid.IntRange(0, 5).Draw(t, "try")
		a, b := s.Person(seq), other.Person(seq)
		ra, pa := a.React(step, try)
		rb, pb := b.React(step, try)
		if a.Journey() != b.Journey() || a.Think(step) != b.Think(step) || a.Patience(step, try) != b.Patience(step, try) ||
			ra != rb || pa != pb || a.Work(step, try) != b.Work(step, try) {
			t.Fatal("two persons of one name differ")
		}
		if w := a.Work(step, try); !(w > 0 && w < 1) {
			t.Fatalf("work %v", w)
		}
	})
}

func TestNothingIsAllocated(t *testing.T) {
	_, s := crowd(t)
	buf, share := s.Block(0, Set{}, nil), Share{1, 3}.Set()
	if n := testing.AllocsPerRun(20, func() { buf = s.Block(1, share, buf[:0]) }); n != 0 {
		t.Errorf("a block allocates %v times", n)
	}
	var sink time.Duration
	if n := testing.AllocsPerRun(100, func() {
		p := s.Person(77)
		first, end := p.Steps()
		for step := first; step < end; step++ {
			_, pause := p.React(step, 0)
			sink += p.Think(step) + p.Patience(step, 1) + pause
		}
	}); n != 0 {
		t.Errorf("a person allocates %v times", n)
	}
}

func TestNewRefusesWhatCannotBeDealt(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*scenarios.Scenario)
		want   string
	}{
		{"no tenants", func(s *scenarios.Scenario) { s.Tenants.List = nil }, "schedule: tenants: there are 0, at least 1 is needed"},
		{"no journeys", func(s *scenarios.Scenario) { s.Journeys = nil }, "schedule: journeys: there are 0, at least 1 is needed"},
		{"total 0", func(s *scenarios.Scenario) { s.Arrivals.Total = 0 }, "schedule: total is 0, must be 1 to 4294967295"},
		{"no length", func(s *scenarios.Scenario) { s.Arrivals.Over = 0 }, "schedule: arrival curve: over is 0s, must be above 0 and at most 2160h"},
		{"unknown process", func(s *scenarios.Scenario) { s.Arrivals.Process = "x" }, `schedule: process is "x", must be poisson or uniform`},
		{"negative weight", func(s *scenarios.Scenario) { s.Tenants.List[1].Weight = -1 }, "schedule: tenants: weight -1 of number 2, must be above 0"},
		{"NaN", func(s *scenarios.Scenario) { s.Journeys[0].Weight = math.NaN() }, "schedule: journeys: weight NaN of number 1, must be above 0"},
	} {
		sc := scenario(10, time.Minute, "", 1)
		test.change(sc)
		if _, err := New(sc); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

// TestAliasKeepsWeights: each index's threshold and what others lend it make up its weight, to 2⁻⁵⁰.
func TestAliasKeepsWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Float64Range(0.001, 1000), 1, 60).Draw(t, "weights")
		table, err := newAlias(weights)
		if err != nil {
			t.Fatal(err)
		}
		total, got := 0.0, make([]float64, len(weights))
		for i, w := range weights {
			total += w
			own := float64(table.threshold[i]) / 0x1p64
			got[i] += own
			got[table.other[i]] += 1 - own
		}
		for i, w := range weights {
			if want := w / total * float64(len(weights)); math.Abs(got[i]-want) > 1e-11 {
				t.Fatalf("index %d has weight %v, want %v", i, got[i], want)
			}
		}
	})
}

func BenchmarkPerson(b *testing.B) {
	_, s := crowd(b)
	b.ReportAllocs()
	var sink time.Duration
	for i := 0; b.Loop(); i++ {
		p := s.Person(uint32(i))
		first, end := p.Steps()
		for step := first; step < end; step++ {
			if p.Takes(step) {
				sink += p.Think(step) + p.Patience(step, 0)
			}
		}
	}
	_ = sink
}

func BenchmarkShareOf64(b *testing.B) {
	sc, err := scenarios.Find("briefwahl")
	if err != nil {
		b.Fatal(err)
	}
	s := must(b, sc)
	var buf []Arrival
	n, reader := 0, s.Reader(Share{7, Strands}.Set())
	for i := 0; b.Loop(); i++ {
		buf = reader.Block(i%s.Blocks(), buf[:0])
		n += len(buf)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/arrival")
}
