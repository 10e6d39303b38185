package differential

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The flags of make soak, as in the main module: a range of seeds, each a world. The soak goes through it piece by piece
// and writes one line of proof for each, so that it can be ended at any time and goes on where it stopped.
var (
	soakFrom  = flag.Int64("soak.from", -1, "first seed; -1: after the last one that the proofs have")
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
	*counts
	Seconds float64 `json:"seconds"`
}

// TestSoakController plays the worlds of a range of seeds.
func TestSoakController(t *testing.T) {
	if *soakTo == 0 {
		t.Skip("TestSameAsTheController plays a few thousand worlds; more on -soak.to")
	}
	from, to := *soakFrom, *soakTo
	if from < 0 {
		from = soakedUntil(t)
	}
	if to < 0 {
		to = soakGoal
	}
	for ; from < to && !t.Failed(); from += soakPiece {
		p := soak(t, from, min(from+soakPiece, to))
		appendProof(t, p)
		t.Logf("seeds %d to %d: %d syncs, %.0f HPA-hours, %d differences in %.0f s", p.From, p.To, p.Syncs, p.Hours, p.Differences, p.Seconds)
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
		Date: began.UTC().Format(time.DateOnly), Commit: commit(), Kubernetes: "1.35.4", Grammar: grammar, From: from, To: to,
		Differences: differences, counts: c, Seconds: float64(time.Since(began).Milliseconds()) / 1000,
	}
}

// soakedUntil is where the proofs of this grammar end.
func soakedUntil(t *testing.T) (until int64) {
	f, err := os.Open(*soakProof)
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var p piece
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if p.Grammar == grammar && p.From <= until && p.Differences == 0 {
			until = max(until, p.To)
		}
	}
	return until
}

func appendProof(t *testing.T, p piece) {
	line, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(*soakProof, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// commit names what is checked out; empty outside of a repository.
func commit() string {
	out, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	return strings.TrimSpace(string(out))
}
