package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// column is one figure of a table: its name in the JSON, its head in Markdown, its digits after the point.
type column struct {
	key, head string
	digits    int
}

// row is what one run of one client gave, by column; NaN where it gave nothing.
type row []float64

// table is one measurement under one load.
type table struct {
	measurement, load string
	note              string
	columns           []column
	lines             []line
}

// line is one client's rounds.
type line struct {
	client, version string
	rounds          []row
	failures        []string
	again           int // runs that were repeated because others took the processors
}

// median of the rounds, column by column; NaN where no round has a value.
func (l line) median(columns int) row {
	m := make(row, columns)
	for c := range m {
		var values []float64
		for _, r := range l.rounds {
			if c < len(r) && !math.IsNaN(r[c]) {
				values = append(values, r[c])
			}
		}
		m[c] = medianOf(values)
	}
	return m
}

// medianOf sorts its argument; of an even number it gives the mean of the two in the middle.
func medianOf(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// inTurns gives every client its turn in every round, each round beginning with another client, so that what the machine
// does meanwhile falls on all of them. A run of which others took too much is repeated, whoever's it is, and the least
// disturbed one counts. A client that fails keeps its line and the reason.
func (b *bench) inTurns(ctx context.Context, t table, clients []client, one func(context.Context, client) (row, error)) error {
	t.lines = make([]line, len(clients))
	for i, c := range clients {
		t.lines[i] = line{client: c.name, version: c.version}
	}
	for round := range b.rounds {
		for turn := range clients {
			i := (turn + round) % len(clients)
			if err := ctx.Err(); err != nil {
				return err
			}
			start := time.Now()
			r, again, err := b.undisturbed(ctx, t, func() (row, error) { return one(ctx, clients[i]) })
			t.lines[i].again += again
			what := fmt.Sprintf("%s, %s, round %d of %d: %s", t.measurement, t.load, round+1, b.rounds, clients[i].name)
			if err != nil {
				t.lines[i].failures = append(t.lines[i].failures, err.Error())
				b.say("%s failed: %v", what, err)
				continue
			}
			t.lines[i].rounds = append(t.lines[i].rounds, r)
			b.say("%s (%.0f s, %d times again)", what, time.Since(start).Seconds(), again)
		}
	}
	return b.show(t)
}

// calm is how much of a processor, in percent, others may take before a run is repeated.
const calm = 3

// undisturbed runs until others take less than calm, or b.again times more, and gives the least disturbed run.
func (b *bench) undisturbed(ctx context.Context, t table, one func() (row, error)) (best row, again int, err error) {
	disturbed := slices.Index(t.columns, columnDisturbed)
	for {
		r, err := one()
		if err != nil {
			return nil, again, err
		}
		if best == nil || r[disturbed] < best[disturbed] {
			best = r
		}
		if best[disturbed] < calm || again == b.again || ctx.Err() != nil {
			return best, again, nil
		}
		again++
	}
}

// show prints the table and appends it to the proofs.
func (b *bench) show(t table) error {
	var text strings.Builder
	fmt.Fprintf(&text, "\n**%s: %s**\n\n", t.measurement, t.load)
	if t.note != "" {
		fmt.Fprintf(&text, "%s\n\n", t.note)
	}
	heads, rule := []string{"client"}, []string{"---"}
	for _, c := range t.columns {
		heads, rule = append(heads, c.head), append(rule, "--:")
	}
	printRow(&text, heads)
	printRow(&text, rule)
	for _, l := range t.lines {
		cells := []string{l.client}
		for c, v := range l.median(len(t.columns)) {
			cells = append(cells, cell(v, t.columns[c].digits))
		}
		printRow(&text, cells)
	}
	for _, l := range t.lines {
		if len(l.failures) > 0 {
			fmt.Fprintf(&text, "\n%s failed in %d of %d rounds: %s\n", l.client, len(l.failures), b.rounds, l.failures[0])
		}
	}
	b.print(t.measurement, "%s", text.String())
	b.tables = append(b.tables, t)
	return b.prove(t)
}

func printRow(to io.Writer, cells []string) { fmt.Fprintf(to, "| %s |\n", strings.Join(cells, " | ")) }

// cell prints a figure; thousands are set off by commas.
func cell(v float64, digits int) string {
	if math.IsNaN(v) {
		return "–"
	}
	text := fmt.Sprintf("%.*f", digits, v)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}

// prove appends one line of JSON for each client: medians, and every round for who wants to see the spread.
func (b *bench) prove(t table) error {
	for _, l := range t.lines {
		entry := map[string]any{
			"at": time.Now().UTC().Format(time.RFC3339), "measurement": t.measurement, "load": t.load, "client": l.client,
			"rounds": len(l.rounds), "median": named(t.columns, l.median(len(t.columns))), "machine": b.machine,
		}
		if b.nice != 0 {
			entry["nice"] = b.nice
		}
		if l.version != "" {
			entry["version"] = l.version
		}
		var runs []map[string]float64
		for _, r := range l.rounds {
			runs = append(runs, named(t.columns, r))
		}
		entry["runs"] = runs
		if len(l.failures) > 0 {
			entry["failed"] = len(l.failures)
		}
		if l.again > 0 {
			entry["again"] = l.again
		}
		if err := proofs.Append(b.proofsFile, entry); err != nil {
			return err
		}
	}
	return nil
}

// named leaves out what was not measured.
func named(columns []column, r row) map[string]float64 {
	m := map[string]float64{}
	for i, v := range r {
		if !math.IsNaN(v) {
			m[columns[i].key] = math.Round(v*1000) / 1000
		}
	}
	return m
}

// head says where this was measured, who takes part and who does not.
func (b *bench) head() string {
	var names []string
	for _, c := range b.clients {
		names = append(names, strings.TrimSpace(c.name+" "+c.version))
	}
	text := fmt.Sprintf("Medians of %d rounds, %s. Linux %s, %d processors (%s), %s. Clients: %s.", b.rounds, time.Now().UTC().Format(time.DateOnly),
		b.machine.Kernel, b.machine.CPUs, b.machine.Model, b.machine.Go, strings.Join(names, ", "))
	if b.nice != 0 {
		text += fmt.Sprintf(" Clients and servers had priority %d over other programs.", b.nice)
	}
	if len(b.machine.Missing) > 0 {
		text += fmt.Sprintf(" Could not be had: %s.", strings.Join(b.machine.Missing, ", "))
	}
	return text + "\n"
}
