package main

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/reports"
)

func (a *app) reportCommand() *cobra.Command {
	var out, lang, plan string
	c := &cobra.Command{
		Use:   "report RUN",
		Short: "The run, the plan and the proof as one page for management and planners",
		Long: `Writes one self-contained HTML file; no request leaves the page. With --plan the plan and, where ansturm verify
was run, its proof are part of it. A file whose name ends in .md becomes Markdown, for a wiki or a ticket. Without -o a
summary goes to the terminal.`,
		Example: "  ansturm report runs/surge --plan plan -o report.html --lang de\n  ansturm report runs/surge --plan plan -o report.md",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			in, err := gatherReport(args[0], plan, time.Now())
			if err != nil {
				return err
			}
			if out != "" {
				write := reports.HTML
				if strings.EqualFold(filepath.Ext(out), ".md") {
					write = reports.Markdown
				}
				if err := writeFile(out, func(w io.Writer) error { return write(w, in, lang) }); err != nil {
					return err
				}
				a.say("report written to %s", out)
			}
			switch {
			case a.json:
				return a.printJSON(reportJSON{in.Surge.Verdict, in.Plan, in.Verify})
			case out == "":
				return reports.Text(a.stdout, in, lang)
			}
			return nil
		},
	}
	c.Flags().StringVar(&plan, "plan", "", "directory of the plan made from this run")
	c.Flags().StringVarP(&out, "output", "o", "", "write the page to this file, or Markdown to one that ends in .md")
	addLang(c, &lang, "de")
	return c
}

// gatherReport reads what a report is made of: a run, and, where there are any, its plan and verification.
func gatherReport(run, plan string, made time.Time) (*reports.Input, error) {
	in := &reports.Input{Made: made}
	var err error
	if in.Surge, err = gatherFired(run); err != nil || plan == "" {
		return in, err
	}
	if in.Plan, err = openPlan(plan); err != nil {
		return nil, err
	}
	for _, source := range in.Plan.Evidence {
		if source.Purpose != "calibration" {
			continue
		}
		if rec, err := record.Open(source.Dir); err == nil { // named as evidence; it may have been moved away since
			in.Calibration = append(in.Calibration, rec)
		}
	}
	in.Verify, err = planner.LoadVerification(planDir(plan))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		in.Verify = nil
		return in, nil
	case err != nil:
		return nil, inputError(err, "")
	}
	in.VerifyRun, err = gatherFired(in.Verify.Run)
	return in, err
}

func gatherFired(dir string) (*reports.Fired, error) {
	rec, err := openRecord(dir)
	if err != nil {
		return nil, err
	}
	verdict, err := gate.Judge(rec, nil)
	if err != nil {
		return nil, inputError(err, "")
	}
	return &reports.Fired{Record: rec, Verdict: verdict}, nil
}

// reportJSON is a report for programs: what the page says, not how it looks.
type reportJSON struct {
	Verdict *gate.Verdict         `json:"verdict"`
	Plan    *planner.Plan         `json:"plan,omitempty"`
	Verify  *planner.Verification `json:"verify,omitempty"`
}
