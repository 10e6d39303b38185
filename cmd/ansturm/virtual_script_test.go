package main

import (
	"container/heap"
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

// agenda are visits, the next one first.
type agenda []visit

func (a agenda) Len() int      { return len(a) }
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(visit)) }

func (a agenda) Less(i, j int) bool {
	return a[i].due < a[j].due || a[i].due == a[j].due && a[i].seq < a[j].seq
}

func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// party is a scenario's persons on a virtual platform.
type party struct {
	platform *lab.Virtual
	schedule *arrivals.Schedule
	into     *record.Shard
	due      agenda
	flying   int
}

// attend sends every person through their steps.
func attend(platform *lab.Virtual, s *scenarios.Scenario, w *record.Writer) error {
	schedule, err := arrivals.New(s)
	if err != nil {
		return err
	}
	p := &party{platform: platform, schedule: schedule, into: w.Shard()}
	for a := range schedule.All(arrivals.Set{}) {
		p.next(a.Due, a.Seq, a.Tenant, 0)
	}
	for told := time.Duration(0); len(p.due) > 0 || p.flying > 0; {
		if at := platform.Next(); len(p.due) == 0 || at < p.due[0].due {
			platform.Advance(at)
			continue
		}
		v := heap.Pop(&p.due).(visit)
		if v.due-told > time.Second {
			told = v.due
			if err := w.Flush(told); err != nil {
				return err
			}
		}
		platform.Advance(v.due)
		if err := p.send(v); err != nil {
			return err
		}
	}
	return nil
}

// next has a person make the next of their visits, from a step on, now or after thinking.
func (p *party) next(at time.Duration, seq uint32, tenant int32, from int) {
	who := p.schedule.Person(seq)
	first, end := who.Steps()
	for step := max(from, first); step < end; step++ {
		if !who.Takes(step) {
			continue
		}
		v := visit{at, seq, tenant, step}
		if from > first {
			v.due += who.Think(step)
		}
		heap.Push(&p.due, v)
		return
	}
	p.into.Fate(seq, record.Completed)
}

func (p *party) send(v visit) error {
	p.flying++
	return p.platform.Submit(int(v.tenant), v.step, v.seq, true, func(o record.Outcome) {
		p.flying--
		now := p.platform.Now()
		p.into.Sample(record.Sample{Seq: v.seq, Tenant: v.tenant, Step: int32(v.step), Outcome: o, Due: v.due, Sent: v.due, FirstByte: now, Done: now})
		if o != record.OK {
			p.into.Fate(v.seq, record.FailedArrival)
			return
		}
		p.next(now, v.seq, v.tenant, v.step+1)
	})
}
