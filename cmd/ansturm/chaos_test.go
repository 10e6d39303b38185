package main

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ansturm/ansturm/testdata/proofs"
)

var (
	soakFrom = flag.Int64("soak.from", -1, "first seed; -1: all that the proofs do not have yet")
	soakTo   = flag.Int64("soak.to", 0, "the seed after the last; -1: the soak's own goal; 0: only a short look")
)

const (
	chaosAbreast = 2 // runs at one time: they mostly wait
	chaosShort   = 50
	chaosPiece   = 50 // seeds of a line of proof
	chaosGoal    = 1000
	chaosProof   = "../../testdata/proofs/fleet.jsonl"
	falsest      = 0.02 // of the epochs may be taken for lost though nothing was done to them
)

// chaosLine is a line of proof. Times are in seconds.
type chaosLine struct {
	Date          string         `json:"date"`
	Commit        string         `json:"commit"`
	From          int64          `json:"from"`
	To            int64          `json:"to"`
	Kinds         map[string]int `json:"kinds"`
	Failed        []int64        `json:"failed"` // seeds
	Arrivals      int64          `json:"arrivals"`
	Completed     int64          `json:"completed"`
	Refused       int64          `json:"refused"`
	Indeterminate int64          `json:"indeterminate"`
	Unsent        int64          `json:"unsent"`
	Folded        int            `json:"folded"`
	Epochs        int            `json:"epochs"`
	FalselyLost   int            `json:"falselyLost"`
	Starved       int            `json:"starved"`  // of these, where the machine was
	Detected      chaosSpread    `json:"detected"` // after the fault
	Leased        chaosSpread    `json:"leased"`   // after that
	Allowed       chaosSpread    `json:"allowed"`  // beyond the limit, for the detections: stolen time, and how late a timer was
	Seconds       float64        `json:"seconds"`
}

// chaosSpread is a distribution.
type chaosSpread struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	Max float64 `json:"max"`
}

func chaosSpreadOf(all []time.Duration) (s chaosSpread) {
	if slices.Sort(all); len(all) == 0 {
		return s
	}
	at := func(share float64) float64 { return all[int(share*float64(len(all)-1))].Seconds() }
	return chaosSpread{len(all), at(0.5), at(0.9), at(1)}
}

// TestSoakFleet does to fleets of processes what can happen to them, each time another thing at another moment, and holds what the
// record says against what the target has counted.
func TestSoakFleet(t *testing.T) {
	if *soakTo == 0 {
		soakFleet(t, 0, chaosShort)
		return
	}
	done, err := proofs.Read[chaosLine](chaosProof)
	if err != nil {
		t.Fatal(err)
	}
	var spans []proofs.Span
	for _, line := range done {
		spans = append(spans, proofs.Span{From: line.From, To: line.To})
	}
	for from, to := range proofs.Pieces(*soakFrom, *soakTo, chaosGoal, chaosPiece, spans) {
		if err := proofs.Append(chaosProof, soakFleet(t, from, to)); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
}

// soakFleet goes through seeds, several abreast.
func soakFleet(t *testing.T, from, to int64) chaosLine {
	began := time.Now()
	line := chaosLine{Date: began.UTC().Format(time.DateOnly), Commit: proofs.Commit(), From: from, To: to, Kinds: map[string]int{}, Failed: []int64{}}
	var mu sync.Mutex
	var detected, leased, allowed []time.Duration
	next := make(chan int64)
	var abreast sync.WaitGroup
	for range chaosAbreast {
		abreast.Go(func() {
			for seed := range next {
				var c *chaos
				var f found
				well := t.Run(fmt.Sprint(seed), func(t *testing.T) {
					c = newChaos(t, seed)
					code, err := c.run()
					if err != nil {
						t.Fatalf("%s: %v\n%s", c, err, c.text())
					}
					f = c.look(code)
				})
				if c == nil { // -run names others
					continue
				}
				mu.Lock()
				if line.Kinds[c.kind]++; !well {
					line.Failed = append(line.Failed, seed)
				}
				line.add(&f)
				if c.hit != "" && f.detected >= 0 {
					detected, allowed = append(detected, f.detected), append(allowed, f.allowed[0])
				}
				if f.leased > 0 {
					leased = append(leased, f.leased)
				}
				mu.Unlock()
			}
		})
	}
	for seed := from; seed < to; seed++ {
		next <- seed
	}
	close(next)
	abreast.Wait()
	slices.Sort(line.Failed)
	line.Detected, line.Leased, line.Allowed = chaosSpreadOf(detected), chaosSpreadOf(leased), chaosSpreadOf(allowed)
	line.Seconds = float64(time.Since(began).Milliseconds()) / 1000
	t.Logf("%+v", line)
	if share := float64(line.FalselyLost-line.Starved) / float64(max(1, line.Epochs)); share > falsest {
		t.Errorf("%d of %d epochs were taken for lost though nothing was done to them, more than %.0f %%", line.FalselyLost-line.Starved, line.Epochs, 100*falsest)
	}
	return line
}

func (l *chaosLine) add(f *found) {
	l.Completed, l.Refused, l.Indeterminate, l.Unsent = l.Completed+f.fates[0], l.Refused+f.fates[1], l.Indeterminate+f.fates[2], l.Unsent+f.fates[3]
	l.Arrivals += f.fates[0] + f.fates[1] + f.fates[2] + f.fates[3]
	l.FalselyLost, l.Starved = l.FalselyLost+f.falselyLost, l.Starved+f.starvedLost
	if l.Epochs += f.epochs; f.folded {
		l.Folded++
	}
}
