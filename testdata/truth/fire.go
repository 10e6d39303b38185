package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// firing is one run on a virtual platform.
type firing struct {
	name, purpose string
	scenario      *scenarios.Scenario
	// platform is what there is, described what the record says there is.
	platform, described *scenarios.Platform
	dir                 string
	// linger lets the platform go on until the last work is in a scrape.
	linger bool
}

// began is when every virtual run begins.
var began = time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)

// fire fires and gives the record, which is as that of a run on the embedded platform.
func (f firing) fire() (*record.Record, error) {
	rec, err := f.record()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return rec, nil
}

func (f firing) record() (*record.Record, error) {
	w, err := record.Create(f.dir, record.Run{
		ID: f.name, Ansturm: "planner-truth", Go: runtime.Version(), Purpose: f.purpose, Scenario: f.scenario, Platform: f.described,
		Target: "lab", Client: "none", Speed: 1, Workers: 1, StartedAt: began,
	})
	if err != nil {
		return nil, err
	}
	account, totals, end, err := f.shoot(w)
	closed := w.Close(began.Add(end), func(r *record.Run) {
		r.Totals.Reloads, r.Totals.ComeBacks, r.Totals.GaveUp = totals.Reloads, totals.ComeBacks, totals.GaveUp
		r.Validity, r.Lab = record.Validity{Valid: true}, account
	})
	if err := errors.Join(err, closed); err != nil {
		return nil, err
	}
	return record.Open(f.dir)
}

// shoot lets the surge happen and gives the platform's own account of it.
func (f firing) shoot(w *record.Writer) (*record.LabAccount, record.Totals, time.Duration, error) {
	fail := func(err error) (*record.LabAccount, record.Totals, time.Duration, error) {
		return nil, record.Totals{}, 0, err
	}
	cfg := lab.Config{Platform: f.platform, Scenario: f.scenario, Seed: f.scenario.Arrivals.Seed}
	platform, err := lab.NewVirtual(cfg, func(e record.Event) {
		e.Wall = began.Add(e.At)
		w.Event(e)
	})
	if err != nil {
		return fail(err)
	}
	c, err := newCrowd(platform, f.scenario, w.Shard())
	if err != nil {
		return fail(err)
	}
	if err := c.run(w.Flush); err != nil {
		return fail(err)
	}
	if f.linger {
		scrape := f.platform.Autoscaling.WithDefaults().MetricResolution
		platform.Advance((platform.Now()/scrape + 2) * scrape)
	}
	end := platform.Now()
	account := platform.Finish()
	file, err := w.WriteAccepted(account.Accepted)
	if err != nil {
		return fail(err)
	}
	return &record.LabAccount{
		Accepted: int64(account.Accepted.GetCardinality()), Duplicates: account.Duplicates, Refused: account.Refused, File: file, Valid: true,
	}, c.totals, end, nil
}
