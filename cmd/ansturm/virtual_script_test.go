package main

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// virtual writes records of what happens on the embedded platform in virtual time, which takes no time: of a scenario
// under a purpose, or of the least calibration runs and the surge: virtual DIR SCENARIO [PURPOSE].
func virtual(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 && len(args) != 3 {
		ts.Fatalf("usage: virtual DIR SCENARIO [PURPOSE]")
	}
	name := args[1]
	if filepath.Ext(name) != "" {
		name = ts.MkAbs(name)
	}
	w, err := loadWorld(name, "")
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	if len(args) == 3 {
		ts.Check(happen(dir, args[2], w.scenario, w.platform))
		return
	}
	p, err := planner.Propose(w.scenario, w.platform, nil, 1)
	ts.Check(err)
	for _, r := range p.Runs {
		if slices.Contains(p.Least(), r.Name) {
			ts.Check(happen(filepath.Join(dir, r.Name), "calibration", r.Experiment.Scenario, r.Experiment.Platform))
		}
	}
	ts.Check(happen(filepath.Join(dir, "surge"), "surge", w.scenario, w.platform))
}

// happen records a scenario on a platform. Its persons are patient: they wait for every answer, and go when one fails.
func happen(dir, purpose string, s *scenarios.Scenario, pf *scenarios.Platform) error {
	start := time.Date(2027, 3, 5, 14, 0, 0, 0, time.UTC)
	w, err := record.Create(dir, record.Run{
		ID: filepath.Base(dir), Ansturm: "v1", Purpose: purpose, Scenario: s, Platform: pf, Target: "lab", Speed: 1, Workers: 1, StartedAt: start,
	})
	if err != nil {
		return err
	}
	p, err := lab.NewVirtual(lab.Config{Platform: pf, Scenario: s, Seed: s.Arrivals.Seed}, w.Event)
	if err != nil {
		return err
	}
	if err := attend(p, s, w); err != nil {
		return err
	}
	p.Advance(p.Now() + 30*time.Second) // until the last work is in a scrape
	account := p.Finish()
	file, err := w.WriteAccepted(account.Accepted)
	if err != nil {
		return err
	}
	return w.Close(start.Add(p.Now()), func(r *record.Run) {
		r.Validity = record.Validity{Valid: true}
		r.Lab = &record.LabAccount{Accepted: int64(account.Accepted.GetCardinality()), File: file, Valid: true}
	})
}

// visit is a shot that is due.
type visit struct {
	due    time.Duration
	seq    uint32
	tenant int32
	step   int
}

// attend sends every person through their steps, those who come first.
func attend(p *lab.Virtual, s *scenarios.Scenario, w *record.Writer) error {
	schedule, err := arrivals.New(s)
	if err != nil {
		return err
	}
	into, due, told := w.Shard(), []visit(nil), time.Duration(0)
	next := func(at time.Duration, seq uint32, tenant int32, from int) {
		who := schedule.Person(seq)
		first, end := who.Steps()
		for step := max(from, first); step < end; step++ {
			if !who.Takes(step) {
				continue
			}
			v := visit{at, seq, tenant, step}
			if from > first {
				v.due += who.Think(step)
			}
			i, _ := slices.BinarySearchFunc(due, v, func(a, b visit) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.seq, b.seq)) })
			due = slices.Insert(due, i, v)
			return
		}
		into.Fate(seq, record.Completed)
	}
	for a := range schedule.All(arrivals.Share{}) {
		next(a.Due, a.Seq, a.Tenant, 0)
	}
	flying := 0 // not the loop's own, of which there is one a turn
	for len(due) > 0 || flying > 0 {
		if at := p.Next(); len(due) == 0 || at < due[0].due {
			p.Advance(at)
			continue
		}
		v := due[0]
		if due = due[1:]; v.due-told > time.Second {
			told = v.due
			if err := w.Flush(told); err != nil {
				return err
			}
		}
		p.Advance(v.due)
		flying++
		err := p.Submit(int(v.tenant), v.step, v.seq, true, func(o record.Outcome) {
			flying--
			now := p.Now()
			into.Sample(record.Sample{Seq: v.seq, Tenant: v.tenant, Step: int32(v.step), Outcome: o, Due: v.due, Sent: v.due, FirstByte: now, Done: now})
			if o != record.OK {
				into.Fate(v.seq, record.FailedArrival)
				return
			}
			next(now, v.seq, v.tenant, v.step+1)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
