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
	chaosAbreast = 2  // runs at one time: they mostly wait
	chaosPiece   = 50 // seeds of a line of proof, and of the short look
	chaosGoal    = 1000
	chaosProof   = "../../testdata/proofs/fleet.jsonl"
	falsest      = 0.02 // of the epochs may be taken for lost though nothing was done to them
	falsestShort = 0.05 // in the short look, which shares its machine with a race detector's work
	latest       = 0.1  // of the losses may be seen, or followed by a deal, later than they should: a kind that always is, is more
)

// chaosLine is a line of proof. Times are in seconds: the median, the 90th percentile, and the longest.
type chaosLine struct {
	Date        string         `json:"date"`
	Commit      string         `json:"commit"`
	From        int64          `json:"from"`
	To          int64          `json:"to"`
	Kinds       map[string]int `json:"kinds"`
	Failed      []int64        `json:"failed,omitempty"` // seeds
	Late        []int64        `json:"late,omitempty"`   // seeds whose loss was seen, or followed by a deal, too late
	Fates       [4]int64       `json:"fates"`            // of arrivals: completed, failed, indeterminate, unsent
	Folded      int            `json:"folded"`
	Epochs      int            `json:"epochs"`
	FalselyLost int            `json:"falselyLost"`
	Starved     int            `json:"starved"`  // of these, where the machine was
	Losses      int            `json:"losses"`   // that were seen
	Detected    [3]float64     `json:"detected"` // after the fault
	Leased      [3]float64     `json:"leased"`   // after that
	Allowed     [3]float64     `json:"allowed"`  // beyond the limit of the detections: stolen time, and how late a timer was
	Seconds     float64        `json:"seconds"`

	detected, leased, allowed []time.Duration
}

// TestSoakFleet does to fleets of processes what can happen to them, each time another thing at another moment, and holds what the
// record says against what the target has counted.
func TestSoakFleet(t *testing.T) {
	if *soakTo == 0 {
		soakFleet(t, 0, chaosPiece, falsestShort)
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
		if err := proofs.Append(chaosProof, soakFleet(t, from, to, falsest)); err != nil {
			t.Fatal(err)
		}
	}
}

// soakFleet goes through seeds, several abreast.
func soakFleet(t *testing.T, from, to int64, falsest float64) *chaosLine {
	began := time.Now()
	line := &chaosLine{Date: began.UTC().Format(time.DateOnly), Commit: proofs.Commit(), From: from, To: to, Kinds: map[string]int{}}
	var mu sync.Mutex
	var abreast sync.WaitGroup
	next := make(chan int64)
	for range chaosAbreast {
		abreast.Go(func() {
			for seed := range next {
				var c *chaos
				var f found
				well := t.Run(fmt.Sprint(seed), func(t *testing.T) {
					c = newChaos(t, seed)
					f = c.judge(c.run())
				})
				if c != nil { // -run may name others
					mu.Lock()
					line.add(c, &f, well)
					mu.Unlock()
				}
			}
		})
	}
	for seed := from; seed < to; seed++ {
		next <- seed
	}
	close(next)
	abreast.Wait()
	line.Losses = len(line.detected)
	line.Detected, line.Leased, line.Allowed = points(line.detected), points(line.leased), points(line.allowed)
	line.Seconds = float64(time.Since(began).Milliseconds()) / 1000
	t.Logf("%+v", line)
	if lost := line.FalselyLost - line.Starved; float64(lost) > falsest*float64(line.Epochs) {
		t.Errorf("%d of %d epochs were taken for lost though nothing was done to them, more than %.0f %%", lost, line.Epochs, 100*falsest)
	}
	if float64(len(line.Late)) > latest*float64(line.Losses) {
		t.Errorf("%d of %d losses were seen later than a second, or followed by a deal later than a quarter of one: seeds %v", len(line.Late), line.Losses, line.Late)
	}
	return line
}

func (l *chaosLine) add(c *chaos, f *found, well bool) {
	if l.Kinds[c.kind]++; !well {
		l.Failed = append(l.Failed, c.seed)
	}
	if f.late {
		l.Late = append(l.Late, c.seed)
	}
	for i, n := range f.fates {
		l.Fates[i] += n
	}
	l.Epochs, l.FalselyLost, l.Starved = l.Epochs+f.epochs, l.FalselyLost+f.falsely, l.Starved+f.starved
	if f.folded {
		l.Folded++
	}
	if c.hit != "" && f.detected >= 0 {
		l.detected, l.allowed = append(l.detected, f.detected), append(l.allowed, f.allowed)
	}
	if f.leased >= 0 && c.hit != "" {
		l.leased = append(l.leased, f.leased)
	}
}

// points are a distribution's median, 90th percentile and maximum.
func points(all []time.Duration) (p [3]float64) {
	slices.Sort(all)
	for i, share := range []float64{0.5, 0.9, 1} {
		if len(all) > 0 {
			p[i] = all[int(share*float64(len(all)-1))].Seconds()
		}
	}
	return p
}
