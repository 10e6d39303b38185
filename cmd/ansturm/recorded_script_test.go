package main

import (
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// recorded writes the record of a run, of the small surge or another of the library, in which nothing was seen, or in
// which every person's last step was answered after so long: recorded DIR VERSION valid|invalid [SCENARIO [ANSWER]].
func recorded(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 5 {
		ts.Fatalf("usage: recorded DIR VERSION valid|invalid [SCENARIO [ANSWER]]")
	}
	name := "quick"
	if len(args) > 3 {
		name = args[3]
	}
	sc, err := scenarios.Find(name)
	ts.Check(err)
	pf, err := scenarios.FindPlatform(name)
	ts.Check(err)
	start := time.Date(2027, 3, 5, 14, 0, 0, 0, time.UTC)
	w, err := record.Create(ts.MkAbs(args[0]), record.Run{
		ID: args[0], Ansturm: args[1], Purpose: "surge", Scenario: sc, Platform: pf, Target: "lab", Speed: 1, Workers: 1, StartedAt: start,
	})
	ts.Check(err)
	if len(args) > 4 {
		answer, err := time.ParseDuration(args[4])
		ts.Check(err)
		shard, last := w.Shard(), int32(len(sc.AllSteps())-1)
		for k := range sc.Arrivals.Total {
			due := time.Duration(k) * sc.Arrivals.Over / time.Duration(sc.Arrivals.Total)
			tenant := int32(k) % int32(len(sc.Tenants.List))
			shard.Sample(record.Sample{Seq: uint32(k), Tenant: tenant, Step: last, Due: due, Sent: due, Done: due + answer})
			shard.Fate(uint32(k), record.Completed)
		}
	}
	ts.Check(w.Close(start.Add(time.Minute), func(r *record.Run) {
		r.Validity = record.Validity{Valid: args[2] == "valid"}
		if !r.Validity.Valid {
			r.Validity.Reasons = []scenarios.Text{{"de": "eine von hundert Anfragen ging 300ms zu spät ab", "en": "one shot in a hundred went out 300ms late"}}
		}
	}))
}
