package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

func (a *app) calibrateCommand() *cobra.Command {
	var platform, out string
	var speed float64
	c := &cobra.Command{
		Use:   "calibrate SCENARIO",
		Short: "Fire the short runs that tell load from autoscaling: fixed replicas, stepped rate, two mixes",
		Long: `While the autoscaler acts, load and replicas move together and no fit can tell them apart. So two short runs with
fixed replicas come first: the rate rises in steps, the mix of the journey's steps differs. Give them to ansturm plan
together with the surge.`,
		Example: "  ansturm calibrate quick --speed 10 -o runs\n  ansturm plan runs/calibration-1 runs/calibration-2 runs/surge",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkSpeed(speed, "", ""); err != nil {
				return err
			}
			w, err := loadWorld(args[0], platform)
			if err != nil {
				return err
			}
			p := a.progress()
			runs, err := a.calibrate(c.Context(), p, w, speed, out)
			p.wait()
			if err != nil {
				return err
			}
			return a.tellDirs(runs)
		},
	}
	c.Flags().StringVar(&platform, "platform", "", "platform file (default: the one beside the scenario)")
	c.Flags().Float64Var(&speed, "speed", lifeSpeed, "times life's speed, at most 10")
	c.Flags().StringVarP(&out, "output", "o", "runs", "directory the records go into, one each")
	return c
}

// calibrate fires the calibration runs into directories of their own below dir.
func (a *app) calibrate(ctx context.Context, p *progress, w *world, speed float64, dir string) ([]*record.Record, error) {
	var runs []*record.Record
	experiments := planner.Calibration(w.scenario, w.platform)
	if len(experiments) == 0 {
		return nil, inputError(fmt.Errorf("scenario %s cannot be calibrated", w.scenario.Name), "it needs a journey and a tenant at the least")
	}
	for _, x := range experiments {
		rec, err := a.fireValid(ctx, p, firing{
			scenario: x.Scenario, platform: x.Platform, speed: speed,
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
