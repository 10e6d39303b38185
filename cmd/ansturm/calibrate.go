package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/reports"
	"github.com/ansturm/ansturm/scenarios"
)

// calibration is what ansturm calibrate was asked for.
type calibration struct {
	platform, out, lang string
	speed               float64
	only, have          []string
	propose             bool
	small               bool // only what a fit cannot do without
}

func (a *app) calibrateCommand() *cobra.Command {
	var c calibration
	cmd := &cobra.Command{
		Use:   "calibrate SCENARIO",
		Short: "Propose and fire the smallest set of runs that tells what a plan needs to know",
		Long: `While the autoscaler acts, load and replicas move together and no fit can tell them apart. So runs of their own come
first: fixed replicas, the rate in steps, unlike mixes of the journey's steps; pods taken past their limit; pods that
start under load; one workload loud beside the others where they share overcommitted nodes. Only those are fired that
settle something open; --have names records that are there already. Give the records to ansturm plan together with the
surge.

--propose lists the runs, what each settles and how long it takes, says what stays open, and fires nothing.`,
		Example: "  ansturm calibrate quick --speed 10 -o runs\n  ansturm calibrate quick --propose\n" +
			"  ansturm calibrate quick --have runs/calibration-1 --have runs/calibration-2 --propose",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := loadWorld(args[0], c.platform)
			if err != nil {
				return err
			}
			proposal, err := a.proposal(cmd.Context(), w, &c)
			if err != nil {
				return err
			}
			if c.propose {
				return a.print(proposal, func(w io.Writer) error { return reports.ProposalText(w, proposal, c.lang) })
			}
			return a.calibrateAll(cmd.Context(), w, &c, proposal)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.platform, "platform", "", "platform file (default: the one beside the scenario)")
	addSpeed(cmd, &c.speed, lifeSpeed)
	flags.StringVarP(&c.out, "output", "o", "runs", "directory the records go into, one each")
	flags.StringSliceVar(&c.only, "only", nil, "fire these runs of the proposal only")
	flags.StringSliceVar(&c.have, "have", nil, "record that is there already (repeatable): what it settles is not proposed")
	flags.BoolVar(&c.propose, "propose", false, "list the runs and fire nothing")
	addLang(cmd, &c.lang, "en")
	return cmd
}

// proposal finds the runs to be fired.
func (a *app) proposal(ctx context.Context, w *world, c *calibration) (*planner.Proposal, error) {
	var model *fit.Model
	if len(c.have) > 0 {
		records, err := openRecords(c.have)
		if err != nil {
			return nil, err
		}
		if model, err = fit.Fit(ctx, records, fit.Options{}); err != nil {
			return nil, inputError(err, "")
		}
	}
	proposal, err := planner.Propose(w.scenario, w.platform, model, c.speed)
	if err != nil {
		return nil, inputError(err, "")
	}
	if c.small {
		c.only = proposal.Least()
	}
	if err := proposal.Keep(c.only); err != nil {
		return nil, inputError(err, "ansturm calibrate --propose lists the runs")
	}
	return proposal, nil
}

// calibrateAll fires a proposal's runs and says what stays open.
func (a *app) calibrateAll(ctx context.Context, w *world, c *calibration, proposal *planner.Proposal) error {
	p := a.progress()
	runs, err := a.calibrate(ctx, p, proposal, c.speed, c.out)
	p.wait()
	if err != nil {
		return err
	}
	for _, left := range proposal.Left {
		a.say("not settled: %s – %s", left.Name.In(c.lang), left.Why.In(c.lang))
	}
	return a.tellDirs(runs)
}

// calibrate fires the runs of a proposal into directories of their own below dir.
func (a *app) calibrate(ctx context.Context, p *progress, proposal *planner.Proposal, speed float64, dir string) ([]*record.Record, error) {
	var runs []*record.Record
	for i, x := range proposal.Runs {
		a.say("run %d of %d, about %s: %s", i+1, len(proposal.Runs), scenarios.Span(x.Wall.Round(time.Second), "en"), x.Why.In("en"))
		rec, err := a.fireValid(ctx, p, firing{
			scenario: x.Experiment.Scenario, platform: x.Experiment.Platform, speed: speed,
			dir: filepath.Join(dir, x.Name), purpose: "calibration", title: x.Name,
		})
		if err != nil {
			return nil, err
		}
		if v := rec.Run.Validity; !v.Valid {
			return nil, &exitError{code: gate.Invalid.ExitCode(), err: fmt.Errorf("%s: %s", rec.Dir, strings.Join(scenarios.AllIn(v.Reasons, "en"), "; ")), hint: strings.Join(scenarios.AllIn(v.Advice, "en"), "; ")}
		}
		runs = append(runs, rec)
	}
	return runs, nil
}

// tellDirs prints where records are.
func (a *app) tellDirs(runs []*record.Record) error {
	dirs := make([]string, len(runs))
	for i, rec := range runs {
		dirs[i] = rec.Dir
	}
	if a.json {
		return a.printJSON(map[string]any{"runs": dirs})
	}
	for _, dir := range dirs {
		fmt.Fprintln(a.stdout, dir)
	}
	return nil
}
