package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ansturm/ansturm/planner/chain"
)

// chainRows sum the reaction chains up, where there are any.
func chainRows(row func(name, format string, args ...any), s *chain.Summary) {
	if s.ScaleUps == 0 {
		return
	}
	row("reactions", "%d scale-ups: %d attributed stage by stage, %d in part, %d unfinished",
		s.ScaleUps, s.Attributed, s.Partly, s.Unfinished)
	for _, r := range slices.SortedFunc(maps.Keys(s.Reasons), func(a, b chain.Reason) int {
		return cmp.Or(cmp.Compare(s.Reasons[b], s.Reasons[a]), cmp.Compare(a, b))
	}) {
		row("", "%d × %s", s.Reasons[r], r.Text().In("en"))
	}
}

// printChains writes every chain, a stage a line.
func printChains(out io.Writer, c *chain.Chains) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	stages := func(indent string, list []chain.Moment, since time.Duration) {
		for _, m := range list {
			if !m.Known() {
				fmt.Fprintf(w, "%s%s\t?\t%s\t%s\n", indent, m.Stage, bounds(m, since), m.Missing.Text().In("en"))
				continue
			}
			late := ""
			if m.Late {
				late = ", seen late"
			}
			fmt.Fprintf(w, "%s%s\t%s\t%s\t%s%s\n", indent, m.Stage, apart(m.At, since), bounds(m, since), m.Evidence, late)
		}
	}
	for i := range c.ScaleUps {
		up := &c.ScaleUps[i]
		decided := up.Stage(chain.Decision).At
		fmt.Fprintf(w, "\n%s/%s %d → %d at %s\t\t\t%s\n", up.Tenant, up.Workload, up.From, up.To, decided.Round(time.Millisecond), up.Cause)
		stages("  ", up.Stages, decided)
		for _, p := range up.Pods {
			fmt.Fprintf(w, "  %s\t\t\t%s\n", p.Name, strings.TrimSpace(p.Node))
			stages("    ", p.Stages, decided)
		}
		if up.Lacking > 0 {
			fmt.Fprintf(w, "  %d pods\t?\t\t%s\n", up.Lacking, up.Why.Text().In("en"))
		}
	}
	if len(c.Strays) > 0 {
		fmt.Fprintf(w, "\n%d pods came after no scale-up that lacked them (a rollout's, or replacements)\n", len(c.Strays))
	}
	return w.Flush()
}

// apart is a moment from the decision on, like +1.234s.
func apart(at, since time.Duration) string {
	return fmt.Sprintf("%+.3fs", (at - since).Seconds())
}

// bounds are the bounds of a moment that is not exact.
func bounds(m chain.Moment, since time.Duration) string {
	if m.From == m.To {
		return ""
	}
	return fmt.Sprintf("[%s, %s]", apart(m.From, since), apart(m.To, since))
}
