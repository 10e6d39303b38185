package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/chain"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

func (a *app) inspectCommand() *cobra.Command {
	var repair, chains bool
	c := &cobra.Command{
		Use:   "inspect RUN",
		Short: "What a record holds, and whether it adds up",
		Long: `Reads the whole record and holds its parts against each other: the ledger against the total, and, for the
embedded platform, against its own log of the applications it accepted, as sets. Exits 3 when something is missing.

--chains shows the reaction chain of every scale-up, from the load's rise to the pod in rotation: each stage with what it
was taken from and the bounds within which it lies, and why where it cannot be told.

--repair finishes the record of a killed run: half lines are cut, arrivals without a fate become indeterminate. The
record of a run that still goes on is left alone.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := openRecord(args[0]); err != nil {
				return err
			}
			if repair {
				err := record.Repair(args[0], time.Now())
				if errors.Is(err, record.ErrRunning) {
					return inputError(err, "wait for the run to end, or end it")
				}
				if err != nil {
					return err
				}
			}
			rec, err := openRecord(args[0])
			if err != nil {
				return err
			}
			account, err := rec.Account()
			if err != nil {
				return inputError(err, "")
			}
			err = a.tell(rec, account, chains)
			if err == nil && len(account.Problems) > 0 {
				err = ended(gate.Inconclusive.ExitCode())
			}
			return err
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, "finish the record of a killed run")
	c.Flags().BoolVar(&chains, "chains", false, "show the reaction chain of every scale-up")
	return c
}

// inspection is what inspect and run print as JSON.
type inspection struct {
	*record.Account
	// Chains sums the reaction chains up; ScaleUps are all of them, where they were asked for.
	Chains   chain.Summary   `json:"chains"`
	ScaleUps []chain.ScaleUp `json:"scaleUps,omitempty"`
}

// tell prints what a record holds; all, with every reaction chain.
func (a *app) tell(rec *record.Record, account *record.Account, all bool) error {
	events, err := rec.Timeline()
	if err != nil {
		return err
	}
	chains := chain.Of(events, rec.Run.Platform)
	sum := chains.Summary()
	if a.json {
		i := inspection{Account: account, Chains: sum}
		if all {
			i.ScaleUps = chains.ScaleUps
		}
		return a.printJSON(i)
	}
	if err := printAccount(a.stdout, rec, account, &sum); err != nil || !all {
		return err
	}
	return printChains(a.stdout, chains)
}

// printAccount writes an account for people.
func printAccount(out io.Writer, rec *record.Record, account *record.Account, chains *chain.Summary) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	run, l := rec.Run, account.Ledger
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, name+"\t"+format+"\n", args...)
	}
	row("record", "%s", rec.Dir)
	row("run", "%s, %s of %s at speed %g", run.ID, run.Purpose, run.Scenario.Name, run.Speed)
	row("client", "%s", clientText(&run))
	fleetRow(row, account.Fleet)
	row("arrivals", "%d = %d completed + %d failed + %d indeterminate + %d unsent", l.Total, l.Completed, l.Failed, l.Indeterminate, l.Unsent)
	if l.Missing > 0 {
		row("", "%d without a fate", l.Missing)
	}
	row("shots", "%d, of them %d reloads and %d by people who came back", account.Shots, run.Totals.Reloads, run.Totals.ComeBacks)
	doorRow(row, account.Door)
	if account.Created > 0 {
		row("created", "%d things at the target, see created.jsonl", account.Created)
	}
	if c := account.Lab; c != nil {
		row("platform", "%d applications accepted, %d of them again; agrees with the ledger: %s", c.Accepted, c.Duplicates, yesNo(c.Agrees))
	}
	if account.Gaps > 0 {
		row("watching", "%d gaps, see timeline.jsonl", account.Gaps)
	}
	chainRows(row, chains)
	throttlingRows(row, account.Throttling)
	row("generator", "lateness p50 %s, p99 %s (limit %s): %s", scenarios.Span(run.Validity.LatenessP50, "en"),
		scenarios.Span(run.Validity.LatenessP99, "en"), scenarios.Span(run.Validity.LatenessLimit, "en"), validWord(run.Validity.Valid))
	for _, reason := range run.Validity.Reasons {
		row("", "%s", reason.In("en"))
	}
	for _, problem := range account.Problems {
		row("problem", "%s", problem)
	}
	for _, warning := range run.Warnings {
		row("warning", "%s", warning.Text.In("en"))
	}
	return w.Flush()
}

// fleetRow says who fired the run, where it was not one process by itself.
func fleetRow(row func(name, format string, args ...any), f *record.Fleet) {
	if f == nil {
		return
	}
	text := fmt.Sprintf("%d workers in %d epochs, %d of them broken off", f.Workers(), len(f.Epochs), f.Broken())
	if f.Coordinators > 1 {
		text += fmt.Sprintf(", under %d coordinators", f.Coordinators)
	}
	if skew, known := f.Skew(); known {
		text += fmt.Sprintf("; at the start within %s", fine(skew))
	}
	if c := f.Farthest(); c != nil {
		text += fmt.Sprintf("; clocks off by up to %s ± %s", c.Offset.Round(10*time.Microsecond), fine(c.Uncertainty))
	}
	row("fleet", "%s", text)
}

// fine writes a bound, which is never made tighter than it is.
func fine(d time.Duration) time.Duration {
	const step = 10 * time.Microsecond
	return (d + step - 1).Truncate(step)
}

// doorRow says what the waiting room cost.
func doorRow(row func(name, format string, args ...any), d *record.DoorAccount) {
	if d == nil {
		return
	}
	let := ""
	if d.LetIn > 0 {
		let = fmt.Sprintf("%d persons let in; ", d.LetIn)
	}
	row("waiting room", "%s%d shots waited, told so %d times: mean %s, 95 %% up to %s, longest %s", let, d.Waited, d.Told,
		scenarios.Span(d.Mean, "en"), scenarios.Span(d.P95, "en"), scenarios.Span(d.Longest, "en"))
}

// mostThrottled is how many workloads are named of those whose pods were held back.
const mostThrottled = 5

// throttlingRows name the workloads whose pods were held back most by their CPU quotas.
func throttlingRows(row func(name, format string, args ...any), list []record.Throttling) {
	name := "throttling"
	for _, t := range list[:min(len(list), mostThrottled)] {
		row(name, "%s/%s: CPU quotas held %d pods back, in %.0f of %.0f periods (%.0f %%), %.1f s in all",
			t.Tenant, t.Workload, t.Pods, t.Throttled, t.Periods, 100*t.Share(), t.Seconds)
		name = ""
	}
	if more := len(list) - mostThrottled; more > 0 {
		row("", "and %d more workloads", more)
	}
}

// clientText says what spoke to the target, and how.
func clientText(run *record.Run) string {
	text := cmp.Or(run.Protocol, loadgen.HTTP1) + " by " + cmp.Or(run.Client, loadgen.OwnClient)
	if run.Proxy != "" {
		text += ", proxy " + run.Proxy
	}
	if len(run.Sources) > 0 {
		text += ", from " + strings.Join(run.Sources, ", ")
	}
	return text
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func validWord(valid bool) string {
	if valid {
		return "valid"
	}
	return "INVALID: no figure of this run is the platform's"
}
