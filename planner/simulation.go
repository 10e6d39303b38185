package planner

import "github.com/ansturm/ansturm/planner/gate"

// Simulation is a surge in virtual time: what `ansturm simulate` prints.
type Simulation struct {
	// Stands is pass when no promise is broken in the surge as expected.
	Stands     gate.Result       `json:"stands"`
	SLOs       []SimulatedSLO    `json:"slos"`
	Prediction Prediction        `json:"prediction"`
	Tenants    []SimulatedTenant `json:"tenants"`
	// ReplicaHours of all tenants; Scalings is the number of changes of a replica count.
	ReplicaHours float64 `json:"replicaHours"`
	Scalings     int     `json:"scalings"`
}

// SimulatedSLO is one promise in a simulated surge.
type SimulatedSLO struct {
	Name   string      `json:"name"`
	Result gate.Result `json:"result"`
	Judged int         `json:"judged"` // windows
	Broken int         `json:"broken"`
	// Tenants that broke it, by name.
	Tenants []string `json:"tenants,omitempty"`
	// Worst is the largest share of slow or failed shots in a window, 0 to 1.
	Worst float64 `json:"worst"`
}

// SimulatedTenant is one tenant in a simulated surge.
type SimulatedTenant struct {
	Tenant string  `json:"tenant"`
	Peak   int32   `json:"peak"`   // replicas
	Worst  float64 `json:"worst"`  // share of slow or failed shots in its worst window
	Broken bool    `json:"broken"` // of any promise
}
