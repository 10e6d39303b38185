package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// table prints what all lines of proof say together, and puts it into the page.
func (s settings) table(stdout io.Writer) error {
	lines, err := s.lines()
	if err != nil {
		return err
	}
	latest := map[int64]line{} // a piece that was proved again counts once, as it was proved last
	var order []int64
	for _, l := range lines {
		if _, known := latest[l.From]; !known {
			order = append(order, l.From)
		}
		latest[l.From] = l
	}
	var trials []trial
	for _, from := range order {
		trials = append(trials, latest[from].Trials...)
	}
	if len(trials) == 0 {
		return nil
	}
	text := summary(trials)
	fmt.Fprintln(stdout, text)
	if s.doc == "" {
		return nil
	}
	page, err := os.ReadFile(s.doc)
	if err != nil {
		return err
	}
	filled, err := proofs.Fill(string(page), s.kind.name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.doc, err)
	}
	return os.WriteFile(s.doc, []byte(filled), 0o644)
}

// lines are the lines of proof for this kind of platforms, made as they are made now.
func (s settings) lines() ([]line, error) {
	all, err := proofs.Read[line](s.proofs)
	return slices.DeleteFunc(all, func(l line) bool { return l.Kind != s.kind.name || l.Method != truthMethod }), err
}

// summary is the tables as Markdown.
func summary(trials []trial) string {
	var b strings.Builder
	fitted := slices.DeleteFunc(slices.Clone(trials), func(t trial) bool { return t.Refused != "" })
	calm := slices.DeleteFunc(slices.Clone(fitted), func(t trial) bool { return t.Knee })
	fmt.Fprintf(&b, "%d platforms, %d tenants; no prediction of %d.\n\n", len(trials), tenantsOf(trials), len(trials)-len(fitted))
	compare(&b, fitted)
	if len(calm) < len(fitted) {
		fmt.Fprintf(&b, "\n%s\n\nThe %d platforms on which no back end passed its knee, alone:\n\n", kneeText(fitted), len(calm))
		compare(&b, calm)
	}
	_, worst := figures(fitted, foreseen)
	var furthest []string
	for _, g := range goals {
		if seed, off := worst[g.name]; off {
			furthest = append(furthest, fmt.Sprintf("%s seed %d", g.name, seed))
		}
	}
	fmt.Fprintf(&b, "\nFurthest off: %s.\n", strings.Join(furthest, ", "))
	return b.String()
}

// compare writes one table: what was foreseen, beside what could have been.
func compare(b *strings.Builder, trials []trial) {
	b.WriteString("| figure | goal | foreseen | from the true figures | the same surge on another day | |\n|---|---|--:|--:|--:|---|\n")
	columns := []column{columnOf(trials, foreseen), columnOf(trials, told), columnOf(trials, another)}
	for _, r := range rows {
		if r.name != "" && columns[0].figures[r.name].N == 0 {
			continue
		}
		fmt.Fprintf(b, "| %s | %s |", r.figure, r.goal)
		for _, c := range columns {
			fmt.Fprintf(b, " %.1f %% |", 100*r.of(c))
		}
		verdict := "met"
		if !r.met(r.of(columns[0])) {
			verdict = "**falls short**"
		}
		fmt.Fprintf(b, " %s |\n", verdict)
	}
}

// column is what one kind of prediction comes to.
type column struct {
	figures        map[string]figure
	near, partners float64 // shares of all seconds and of all scalings
}

func columnOf(trials []trial, whose func(*trial) gaps) column {
	f, _ := figures(trials, whose)
	p := pooled(trials, whose)
	return column{f, p[0], p[1]}
}

// row is a figure beside its goal.
type row struct {
	figure, goal string
	name         string // in goals; the row is left out where nobody has it
	of           func(column) float64
	met          func(float64) bool
}

func most(goal float64) func(float64) bool  { return func(x float64) bool { return x <= goal } }
func least(goal float64) func(float64) bool { return func(x float64) bool { return x >= goal } }

var rows = []row{
	{"CPU of a tenant, median", "≤ 3 %", "cpu", func(c column) float64 { return c.figures["cpu"].Median }, most(0.03)},
	{"CPU of a tenant, p95", "≤ 8 %", "cpu", func(c column) float64 { return c.figures["cpu"].P95 }, most(0.08)},
	{"throughput where a knee was passed, median", "≤ 5 %", "knee", func(c column) float64 { return c.figures["knee"].Median }, most(0.05)},
	{"the same, share of the platforms within", "all", "knee", func(c column) float64 { return c.figures["knee"].Within }, least(1)},
	{"p99 response time of a step, median", "≤ 15 %", "p99", func(c column) float64 { return c.figures["p99"].Median }, most(0.15)},
	{"the same, share of the steps within", "all", "p99", func(c column) float64 { return c.figures["p99"].Within }, least(1)},
	{"ready replicas within ±1, of all seconds", "≥ 95 %", "", func(c column) float64 { return c.near }, least(0.95)},
	{"the same, share of the platforms with ≥ 95 %", "all", "replicas", func(c column) float64 { return c.figures["replicas"].Within }, least(1)},
	{"scale events with a partner within one sync", "all", "", func(c column) float64 { return c.partners }, least(1)},
}

func tenantsOf(trials []trial) (n int) {
	for i := range trials {
		n += trials[i].Tenants
	}
	return n
}

// pooled are the shares of all seconds and of all scalings that are met.
func pooled(trials []trial, whose func(*trial) gaps) [2]float64 {
	var sum gaps
	for i := range trials {
		e := whose(&trials[i])
		sum.Near, sum.Seconds, sum.Met, sum.Scalings = sum.Near+e.Near, sum.Seconds+e.Seconds, sum.Met+e.Met, sum.Scalings+e.Scalings
	}
	return [2]float64{float64(sum.Near) / float64(max(1, sum.Seconds)), float64(sum.Met) / float64(max(1, sum.Scalings))}
}

// kneeText says whether the fits know a knee when they see one, and only then.
func kneeText(trials []trial) string {
	var passed, seen, shown, told, invented int
	for _, t := range trials {
		if t.Knee {
			passed++
			if t.Claimed {
				seen++
			}
		}
		switch {
		case t.Shown:
			shown++
			if t.Claimed {
				told++
			}
		case t.Claimed:
			invented++
		}
	}
	return fmt.Sprintf("A back end's knee was passed in the surge of %d platforms; the fit names a knee in %d of them. In the runs fitted it was passed on %d: there the fit names one in %d, and in %d of the %d others.",
		passed, seen, shown, told, invented, len(trials)-shown)
}
