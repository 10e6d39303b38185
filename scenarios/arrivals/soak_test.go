package arrivals

import (
	"flag"
	"testing"
	"time"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// The flags of make soak: a range of seeds.
var (
	soakFrom = flag.Int64("soak.from", -1, "first seed; -1: after the last one that the proofs have")
	soakTo   = flag.Int64("soak.to", 0, "the seed after the last; -1: the soak's own goal; 0: no soak")
)

const (
	soakGoal     = 2000
	soakTotal    = 50_000
	arrivalProof = "../../testdata/proofs/arrivals.jsonl"
)

// arrivalPiece is a line of proof: one shape, 1,000 seeds.
type arrivalPiece struct {
	Date       string  `json:"date"`
	Commit     string  `json:"commit"`
	From       int64   `json:"from"`
	To         int64   `json:"to"`
	Shape      string  `json:"shape"`
	Arrivals   int64   `json:"arrivals"` // of each seed
	Shares     int     `json:"shares"`
	Times      float64 `json:"times_p"` // the smallest of the shares'
	Gaps       float64 `json:"gaps_p"`
	Dispersion float64 `json:"dispersion"` // the one farthest from 1
	Broken     int     `json:"broken"`     // shares that break the law
	Seconds    float64 `json:"seconds"`
}

// TestSoakArrivals is the arrival law at the size of a run's blocks: 50,000 arrivals a seed, the whole and 16 shares.
func TestSoakArrivals(t *testing.T) {
	if *soakTo == 0 {
		t.Skip("make soak")
	}
	to := *soakTo
	if to < 0 {
		to = soakGoal
	}
	done := arrivalsSoaked(t)
	for from := max(*soakFrom, 0); from+lawSeeds <= to; from += lawSeeds {
		for i, c := range lawShapes() {
			for _, of := range []int{1, 16} {
				if *soakFrom < 0 && done[arrivalPiece{From: from, Shape: c.name, Shares: of}] {
					continue
				}
				p := soakShape(t, c, uint64(i+100)<<32, from, of)
				if err := proofs.Append(arrivalProof, p); err != nil {
					t.Fatal(err)
				}
				if p.Broken > 0 {
					t.Errorf("%+v", p)
				}
				t.Logf("%+v", p)
			}
		}
	}
}

func soakShape(t *testing.T, c shaped, seeds uint64, from int64, of int) arrivalPiece {
	began := time.Now()
	looks, sets := make([]look, of), shares(of)
	for seed := range int64(lawSeeds) {
		c.lookAt(c.schedule(t, soakTotal, "poisson", seeds|uint64(from+seed), blockAim), sets, looks)
	}
	p := arrivalPiece{
		Date: began.UTC().Format(time.DateOnly), Commit: proofs.Commit(), From: from, To: from + lawSeeds,
		Shape: c.name, Arrivals: soakTotal, Shares: of, Times: 1, Gaps: 1, Dispersion: 1,
	}
	for index := range looks {
		f := looks[index].findings()
		p.Times, p.Gaps = min(p.Times, f.times), min(p.Gaps, f.gaps)
		if abs(f.dispersion-1) > abs(p.Dispersion-1) {
			p.Dispersion = f.dispersion
		}
		if broken := f.broken(); broken != nil {
			p.Broken++
			t.Errorf("%s, share %d of %d, breaks the law of %v", c.name, index, of, broken)
		}
	}
	p.Seconds = float64(time.Since(began).Milliseconds()) / 1000
	return p
}

func abs(x float64) float64 { return max(x, -x) }

// arrivalsSoaked are the pieces that the proofs have.
func arrivalsSoaked(t *testing.T) map[arrivalPiece]bool {
	pieces, err := proofs.Read[arrivalPiece](arrivalProof)
	if err != nil {
		t.Fatal(err)
	}
	done := map[arrivalPiece]bool{}
	for _, p := range pieces {
		done[arrivalPiece{From: p.From, Shape: p.Shape, Shares: p.Shares}] = true
	}
	return done
}
