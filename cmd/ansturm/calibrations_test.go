package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
)

// TestLoudNeighboursAndBackEndsAreSettled has what calibrate proposes for a crowded platform happen in virtual time: the fit
// then knows what neighbours do and what the back end serves, and nothing of it is proposed again.
func TestLoudNeighboursAndBackEndsAreSettled(t *testing.T) {
	w, err := loadWorld("testdata/crowded.yaml", "")
	if err != nil {
		t.Fatal(err)
	}
	proposal, err := planner.Propose(w.scenario, w.platform, nil, topSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if err := proposal.Keep([]string{fit.RunRare, fit.RunCommon, fit.RunLoud, fit.RunBackends}); err != nil {
		t.Fatal(err)
	}
	var runs []*record.Record
	for _, r := range proposal.Runs {
		dir := filepath.Join(t.TempDir(), r.Name)
		if err := happen(dir, "calibration", r.Experiment.Scenario, r.Experiment.Platform); err != nil {
			t.Fatal(err)
		}
		rec, err := record.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, rec)
	}
	model, err := fit.Fit(t.Context(), runs, fit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, p := range model.Parameters {
		switch p.Kind {
		case fit.KindNeighbours: // who waits for a processor costs no more of it: on this platform the truth is 0
			if told++; p.Status != fit.Known || p.Low > 0 || p.High > 0.25 {
				t.Errorf("%+v", p)
			}
		case fit.KindBackend: // 1.2 cores, 8 ms a request
			if told++; p.Status != fit.Known || p.Value < 0.95*150 || p.Value > 1.05*150 || p.Low > 150 || p.High < 150 {
				t.Errorf("%+v", p)
			}
		}
	}
	if told != 2 {
		t.Fatalf("told of %d: %+v", told, model.Parameters)
	}
	again, err := planner.Propose(w.scenario, w.platform, model, topSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range again.Runs {
		if r.Name == fit.RunLoud || r.Name == fit.RunBackends {
			t.Errorf("%s is proposed again", r.Name)
		}
	}
	if slices.ContainsFunc(again.Left, func(p fit.Parameter) bool { return p.Kind == fit.KindNeighbours || p.Kind == fit.KindBackend }) {
		t.Errorf("left open: %+v", again.Left)
	}
}
