package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// firing is one run to be fired.
type firing struct {
	scenario *scenarios.Scenario
	platform *scenarios.Platform // nil: fire at target
	target   string              // a URL on loopback; empty: the embedded platform
	speed    float64
	dir      string
	purpose  string
	title    string // the stage's name on the terminal
	// maxConnections bounds the open connections; 0 means the engine's own bound.
	maxConnections int
}

// headStart is the wall time between the last preparation and offset 0.
const headStart = 200 * time.Millisecond

// fire fires one run and gives its record. On Ctrl-C the record is whole, the error is ctx's.
func (a *app) fire(ctx context.Context, p *progress, f firing) (*record.Record, error) {
	schedule, err := arrivals.New(f.scenario)
	if err != nil {
		return nil, inputError(err, "")
	}
	run := f.run()
	engine := loadgen.Config{
		Scenario: f.scenario, Schedule: schedule, RunID: run.ID, Speed: f.speed,
		MaxConnections: f.maxConnections,
	}
	var platform *labProcess
	if f.target == "" {
		setup := labSetup{Scenario: f.scenario, Platform: f.platform, Speed: f.speed, Seed: f.scenario.Arrivals.Seed}
		if platform, err = startLab(ctx, setup, a.stderr); err != nil {
			return nil, err
		}
		defer platform.stop()
		engine.Address = func(tenant int) string { return platform.Endpoints.Tenants[f.scenario.Tenants.List[tenant].Name] }
	} else {
		address, err := targetAddress(f.target)
		if err != nil {
			return nil, err
		}
		engine.Address = func(int) string { return address }
	}
	w, err := record.Create(f.dir, run)
	if err != nil {
		return nil, inputError(err, "name another directory with -o")
	}
	result, account, err := a.shoot(ctx, p, f, engine, platform, w, run.StartedAt)
	closeErr := w.Close(time.Now(), func(r *record.Run) {
		r.Totals, r.Validity, r.Interrupted, r.Lab = result.Totals, result.Validity, result.Interrupted, account
		r.Warnings = append(r.Warnings, result.Warnings...)
		judgeLab(r)
	})
	if err := errors.Join(err, closeErr); err != nil {
		return nil, fmt.Errorf("run %s: %w", f.dir, err)
	}
	rec, err := record.Open(f.dir)
	if err != nil {
		return nil, err
	}
	return rec, ctx.Err()
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
		a.say("%s says nothing about the platform (%s): firing once more", rec.Dir, rec.Run.Validity.Reasons[0])
		if err := os.Rename(rec.Dir, freshDir(rec.Dir+"-invalid")); err != nil {
			return rec, fmt.Errorf("keep the invalid record: %w", err)
		}
	}
}

// run is what is known before the first shot.
func (f firing) run() record.Run {
	target := f.target
	if target == "" {
		target = "lab"
	}
	return record.Run{
		Format: record.FormatVersion, ID: newRunID(), Ansturm: version(), Go: runtime.Version(), Purpose: f.purpose,
		Scenario: f.scenario, Platform: f.platform, Target: target, Speed: f.speed, Workers: 1,
		StartedAt: time.Now().Add(headStart),
	}
}

// shoot runs the engine against the platform, the timeline flowing into the record meanwhile.
func (a *app) shoot(ctx context.Context, p *progress, f firing, cfg loadgen.Config, platform *labProcess,
	w *record.Writer, start time.Time,
) (loadgen.Result, *record.LabAccount, error) {
	cfg.Start, cfg.Recorder = start, w
	engine, err := loadgen.New(cfg)
	if err != nil {
		return loadgen.Result{}, nil, inputError(err, "")
	}
	// The timeline must outlive Ctrl-C: the platform goes on answering what was sent.
	labCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timeline := make(chan error, 1)
	if platform != nil {
		if err := platform.Begin(labCtx, start); err != nil {
			return loadgen.Result{}, nil, err
		}
		go func() { timeline <- platform.Timeline(labCtx, w.Event) }()
	}
	st := p.stage(f.title, f.scenario.Arrivals.Total)
	stopWatching := watch(func() { reportProgress(st, engine.Progress()) })
	result, err := engine.Run(ctx)
	stopWatching()
	pr := engine.Progress()
	if result.Interrupted {
		st.abort(progressNote(pr))
	} else {
		st.done(progressNote(pr))
	}
	if platform == nil {
		return result, nil, err
	}
	account, labErr := finishLab(labCtx, platform, w)
	if labErr == nil {
		labErr = <-timeline
	}
	return result, account, errors.Join(err, labErr)
}

// finishLab takes the platform's own account into the record.
func finishLab(ctx context.Context, platform *labProcess, w *record.Writer) (*record.LabAccount, error) {
	account, err := platform.Finish(ctx)
	if err != nil {
		return nil, err
	}
	file, err := w.WriteAccepted(account.Accepted)
	if err != nil {
		return nil, err
	}
	return &record.LabAccount{
		Accepted: int64(account.Accepted.GetCardinality()), Duplicates: account.Duplicates, Refused: account.Refused, File: file,
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
		r.Validity.Advice = append(r.Validity.Advice, "lower --speed, or run on a machine with more cores")
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

// targetAddress is the host and port behind a target, which must be this machine's own until consent exists.
func targetAddress(target string) (string, error) {
	if err := loadgen.CheckTarget(target); err != nil {
		return "", inputError(err, "fire at the embedded platform (--lab), or at a server on 127.0.0.1")
	}
	u, err := url.Parse(target)
	if err != nil {
		return "", inputError(err, "")
	}
	if u.Port() != "" {
		return u.Host, nil
	}
	return u.Host + ":80", nil
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
