package arrivals

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// The arrival law's test is worth what it refuses. These are the processes that load generators really have.

// expectBroken says where the findings do not break one of the parts.
func expectBroken(t *testing.T, what string, f findings, parts ...string) {
	t.Helper()
	broken := strings.Join(f.broken(), ", ")
	for _, part := range parts {
		if !strings.Contains(broken, part) {
			t.Errorf("%s passes for Poisson in its %s: %+v", what, part, f)
		}
	}
	t.Logf("%s: breaks the law of %s", what, broken)
}

// TestEvenGridBreaksTheLaw: the schedule's own uniform process fails in every part, on every shape; so does a share.
func TestEvenGridBreaksTheLaw(t *testing.T) {
	for i, c := range lawShapes() {
		var whole, share look
		for seed := range uint64(100) {
			s := c.schedule(t, lawTotal, "uniform", uint64(i)<<32|seed, 160)
			whole.u = c.rescale(s, Set{}, whole.u[:0])
			whole.add(whole.u)
			share.u = c.rescale(s, Share{1, 2}.Set(), share.u[:0])
			share.add(share.u)
		}
		expectBroken(t, c.name+", even grid", whole.findings(), "times", "gaps", "dispersion")
		expectBroken(t, c.name+", half of an even grid", share.findings(), "times", "gaps", "dispersion")
	}
}

// poisson is lawTotal uniform numbers in order.
func poisson(random *rand.Rand, n int) []float64 {
	u := make([]float64, n)
	for i := range u {
		u[i] = random.Float64()
	}
	slices.Sort(u)
	return u
}

// perSecond is a generator that works second by second on a curve: it asks count how many arrivals the expected number
// makes, and strews them within the second. The times come rescaled by the curve's integral.
func perSecond(c shaped, random *rand.Rand, count func(expected float64) int) (u []float64) {
	for second := 0.0; second < c.over.Seconds(); second++ {
		expected := lawTotal * (c.before(second+1) - c.before(second))
		for range count(expected) {
			u = append(u, c.before(second+random.Float64()))
		}
	}
	slices.Sort(u)
	return u
}

// TestWrongProcessesBreakTheLaw: each part of the law is needed by one of them.
func TestWrongProcessesBreakTheLaw(t *testing.T) {
	minute := shaped{"ramp of a minute", time.Minute, []scenarios.Shape{{Kind: "ramp", Start: 1, End: 5}}, within(rampMass(1, 5, 0, 60), 0, 60)}
	carry := 0.0
	for _, wrong := range []struct {
		name  string
		draw  func(random *rand.Rand) []float64
		parts []string
	}{
		{"jittered grid", func(random *rand.Rand) []float64 {
			u := make([]float64, lawTotal)
			for i := range u {
				u[i] = (float64(i) + random.Float64()) / lawTotal
			}
			return u
		}, []string{"times", "gaps", "dispersion"}},
		{"every seventh arrival to this worker", func(random *rand.Rand) []float64 {
			all, u := poisson(random, lawTotal), []float64{}
			for i := random.IntN(7); i < len(all); i += 7 {
				u = append(u, all[i])
			}
			return u
		}, []string{"times", "gaps", "dispersion"}},
		{"integer division each second", func(random *rand.Rand) []float64 {
			return perSecond(minute, random, func(expected float64) int { return int(expected) })
		}, []string{"times", "dispersion"}},
		{"rounding each second, the rest carried on", func(random *rand.Rand) []float64 {
			return perSecond(minute, random, func(expected float64) int {
				carry += expected
				n := int(carry)
				carry -= float64(n)
				return n
			})
		}, []string{"times", "dispersion"}},
		{"on a clock of 100 ms", func(random *rand.Rand) []float64 {
			u := poisson(random, lawTotal)
			for i := range u {
				u[i] = (math.Floor(u[i]*600) + 0.5) / 600
			}
			return u
		}, []string{"gaps"}},
		{"gaps drawn evenly from 0 to twice the mean", func(random *rand.Rand) []float64 {
			u, sum := make([]float64, lawTotal), 0.0
			for i := range u {
				sum += random.Float64()
				u[i] = sum
			}
			for i := range u {
				u[i] /= sum + random.Float64()
			}
			return u
		}, []string{"times", "gaps", "dispersion"}},
		{"couples", func(random *rand.Rand) []float64 {
			u := poisson(random, lawTotal/2)
			for _, x := range u[:len(u):len(u)] {
				u = append(u, min(x+random.Float64()*1e-6, 1-1e-12))
			}
			slices.Sort(u)
			return u
		}, []string{"times", "gaps", "dispersion"}},
		{"a curve a tenth too steep", func(random *rand.Rand) []float64 {
			u := poisson(random, lawTotal)
			for i := range u {
				u[i] = math.Pow(u[i], 1/1.1)
			}
			return u
		}, []string{"times"}},
		{"each twentieth of the surge gets its exact part", func(random *rand.Rand) []float64 {
			u := make([]float64, 0, lawTotal)
			for bin := range lawBins {
				for range lawTotal / lawBins {
					u = append(u, (float64(bin)+random.Float64())/lawBins)
				}
			}
			slices.Sort(u)
			return u
		}, []string{"times", "dispersion"}},
	} {
		var l look
		for seed := range uint64(lawSeeds) {
			l.add(wrong.draw(rand.New(rand.NewPCG(seed, 77))))
		}
		expectBroken(t, wrong.name, l.findings(), wrong.parts...)
	}
	var right look // and the test is not one that refuses everything
	for seed := range uint64(lawSeeds) {
		right.add(poisson(rand.New(rand.NewPCG(seed, 77)), lawTotal))
	}
	if broken := right.findings().broken(); broken != nil {
		t.Errorf("sorted uniform numbers break the law of %v", broken)
	}
}

// TestUnfairSharesAreFound: shares of a fixed size are no random parts of a process, even where each looks like one.
func TestUnfairSharesAreFound(t *testing.T) {
	var d deal
	sets := shares(16)
	for seed := range uint64(lawSeeds) {
		random := rand.New(rand.NewPCG(seed, 5))
		counts := make([][lawBins]float64, 16)
		for i := range lawTotal {
			counts[i%16][random.IntN(lawBins)]++
		}
		d.add(counts, sets)
	}
	if got := d.sizes / float64(d.seeds); got != 0 {
		t.Errorf("the dispersion of equal sizes is %v", got)
	}
	if got := d.cells / float64(d.seeds); math.Abs(got-1) < 5*math.Sqrt(2/(319*float64(lawSeeds))) {
		t.Errorf("shares of a fixed size pass for random parts: dispersion %.4f", got)
	}
}
