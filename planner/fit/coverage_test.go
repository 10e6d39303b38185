package fit

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// The flags of make fit-coverage: a range of seeds.
var (
	coverageFrom = flag.Int64("coverage.from", -1, "first seed; -1: all that the proofs do not have yet")
	coverageTo   = flag.Int64("coverage.to", 0, "the seed after the last; -1: the proof's own goal; 0: no proof")
	coverageOnly = flag.String("coverage.only", "", "one kind of worlds only, nothing is written down")
)

const (
	coverageGoal  = 2000
	coveragePiece = 100
	coverageProof = "../../testdata/proofs/coverage.jsonl"
	coveragePage  = "../../docs/planner-truth.md"
	// coverageMethod counts how often intervals or worlds were made otherwise: lines of other counts say nothing of these.
	coverageMethod = 2
	// lastByName is the parameter whose line is written last: a piece that has it is whole.
	lastByName = "warm-up, length"
	// What an interval of 90 % should hold, in percent of the worlds.
	leastHeld, mostHeld = 87, 93
)

// coverageLine is a line of proof: one parameter in some worlds.
type coverageLine struct {
	Date      string  `json:"date"`
	Commit    string  `json:"commit"`
	Method    int     `json:"method"`
	From      int64   `json:"from"`
	To        int64   `json:"to"`
	Parameter string  `json:"parameter"`
	Worlds    int     `json:"worlds"`  // in which it was estimated
	Covered   int     `json:"covered"` // in which the 90 % interval holds the truth
	Under     int     `json:"under"`   // the interval lies below the truth
	Over      int     `json:"over"`
	Width     float64 `json:"width"` // median of the interval's over the truth
}

// count adds a world to a line.
func (l *coverageLine) count(e told) {
	l.Worlds++
	switch {
	case e.High < e.truth:
		l.Under++
	case e.Low > e.truth:
		l.Over++
	default:
		l.Covered++
	}
}

// coverageOf counts what the intervals hold in the worlds from..to, and the CPU seconds of each kind of worlds.
func coverageOf(t *testing.T, from, to int64, spent map[string]float64) []coverageLine {
	lines, widths := map[string]*coverageLine{}, map[string][]float64{}
	for _, w := range worlds {
		if *coverageOnly != "" && *coverageOnly != w.name {
			continue
		}
		began := cpuSeconds(t)
		for seed := from; seed < to; seed++ {
			out := map[string]told{}
			w.add(t, seed, out)
			for name, e := range out {
				if lines[name] == nil {
					lines[name] = &coverageLine{Date: time.Now().UTC().Format(time.DateOnly), Commit: proofs.Commit(), Method: coverageMethod, From: from, To: to, Parameter: name}
				}
				lines[name].count(e)
				widths[name] = append(widths[name], (e.High-e.Low)/e.truth)
			}
		}
		spent[w.name] += cpuSeconds(t) - began
	}
	var out []coverageLine
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		slices.Sort(widths[name])
		lines[name].Width = math.Round(1e4*widths[name][len(widths[name])/2]) / 1e4
		out = append(out, *lines[name])
	}
	return out
}

// cpuSeconds is what this process has used.
func cpuSeconds(t *testing.T) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return (time.Duration(u.Utime.Nano()) + time.Duration(u.Stime.Nano())).Seconds()
}

// TestFitCoverage goes through synthetic worlds piece by piece, appends a line of proof for each parameter, and puts what all
// lines say together into the page.
func TestFitCoverage(t *testing.T) {
	if *coverageTo == 0 {
		t.Skip("make fit-coverage")
	}
	lines, err := proofs.Read[coverageLine](coverageProof)
	if err != nil {
		t.Fatal(err)
	}
	var done []proofs.Span
	for _, l := range lines {
		if l.Method == coverageMethod && l.Parameter == lastByName {
			done = append(done, proofs.Span{From: l.From, To: l.To})
		}
	}
	spent, seeds := map[string]float64{}, int64(0)
	if *coverageOnly != "" {
		lines = nil
	}
	for from, to := range proofs.Pieces(*coverageFrom, *coverageTo, coverageGoal, coveragePiece, done) {
		seeds += to - from
		for _, l := range coverageOf(t, from, to, spent) {
			lines = append(lines, l)
			if *coverageOnly != "" {
				continue
			}
			if err := proofs.Append(coverageProof, l); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spent)) {
		t.Logf("%-12s %6.2f CPU seconds for 100 worlds", name, 100*spent[name]/float64(seeds))
	}
	table := coverageTable(lines)
	t.Log("\n" + table)
	if *coverageOnly != "" {
		return
	}
	page, err := os.ReadFile(coveragePage)
	if err != nil {
		t.Fatal(err)
	}
	filled, err := proofs.Fill(string(page), "coverage", table)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(coveragePage, []byte(filled), 0o644); err != nil {
		t.Fatal(err)
	}
}

// coverageTable is what the lines say together, as Markdown; a piece that was gone through again counts once, as it went last.
func coverageTable(lines []coverageLine) string {
	type piece struct {
		from      int64
		parameter string
	}
	last := map[piece]coverageLine{}
	for _, l := range lines {
		if l.Method == coverageMethod {
			last[piece{l.From, l.Parameter}] = l
		}
	}
	parts := map[string][]coverageLine{}
	for _, l := range last {
		parts[l.Parameter] = append(parts[l.Parameter], l)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| parameter | worlds | interval holds the truth | lies below it | above it | width, of the truth | %d to %d %% |\n|---|--:|--:|--:|--:|--:|---|\n", leastHeld, mostHeld)
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		fmt.Fprintln(&b, coverageRow(name, parts[name]))
	}
	return b.String()
}

// coverageRow sums a parameter's pieces up; behind ± is what chance does to the share (1.96 deviations of the binomial law).
func coverageRow(name string, parts []coverageLine) string {
	var all coverageLine
	for _, l := range parts {
		all.Worlds, all.Covered, all.Under, all.Over = all.Worlds+l.Worlds, all.Covered+l.Covered, all.Under+l.Under, all.Over+l.Over
	}
	slices.SortFunc(parts, func(a, b coverageLine) int { return cmp.Compare(a.Width, b.Width) })
	percent := func(n int) float64 { return 100 * float64(n) / float64(all.Worlds) }
	held := percent(all.Covered)
	verdict := "met"
	if held < leastHeld || held > mostHeld {
		verdict = "**falls short**"
	}
	return fmt.Sprintf("| %s | %d | %.1f ± %.1f %% | %.1f %% | %.1f %% | %.1f %% | %s |", name, all.Worlds, held,
		1.96*math.Sqrt(held*(100-held)/float64(all.Worlds)), percent(all.Under), percent(all.Over), 100*parts[len(parts)/2].Width, verdict)
}
