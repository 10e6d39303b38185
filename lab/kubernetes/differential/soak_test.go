package differential

import (
	"flag"
	"testing"
	"time"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// The flags of make soak, as in the main module: a range of seeds, each a world. The soak goes through it piece by piece
// and writes one line of proof for each, so that it can be ended at any time and goes on where it stopped.
var (
	soakFrom  = flag.Int64("soak.from", -1, "first seed; -1: all that the proofs do not have yet")
	soakTo    = flag.Int64("soak.to", 0, "the seed after the last; -1: the soak's own goal; 0: nothing")
	soakProof = flag.String("soak.proof", "../../../testdata/proofs/hpa.jsonl", "the file of proofs")
)

const (
	soakPiece = 5_000   // seeds of a line of proof: 2e5 syncs
	soakGoal  = 250_000 // seeds: 1e7 syncs
)

// piece is a line of proof.
type piece struct {
	Date        string `json:"date"`
	Commit      string `json:"commit"`
	Kubernetes  string `json:"kubernetes"`
	Grammar     int    `json:"grammar"`
	From        int64  `json:"from"`
	To          int64  `json:"to"`
	Differences int    `json:"differences"`
	counts
	Seconds float64 `json:"seconds"`
}

// TestSoakController plays the worlds of a range of seeds.
func TestSoakController(t *testing.T) {
	if *soakTo == 0 {
		t.Skip("TestSameAsTheController plays a few thousand worlds; more on -soak.to")
	}
	for from, to := range proofs.Pieces(*soakFrom, *soakTo, soakGoal, soakPiece, soaked(t)) {
		p := soak(t, from, to)
		if err := proofs.Append(*soakProof, p); err != nil {
			t.Fatal(err)
		}
		t.Logf("seeds %d to %d: %d syncs, %.0f HPA-hours, %d differences in %.0f s", p.From, p.To, p.Syncs, p.Hours, p.Differences, p.Seconds)
		if t.Failed() {
			return
		}
	}
}

func soak(t *testing.T, from, to int64) piece {
	began := time.Now()
	c, differences := newCounts(), 0
	for seed := from; seed < to && differences == 0; seed++ {
		if !same(t, uint64(seed), c) {
			differences++
		}
	}
	return piece{
		Date: began.UTC().Format(time.DateOnly), Commit: proofs.Commit(), Kubernetes: "1.35.4", Grammar: grammar, From: from, To: to,
		Differences: differences, counts: *c, Seconds: float64(time.Since(began).Milliseconds()) / 1000,
	}
}

// soaked are the proofs of this grammar without a difference.
func soaked(t *testing.T) (done []proofs.Span) {
	pieces, err := proofs.Read[piece](*soakProof)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if p.Grammar == grammar && p.Differences == 0 {
			done = append(done, proofs.Span{From: p.From, To: p.To})
		}
	}
	return done
}
