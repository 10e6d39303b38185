package arrivals

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/scenarios"
)

// shapes are one of every named kind, for a surge of ten minutes.
func shapes() map[string]scenarios.Shape {
	const minute = time.Minute
	return map[string]scenarios.Shape{
		"constant": {Kind: "constant"},
		"ramp":     {Kind: "ramp", Start: 1, End: 5},
		"step":     {Kind: "step", At: 4 * minute, Start: 1, End: 6},
		"spike":    {Kind: "spike", At: 5 * minute, Width: 3 * minute},
		"gaussian": {Kind: "gaussian", At: 5 * minute, Width: minute},
		"daily":    {Kind: "daily", At: 5 * minute, Base: 0.1},
		"deadline": {Kind: "deadline", At: 9 * minute, Width: 2 * minute},
		"points": {Kind: "points", Points: []scenarios.Point{
			{At: 0, Rate: 1}, {At: 2 * minute, Rate: 0}, {At: 4 * minute, Rate: 0}, {At: 4 * minute, Rate: 3}, {At: 10 * minute, Rate: 2},
		}},
	}
}

// collect makes the set's whole schedule, block after block.
func collect(s *Schedule, set Set) []Arrival { return slices.Collect(s.All(set)) }

// compare orders arrivals as a schedule does.
func compare(a, b Arrival) int {
	if a.before(b) {
		return -1
	}
	return 1
}

// TestSharesMakeTheWhole: for any scenario and any number of workers, the shares are disjoint and their union is the
// whole, to the nanosecond; there are exactly N arrivals, each Seq once, in order and within the surge.
func TestSharesMakeTheWhole(t *testing.T) {
	all := shapes()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		sc := scenario(
			rapid.Int64Range(1, 40_000).Draw(t, "total"), 10*time.Minute,
			rapid.SampledFrom([]string{"poisson", "uniform"}).Draw(t, "process"), rapid.Uint64().Draw(t, "seed"),
			all[rapid.SampledFrom(names).Draw(t, "shape")])
		s, err := New(sc)
		if err != nil {
			t.Fatal(err)
		}
		whole := collect(s, Set{})
		if int64(len(whole)) != s.Total() {
			t.Fatalf("%d arrivals of %d", len(whole), s.Total())
		}
		seen := make([]bool, len(whole))
		for i, a := range whole {
			if a.Due < 0 || a.Due > sc.Arrivals.Over || i > 0 && !whole[i-1].before(a) {
				t.Fatalf("arrival %d is %+v, before it %+v", i, a, whole[max(0, i-1)])
			}
			if seen[a.Seq] {
				t.Fatalf("Seq %d is there twice", a.Seq)
			}
			seen[a.Seq] = true
		}
		of := rapid.IntRange(1, Strands).Draw(t, "of")
		var union []Arrival
		for index := range of {
			union = append(union, collect(s, Share{index, of}.Set())...)
		}
		slices.SortFunc(union, compare)
		if !slices.Equal(union, whole) {
			t.Fatalf("the union of %d shares is not the whole", of)
		}
	})
}

// TestAnyBlockAlone: a block made first, last or twice is the same, and so is a share of it.
func TestAnyBlockAlone(t *testing.T) {
	sc, err := scenarios.Find("briefwahl")
	if err != nil {
		t.Fatal(err)
	}
	s := must(t, sc)
	rapid.Check(t, func(t *rapid.T) {
		fresh, err := New(sc)
		if err != nil {
			t.Fatal(err)
		}
		b := rapid.IntRange(0, s.Blocks()-1).Draw(t, "block")
		of := rapid.IntRange(1, Strands).Draw(t, "of")
		share := Share{rapid.IntRange(0, of-1).Draw(t, "index"), of}.Set()
		alone := fresh.Block(b, share, nil)
		after := s.Block(b, share, s.Block(max(0, b-1), Set{}, nil)[:0])
		if !slices.Equal(alone, after) {
			t.Fatal("a block depends on the one before")
		}
		if next := s.Block(b+1, Set{}, nil); len(next) > 0 && len(alone) > 0 && next[0].Due < alone[len(alone)-1].Due {
			t.Fatal("blocks overlap in time")
		}
	})
	if len(s.Block(-1, Set{}, nil)) != 0 || len(s.Block(s.Blocks(), Set{}, nil)) != 0 {
		t.Error("a block that is none has arrivals")
	}
}

func TestResuming(t *testing.T) {
	s := must(t, scenario(30_000, 10*time.Minute, "poisson", 5, shapes()["deadline"]))
	whole := collect(s, Set{})
	rapid.Check(t, func(t *rapid.T) {
		at := time.Duration(rapid.Int64Range(-1, int64(11*time.Minute)).Draw(t, "at"))
		before := 0
		for before < len(whole) && whole[before].Due < at {
			before++
		}
		if got := s.CountBefore(at); got != int64(before) {
			t.Fatalf("%d arrivals before %s, want %d", got, at, before)
		}
		later := 0
		for b := s.FirstBlock(at); b < s.Blocks(); b++ {
			for _, a := range s.Block(b, Set{}, nil) {
				if a.Due >= at {
					later++
				}
			}
		}
		if later != len(whole)-before {
			t.Fatalf("from the first block on %d arrivals at %s or later, want %d", later, at, len(whole)-before)
		}
	})
}

// TestTimeRescaling: an inhomogeneous Poisson process, its times put through the cumulative rate, is a homogeneous
// one (Papangelou 1972; Brown et al. 2002). Given the count, the rescaled times are uniform: the Kolmogorov–Smirnov
// distance D of n of them stays below 1.95/√n in 999 of 1,000 cases (1.949 is the asymptotic 0.1 % quantile). The
// seeds are fixed, so that the test is too. The number of neighbours closer than half the mean gap shows the spacing:
// 1−exp(−1/2) of them in a Poisson process, none in an even grid.
func TestTimeRescaling(t *testing.T) {
	for name, shape := range shapes() {
		for _, seed := range []uint64{1, 2, 3} {
			sc := scenario(20_000, 10*time.Minute, "poisson", seed, shape)
			d, short := rescaled(t, sc)
			if d > 1.949/math.Sqrt(20_000) {
				t.Errorf("%s, seed %d: D = %.5f", name, seed, d)
			}
			// binomial: five standard deviations of a share near 0.39 of 20,000 are 0.0173
			if math.Abs(short-(1-math.Exp(-0.5))) > 0.0173 {
				t.Errorf("%s, seed %d: %.4f of the gaps are short", name, seed, short)
			}
		}
	}
	d, short := rescaled(t, scenario(20_000, 10*time.Minute, "uniform", 1, shapes()["ramp"]))
	if short > 0.01 || d > 1e-3 {
		t.Errorf("an even grid passes for Poisson: D = %v, short gaps %v", d, short)
	}
}

// rescaled gives the Kolmogorov–Smirnov distance of the rescaled times, and the share of short gaps.
func rescaled(t *testing.T, sc *scenarios.Scenario) (distance, short float64) {
	curve, err := sc.Curve()
	if err != nil {
		t.Fatal(err)
	}
	n, last := float64(sc.Arrivals.Total), 0.0
	i := 0.0
	for a := range must(t, sc).All(Set{}) {
		count := curve.Cumulative(a.Due)
		distance = max(distance, math.Abs(count-i)/n, math.Abs(count-i-1)/n)
		if count-last < 0.5 {
			short++
		}
		last = count
		i++
	}
	return distance, short / n
}

// TestDispersion counts arrivals in 400 slots of equal mass: the index of dispersion of a Poisson process is 1, with a
// standard deviation of √(2/399) = 0.071; that of an even grid is 0.
func TestDispersion(t *testing.T) {
	index := func(process string) float64 {
		sc := scenario(100_000, 10*time.Minute, process, 11, shapes()["deadline"])
		curve, err := sc.Curve()
		if err != nil {
			t.Fatal(err)
		}
		var slots [400]float64
		for a := range must(t, sc).All(Set{}) {
			slots[min(399, int(curve.Cumulative(a.Due)/100_000*400))]++
		}
		variance := 0.0
		for _, n := range slots {
			variance += (n - 250) * (n - 250) / 399
		}
		return variance / 250
	}
	if d := index("poisson"); d < 0.7 || d > 1.3 {
		t.Errorf("index of dispersion of the Poisson process: %v", d)
	}
	if d := index("uniform"); d > 0.05 {
		t.Errorf("index of dispersion of the even grid: %v", d)
	}
}

// TestStrandsAreIndependent: the counts of a worker's share are binomial, not thinned evenly, and tenants come by weight.
func TestStrandsAreIndependent(t *testing.T) {
	s := must(t, scenario(64_000, 10*time.Minute, "poisson", 3))
	chi := 0.0
	for strand := range Strands {
		n := float64(len(collect(s, Share{strand, Strands}.Set())))
		chi += (n - 1000) * (n - 1000) / 1000
	}
	// χ² with 63 degrees of freedom: 0.1 % and 99.9 % quantiles 33.9 and 103.4
	if chi < 33.9 || chi > 103.4 {
		t.Errorf("χ² of the strands' sizes is %.1f", chi)
	}
	var tenants [3]float64
	for a := range s.All(Set{}) {
		tenants[a.Tenant]++
	}
	for i, weight := range []float64{5, 3, 1} {
		want := 64_000 * weight / 9
		if math.Abs(tenants[i]-want) > 5*math.Sqrt(want) {
			t.Errorf("tenant %d has %v arrivals, want about %.0f", i, tenants[i], want)
		}
	}
}

// TestSeedsDiffer: another seed is another schedule, down to who comes.
func TestSeedsDiffer(t *testing.T) {
	a, b := collect(must(t, scenario(1000, time.Minute, "poisson", 1)), Set{}), collect(must(t, scenario(1000, time.Minute, "poisson", 2)), Set{})
	same := 0
	for i := range a {
		if a[i].Due == b[i].Due {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of 1,000 arrivals are due at the same nanosecond under two seeds", same)
	}
}

// TestGoldenHashes: the same arrivals on every machine and after every change. A hash may change only with a reason,
// and then old records cannot be compared with new schedules: say so in the release notes.
func TestGoldenHashes(t *testing.T) {
	golden := map[string]string{
		"constant": "649edf02dbe78bf4",
		"ramp":     "007f61953a53d090",
		"step":     "3ca9ee1b6a4696e0",
		"spike":    "f3c66fe844bab936",
		"gaussian": "76850e5d09997f0e",
		"daily":    "72a00219b0849827",
		"deadline": "cf8be837d8905278",
		"points":   "64162633f30e6f16",
		"uniform":  "269267c26ae190e9",
		"zipf":     "3ae3dac27775c6aa",
	}
	schedules := map[string]*scenarios.Scenario{"uniform": scenario(50_000, 10*time.Minute, "uniform", 42, shapes()["gaussian"])}
	for name, shape := range shapes() {
		schedules[name] = scenario(50_000, 10*time.Minute, "poisson", 42, shape)
	}
	zipf := scenario(50_000, 10*time.Minute, "", 42, shapes()["ramp"], shapes()["deadline"])
	zipf.Tenants = scenarios.Tenants{Count: 150, Zipf: 0.8}
	filled, err := zipf.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	schedules["zipf"] = filled
	for name, sc := range schedules {
		h := sha256.New()
		var line [16]byte
		for a := range must(t, sc).All(Set{}) {
			binary.LittleEndian.PutUint32(line[:], a.Seq)
			binary.LittleEndian.PutUint64(line[4:], uint64(a.Due))
			binary.LittleEndian.PutUint32(line[12:], uint32(a.Tenant))
			h.Write(line[:])
		}
		if got := hex.EncodeToString(h.Sum(nil)[:8]); got != golden[name] {
			t.Errorf("%s: hash %q, golden %q", name, got, golden[name])
		}
	}
}
