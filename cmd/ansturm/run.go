package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/gate"
)

// The speeds a run can go at; only the embedded platform can go faster than life.
const (
	lifeSpeed = 1
	topSpeed  = 10
)

func (a *app) runCommand() *cobra.Command {
	var f firing
	var client client
	var useLab bool
	var platform string
	var seed uint64
	c := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Fire the surge and record what comes of it",
		Long: `Fires the scenario, open loop: an arrival is due when the schedule says so, whatever the platform does.
SCENARIO is a name from the library (ansturm scenario ls) or a file.

The embedded platform (--lab, the default) is the one of the file NAME.platform.yaml beside the scenario, or
--platform. Ctrl-C stops firing, keeps what was recorded, and exits 130.`,
		Example: "  ansturm run quick --speed 10\n  ansturm run school.yaml --platform bigger.yaml -o runs/bigger",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if useLab && f.target != "" {
				return inputError(errors.New("--lab and --target exclude each other"), "")
			}
			if err := checkSpeed(f.speed, f.target); err != nil {
				return err
			}
			if f.target != "" { // before anything is read or opened: no packet without consent
				address, err := loadgen.TargetAddress(f.target)
				if err != nil {
					return inputError(err, "fire at the embedded platform (--lab), or at a server on 127.0.0.1")
				}
				f.target = address
			} else if flag := client.given(c.Flags().Changed); flag != "" {
				return inputError(fmt.Errorf("--%s without --target: the embedded platform speaks HTTP/1.1 without TLS", flag), "")
			}
			var err error
			if f.way, err = client.way(f.target); err != nil {
				return err
			}
			w, err := a.runWorld(args[0], platform, f.target)
			if err != nil {
				return err
			}
			if c.Flags().Changed("seed") {
				w.scenario.Arrivals.Seed = seed
			}
			f.scenario, f.platform, f.purpose, f.title = w.scenario, w.platform, "surge", "arrivals"
			if f.dir == "" {
				f.dir = freshDir(filepath.Join("runs", strings.TrimSuffix(w.scenario.Name, ".yaml")))
			}
			return a.runAndTell(c.Context(), f)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&useLab, "lab", false, "fire at the embedded platform (the default)")
	flags.StringVar(&platform, "platform", "", "platform file (default: the one beside the scenario)")
	flags.StringVar(&f.target, "target", "", "fire at this URL on loopback instead")
	flags.Float64Var(&f.speed, "speed", lifeSpeed, "times life's speed, at most 10 (embedded platform only)")
	flags.Uint64Var(&seed, "seed", 0, "seed of the arrivals, instead of the scenario's")
	flags.StringVarP(&f.dir, "output", "o", "", "directory of the record (default runs/NAME)")
	flags.IntVar(&f.maxConnections, "connections", 0, "most open connections (0: 15000)")
	client.flags(c)
	return c
}

// runWorld loads what a run needs; a target of its own needs no platform.
func (a *app) runWorld(scenario, platform, target string) (*world, error) {
	if target != "" && platform == "" {
		return loadScenario(scenario)
	}
	return loadWorld(scenario, platform)
}

// checkSpeed refuses speeds that would make another system of the platform.
func checkSpeed(speed float64, target string) error {
	switch {
	case !(speed > 0) || speed > topSpeed:
		return inputError(fmt.Errorf("--speed %g: must be above 0 and at most %d", speed, topSpeed), "")
	case target != "" && speed != lifeSpeed:
		return inputError(fmt.Errorf("--speed %g with --target: only the embedded platform can go faster than life", speed),
			"leave --speed out, and shorten the scenario instead")
	}
	return nil
}

// runAndTell fires and says what came of it.
func (a *app) runAndTell(ctx context.Context, f firing) error {
	p := a.progress()
	rec, err := a.fire(ctx, p, f)
	p.wait()
	if rec == nil {
		return err
	}
	if tellErr := a.tellAccount(rec); tellErr != nil {
		return tellErr
	}
	if err != nil {
		return err // Ctrl-C: the record is whole all the same
	}
	if !rec.Run.Validity.Valid {
		return ended(gate.Invalid.ExitCode())
	}
	return nil
}

// tellAccount prints what a record holds.
func (a *app) tellAccount(rec *record.Record) error {
	account, err := rec.Account()
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(account)
	}
	return printAccount(a.stdout, rec, account)
}
