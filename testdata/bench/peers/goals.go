package main

import (
	"fmt"
	"math"
	"strings"
)

// result finds the median of one figure; NaN where it was not measured. A load is named by how it begins.
type result func(measurement, load, client, key string) float64

// result looks into the tables that were shown.
func (b *bench) result(measurement, load, client, key string) float64 {
	for _, t := range b.tables {
		if t.measurement != measurement || !strings.HasPrefix(t.load, load) {
			continue
		}
		for _, l := range t.lines {
			if v, ok := named(t.columns, l.median(len(t.columns)))[key]; ok && l.client == client {
				return v
			}
		}
	}
	return math.NaN()
}

// goal is a comparison that the engine has to stand, under the tables of one measurement.
type goal struct {
	measurement string
	what        string
	value, want float64
	atMost      bool // value must not be above want, else not below
}

func (g goal) met() bool { return g.value == g.want || g.value < g.want == g.atMost }

func (g goal) cells() []string {
	sign, verdict := "≥", "missed"
	if g.atMost {
		sign = "≤"
	}
	if g.met() {
		verdict = "met"
	}
	return []string{g.what, fmt.Sprintf("%s %.4g", sign, g.want), fmt.Sprintf("%.4g", g.value), verdict}
}

// goals are what was measured of what is asked of the engine; comparisons without figures are left out.
func goals(of result) []goal {
	var all []goal
	for _, some := range [][]goal{throughputGoals(of), latenessGoals(of), costGoals(of), stallGoals(of)} {
		for _, g := range some {
			if !math.IsNaN(g.value) && !math.IsNaN(g.want) {
				all = append(all, g)
			}
		}
	}
	return all
}

// throughputGoals compare both the rate, which the server may limit, and what a second of the client's processor yields.
func throughputGoals(of result) []goal {
	var gs []goal
	for _, c := range []struct {
		measurement, load, client string
		factor                    float64
	}{
		{"throughput", "", "wrk", 1.1},
		{"throughput", "", "limit", .85},
		{"throughput", "", "fortio", 1.25},
		{"throughput", "", "hey", 4},
		{"throughput", "", "k6", 11},
		{"tls", "", "wrk", .9},
		{"journeys", "flat out", "k6", 4},
	} {
		for _, column := range []column{columnPerSecond, columnPerCPU} {
			ratio := of(c.measurement, c.load, "ansturm", column.key) / of(c.measurement, c.load, c.client, column.key)
			gs = append(gs, goal{c.measurement, fmt.Sprintf("%s, times %s's", column.head, c.client), ratio, c.factor, false})
		}
	}
	return gs
}

// latenessGoals hold the engine against the limit from the starts that both tell: a start estimated from the arrivals would
// take more away from the one of them that is late more evenly. Peers do not tell theirs.
func latenessGoals(of result) []goal {
	var gs []goal
	for _, rate := range latenessRates {
		load := cell(rate, 0) + " a second"
		ours := func(key string) float64 { return of("lateness", load, "ansturm", key) }
		for _, q := range []struct {
			name   string
			factor float64
		}{{"p50_us", 1.2}, {"p90_us", 1.3}} {
			best := math.NaN()
			for _, peer := range []string{"h2load", "fortio", "vegeta", "hey", "k6"} {
				if v := of("lateness", load, peer, q.name); !(v > best) && !math.IsNaN(v) {
					best = v
				}
			}
			gs = append(
				gs,
				goal{"lateness", load + ": " + q.name + ", times limit's", ours("told_"+q.name) / of("lateness", load, "limit", "told_"+q.name), q.factor, true},
				goal{"lateness", load + ": " + q.name + ", times the best peer's", ours(q.name) / best, 1, true},
			)
		}
		gs = append(
			gs,
			goal{"lateness", load + ": arrived %", ours("sent_percent"), 100, false},
			goal{"poisson", load + ": gaps' variation, times the schedule's", of("poisson", load, "ansturm", "gap_cv"), 1.3, true},
		)
	}
	return gs
}

func costGoals(of result) []goal {
	const load = "10,000 a second"
	ours := func(key string) float64 { return of("lateness", load, "ansturm", key) }
	return []goal{
		{"lateness", load + ": CPU a request, times limit's", ours("cpu_us_per_request") / of("lateness", load, "limit", "cpu_us_per_request"), 1.1, true},
		{"lateness", load + ": peak memory MiB", ours("peak_mib"), 40, true},
		{"memory", "15,000 in flight: peak memory MiB", of("memory", "", "ansturm", "peak_mib"), 150, true},
	}
}

// stallGoals: within 1 % or 5 ms of what the sink saw, and no further from the closed form than the limit, within a ms.
func stallGoals(of result) []goal {
	var gs []goal
	for _, connections := range []string{"2,500", "50"} {
		load := "1,000 a second for 20 s, 2 s stall, " + connections + " "
		for _, q := range []struct {
			key string
			q   float64
		}{{"p95_ms", .95}, {"p99_ms", .99}, {"p999_ms", .999}} {
			ours, seen := of("stall", load, "ansturm", q.key), of("stall", load, "ansturm", "sink_"+q.key)
			closed := 1e3 * stallQuantile(q.q)
			limits := math.Abs(of("stall", load, "limit", q.key) - closed)
			gs = append(
				gs,
				goal{"stall", connections + " connections: " + q.key + ", ms from the sink's", math.Abs(ours - seen), max(5, .01*seen), true},
				goal{"stall", connections + " connections: " + q.key + ", ms from the closed form", math.Abs(ours - closed), limits + 1, true},
			)
		}
	}
	return gs
}

// showGoals prints what is asked of the engine beside what one measurement gave. It judges nothing else: a busy machine
// misses goals that a quiet one meets.
func (b *bench) showGoals(measurement string) {
	var text strings.Builder
	for _, g := range goals(b.result) {
		if g.measurement != measurement {
			continue
		}
		if text.Len() == 0 {
			text.WriteString("\n**goals of the engine**\n\n")
			printRow(&text, []string{"goal", "wanted", "measured", ""})
			printRow(&text, []string{"---", "--:", "--:", "---"})
		}
		printRow(&text, g.cells())
	}
	b.print(measurement, "%s", text.String())
}
