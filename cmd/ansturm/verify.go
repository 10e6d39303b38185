package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/reports"
	"github.com/ansturm/ansturm/scenarios"
)

// verification is what ansturm verify was asked for.
type verification struct {
	*app
	out, lang string
	speed     float64
	notch     bool
	kube      clusterFlags
	apply     bool          // consent to write to the cluster
	settle    time.Duration // how long its workloads may take to come up
	restore   string        // a directory whose verification was killed; empty: none
}

func (a *app) verifyCommand() *cobra.Command {
	v := verification{app: a}
	c := &cobra.Command{
		Use:   "verify PLAN",
		Short: "Fire again on the planned settings: did the promise hold?",
		Long: `Fires the plan's surge at the embedded platform with the planned nodes and autoscaling, and holds what was
predicted against what was measured. Exits as gate does on that run.

--notch fires the world that binds the plan, twice: with the plan, which must hold, and with one notch less, which must
not. Exits 1 when either is otherwise.

A run in which the generator or the embedded platform was the limit says nothing; it is fired once more.

With --kube-context the plan's autoscalers (hpa/*.yaml) are applied to a cluster whose tenants have agreed, fired at as
by run --kube-context, and what was there before is put back: also after Ctrl-C and errors, and, with --restore DIR, after
this program was killed. Nothing is written before the API server has taken every file by a dry run, what is there is
saved to DIR/before.json, and --apply, or a word on the terminal, has allowed it. Nothing else is written: where the cluster has
other nodes than the plan, or the plan a waiting room, the verification warns of it. See ansturm rbac --verify for the rights.`,
		Args: func(c *cobra.Command, args []string) error {
			if v.restore != "" {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := v.check(c.Flags().Changed); err != nil {
				return err
			}
			if v.restore != "" {
				return v.restoreFrom(c.Context(), v.restore)
			}
			return v.run(c.Context(), args[0])
		},
	}
	v.flags(c)
	return c
}

func (v *verification) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&v.notch, "notch", false, "also fire the binding world with and without one notch less")
	addSpeed(c, &v.speed, topSpeed)
	flags.StringVarP(&v.out, "output", "o", "", "directory of the records (default verify in the plan's)")
	flags.BoolVar(&v.apply, "apply", false, "consent to replace the cluster's autoscalers for the run")
	flags.DurationVar(&v.settle, "settle", 5*time.Minute, "how long the cluster's workloads may take to come up to the plan's least replicas")
	flags.StringVar(&v.restore, "restore", "", "put back what a killed verification into this directory left in its cluster")
	v.kube.flags(c)
	addLang(c, &v.lang, "en")
}

// check refuses flags that do not go together.
func (v *verification) check(changed func(string) bool) error {
	onCluster := v.kube.context != "" || v.restore != ""
	switch {
	case !onCluster && v.apply:
		return inputError(errors.New("--apply without --kube-context"), "the embedded platform is made anew for each run: nothing is written anywhere")
	case onCluster && v.notch:
		return inputError(errors.New("--notch with --kube-context: a cluster's nodes cannot be taken away"), "fire the notch at the embedded platform")
	case onCluster && changed("speed"):
		return inputError(errors.New("--speed with --kube-context: only the embedded platform can go faster than life"), "leave --speed out")
	case v.settle < 0:
		return inputError(fmt.Errorf("--settle %v: must not be negative", v.settle), "")
	case v.restore != "":
		return nil // what was saved knows its context
	}
	return v.kube.check(changed)
}

// run fires the plan of that name and says what came of it.
func (v *verification) run(ctx context.Context, name string) error {
	plan, err := openPlan(name)
	if err != nil {
		return err
	}
	if v.out == "" {
		v.out = freshDir(filepath.Join(planDir(name), "verify"))
	}
	p := v.progress()
	var verified *planner.Verification
	if v.kube.context != "" {
		verified, err = v.onCluster(ctx, p, plan, name)
	} else {
		verified, err = v.verify(ctx, p, plan, name, v.out, v.speed, v.notch)
	}
	p.wait()
	if err != nil {
		return err
	}
	if err := v.print(verified, func(w io.Writer) error { return reports.VerificationText(w, verified, v.lang) }); err != nil {
		return err
	}
	return ended(verificationExit(verified))
}

// planDir is the directory of a plan named by its directory or its plan.json.
func planDir(name string) string {
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		return filepath.Dir(name)
	}
	return name
}

// verify fires the plan, and with notch the binding world twice, into subdirectories of out; what came of it is saved beside
// the plan.
func (a *app) verify(ctx context.Context, p *progress, plan *planner.Plan, name, out string, speed float64, notch bool) (*planner.Verification, error) {
	if notch && plan.Notch.Platform == nil {
		return nil, inputError(errors.New("the plan names no notch to fire"), "leave --notch out")
	}
	v, err := a.verifyAt(ctx, p, plan, name, firing{
		scenario: plan.Scenario, platform: plan.Platform, speed: speed,
		dir: filepath.Join(out, "plan"), purpose: "verify", title: "verify",
	})
	if err != nil || !notch {
		return v, err
	}
	if v.Notch, err = a.fireNotch(ctx, p, plan, out, speed); err != nil {
		return nil, err
	}
	return v, planner.SaveVerification(planDir(name), v)
}

// verifyAt fires the plan somewhere, holds what was predicted against what was measured, and saves that.
func (a *app) verifyAt(ctx context.Context, p *progress, plan *planner.Plan, name string, f firing) (*planner.Verification, error) {
	rec, verdict, err := a.fireAndJudge(ctx, p, f)
	if err != nil {
		return nil, err
	}
	v := &planner.Verification{Format: planner.PlanFormat, Plan: name, Run: rec.Dir, Verdict: verdict}
	if v.Comparisons, err = planner.Compare(plan, rec); err != nil {
		return nil, fmt.Errorf("compare predicted with measured: %w", err)
	}
	return v, planner.SaveVerification(planDir(name), v)
}

// fireNotch fires the binding world on the plan and on one notch less.
func (a *app) fireNotch(ctx context.Context, p *progress, plan *planner.Plan, out string, speed float64) (*planner.NotchFired, error) {
	fired := &planner.NotchFired{World: plan.Notch.World}
	fire := func(platform *scenarios.Platform, name, title string) (string, *gate.Verdict, error) {
		f := firing{speed: speed, dir: filepath.Join(out, name), purpose: "notch", title: title}
		f.scenario, f.platform = plan.Notch.World.Apply(plan.Scenario, platform)
		rec, verdict, err := a.fireAndJudge(ctx, p, f)
		if err != nil {
			return "", nil, err
		}
		return rec.Dir, verdict, nil
	}
	var err error
	if fired.PlanRun, fired.Plan, err = fire(plan.Platform, "world-plan", "world, plan"); err != nil {
		return nil, err
	}
	fired.NotchRun, fired.Notch, err = fire(plan.Notch.Platform, "world-notch", "world, notch")
	return fired, err
}

// fireAndJudge fires one run and judges it.
func (a *app) fireAndJudge(ctx context.Context, p *progress, f firing) (*record.Record, *gate.Verdict, error) {
	rec, err := a.fireValid(ctx, p, f)
	if err != nil {
		return nil, nil, err
	}
	verdict, err := gate.Judge(rec, nil)
	return rec, verdict, err
}

// verificationExit is the verdict's code; a notch that does not tell plan from less is a fail.
func verificationExit(v *planner.Verification) int {
	code := v.Verdict.Result.ExitCode()
	if n := v.Notch; code == 0 && n != nil && (n.Plan.Result != gate.Pass || n.Notch.Result != gate.Fail) {
		for _, verdict := range []*gate.Verdict{n.Plan, n.Notch} {
			if verdict.Result == gate.Invalid || verdict.Result == gate.Inconclusive {
				return verdict.Result.ExitCode()
			}
		}
		return gate.Fail.ExitCode()
	}
	return code
}
