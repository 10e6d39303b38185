package main

import (
	"testing"

	"github.com/ansturm/ansturm/scenarios"
)

// A platform of processes has to fit onto the machine that it is tried on, and into the lab.
func TestProcessesFitTheMachine(t *testing.T) {
	for seed := range int64(200) {
		x, err := drawProcesses(seed)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*scenarios.Scenario{x.surge, x.rehearsal} {
			if cores := x.wants(s); s == x.surge && cores > mostCores*1.001 {
				t.Errorf("seed %d: the surge wants %.2f cores", seed, cores)
			}
			if text, err := scenarios.Marshal(s); err != nil {
				t.Error(err)
			} else if _, err := scenarios.Parse("s.yaml", text, nil); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		for _, pf := range []*scenarios.Platform{x.platform, x.described} {
			if text, err := scenarios.MarshalPlatform(pf); err != nil {
				t.Error(err)
			} else if _, err := scenarios.ParsePlatform("p.yaml", text); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
	}
}
