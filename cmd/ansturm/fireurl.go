package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/gate"
)

func (a *app) fireCommand() *cobra.Command {
	s := shot{}
	c := &cobra.Command{
		Use:   "fire URL",
		Short: "Fire at one URL: the quick tool",
		Long: `Fires at one URL and says what people would have felt: response time, service time and the generator's own lateness
in one table. It is a scenario made on the fly, with the same engine and the same record as ansturm run.

Open loop: a shot is due when the schedule says so, whatever the target does; --rate is the mean over --for.
--rate max is a closed loop instead: --connections ask again as soon as they are answered. It tells what the target can
serve, not what people feel.

--curve NAME[:NUMBERS] shapes the rate over --for; the total stays rate × time:
  constant             (the default)
  ramp:START,END       linear; 1,10 ends at ten times the rate it began with (default 0,1)
  step:AT,START,END    START before AT, END from then on (default the middle, 1,10)
  spike:AT,WIDTH       a triangle, WIDTH wide at its foot (default the middle, a fifth of --for)
  gaussian:AT,WIDTH    a bell, WIDTH its standard deviation (default the middle, a sixth of --for)
  deadline:AT,WIDTH    an exponential rise towards AT with time constant WIDTH (default the end, a sixth of --for)
  daily:AT,BASE        one wave in 24 hours, its top at AT, its bottom at BASE of the top (default the middle, 0.2)
  @FILE                YAML with the field curve, as in a scenario's arrivals: sums of shapes, points

URL, header values and body may hold placeholders as in scenarios: {{seq}}, {{uuid}}, {{now}}, {{run}}, {{retry}}.

Only this machine's own addresses are fired at. Exits 1 when not one shot ended well, 4 when the generator was the limit.
Ctrl-C ends it, prints what was measured until then, and exits 130.`,
		Example: `  ansturm fire http://127.0.0.1:8080/
  ansturm fire http://127.0.0.1:8080/search?q={{seq}} --rate 10000 --for 30s
  ansturm fire http://127.0.0.1:8080/ --rate 2000 --for 1m --curve spike
  ansturm fire http://127.0.0.1:8080/ --rate max --connections 64
  ansturm fire http://127.0.0.1:8080/antrag -d '{"id":"{{uuid}}"}' -H 'Accept-Language: de' --expect 201
  ansturm fire http://127.0.0.1:8080/ --total 500 --for 10s --json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			s.url, s.given = args[0], c.Flags().Changed
			f, err := s.firing(a.stdin)
			if err != nil {
				return err
			}
			return a.fireAndShow(c.Context(), f, s.out)
		},
	}
	s.flags(c)
	return c
}

// flags of the command; nothing is read from them before they are checked by firing.
func (s *shot) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVarP(&s.rate, "rate", "r", "50", "arrivals a second in the mean; also 10k, 600/m, 36k/h, or max")
	flags.DurationVar(&s.over, "for", 10*time.Second, "how long shots are fired")
	flags.Int64VarP(&s.total, "total", "n", 0, "exact number of arrivals, instead of --rate or --for")
	flags.StringVar(&s.curve, "curve", "constant", "shape of the rate over time, or @FILE")
	flags.StringVar(&s.process, "process", "poisson", "poisson: people, who come independently; uniform: evenly spaced")
	flags.Uint64Var(&s.seed, "seed", 0, "seed of the arrivals: the same seed, the same arrivals")
	flags.StringVarP(&s.method, "method", "X", "", "method (default GET; POST with a body)")
	flags.StringArrayVarP(&s.headers, "header", "H", nil, "header, 'Name: value'; may be repeated")
	flags.StringVarP(&s.body, "data", "d", "", "body: the text, @FILE, or @- for standard input")
	flags.DurationVar(&s.timeout, "timeout", 0, "longest time from due to the whole answer (default 1m)")
	flags.IntVarP(&s.connections, "connections", "c", 0, "most open connections (default 15000; 64 with --rate max)")
	flags.IntVar(&s.shards, "shards", 0, "threads that fire, with a part of the connections each (default one for two processors)")
	flags.DurationVar(&s.late, "lateness-limit", 0, "p99 of the generator's lateness from which the run is invalid (default 5ms)")
	flags.IntSliceVar(&s.expect, "expect", nil, "statuses of a good answer, like 200,201 (default 200 to 399)")
	flags.StringVarP(&s.out, "output", "o", "", "keep the record in this directory")
	s.client.flags(c)
	for flag, words := range map[string][]string{
		"rate": {"50", "1000", "10k", "600/m", "max"}, "for": {"10s", "30s", "1m", "10m"}, "process": {"poisson", "uniform"},
		"curve": curveNames, "method": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, "expect": {"200", "201", "204", "302"},
		"total": nil, "seed": nil, "timeout": {"2s", "10s", "1m"}, "lateness-limit": {"1ms", "5ms", "20ms"}, "connections": {"16", "64", "256"}, "shards": {"1", "2", "4"}, "header": nil,
	} {
		must(c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)))
	}
	must(c.MarkFlagDirname("output"))
}

// fireAndShow fires, prints what came of it, and gives the exit code. The record stays where out is not empty.
func (a *app) fireAndShow(ctx context.Context, f firing, out string) error {
	f.dir = out
	if out == "" {
		dir, err := os.MkdirTemp("", "ansturm-fire-")
		if err != nil {
			return fmt.Errorf("make room for the record: %w", err)
		}
		defer os.RemoveAll(dir)
		f.dir = filepath.Join(dir, "record")
	}
	f.announcement = announcement(f)
	p := a.progress()
	rec, err := a.fire(ctx, p, f)
	p.wait()
	if rec == nil {
		return templateHint(err)
	}
	result, readErr := resultOf(rec, f)
	if readErr != nil {
		return readErr
	}
	if out != "" {
		result.Record = out
	}
	return errors.Join(err, a.print(result, result.text), ended(result.exitCode(&rec.Run)))
}

// exitCode of a run that went to its end.
func (r *fireResult) exitCode(run *record.Run) int {
	switch {
	case run.Interrupted:
		return 0 // the interruption has a code of its own
	case !r.Valid:
		return gate.Invalid.ExitCode()
	case len(r.Problems) > 0:
		return gate.Inconclusive.ExitCode()
	case r.Completed == 0:
		return gate.Fail.ExitCode()
	}
	return 0
}
