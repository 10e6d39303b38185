package main

import (
	"context"
	"errors"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/observe"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// ground is what of a run's target this program keeps going: the embedded platform, or the watching of a cluster; of a
// server somewhere, neither.
type ground struct {
	lab      *labProcess
	observer *observe.Observer
}

// open starts what the run is fired at.
func (a *app) open(ctx context.Context, f firing) (g ground, err error) {
	switch {
	case f.cluster != nil:
		g.observer, err = f.cluster.observe(ctx)
	case f.target == "" && f.begun == nil: // it ends with who has started it
		g.lab, err = startLab(ctx, labSetup{Scenario: f.scenario, Platform: f.platform, Speed: f.speed, Seed: f.scenario.Arrivals.Seed}, a.stderr)
	}
	return g, err
}

func (g ground) leave() {
	if g.lab != nil {
		g.lab.stop()
	}
	if g.observer != nil {
		g.observer.Stop()
	}
}

// aimed is a run and what it is fired at.
type aimed struct {
	firing
	ground
}

// shooting is a run under way, fired by this process. The writer comes after the engine, which may refuse what it cannot fire.
type shooting struct {
	aimed
	*record.Writer
	engine *loadgen.Engine
	start  time.Time
}

// outcome is what came of a run.
type outcome struct {
	loadgen.Result
	account *record.LabAccount // nil: the platform gave none
	seen    []record.Warning   // of watching the cluster
	err     error              // what broke the run
}

// shoot runs the engine, the platform's own timeline flowing into the record meanwhile.
func (s *shooting) shoot(ctx context.Context, p *progress) (o outcome) {
	stopServing, err := metrics{progress: s.engine.Progress}.serve(s.metrics)
	if err != nil {
		return outcome{err: err}
	}
	defer stopServing()
	finish, err := s.listen(ctx, s.start, s.Event)
	if err != nil {
		return outcome{err: err}
	}
	if s.observer != nil {
		s.observer.Attach(s.start, s.Event)
	}
	show := s.show(p)
	stopWatching := watch(func() { show.now(s.engine.Progress()) })
	o.Result, o.err = s.engine.Run(ctx)
	stopWatching()
	show.end(s.engine.Progress(), o.Interrupted)
	if s.observer != nil && o.err == nil {
		s.cluster.wait(ctx)
	}
	account, accepted, err := finish()
	o.account, o.err = account, errors.Join(o.err, err)
	if account != nil {
		account.File, err = s.WriteAccepted(accepted)
		o.err = errors.Join(o.err, err)
	}
	if s.observer != nil {
		o.seen = s.observer.Stop()
	}
	return o
}

// accounting waits for the end of the platform's timeline and gives its account of itself, and the Seqs that it accepted; nil
// where it gives none.
type accounting func() (*record.LabAccount, *roaring.Bitmap, error)

// listen starts the platform's time, and tells its timeline meanwhile where it has one.
func (s aimed) listen(ctx context.Context, start time.Time, tell func(record.Event)) (accounting, error) {
	desk, belongs := s.desk()
	if desk == nil {
		return func() (*record.LabAccount, *roaring.Bitmap, error) { return nil, nil, nil }, nil
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // Ctrl-C: the platform goes on answering what was sent
	if err := desk.Begin(ctx, start); err != nil {
		cancel()
		return nil, err
	}
	timeline := make(chan error, 1)
	go func() {
		timeline <- desk.Timeline(ctx, func(e record.Event) {
			if belongs(&e) {
				tell(e)
			}
		})
	}()
	return func() (*record.LabAccount, *roaring.Bitmap, error) {
		defer cancel()
		patient, done := context.WithTimeout(ctx, labPatience)
		defer done()
		account, accepted, err := accountOf(patient, desk)
		select {
		case told := <-timeline:
			return account, accepted, errors.Join(err, told)
		case <-patient.Done():
			cancel() // nobody may write events any more once the record is closed
			return account, accepted, errors.Join(err, <-timeline)
		}
	}, nil
}

// desk is where the platform gives its own account, nil where it gives none; belongs says which of its events belong in the
// record.
func (s aimed) desk() (desk *lab.Client, belongs func(*record.Event) bool) {
	switch {
	case s.lab != nil:
		return s.lab.Client, func(*record.Event) bool { return true }
	case s.cluster != nil:
		return s.cluster.desk, ofDesk
	}
	return nil, nil
}

// close writes the record's end; what broke the run is an error too.
func (s *shooting) close(o outcome) error {
	return errors.Join(o.err, s.Writer.Close(time.Now(), func(r *record.Run) {
		r.Totals, r.Validity, r.Interrupted, r.Lab = o.Totals, o.Validity, o.Interrupted, o.account
		r.Warnings = append(append(r.Warnings, o.Warnings...), o.seen...)
		judgeLab(r)
		if s.closed > 0 { // only now the total is known
			r.Scenario = s.scenario.Clone()
			taken := s.engine.Progress()
			r.Scenario.Arrivals.Total = taken.Offered + taken.Unsent
		}
		if o.err != nil { // what broke the run must not be held against the platform
			r.Interrupted = true
			r.Warnings = append(r.Warnings, record.Warning{Code: "run-broken", Text: scenarios.Text{
				"de": "Der Lauf brach ab: " + o.err.Error(), "en": "The run broke off: " + o.err.Error(),
			}})
		}
	}))
}

// accountOf is the platform's own account.
func accountOf(ctx context.Context, desk *lab.Client) (*record.LabAccount, *roaring.Bitmap, error) {
	account, err := desk.Finish(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &record.LabAccount{
		Accepted: int64(account.Accepted.GetCardinality()), Duplicates: account.Duplicates, Refused: account.Refused,
		LetIn: account.LetIn, ToldToWait: account.ToldToWait,
		LatenessP99: account.LatenessP99, Limit: account.Limit, Valid: account.Valid, Reason: account.Reason,
	}, account.Accepted, nil
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
