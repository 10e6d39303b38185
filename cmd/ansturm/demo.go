package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/reports"
)

// demo is the main job, from calibration to report, on the embedded platform.
type demo struct {
	*app
	world *world
	speed float64
	dir   string
	lang  string
	notch bool
	p     *progress
}

func (a *app) demoCommand() *cobra.Command {
	d := demo{app: a}
	var platform string
	c := &cobra.Command{
		Use:   "demo [SCENARIO]",
		Short: "The main job on the embedded platform: run, plan, verify, report",
		Long: `Calibrates, fires the surge, fits, recommends, fires again on the plan, and writes the report, with nothing but this
machine: 600,000 applications for absentee-ballot papers in 150 municipalities, ten times as fast as life. The shipped
platform is too small and its autoscaling badly set, so that the first verdict is a fail; the plan's is a pass.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			scenario := "briefwahl"
			if len(args) == 1 {
				scenario = args[0]
			}
			var err error
			if d.world, err = loadWorld(scenario, platform); err != nil {
				return err
			}
			d.dir = freshDir(d.dir)
			d.p = a.progress()
			code, err := d.run(c.Context())
			d.p.wait()
			if err != nil {
				return err
			}
			return ended(code)
		},
	}
	addSpeed(c, &d.speed, topSpeed)
	c.Flags().StringVarP(&d.dir, "output", "o", "demo", "directory of records, plan and report")
	c.Flags().StringVar(&platform, "platform", "", "platform file (default: the one beside the scenario)")
	c.Flags().BoolVar(&d.notch, "notch", false, "also fire the binding world with and without one notch less")
	addLang(c, &d.lang, "de")
	return c
}

// run goes the whole way; the code is that of the planned platform's verdict.
func (d *demo) run(ctx context.Context) (int, error) {
	runs, verdict, err := d.observe(ctx)
	if err != nil {
		return 0, err
	}
	if verdict.Result == gate.Invalid {
		return 0, &exitError{code: gate.Invalid.ExitCode(), err: errors.New(verdict.Reasons[0].In("en"))}
	}
	d.say("the platform as it is: %s", verdict.Reasons[0].In("en"))
	plan, err := d.makePlan(ctx, d.p, runs, planner.Options{}, filepath.Join(d.dir, "plan"), d.lang)
	if err != nil {
		return 0, err
	}
	surge := runs[len(runs)-1]
	v, err := d.verify(ctx, d.p, plan, filepath.Join(d.dir, "plan"), filepath.Join(d.dir, "verify"), d.speed, d.notch)
	if err != nil {
		return 0, err
	}
	if err := d.report(surge.Dir); err != nil {
		return 0, err
	}
	return verificationExit(v), nil
}

// observe fires the calibration runs and the surge, and judges the surge.
func (d *demo) observe(ctx context.Context) ([]*record.Record, *gate.Verdict, error) {
	proposal, err := d.proposal(ctx, d.world, &calibration{speed: d.speed, small: true})
	if err != nil {
		return nil, nil, err
	}
	d.say("calibrating with %d runs only; what they leave open is named in the plan, and ansturm calibrate would settle more of it", len(proposal.Runs))
	runs, err := d.calibrate(ctx, d.p, proposal, d.speed, filepath.Join(d.dir, "runs"))
	if err != nil {
		return nil, nil, err
	}
	rec, verdict, err := d.fireAndJudge(ctx, d.p, firing{
		scenario: d.world.scenario, platform: d.world.platform, speed: d.speed,
		dir: filepath.Join(d.dir, "runs", "surge"), purpose: "surge", title: "surge",
	})
	return append(runs, rec), verdict, err
}

// report writes the page in both languages and says where it is.
func (d *demo) report(surge string) error {
	in, err := gatherReport(surge, filepath.Join(d.dir, "plan"), time.Now())
	if err != nil {
		return err
	}
	var paths []string
	for _, lang := range []string{"de", "en"} {
		path := filepath.Join(d.dir, "report."+lang+".html")
		if err := writeFile(path, func(w io.Writer) error { return reports.HTML(w, in, lang) }); err != nil {
			return err
		}
		paths = append(paths, path)
	}
	if d.json {
		said := map[string]any{"reports": paths, "plan": filepath.Join(d.dir, "plan"), "surge": surge}
		if in.Verify != nil {
			said["verify"] = in.Verify.Run
		}
		return d.printJSON(said)
	}
	if err := reports.Text(d.stdout, in, d.lang); err != nil {
		return err
	}
	for _, path := range paths {
		if absolute, err := filepath.Abs(path); err == nil {
			path = absolute
		}
		fmt.Fprintln(d.stdout, path)
	}
	return nil
}
