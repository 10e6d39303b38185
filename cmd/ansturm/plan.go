package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/reports"
)

// planning is what ansturm plan was asked for.
type planning struct {
	*app
	opts                planner.Options
	forecast, out, lang string
	candidates          []string
	loseNodes           int
}

func (a *app) planCommand() *cobra.Command {
	p := planning{app: a}
	c := &cobra.Command{
		Use:   "plan RUN...",
		Short: "Fit what the runs saw, and recommend nodes and autoscaling with proof",
		Long: `Fits service demands, capacities and delays from the records, simulates the platform under the surge in many
worlds, and searches the cheapest nodes and autoscaling settings that keep the promises.

Give the calibration runs and the surge run; the last run's scenario and platform are planned for, unless --forecast
names another scenario.

What if: --growth, --forecast, --lose-site and --no-new-nodes ask for another future; the plan then says who loses, when,
and what it would take.

A plan for a neighbouring question (more load, a stricter promise, one node more to lose) is a --candidate: what holds
there holds here, so that the answer to less is never more.`,
		Example: "  ansturm plan runs/calibration-1 runs/calibration-2 runs/surge -o plan\n  ansturm plan runs/* --growth 1.5 --no-new-nodes -o plan-b",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return p.run(c.Context(), args) },
	}
	p.flags(c)
	return c
}

func (p *planning) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&p.forecast, "forecast", "", "plan for this scenario instead of the last run's")
	flags.StringVarP(&p.out, "output", "o", "", "directory of the plan (default plan)")
	flags.Float64Var(&p.opts.Delta, "risk", 0.01, "accepted probability that a promise is broken")
	flags.IntVar(&p.opts.Worlds, "worlds", 512, "number of worlds a plan is certified on")
	flags.Float64Var(&p.opts.Growth, "growth", 1, "what if that many times as many persons come")
	flags.StringVar(&p.opts.LoseSite, "lose-site", "", "what if this site is lost at the peak")
	flags.StringArrayVar(&p.candidates, "candidate", nil, "a plan for more load, a stricter promise or one node more to lose, tried too; may be repeated")
	flags.BoolVar(&p.opts.NoNewNodes, "no-new-nodes", false, "what if no node can be ordered")
	flags.IntVar(&p.loseNodes, "lose-nodes", 1, "nodes lost in the bad worlds, 0 or 1")
	addLang(c, &p.lang, "en")
}

// run plans from these records.
func (p *planning) run(ctx context.Context, dirs []string) error {
	runs, err := openRecords(dirs)
	if err != nil {
		return err
	}
	if err := p.load(); err != nil {
		return err
	}
	if p.out == "" {
		p.out = freshDir("plan")
	}
	if _, err := os.Lstat(filepath.Join(p.out, "plan.json")); err == nil { // its proof would stay beside the new plan
		return inputError(fmt.Errorf("%s holds a plan already", p.out), "name another directory with -o")
	}
	bars := p.progress()
	plan, err := p.makePlan(ctx, bars, runs, p.opts, p.out, p.lang)
	bars.wait()
	if err != nil {
		return err
	}
	return p.print(plan, func(w io.Writer) error { return reports.PlanText(w, plan, p.lang) })
}

// load reads what the flags name into the options.
func (p *planning) load() error {
	p.opts.LoseNodes = &p.loseNodes
	if p.forecast != "" {
		w, err := loadScenario(p.forecast)
		if err != nil {
			return err
		}
		p.opts.Forecast = w.scenario
	}
	for _, name := range p.candidates {
		candidate, err := openPlan(name)
		if err != nil {
			return err
		}
		p.opts.Candidates = append(p.opts.Candidates, candidate)
	}
	return nil
}

// makePlan plans and writes the plan's directory, the document in it in one language.
func (a *app) makePlan(ctx context.Context, p *progress, runs []*record.Record, opts planner.Options, dir, lang string) (*planner.Plan, error) {
	steps := &planSteps{p: p}
	opts.Progress = steps.tell
	plan, err := planner.Make(ctx, runs, opts)
	steps.end(err)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, inputError(err, "")
	}
	if err := plan.Write(dir); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if err := writeFile(filepath.Join(dir, "plan.md"), func(w io.Writer) error { return reports.PlanMarkdown(w, plan, lang) }); err != nil {
		return nil, err
	}
	a.say("plan written to %s", filepath.Join(dir, "plan.json"))
	return plan, nil
}

// planSteps shows how far a plan is. A stage may be gone through several times, and back and forth with others: each time
// its bar begins anew, and is full while another one is at work.
type planSteps struct {
	p   *progress
	mu  sync.Mutex
	all []*planStep
	at  *planStep // the one at work
}

type planStep struct {
	*stage
	tries, counted int
}

// tell is planner.Options' Progress.
func (s *planSteps) tell(name string, done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil || s.at.name != name {
		if s.at != nil {
			s.at.set(100, s.at.beside())
		}
		s.at = s.step(name)
	}
	if s.at.counted++; done <= 1 {
		s.at.tries++
	}
	if total > 0 {
		s.at.set(100*done/total, s.at.beside())
	}
}

// step is the stage of that name, a new one if need be.
func (s *planSteps) step(name string) *planStep {
	if i := slices.IndexFunc(s.all, func(t *planStep) bool { return t.name == name }); i >= 0 {
		return s.all[i]
	}
	s.all = append(s.all, &planStep{stage: s.p.stage(name, 100)})
	return s.all[len(s.all)-1]
}

// end ends all stages, the one at work where it stands if it failed.
func (s *planSteps) end(err error) {
	for _, t := range s.all {
		if err != nil && t == s.at {
			t.abort(t.beside())
		} else {
			t.done(t.beside())
		}
	}
}

// beside is what stands beside the bar.
func (t *planStep) beside() string {
	switch {
	case t.name == planner.StageFit:
		return ""
	case t.tries > 1:
		return fmt.Sprintf("try %d, %d worlds", t.tries, t.counted)
	}
	return fmt.Sprintf("%d worlds", t.counted)
}
