package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// table prints what all lines of proof say together, and puts it into the page.
func (s settings) table(stdout io.Writer) error {
	lines, err := proofs.Read[line](s.proofs)
	if err != nil {
		return err
	}
	latest := map[int64]line{} // a piece that was proved again counts once, as it was proved last
	var order []int64
	for _, l := range lines {
		if l.Kind != virtual {
			continue
		}
		if _, known := latest[l.From]; !known {
			order = append(order, l.From)
		}
		latest[l.From] = l
	}
	var trials []trial
	commits := map[string]bool{}
	for _, from := range order {
		trials = append(trials, latest[from].Trials...)
		commits[latest[from].Commit] = true
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
	filled, err := proofs.Fill(string(page), "virtual", text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.doc, err)
	}
	return os.WriteFile(s.doc, []byte(filled), 0o644)
}

// summary is the table as Markdown.
func summary(trials []trial) string {
	var b strings.Builder
	fitted := fitted(trials)
	fmt.Fprintf(&b, "%d platforms, %d tenants; the fit refused %d.\n\n", len(trials), tenantsOf(trials), len(trials)-len(fitted))
	fmt.Fprintln(&b, "| figure | goal | foreseen | the same surge on another day | |")
	fmt.Fprintln(&b, "|---|---|--:|--:|---|")
	mine, worst := figures(fitted, foreseen)
	chance, _ := figures(fitted, another)
	percent := func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }
	row := func(figure, goal string, got, other string, met bool) {
		verdict := "met"
		if !met {
			verdict = "**falls short**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", figure, goal, got, other, verdict)
	}
	cpu, p99, knee := mine["cpu"], mine["p99"], mine["knee"]
	row("CPU of a tenant, median", "≤ 3 %", percent(cpu.Median), percent(chance["cpu"].Median), cpu.Median <= 0.03)
	row("CPU of a tenant, p95", "≤ 8 %", percent(cpu.P95), percent(chance["cpu"].P95), cpu.P95 <= 0.08)
	row("throughput where a knee was passed, median", "≤ 5 %", percent(knee.Median), percent(chance["knee"].Median), knee.Median <= 0.05)
	row("the same, share of the platforms within", "all", percent(knee.Within), percent(chance["knee"].Within), knee.Within == 1)
	row("p99 response time of a step, median", "≤ 15 %", percent(p99.Median), percent(chance["p99"].Median), p99.Median <= 0.15)
	row("the same, share of the steps within", "all", percent(p99.Within), percent(chance["p99"].Within), p99.Within == 1)
	near, nearBy := pooled(fitted, foreseen), pooled(fitted, another)
	row("ready replicas within ±1, of all seconds", "≥ 95 %", percent(near[0]), percent(nearBy[0]), near[0] >= 0.95)
	row("the same, share of the platforms with ≥ 95 %", "all", percent(mine["replicas"].Within), percent(chance["replicas"].Within), mine["replicas"].Within == 1)
	row("scale events with a partner within one sync", "all", percent(near[1]), percent(nearBy[1]), near[1] == 1)
	fmt.Fprintf(&b, "\n%s\n\nFurthest off: ", kneeText(fitted))
	for i, g := range goals {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s seed %d", g.name, worst[g.name])
	}
	b.WriteString(".\n")
	return b.String()
}

func fitted(trials []trial) (out []trial) {
	for _, t := range trials {
		if t.Refused == "" {
			out = append(out, t)
		}
	}
	return out
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
	var passed, seen, invented int
	for _, t := range trials {
		switch {
		case t.Knee:
			passed++
			if t.Claimed {
				seen++
			}
		case t.Claimed:
			invented++
		}
	}
	return fmt.Sprintf("A back end's knee was passed in the surge of %d platforms; the fit names a knee in %d of them, and in %d of the %d others.",
		passed, seen, invented, len(trials)-passed)
}
