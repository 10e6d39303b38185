package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/fleet/place"
	"github.com/ansturm/ansturm/planner/gate"
)

// workerFlags are what ansturm worker was asked for.
type workerFlags struct {
	*app
	at        bus.Abroad
	tokenFile string
	name      string
	state     string
	shards    int
	client    client
	patience  time.Duration
}

// A worker tries to join that often, and that long, while no coordinator is there yet: those of the same machine may be up before it.
const (
	joinAgain    = 200 * time.Millisecond
	joinPatience = time.Minute
)

func (a *app) workerCommand() *cobra.Command {
	w := workerFlags{app: a}
	c := &cobra.Command{
		Use:   "worker",
		Short: "Fire a share of another ansturm's run",
		Long: `Joins the fleet of a run that ansturm run coordinates, fires what it is dealt, and ends with the run. The coordinator says
on its terminal where to join, and which file holds the token; copy that file, do not put the token on a command line.

Targets are on loopback, each worker's own. A worker whose coordinator is away fires what it holds, keeps what it counts in
its state directory, and delivers it later. Started again with the same --state it takes up what was not delivered.

Ctrl-C gives back what has not begun. Exit codes: 0 the run is over · 2 usage or input · 4 no coordinator answers any more ·
64 refused`,
		Example: "  ansturm worker --join tls://10.1.2.3:4222 --token-file token --state worker-1",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return w.work(c.Context()) },
	}
	flags := c.Flags()
	flags.StringVar(&w.at.URL, "join", "", "where the coordinator listens: tls://HOST:PORT, or the NATS server between them")
	flags.StringVar(&w.tokenFile, "token-file", "", "file with the run's join token, as the coordinator wrote it")
	flags.StringVar(&w.name, "name", "", "what people call it (default: its host's name)")
	flags.StringVar(&w.state, "state", "", "directory for what it counts until the record has it (default: one of its own among the temporary files)")
	flags.IntVar(&w.shards, "shards", 0, "threads that fire (0: one for every two processors)")
	flags.DurationVar(&w.patience, "patience", fleet.DefaultPatience, "how long it waits for a coordinator that does not answer any more")
	flags.StringVar(&w.at.Credentials, "nats-creds", "", "credentials for a NATS server of your own")
	flags.StringVar(&w.at.Authority, "nats-cacert", "", "file of the authorities that a NATS server of your own is vouched for by, in PEM")
	flags.StringSliceVar(&w.client.sources, "source", nil, "local addresses to fire from, in turn: 127.0.0.1,127.0.0.2")
	for _, flag := range []string{"token-file", "nats-creds", "nats-cacert"} {
		must(c.MarkFlagFilename(flag))
	}
	must(c.MarkFlagDirname("state"))
	return c
}

// work works until the run is over.
func (w *workerFlags) work(ctx context.Context) (err error) {
	if w.at.URL == "" || w.tokenFile == "" {
		return inputError(errors.New("--join and --token-file are needed"), "the coordinator says both when it waits for workers")
	}
	token, err := bus.ReadToken(w.tokenFile)
	if err != nil {
		return inputError(fmt.Errorf("--token-file: %w", err), "copy the file that the coordinator names when it starts")
	}
	if err := bus.CheckJoin(token, w.at); err != nil {
		return inputError(fmt.Errorf("--join: %w", err), "write it as the coordinator says it when it waits for workers, like tls://10.1.2.3:4222")
	}
	way, err := w.client.way("")
	if err != nil {
		return err
	}
	if w.name == "" {
		w.name, _ = os.Hostname() // for people only
	}
	if w.state == "" {
		if w.state, err = os.MkdirTemp("", "ansturm-worker-"); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, w.leaveState()) }()
	err = fleet.Work(ctx, fleet.WorkerConfig{
		Join:  w.joiner(token),
		Build: version(), Name: w.name, State: w.state, Run: token.Run(), Patience: w.patience,
		Engine: func(c *loadgen.Config) { c.Shards, c.Sources = w.shards, way.sources },
		Say:    func(line string) { w.say("%s", line) },
	})
	var refusal *bus.Refusal
	switch {
	case errors.Is(err, fleet.ErrShared):
		return inputError(err, "--state names a worker's own directory")
	case errors.As(err, &refusal) && refusal.Text == fleet.ErrOver.Error():
		w.say("%s", refusal.Text)
		return nil
	case errors.As(err, &refusal):
		return &exitError{code: place.ExitRefused, err: refusal, hint: refusalHints[refusal.Reason]}
	case errors.Is(err, fleet.ErrAway):
		return &exitError{code: gate.Invalid.ExitCode(), err: err}
	}
	return err
}

// refusalHints say what helps against a refusal, by its reason.
var refusalHints = map[string]string{
	"token":   "the file is of another run, or the run is over: copy the one that the coordinator names now",
	"run":     "the token is of another run: copy the file that this run's coordinator names",
	"version": "use the same build of ansturm on both sides",
	"expired": "start the run anew: its token lets nobody in any more",
}

// joiner joins; a coordinator that is not there yet is waited for.
func (w *workerFlags) joiner(token bus.Token) func(context.Context, []byte) (bus.Link, []byte, error) {
	told := false
	return func(ctx context.Context, hello []byte) (bus.Link, []byte, error) {
		for end := time.Now().Add(joinPatience); ; {
			seat, err := bus.Join(ctx, token, w.at, hello)
			var refusal *bus.Refusal
			switch {
			case err == nil:
				return seat.Link, seat.Welcome, nil
			case errors.As(err, &refusal) || time.Now().After(end):
				return nil, nil, err
			case !told:
				told = true
				w.say("%v: trying for %s", err, joinPatience)
			}
			select {
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			case <-time.After(joinAgain):
			}
		}
	}
}

// leaveState removes the state directory where nothing is left in it, and else says what is.
func (w *workerFlags) leaveState() error {
	left, err := os.ReadDir(w.state)
	if err != nil {
		return nil // there is none
	}
	if len(left) == 0 {
		return os.Remove(w.state)
	}
	w.say("what the record does not have yet is in %s: --state %s takes it up while the run goes on", w.state, w.state)
	return nil
}
