package planner

import "github.com/ansturm/ansturm/scenarios"

// Experiment is a calibration run to be fired before a surge: what the surge itself cannot tell apart.
type Experiment struct {
	Name     string
	Scenario *scenarios.Scenario
	Platform *scenarios.Platform
}

// Calibration proposes short runs with fixed replicas, stepped rate and changed mix, so that the demand of each step
// and the capacity of a pod can be told apart.
func Calibration(sc *scenarios.Scenario, pf *scenarios.Platform) []Experiment { return nil }

// Apply gives the scenario and platform to be fired to see the world for real: its demand and seed, its lost node.
func (w World) Apply(sc *scenarios.Scenario, pf *scenarios.Platform) (*scenarios.Scenario, *scenarios.Platform) {
	return sc, pf
}
