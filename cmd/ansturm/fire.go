package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// firing is one run to be fired.
type firing struct {
	scenario *scenarios.Scenario
	platform *scenarios.Platform // nil: fire at target
	target   string              // a URL on loopback, or a cluster's name; empty: the embedded platform
	cluster  *kubeTarget         // nil: none
	speed    float64
	dir      string
	purpose  string
	title    string // the stage's name on the terminal
	// announcement is said before the first shot; empty says nothing.
	announcement string
	// maxConnections bounds the open connections; 0 means the engine's own bound.
	maxConnections int
	// shards are the threads that fire; 0 means the engine's own choice.
	shards int
	// way is how the target is spoken to.
	way way
	// waitingRoom is the cookie of the target's waiting room; empty: none.
	waitingRoom string
	// latenessLimit makes a run invalid; 0 means the engine's own, see loadgen.Config.
	latenessLimit time.Duration
	// closed is the number of connections of a closed loop; 0 means an open one.
	closed int
	// warnings are known before the first shot.
	warnings []record.Warning
	// metrics is where the run's figures are served while it lasts; empty: nowhere.
	metrics string
	// fleet says who fires; this process, where it is not given.
	fleet fleetFlags
	// args are the command line, by which a run is taken up.
	args []string
	// begun is the run where it is taken up; nil: it begins.
	begun *begun
	// byTime shows the progress in time instead of arrivals.
	byTime bool
}

// headStart is the wall time between the platform's being there and offset 0: for compiling the engine and opening the record.
const headStart = 500 * time.Millisecond

// fire fires one run and gives its record. On Ctrl-C the record is whole, the error is ctx's; so it may be with another error.
func (a *app) fire(ctx context.Context, p *progress, f firing) (*record.Record, error) {
	schedule, err := arrivals.New(f.scenario)
	if err != nil {
		return nil, inputError(err, "")
	}
	g, err := a.open(ctx, f)
	if err != nil {
		return nil, err
	}
	defer g.leave()
	if f.way.tls != nil && f.way.tls.InsecureSkipVerify {
		a.say("warning: the server's certificate is not verified (--insecure)")
	}
	if f.announcement != "" && !a.quiet {
		a.say("%s", f.announcement)
	}
	shoot := a.fireAlone
	if f.fleet.given() {
		shoot = a.fireFleet
	}
	broken := shoot(ctx, p, f, g, schedule)
	if broken != nil {
		broken = fmt.Errorf("run %s: %w", f.dir, broken)
	}
	if broken != nil && !errors.As(broken, &closedRun{}) {
		return nil, broken
	}
	done, err := record.Open(f.dir)
	if err != nil {
		return nil, errors.Join(broken, err)
	}
	return done, cmp.Or(broken, ctx.Err())
}

// fireAlone fires by this process.
func (a *app) fireAlone(ctx context.Context, p *progress, f firing, g ground, schedule *arrivals.Schedule) error {
	s, err := f.load(g, schedule)
	if err != nil {
		return err
	}
	return s.close(s.shoot(ctx, p))
}

// load makes engine and record. Only a run that the engine can fire gets a record.
func (f firing) load(g ground, schedule *arrivals.Schedule) (*shooting, error) {
	s := &shooting{aimed: aimed{f, g}}
	run := f.run(time.Now().Add(headStart))
	s.start = run.StartedAt
	cfg := f.config(g, schedule, &run)
	cfg.Recorder, cfg.Samples = s, func(int) loadgen.Samples { return s.Shard() }
	var err error
	if s.engine, err = loadgen.New(cfg); err != nil {
		return nil, inputError(err, "")
	}
	if s.Writer, err = record.Create(f.dir, run); err != nil {
		return nil, inputError(err, "name another directory with -o")
	}
	return s, nil
}

// config is what the engine is told of a run, and the run of the engine.
func (f firing) config(g ground, schedule *arrivals.Schedule, run *record.Run) loadgen.Config {
	cfg := loadgen.Config{
		Scenario: f.scenario, Schedule: schedule, RunID: run.ID, Speed: f.speed, Start: run.StartedAt,
		Address: f.address(g), MaxConnections: f.maxConnections, Closed: f.closed,
		LatenessLimit: f.latenessLimit, WaitingRoom: f.waitingRoom, Shards: f.shards,
		HTTP2: f.way.http2, Proxy: f.way.proxy, TLS: f.way.tls, Sources: f.way.sources,
	}
	if f.cluster != nil {
		cfg.PodHeader = f.cluster.podHeader
	}
	if g.lab != nil && f.platform.Admission != nil {
		cfg.WaitingRoom = lab.PlaceCookie
	}
	cfg.Describe(run)
	return cfg
}

// address says where a tenant is: on the embedded platform, or the target, which is checked before.
func (f firing) address(g ground) func(int) string {
	switch {
	case f.begun != nil:
		return func(tenant int) string { return f.begun.Addresses[tenant] }
	case f.cluster != nil:
		return func(tenant int) string { return f.cluster.addresses[tenant] }
	case g.lab == nil:
		return func(int) string { return f.target }
	}
	return func(tenant int) string { return g.lab.Endpoints.Tenants[f.scenario.Tenants.List[tenant].Name] }
}

// run is what is known before the first shot.
func (f firing) run(start time.Time) record.Run {
	target := f.target
	if target == "" {
		target = "lab"
	}
	run := record.Run{
		Format: record.FormatVersion, ID: newRunID(), Ansturm: version(), Go: runtime.Version(), Purpose: f.purpose,
		Scenario: f.scenario, Platform: f.platform, Target: target, Speed: f.speed, Closed: f.closed,
		Workers: 1, StartedAt: start,
	}
	if f.cluster != nil {
		f.cluster.describe(&run)
	} else if f.platform != nil {
		run.Warnings = record.UncoveredMetrics(f.platform)
	}
	run.Warnings = append(run.Warnings, f.warnings...)
	return run
}

// tries is how often a run is fired in all when the machine was too busy for it to be valid.
const tries = 2

// fireValid fires a run, and once more when the generator or the embedded platform was the limit: on a shared machine
// that passes. The record that says nothing is kept beside it, as DIR-invalid.
func (a *app) fireValid(ctx context.Context, p *progress, f firing) (*record.Record, error) {
	for try := 1; ; try++ {
		rec, err := a.fire(ctx, p, f)
		if err != nil || rec.Run.Validity.Valid || try == tries {
			return rec, err
		}
		a.say("%s says nothing about the platform (%s): firing once more", rec.Dir, rec.Run.Validity.Reasons[0].In("en"))
		if err := os.Rename(rec.Dir, freshDir(rec.Dir+"-invalid")); err != nil {
			return rec, fmt.Errorf("keep the invalid record: %w", err)
		}
	}
}

func newRunID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}

// freshDir is want, or want-2, want-3, … where it is taken: nothing that was recorded is written over.
func freshDir(want string) string {
	dir := want
	for n := 2; ; n++ {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			return dir
		}
		dir = fmt.Sprintf("%s-%d", want, n)
	}
}
