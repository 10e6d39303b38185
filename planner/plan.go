// Package planner goes from run records to a [Plan]: how many nodes of which pool, ordered by when; each tenant's
// autoscaling; what risk remains; and why no cheaper answer exists.
//
// The way of the data: records → fit.Model → sim.Params in many worlds → search → certify → [Plan].
package planner

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// Plan is a recommendation with its proof. It is written as plan.json.
type Plan struct {
	Format int `json:"format"`
	// Scenario is the surge planned for; Before the platform as it was; Platform the platform as recommended.
	Scenario *scenarios.Scenario `json:"scenario"`
	Before   *scenarios.Platform `json:"before"`
	Platform *scenarios.Platform `json:"platform"`

	// Stands says whether the platform as it was stands the surge: gate.Fail means it breaks.
	Stands gate.Result `json:"stands"`
	// Mendable is false when neither nodes nor replicas help; Limit then names what does.
	Mendable bool           `json:"mendable"`
	Limit    scenarios.Text `json:"limit,omitempty"`
	// LimitBy is the limit's evidence in figures; nil where there is no limit.
	LimitBy *Limit `json:"limitBy,omitempty"`
	// Admission is the waiting room of the recommended platform: nil where nodes and replicas are enough, and where not
	// even a waiting room helps.
	Admission *Admission `json:"admission,omitempty"`
	// Instead is the waiting room with which the nodes that are there now would do; nil where none are to be ordered.
	Instead *Admission `json:"instead,omitempty"`

	// WhatIf answers what was asked beyond the run; nil where nothing was.
	WhatIf *WhatIf `json:"whatIf,omitempty"`

	Pools   []PoolPlan   `json:"pools"`
	Tenants []TenantPlan `json:"tenants"`
	Risk    Risk         `json:"risk"`
	Notch   Notch        `json:"notch"`
	// Frontier is cost against risk: every candidate worth a look, cheapest first.
	Frontier []Candidate `json:"frontier"`
	// Prediction is the planned platform under the surge as expected (no node lost).
	Prediction Prediction `json:"prediction"`
	// Validation compares the model's prediction of the fitted surge run with what was measured.
	Validation []Comparison `json:"validation,omitempty"`
	// Constraints are the up to three constraints that bind, in plain words.
	Constraints []scenarios.Text `json:"constraints"`
	// Sensitivity ranks what the plan assumes by how far it moves the answer, the furthest first.
	Sensitivity []Assumption `json:"sensitivity,omitempty"`
	// Explanation is the plan in ten lines for who has never seen a pod.
	Explanation []scenarios.Text `json:"explanation,omitempty"`
	Model       *fit.Model       `json:"model"`
	Evidence    []fit.Source     `json:"evidence"`
	Warnings    []record.Warning `json:"warnings,omitempty"`
}

// Limit is what neither nodes nor replicas mend.
type Limit struct {
	// Kind is "backend", "request" (a single one takes too long), "pools" (they cannot be raised further), "promise", or
	// "search": no settings were found, and nothing proves that there are none.
	Kind string `json:"kind"`
	// Name is the shared service, the step, the platform, or the tenant that breaks first.
	Name string `json:"name"`
	// Asked is what the surge asks of it at its peak, Most what it gives at most: seconds of work a second of a back end,
	// share of slow requests of a single request, nodes of the pools; zero where there is no such figure.
	Asked float64 `json:"asked,omitempty"`
	Most  float64 `json:"most,omitempty"`
}

// Admission is a waiting room and what it costs, over the worlds the plan was tried in.
type Admission struct {
	// Rate is how many persons a second it lets in.
	Rate float64 `json:"rate"`
	// Recovery is the rate that brings the platform back once a storm of retries has taken it down; then Rate will do.
	// Zero where the platform comes back by itself, and where no rate was found.
	Recovery float64 `json:"recovery,omitempty"`
	Nodes    int     `json:"nodes"`
	// Longest and Mean wait in seconds, Queue in persons at its longest, Until in seconds from the surge's start until
	// nobody waits any more: the median over the worlds, and the 5 % and 95 % quantiles.
	Longest fit.Estimate `json:"longest"`
	Mean    fit.Estimate `json:"mean"`
	Queue   fit.Estimate `json:"queue"`
	Until   fit.Estimate `json:"until"`
	// Waited is the share of the persons who wait at all, 0 to 1.
	Waited fit.Estimate   `json:"waited"`
	Risk   Risk           `json:"risk"`
	Says   scenarios.Text `json:"says"`
}

// PoolPlan is the recommendation for one node pool.
type PoolPlan struct {
	Pool    string `json:"pool"`
	Now     int    `json:"now"`
	Planned int    `json:"planned"`
	// LowerBound: with fewer nodes of this pool (others as planned) no setting whatever holds; 0 where none is proved.
	LowerBound int            `json:"lowerBound"`
	BoundBy    scenarios.Text `json:"boundBy,omitempty"`
	LeadTime   time.Duration  `json:"leadTime"`
	// OrderBy is the latest moment to order; zero when the scenario has no day. Then LeadTime before the surge.
	OrderBy time.Time `json:"orderBy,omitzero"`
}

// TenantPlan is the recommendation for one tenant's workload.
type TenantPlan struct {
	Tenant   string                                     `json:"tenant"`
	Workload string                                     `json:"workload"`
	Before   *autoscalingv2.HorizontalPodAutoscalerSpec `json:"before,omitempty"`
	HPA      autoscalingv2.HorizontalPodAutoscalerSpec  `json:"hpa"`
	// Target is the CPU utilisation in percent of the request.
	Target int32 `json:"target"`
	Min    int32 `json:"min"`
	Max    int32 `json:"max"`
	// Peak is the predicted largest number of replicas: median over the worlds, and its 5 % and 95 % quantiles.
	Peak fit.Estimate `json:"peak"`
	// Clairvoyant is the least peak any scaler could do with: the demand's peak over a pod's capacity.
	Clairvoyant int32 `json:"clairvoyant"`
}

// Risk is the probability that a promise is broken, over the worlds.
type Risk struct {
	Delta  float64 `json:"delta"` // accepted
	Worlds int     `json:"worlds"`
	Broken int     `json:"broken"`
	// Upper is the one-sided 95 % Clopper–Pearson bound.
	Upper float64 `json:"upper"`
}

// World is one future the plan was tried in.
type World struct {
	Index int `json:"index"`
	// Demand multiplies the scenario's total; Quantile is its place in the demand's distribution, 0 to 1.
	Demand   float64 `json:"demand"`
	Quantile float64 `json:"quantile"`
	Seed     uint64  `json:"seed"`
	// Lost is the node lost, empty for none; At when.
	Lost string        `json:"lost,omitempty"`
	At   time.Duration `json:"at,omitempty"`
	// Draw is the index of the parameters' draw.
	Draw int `json:"draw"`
}

// Notch is the proof of tightness: one notch less than the plan, and the world that breaks it.
type Notch struct {
	// Kind is "node" (one node fewer) or "target" (one step higher).
	Kind     string              `json:"kind"`
	What     scenarios.Text      `json:"what"`
	Platform *scenarios.Platform `json:"platform"`
	// Share of the plan's worlds that break it, an estimate: Tried of them were simulated, all of the worst and a fair sample of
	// the others.
	Share float64 `json:"share"`
	Tried int     `json:"tried"`
	World World   `json:"world"`
	// Breaks says what breaks in that world, in plain words.
	Breaks scenarios.Text `json:"breaks"`
	// PlanSlow and NotchSlow are the share of slow or failed shots in the worst window of that world, plan and notch.
	PlanSlow  float64 `json:"planSlow"`
	NotchSlow float64 `json:"notchSlow"`
}

// Candidate is one point of the search.
type Candidate struct {
	Nodes        int     `json:"nodes"`
	Target       int32   `json:"target"`
	ReplicaHours float64 `json:"replicaHours"`
	Cost         float64 `json:"cost"`
	Risk         float64 `json:"risk"`
	RiskUpper    float64 `json:"riskUpper"`
	Chosen       bool    `json:"chosen,omitempty"`
}

// Prediction is a simulated run, one value a Step from the start.
type Prediction struct {
	Step      time.Duration `json:"step"`
	Offered   []float64     `json:"offered"` // arrivals/s
	Served    []float64     `json:"served"`
	Desired   []float64     `json:"desired"` // replicas, all tenants
	Ready     []float64     `json:"ready"`
	P95       []float64     `json:"p95"`    // seconds, all tenants
	P95Low    []float64     `json:"p95Low"` // band over the worlds
	P95High   []float64     `json:"p95High"`
	AtDoor    []float64     `json:"atDoor,omitempty"` // persons in the waiting room
	SlowWorst float64       `json:"slowWorst"`        // share in the worst window
}

// Comparison is one predicted figure beside the measured one.
type Comparison struct {
	Figure    scenarios.Text `json:"figure"`
	Unit      string         `json:"unit"`
	Predicted float64        `json:"predicted"`
	Low       float64        `json:"low"`
	High      float64        `json:"high"`
	Measured  float64        `json:"measured"`
}

// Verification is what came of firing again on the plan. It is written as verify.json beside plan.json; paths in the file
// are relative to it.
type Verification struct {
	Format  int           `json:"format"`
	Plan    string        `json:"plan"` // the plan's file
	Run     string        `json:"run"`  // the record's directory
	Verdict *gate.Verdict `json:"verdict"`
	// Comparisons hold predicted against measured.
	Comparisons []Comparison `json:"comparisons"`
	// Notch is the pair fired by --notch in the plan's binding world; nil when it was only simulated.
	Notch *NotchFired `json:"notch,omitempty"`
}

// NotchFired is the binding world fired twice.
type NotchFired struct {
	World    World         `json:"world"`
	PlanRun  string        `json:"planRun"`
	Plan     *gate.Verdict `json:"plan"`
	NotchRun string        `json:"notchRun"`
	Notch    *gate.Verdict `json:"notch"`
}
