// Package fit turns run records into models with intervals: what a request costs, what a pod carries, how long the
// reaction chain takes, and where each of these may be believed.
//
// The way of the data: records → regressors per scrape → non-negative least squares and quantiles → moving-block
// bootstrap → [Model].
package fit

import (
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// Estimate is one parameter with its interval.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Unit  string  `json:"unit"`
	// Draws are bootstrap draws of the value, for joint worlds; draw i belongs to the same resample in every Estimate of a Model.
	Draws []float64 `json:"draws,omitempty"`
}

// Model is everything fitted from a set of records.
type Model struct {
	// Level of all intervals, e.g. 0.9.
	Level     float64                   `json:"level"`
	Workloads map[string]*WorkloadModel `json:"workloads"`
	// Neighbours is what other workloads on the same nodes do to a request, by node pool; empty where each pool has one only.
	Neighbours map[string]*Neighbours `json:"neighbours,omitempty"`
	// Backends are the shared back ends that the timelines tell of.
	Backends map[string]*Backend `json:"backends,omitempty"`
	// Demand is the factor by which the surge itself may be larger than the scenario says, from past events.
	Demand Estimate `json:"demand"`
	Domain Domain   `json:"domain"`
	Runs   []Source `json:"runs"`
	// Parameters says of each thing a plan needs whether it is known, and which run of calibrate would settle it.
	Parameters []Parameter      `json:"parameters,omitempty"`
	Warnings   []record.Warning `json:"warnings,omitempty"`
}

// WorkloadModel is what is known of one workload.
type WorkloadModel struct {
	// Idle is c₀, the cores an idle pod uses.
	Idle Estimate `json:"idle"`
	// Steps holds each step's costs.
	Steps map[string]*StepModel `json:"steps"`
	// Condition is the condition number of the demand regression's columns (scaled): above 30 the steps cannot be told apart.
	Condition float64 `json:"condition"`
	// Capacity is the throughput curve over the utilisation or concurrency of pods.
	Capacity Capacity `json:"capacity"`
	// Chain is the reaction chain's delays by stage (record.Phase constants): from the stage before to this one.
	Chain map[string]*Delay `json:"chain"`
	// WarmUpFactor and WarmUpSeconds describe the dear time after Ready; as described by the
	// platform where they could not be measured.
	WarmUpFactor  Estimate `json:"warmUpFactor"`
	WarmUpSeconds Estimate `json:"warmUpSeconds"`
	WarmUpSeen    bool     `json:"warmUpSeen,omitempty"`
	// Memory is a pod's working set; nil where it was not scraped.
	Memory *Memory `json:"memory,omitempty"`
	// HeldOut is how well the demand predicts runs it was not fitted to; nil where there is none.
	HeldOut *HeldOut `json:"heldOut,omitempty"`
	// Residuals of the demand regression, in cores, one a scrape.
	Residuals []Residual `json:"residuals,omitempty"`
}

// StepModel is what one request of a step costs.
type StepModel struct {
	// Demand is d_k, CPU seconds a request.
	Demand Estimate `json:"demand"`
	// Divided: the runs tell what this step and others cost together, but hardly what each does; Demand is then the part that
	// the platform's description gives it, or leaves to it; without one it is any part that the sum allows.
	Divided bool `json:"divided,omitempty"`
	// Floor is the response time in seconds of an unloaded pod (median of the calibration's quietest tenant-minutes).
	Floor Estimate `json:"floor"`
	// Backend is the mean time spent waiting for back ends, in seconds: the quietest minutes' mean − demand at the pod's
	// own speed and utilisation, at least 0.
	Backend Estimate `json:"backend"`
	// Spread is the squared coefficient of variation of a request's CPU work: the variance of the quietest minutes'
	// service times over the square of their mean without Backend.
	Spread Estimate `json:"spread"`
}

// Capacity is the universal scalability law X(N) = γN / (1 + α(N−1) + βN(N−1)) over a tenant's ready replicas
// (Gunther 2007, eq. 4.31); X in requests/s of the run's mix.
type Capacity struct {
	Gamma Estimate `json:"gamma"`
	Alpha Estimate `json:"alpha"`
	Beta  Estimate `json:"beta"`
	// KneeObserved is false when the data stop before the knee; then AtLeast is all that is known.
	KneeObserved bool    `json:"kneeObserved"`
	AtLeast      float64 `json:"atLeast"`
	// Points are the observed (replicas, requests/s) of saturated or loaded seconds, for the chart with its band.
	Points []CapacityPoint `json:"points,omitempty"`
}

// CapacityPoint is one observation: throughput against replicas at a utilisation (0 to 1 of the limits).
type CapacityPoint struct {
	Replicas    float64 `json:"replicas"`
	Throughput  float64 `json:"throughput"`
	Utilisation float64 `json:"utilisation"`
}

// Delay is a shifted lognormal: Shift + exp(Mu + Sigma·Z) seconds.
type Delay struct {
	Shift, Mu, Sigma float64
	// Median and Late, the delay that one in twenty passes, in seconds with their intervals.
	Median   Estimate `json:"median"`
	Late     Estimate `json:"late"`
	Observed int      `json:"observed"` // how many stages it rests on
	Censored int      `json:"censored"` // pods that never got there
}

// Memory is a pod's working set: Base + PerRequest·max(n, Ratchet·most) bytes, with n requests in flight and at most so many
// before. Of the requests in flight only what scrapes saw is known, so a peak between two of them counts as part of Ratchet.
type Memory struct {
	Base       Estimate `json:"base"`       // bytes
	PerRequest Estimate `json:"perRequest"` // bytes a request in flight
	// Ratchet is the share of a rise that stays when the load falls, 0 to 1.
	Ratchet Estimate `json:"ratchet"`
	// Known is false where the load hardly varied, or memory does not show it.
	Known bool `json:"known"`
	// FallSeen says whether the load fell to half or less; only then Ratchet is known. Flank is MemoryFalls or MemoryStays
	// (then memory is a constraint and no metric to scale on), empty where neither is sure.
	FallSeen bool   `json:"fallSeen"`
	Flank    string `json:"flank,omitempty"`
	Scrapes  int    `json:"scrapes"`
	// Residuals in bytes a pod, some of them where there are many.
	Residuals []Residual `json:"residuals,omitempty"`
}

// Neighbours is what other workloads on a pool's nodes do to a request: it costs d·(1 + Eta·pressure), with the pressure the
// cores they use as a share of those the pool gives.
type Neighbours struct {
	Eta Estimate `json:"eta"`
	// Known is false where the pressure was always about the same.
	Known bool `json:"known"`
	// Least and Most pressure seen, 0 to 1.
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

// Backend is what was seen of a shared back end.
type Backend struct {
	// Most is what it serves at most, requests/s; only where its limit was Reached. AtLeast is the most it was seen to serve.
	Most    Estimate `json:"most"`
	Reached bool     `json:"reached"`
	AtLeast float64  `json:"atLeast"`
	// Knee is the number of requests in service from which on it serves the less the more there are; only where KneeObserved.
	Knee         Estimate `json:"knee"`
	KneeObserved bool     `json:"kneeObserved"`
}

// Residual is observed against predicted in one scrape: cores of a workload, or bytes of a tenant's pod.
type Residual struct {
	Run       string        `json:"run,omitempty"`
	At        time.Duration `json:"at"`
	Tenant    string        `json:"tenant"`
	Observed  float64       `json:"observed"`
	Predicted float64       `json:"predicted"`
}

// HeldOut is the relative error of predicted CPU over scrapes of runs held out from the fit, with warm pods and few
// failed requests.
type HeldOut struct {
	Scrapes int     `json:"scrapes"`
	Median  float64 `json:"median"`
	P95     float64 `json:"p95"`
}

// Domain is where the model may be believed.
type Domain struct {
	MaxRate        float64  `json:"maxRate"`        // requests/s of the whole platform seen
	MaxUtilisation float64  `json:"maxUtilisation"` // 0 to 1 of the limits
	MaxReplicas    int32    `json:"maxReplicas"`    // of one tenant
	Steps          []string `json:"steps"`
}

// Source is one record the model rests on.
type Source struct {
	ID      string `json:"id"`
	Purpose string `json:"purpose"`
	Dir     string `json:"dir"` // in plan.json relative to it
}
