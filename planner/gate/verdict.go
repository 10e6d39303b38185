// Package gate makes one verdict from a run and its SLOs. It judges only what the record holds: missing data gives
// inconclusive, a generator that was the limit gives invalid, never pass.
//
// The way of the data: record → response windows as cells → cells gathered by tenant, step and SLO window → windows
// with too few shots joined → each held against its SLO → the results in order: invalid, inconclusive, fail, pass.
package gate

import (
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// Result is a verdict in one word.
type Result string

// The results, from best to worst.
const (
	Pass         Result = "pass"
	Fail         Result = "fail"
	Inconclusive Result = "inconclusive"
	Invalid      Result = "invalid"
)

// ExitCode is the process exit code of a verdict: 0 pass, 1 fail, 3 inconclusive, 4 invalid.
func (r Result) ExitCode() int {
	switch r {
	case Pass:
		return 0
	case Fail:
		return 1
	case Invalid:
		return 4
	default:
		return 3
	}
}

// Verdict is what a run says about its promises.
type Verdict struct {
	Run     string           `json:"run"` // the record's ID
	Dir     string           `json:"dir"`
	Result  Result           `json:"result"`
	Reasons []scenarios.Text `json:"reasons"` // never empty
	SLOs    []SLOResult      `json:"slos"`
	// Baseline is the comparison with an earlier run of the same scenario; nil where none was given or it cannot serve.
	Baseline *Baseline        `json:"baseline,omitempty"`
	Warnings []record.Warning `json:"warnings,omitempty"`
}

// SLOResult is one promise judged.
type SLOResult struct {
	SLO scenarios.SLO `json:"slo"`
	// Result is fail where the promise was visibly broken, even in a run that is inconclusive as a whole; invalid, with
	// no figures at all, where the run is.
	Result Result `json:"result"`
	// Judged and Broken count windows; Tenants and BrokenTenants the tenants they belong to (none for an SLO over
	// all tenants together).
	Judged        int           `json:"judged"`
	Broken        int           `json:"broken"`
	Tenants       int           `json:"tenants"`
	BrokenTenants []TenantBreak `json:"brokenTenants,omitempty"`
	// Worst is the window with the largest share of slow or failed shots, among the broken ones where there are any.
	Worst *WindowJudged `json:"worst,omitempty"`
	// FirstBreak is the start of the first broken window; nil when none broke.
	FirstBreak *time.Duration `json:"firstBreak,omitempty"`
}

// TenantBreak is one tenant whose promise was broken.
type TenantBreak struct {
	Tenant string        `json:"tenant"`
	Broken int           `json:"broken"` // windows
	Judged int           `json:"judged"`
	First  time.Duration `json:"first"`
	Worst  WindowJudged  `json:"worst"`
}

// WindowJudged is one window held against its SLO.
type WindowJudged struct {
	Tenant string        `json:"tenant,omitempty"`
	Step   string        `json:"step"`
	Start  time.Duration `json:"start"`
	Length time.Duration `json:"length"`
	Shots  int64         `json:"shots"`
	Slow   int64         `json:"slow"` // slower than promised, or failed
	Failed int64         `json:"failed"`
	// Percentile is the response time at the SLO's percentile over all shots, failed ones with the time they took.
	Percentile time.Duration `json:"percentile"`
}

// Baseline compares a run with an earlier one of the same scenario: information and warnings, never the verdict itself.
type Baseline struct {
	Run   string       `json:"run"`
	Dir   string       `json:"dir"`
	Steps []StepChange `json:"steps"`
}

// StepChange is one step then and now, over all tenants and the whole run.
type StepChange struct {
	Step string `json:"step"`
	// P95 and P99 are response times in seconds over all shots; Errors is the share of failed shots, 0 to 1.
	P95    Change `json:"p95"`
	P99    Change `json:"p99"`
	Errors Change `json:"errors"`
}

// Change is one figure in the baseline and in the run.
//
// Shift is the change in the share of shots beyond the baseline's figure (for errors: of failed shots), with its 95 %
// interval Low to High; paired by stretches of the run, because the load of both followed the same curve.
type Change struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Shift  float64 `json:"shift"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	// Worse: After is more than a tenth above Before, and the interval excludes no change.
	Worse bool `json:"worse"`
}
