package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/lab"
)

func (a *app) labCommand() *cobra.Command {
	var speed float64
	var seed uint64
	var fromStdin bool
	c := &cobra.Command{
		Use:   "lab SCENARIO [PLATFORM]",
		Short: "The embedded platform alone, for another client to fire at",
		Long: `Serves the platform on loopback, one address a tenant, until Ctrl-C. SCENARIO names the tenants and steps;
PLATFORM is a file, by default the one that ships with the scenario. Time starts at once.`,
		Example: "  ansturm lab quick\n  ansturm lab briefwahl my-platform.yaml --speed 10",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if fromStdin {
				return a.serveChild(c.Context())
			}
			if len(args) == 0 {
				return inputError(fmt.Errorf("no scenario given"), "ansturm scenario ls shows those that ship")
			}
			w, err := loadWorld(args[0], optional(args, 1))
			if err != nil {
				return err
			}
			return a.serveLab(c.Context(), labSetup{w.scenario, w.platform, speed, seed})
		},
	}
	addSpeed(c, &speed, lifeSpeed)
	c.Flags().Uint64Var(&seed, "seed", 1, "seed of the platform's delays")
	c.Flags().BoolVar(&fromStdin, "from-stdin", false, "take the setup from standard input; end when it closes")
	_ = c.Flags().MarkHidden("from-stdin")
	return c
}

// serveLab serves for a person: prints the addresses, starts time, and stays until Ctrl-C.
func (a *app) serveLab(ctx context.Context, setup labSetup) error {
	begun := make(chan error, 1)
	err := lab.Serve(ctx, setup.config(), func(e lab.Endpoints) {
		go func() { begun <- lab.Dial(e.Control).Begin(ctx, time.Now()) }()
		if a.json {
			_ = json.NewEncoder(a.stdout).Encode(e)
			return
		}
		names := make([]string, 0, len(e.Tenants))
		for name := range e.Tenants {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Fprintf(a.stdout, "%-24s http://%s\n", name, e.Tenants[name])
		}
		a.say("serving at %g times life's speed; Ctrl-C ends", setup.Speed)
	})
	if err != nil {
		return err
	}
	if err := <-begun; err != nil && ctx.Err() == nil {
		return err
	}
	return ended(exitInterrupted)
}

// serveChild serves for the process that started this one.
func (a *app) serveChild(parent context.Context) error {
	in := bufio.NewReader(a.stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("lab: read setup: %w", err)
	}
	var setup labSetup
	if err := json.Unmarshal(line, &setup); err != nil {
		return fmt.Errorf("lab: read setup: %w", err)
	}
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in) // returns when the parent closes it, or dies
		cancel()
	}()
	return lab.Serve(ctx, setup.config(), func(e lab.Endpoints) { _ = json.NewEncoder(a.stdout).Encode(e) })
}

func (s labSetup) config() lab.Config {
	return lab.Config{Platform: s.Platform, Scenario: s.Scenario, Speed: s.Speed, Seed: s.Seed}
}

// optional is args[i], or "" where there are fewer.
func optional(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}
