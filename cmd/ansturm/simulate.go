package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
)

func (a *app) simulateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "simulate SCENARIO [PLATFORM]",
		Short: "The surge in virtual time, no traffic",
		Long: `Simulates the platform under the surge from the figures of the platform file alone. It is an estimate: only a run
shows what the platform does.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := loadWorld(args[0], optional(args, 1))
			if err != nil {
				return err
			}
			simulation, err := a.simulate(c.Context(), w)
			if err != nil {
				return err
			}
			for _, w := range simulation.Warnings {
				a.say("warning: %s", w.Text.In("en"))
			}
			return a.print(simulation, func(w io.Writer) error { return printPrediction(w, &simulation.Prediction) })
		},
	}
}

// simulate simulates, showing how far it is.
func (a *app) simulate(ctx context.Context, w *world) (*planner.Simulation, error) {
	p := a.progress()
	defer p.wait()
	st := p.stage("simulate", 100)
	simulation, err := planner.Simulate(ctx, w.scenario, w.platform, nil, planner.Options{
		Progress: func(_ string, done, total int64) { st.set(100*done/max(total, 1), "") },
	})
	if err != nil {
		st.abort("")
		if ctx.Err() == nil {
			err = inputError(err, "")
		}
		return nil, err
	}
	st.done(scenarios.Span(time.Duration(len(simulation.Prediction.Offered))*simulation.Prediction.Step, "en") + " of platform time")
	return simulation, nil
}

// printPrediction prints a line a minute.
func printPrediction(out io.Writer, p *planner.Prediction) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "minute\toffered/s\tserved/s\tdesired\tready\tp95 s\t"
	if len(p.AtDoor) > 0 {
		head += "waiting room\t"
	}
	fmt.Fprintln(w, head)
	every := max(1, int(time.Minute/p.Step))
	for i := 0; i < len(p.Offered); i += every {
		fmt.Fprintf(w, "%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t", i/every, p.Offered[i], p.Served[i], p.Desired[i], p.Ready[i], p.P95[i])
		if i < len(p.AtDoor) {
			fmt.Fprintf(w, "%.0f\t", p.AtDoor[i])
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "worst window: %.1f %% of the shots slow or failed\n", 100*p.SlowWorst)
	return err
}
