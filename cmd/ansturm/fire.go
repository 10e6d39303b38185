package main

import (
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
	"github.com/ansturm/ansturm/loadgen/observe"
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
	// byTime shows the progress in time instead of arrivals.
	byTime bool
}

// headStart is the wall time between the platform's being there and offset 0: for compiling the engine and opening the record.
const headStart = 500 * time.Millisecond

// recorder lets the engine be made, and refuse what it cannot fire, before there is a record.
type recorder struct{ *record.Writer }

// fire fires one run and gives its record. On Ctrl-C the record is whole, the error is ctx's.
func (a *app) fire(ctx context.Context, p *progress, f firing) (*record.Record, error) {
	schedule, err := arrivals.New(f.scenario)
	if err != nil {
		return nil, inputError(err, "")
	}
	var platform *labProcess
	if f.target == "" {
		if f.platform.Admission != nil {
			f.waitingRoom = lab.PlaceCookie
		}
		setup := labSetup{Scenario: f.scenario, Platform: f.platform, Speed: f.speed, Seed: f.scenario.Arrivals.Seed}
		if platform, err = startLab(ctx, setup, a.stderr); err != nil {
			return nil, err
		}
		defer platform.stop()
	}
	var observer *observe.Observer
	if f.cluster != nil {
		if observer, err = f.cluster.observe(ctx); err != nil {
			return nil, err
		}
		defer observer.Stop()
	}
	run, rec := f.run(time.Now().Add(headStart)), &recorder{}
	cfg := loadgen.Config{
		Scenario: f.scenario, Schedule: schedule, RunID: run.ID, Speed: f.speed, Start: run.StartedAt,
		Address: f.address(platform), MaxConnections: f.maxConnections, Closed: f.closed, Recorder: rec,
		LatenessLimit: f.latenessLimit, WaitingRoom: f.waitingRoom, Shards: f.shards,
		HTTP2: f.way.http2, Proxy: f.way.proxy, TLS: f.way.tls, Sources: f.way.sources,
		Samples: func(int) loadgen.Samples { return rec.Shard() },
	}
	if f.cluster != nil {
		cfg.PodHeader = f.cluster.podHeader
	}
	cfg.Describe(&run)
	engine, err := loadgen.New(cfg)
	if err != nil {
		return nil, inputError(err, "")
	}
	if rec.Writer, err = record.Create(f.dir, run); err != nil {
		return nil, inputError(err, "name another directory with -o")
	}
	if f.way.tls != nil && f.way.tls.InsecureSkipVerify {
		a.say("warning: the server's certificate is not verified (--insecure)")
	}
	if f.announcement != "" && !a.quiet {
		a.say("%s", f.announcement)
	}
	result, account, err := shoot(ctx, p, f, engine, platform, observer, rec.Writer, run.StartedAt)
	var seen []record.Warning
	if observer != nil {
		seen = observer.Stop()
	}
	closeErr := rec.Close(time.Now(), func(r *record.Run) {
		r.Totals, r.Validity, r.Interrupted, r.Lab = result.Totals, result.Validity, result.Interrupted, account
		r.Warnings = append(append(r.Warnings, result.Warnings...), seen...)
		judgeLab(r)
		if f.closed > 0 { // only now the total is known
			r.Scenario = f.scenario.Clone()
			taken := engine.Progress()
			r.Scenario.Arrivals.Total = taken.Offered + taken.Unsent
		}
		if err != nil { // what broke the run must not be held against the platform
			r.Interrupted = true
			r.Warnings = append(r.Warnings, record.Warning{Code: "run-broken", Text: scenarios.Text{
				"de": "Der Lauf brach ab: " + err.Error(), "en": "The run broke off: " + err.Error(),
			}})
		}
	})
	if err := errors.Join(err, closeErr); err != nil {
		return nil, fmt.Errorf("run %s: %w", f.dir, err)
	}
	done, err := record.Open(f.dir)
	if err != nil {
		return nil, err
	}
	return done, ctx.Err()
}

// address says where a tenant is: on the embedded platform, or the target, which is checked before.
func (f firing) address(platform *labProcess) func(int) string {
	switch {
	case f.cluster != nil:
		return func(tenant int) string { return f.cluster.addresses[tenant] }
	case platform == nil:
		return func(int) string { return f.target }
	}
	return func(tenant int) string { return platform.Endpoints.Tenants[f.scenario.Tenants.List[tenant].Name] }
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
	return run
}

// shoot runs the engine against the platform, the timeline flowing into the record meanwhile.
func shoot(ctx context.Context, p *progress, f firing, engine *loadgen.Engine, platform *labProcess,
	observer *observe.Observer, w *record.Writer, start time.Time,
) (loadgen.Result, *record.LabAccount, error) {
	// The timeline must outlive Ctrl-C: the platform goes on answering what was sent.
	labCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timeline := make(chan error, 1)
	desk, belongs := f.desk(platform)
	if desk != nil {
		if err := desk.Begin(labCtx, start); err != nil {
			return loadgen.Result{}, nil, err
		}
		go func() {
			timeline <- desk.Timeline(labCtx, func(e record.Event) {
				if belongs(&e) {
					w.Event(e)
				}
			})
		}()
	}
	if observer != nil {
		observer.Attach(start, w.Event)
	}
	show := f.show(p)
	stopWatching := watch(func() { show.now(engine.Progress()) })
	result, err := engine.Run(ctx)
	stopWatching()
	show.end(engine.Progress(), result.Interrupted)
	if observer != nil && err == nil {
		f.cluster.wait(ctx)
	}
	if desk == nil {
		return result, nil, err
	}
	finishCtx, done := context.WithTimeout(labCtx, labPatience)
	defer done()
	account, labErr := finishLab(finishCtx, desk, w)
	select {
	case timelineErr := <-timeline:
		labErr = errors.Join(labErr, timelineErr)
	case <-finishCtx.Done():
		cancel() // nobody may write events any more once the record is closed
		labErr = errors.Join(labErr, <-timeline)
	}
	return result, account, errors.Join(err, labErr)
}

// desk is where the platform gives its own account, nil where it gives none; belongs says which of its events belong in the
// record.
func (f firing) desk(platform *labProcess) (desk *lab.Client, belongs func(*record.Event) bool) {
	switch {
	case platform != nil:
		return platform.Client, func(*record.Event) bool { return true }
	case f.cluster != nil:
		return f.cluster.desk, ofDesk
	}
	return nil, nil
}

// finishLab takes the platform's own account into the record.
func finishLab(ctx context.Context, desk *lab.Client, w *record.Writer) (*record.LabAccount, error) {
	account, err := desk.Finish(ctx)
	if err != nil {
		return nil, err
	}
	file, err := w.WriteAccepted(account.Accepted)
	if err != nil {
		return nil, err
	}
	return &record.LabAccount{
		Accepted: int64(account.Accepted.GetCardinality()), Duplicates: account.Duplicates, Refused: account.Refused, File: file,
		LetIn: account.LetIn, ToldToWait: account.ToldToWait,
		LatenessP99: account.LatenessP99, Limit: account.Limit, Valid: account.Valid, Reason: account.Reason,
	}, nil
}

// judgeLab takes the lab's own lateness into the run's validity.
func judgeLab(r *record.Run) {
	if r.Lab == nil {
		return
	}
	r.Validity.LabLatenessP99, r.Validity.LabLimit = r.Lab.LatenessP99, r.Lab.Limit
	if !r.Lab.Valid {
		r.Validity.Valid = false
		r.Validity.Reasons = append(r.Validity.Reasons, r.Lab.Reason)
		r.Validity.Advice = append(r.Validity.Advice, scenarios.Text{
			"de": "--speed verringern oder auf einem Rechner mit mehr Kernen fahren",
			"en": "lower --speed, or run on a machine with more cores",
		})
	}
}

// watch calls each several times a second until the function it gives is called.
func watch(each func()) (stop func()) {
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				each()
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-gone }
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
