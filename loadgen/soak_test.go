package loadgen

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// The flags of make soak: a range of seeds. Each soak goes through it piece by piece and writes one line of proof for
// each, so that it can be ended at any time and goes on where it stopped.
var (
	soakFrom = flag.Int64("soak.from", -1, "first seed; -1: all that the proofs do not have yet")
	soakTo   = flag.Int64("soak.to", 0, "the seed after the last; -1: the soak's own goal; 0: only a short look")
)

const (
	soakPiece   = 250_000 // seeds of a line of proof
	soakGoal    = 10_000_000
	parserProof = "../testdata/proofs/parser.jsonl"
)

// parserPiece is a line of proof.
type parserPiece struct {
	Date     string `json:"date"`
	Commit   string `json:"commit"`
	Grammar  int    `json:"grammar"`
	From     int64  `json:"from"`
	To       int64  `json:"to"`
	Inputs   int64  `json:"inputs"`
	Accepted int64  `json:"accepted"`
	// Differences are those that no rule excuses; Excused counts those that one does, by rule.
	Differences int64            `json:"differences"`
	Excused     map[string]int64 `json:"excused"`
	Seconds     float64          `json:"seconds"`
}

// TestSoakParser compares the parser with net/http on the grammar's answers of a range of seeds.
func TestSoakParser(t *testing.T) {
	if *soakTo == 0 {
		if p := soakParser(t, 0, 20_000); p.Accepted < p.Inputs/3 || p.Accepted > p.Inputs*9/10 {
			t.Errorf("%d of %d answers were accepted: the grammar has lost its balance", p.Accepted, p.Inputs)
		}
		return
	}
	for from, to := range proofs.Pieces(*soakFrom, *soakTo, soakGoal, soakPiece, soaked(t)) {
		p := soakParser(t, from, to)
		if err := proofs.Append(parserProof, p); err != nil {
			t.Fatal(err)
		}
		t.Logf("seeds %d to %d: %d differences in %.0f s", p.From, p.To, p.Differences, p.Seconds)
		if t.Failed() {
			return
		}
	}
}

func soakParser(t *testing.T, from, to int64) parserPiece {
	began := time.Now()
	d, g := newDifferential(), newGrammar()
	differences := int64(0)
	var pcg rand.PCG
	tear := rand.New(&pcg)
	for seed := from; seed < to; seed++ {
		answer, isHead := g.make(uint64(seed))
		pcg.Seed(uint64(seed), 2)
		if err := d.check(answer, isHead, tear); err != nil {
			if differences++; differences <= 5 {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
	}
	return parserPiece{
		Date: began.UTC().Format(time.DateOnly), Commit: proofs.Commit(), Grammar: grammarVersion, From: from, To: to,
		Inputs: to - from, Accepted: d.accepted, Differences: differences, Excused: d.excused,
		Seconds: float64(time.Since(began).Milliseconds()) / 1000,
	}
}

// soaked are the proofs of this grammar.
func soaked(t *testing.T) (done []proofs.Span) {
	pieces, err := proofs.Read[parserPiece](parserProof)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if p.Grammar == grammarVersion {
			done = append(done, proofs.Span{From: p.From, To: p.To})
		}
	}
	return done
}
