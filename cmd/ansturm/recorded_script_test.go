package main

import (
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// recorded writes the record of a run of the small surge in which nothing was seen: recorded DIR VERSION valid|invalid.
func recorded(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: recorded DIR VERSION valid|invalid")
	}
	sc, err := scenarios.Find("quick")
	ts.Check(err)
	pf, err := scenarios.FindPlatform("quick")
	ts.Check(err)
	start := time.Date(2027, 3, 5, 14, 0, 0, 0, time.UTC)
	w, err := record.Create(ts.MkAbs(args[0]), record.Run{
		ID: args[0], Ansturm: args[1], Purpose: "surge", Scenario: sc, Platform: pf, Target: "lab", Speed: 1, Workers: 1, StartedAt: start,
	})
	ts.Check(err)
	ts.Check(w.Close(start.Add(time.Minute), func(r *record.Run) {
		r.Validity = record.Validity{Valid: args[2] == "valid"}
		if !r.Validity.Valid {
			r.Validity.Reasons = []string{"one shot in a hundred went out 300ms late"}
		}
	}))
}
