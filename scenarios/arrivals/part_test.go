package arrivals

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/scenarios"
)

// anySchedule draws a schedule of up to 3,000 arrivals on a curve of up to three shapes, of one block or many, any
// number of whose levels are not in the table.
func anySchedule(t *rapid.T) *Schedule {
	kinds := shapes()
	names := slices.Sorted(maps.Keys(kinds))
	var curve []scenarios.Shape
	for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 3).Draw(t, "shapes") {
		shape := kinds[name]
		shape.Weight = rapid.Float64Range(0.1, 9).Draw(t, "weight")
		curve = append(curve, shape)
	}
	sc := scenario(
		rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(1, 3000)).Draw(t, "total"), 10*time.Minute,
		rapid.SampledFrom([]string{"poisson", "uniform"}).Draw(t, "process"), rapid.Uint64().Draw(t, "seed"), curve...)
	s, err := newSchedule(sc, rapid.SampledFrom([]int64{blockAim, 500, 20}).Draw(t, "aim"))
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(0, s.kept).Draw(t, "levels not kept") {
		s.kept--
		for i := range 1<<s.kept + 1 {
			s.before[i] = s.before[2*i]
		}
	}
	return s
}

// anyOf draws a number of parts.
func anyOf(t *rapid.T) int { return Strands << rapid.IntRange(0, stretchBits).Draw(t, "m") }

// anyPartition draws sets that have each part once, as a fleet's leases do: in ranges of any length, dealt to up to
// forty owners, some of whom get nothing.
func anyPartition(t *rapid.T, of int) []Set {
	cuts := rapid.SliceOfN(rapid.IntRange(0, of), 0, 60).Draw(t, "cuts")
	cuts = append(cuts, 0, of)
	slices.Sort(cuts)
	ranges := make([][]Range, rapid.IntRange(1, 40).Draw(t, "owners"))
	for i := range cuts[1:] {
		owner := rapid.IntRange(0, len(ranges)-1).Draw(t, "owner")
		ranges[owner] = append(ranges[owner], Range{cuts[i], cuts[i+1]})
	}
	sets := make([]Set, len(ranges))
	for i := range sets {
		sets[i] = parts(t, of, ranges[i]...)
	}
	return sets
}

func parts(t interface{ Fatal(...any) }, of int, ranges ...Range) Set {
	set, err := Parts(of, ranges...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestPartsMakeTheWhole: for every partition of the parts, however many there are, what the owners make is the schedule,
// each arrival once, to the bit; and cutting it finer changes nothing but the names of the parts.
func TestPartsMakeTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, of := anySchedule(t), anyOf(t)
		whole := collect(s, parts(t, of, Range{0, of}))
		var union []Arrival
		owned := 0
		for _, set := range anyPartition(t, of) {
			mine := collect(s, set)
			for i, a := range mine {
				if !set.Has(int(a.Part)) || i > 0 && !mine[i-1].before(a) {
					t.Fatalf("arrival %d of an owner is %+v", i, a)
				}
			}
			union = append(union, mine...)
			owned += set.Len()
		}
		slices.SortFunc(union, compare)
		if !slices.Equal(union, whole) || owned != of {
			t.Fatalf("%d of %d parts make %d arrivals that are not the %d", owned, of, len(union), len(whole))
		}
		for i, a := range collect(s, Set{}) {
			if a.Part = whole[i].Part; a != whole[i] {
				t.Fatalf("arrival %d is %+v in %d parts, else %+v", i, whole[i], of, a)
			}
		}
	})
}

// TestStretchesNest: part p is the parts 2p and 2p+1 of twice as many, and the Seqs of a drawn block rise with the parts.
func TestStretchesNest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, of := anySchedule(t), anyOf(t)
		finest := collect(s, parts(t, MostParts, Range{0, MostParts}))
		for i, a := range collect(s, parts(t, of, Range{0, of})) {
			if want := finest[i].Part / uint16(MostParts/of); a.Part != want {
				t.Fatalf("%+v lies in part %d of %d, not %d", a, a.Part, of, want)
			}
		}
		b := rapid.IntRange(0, s.Blocks()-1).Draw(t, "block")
		block := s.Block(b, parts(t, MostParts, Range{0, MostParts}), nil)
		slices.SortFunc(block, func(a, b Arrival) int { return int(a.Seq) - int(b.Seq) })
		if !s.uniform && !slices.IsSortedFunc(block, func(a, b Arrival) int { return int(a.Part) - int(b.Part) }) {
			t.Fatal("the Seqs of a part are not one stretch")
		}
	})
}

// TestReadingOn: a Reader gives what a new one gives, whatever it read before, and From gives what All has from there.
func TestReadingOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, of := anySchedule(t), anyOf(t)
		set := anyPartition(t, of)[0]
		reader := s.Reader(set)
		for _, b := range rapid.SliceOfN(rapid.IntRange(-1, s.Blocks()), 1, 12).Draw(t, "blocks") {
			if !slices.Equal(reader.Block(b, nil), s.Block(b, set, nil)) {
				t.Fatalf("block %d depends on the one before", b)
			}
		}
		all, at := collect(s, set), time.Duration(rapid.Int64Range(-1, int64(11*time.Minute)).Draw(t, "at"))
		for len(all) > 0 && all[0].Due < at {
			all = all[1:]
		}
		if !slices.Equal(slices.Collect(s.From(set, at)), all) {
			t.Fatalf("what is due from %s on is not the rest of all", at)
		}
	})
}

// TestSharesOfASet: which of the shares has a part is the same in every set.
func TestSharesOfASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of, shares := anyOf(t), rapid.IntRange(1, 70).Draw(t, "shares")
		set, index := anyPartition(t, of)[0], rapid.IntRange(0, shares-1).Draw(t, "index")
		share := set.Share(Share{index, shares})
		for part := range of {
			if share.Has(part) != (set.Has(part) && part%shares == index) {
				t.Fatalf("part %d, share %d of %d", part, index, shares)
			}
		}
	})
}

// TestBlockOf: every name leads to the block that has it.
func TestBlockOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySchedule(t)
		reader := s.Reader(Set{})
		for _, seq := range rapid.SliceOfN(rapid.Uint32Range(0, uint32(s.Total()-1)), 1, 20).Draw(t, "seqs") {
			b := reader.BlockOf(seq)
			if !slices.ContainsFunc(s.Block(b, Set{}, nil), func(a Arrival) bool { return a.Seq == seq }) {
				t.Fatalf("%d is not in block %d of %d", seq, b, s.Blocks())
			}
		}
		if b := reader.BlockOf(uint32(s.Total())); b != s.Blocks() {
			t.Fatalf("an arrival after the last is in block %d", b)
		}
	})
}

func TestPartsThatAreNone(t *testing.T) {
	for _, test := range []struct {
		of     int
		ranges []Range
		want   string
	}{
		{0, nil, "parts: 0, must be 64 times a power of two, at most 16384"},
		{-64, nil, "parts: -64"},
		{63, nil, "parts: 63"},
		{192, nil, "parts: 192"},
		{2 * MostParts, nil, "parts: 32768"},
		{64, []Range{{0, 1}, {-1, 5}}, "parts: range -1 to 5, must rise and be within 0 to 64"},
		{64, []Range{{5, 65}}, "parts: range 5 to 65"},
		{64, []Range{{5, 4}}, "parts: range 5 to 4"},
	} {
		if _, err := Parts(test.of, test.ranges...); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("Parts(%d, %v): %v, want %s", test.of, test.ranges, err, test.want)
		}
	}
	if set := parts(t, 128, Range{3, 3}); set.Len() != 0 || set.Of() != 128 || set.Has(3) {
		t.Errorf("an empty range is %+v", set)
	}
	if set := parts(t, 128, Range{3, 70}, Range{60, 80}); set.Len() != 77 || set.Has(2) || !set.Has(79) || set.Has(128) || set.Has(-1) {
		t.Errorf("ranges that overlap are %+v", set)
	}
	for _, share := range []Share{{-1, 4}, {4, 4}, {1, 1}, {1, 0}} {
		if n := share.Set().Len(); n != 0 {
			t.Errorf("%+v has %d parts", share, n)
		}
	}
}

// TestPartsGoldenHash: the same arrivals lie in the same parts on every machine and after every change.
func TestPartsGoldenHash(t *testing.T) {
	for process, golden := range map[string]string{"poisson": "bdd2986d2eb8a61d", "uniform": "ee9c17bcbc2c70da"} {
		s := must(t, scenario(50_000, 10*time.Minute, process, 42, shapes()["deadline"]))
		h := sha256.New()
		for a := range s.All(parts(t, 4096, Range{0, 4096})) {
			h.Write(binary.LittleEndian.AppendUint16(nil, a.Part))
		}
		if got := hex.EncodeToString(h.Sum(nil)[:8]); got != golden {
			t.Errorf("%s: hash %q, golden %q", process, got, golden)
		}
	}
}

// TestPartLaw: parts are random parts of the process, as whole strands are. Each set here has one stretch of four of
// every leaf, so that every leaf is cut; stretches of fixed sizes would not pass.
func TestPartLaw(t *testing.T) {
	const m = 4
	var sets []Set
	for stretch := range m {
		var ranges []Range
		for strand := range Strands {
			ranges = append(ranges, Range{strand*m + stretch, strand*m + stretch + 1})
		}
		sets = append(sets, parts(t, Strands*m, ranges...))
	}
	var looks [m]look
	var d deal
	c := lawShapes()[6]
	for seed := range uint64(lawSeeds / 4) {
		d.add(c.lookAt(c.schedule(t, lawTotal, "poisson", 2<<40|seed, lawTotal), sets, looks[:]), sets)
	}
	for stretch := range looks {
		if broken := looks[stretch].findings().broken(); broken != nil {
			t.Errorf("stretch %d of %d breaks the law of %v", stretch, m, broken)
		}
	}
	d.check(t, m)
}
