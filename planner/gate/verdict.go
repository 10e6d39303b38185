// Package gate makes one verdict from a run and its SLOs. It judges only what the record holds: missing data gives
// inconclusive, a generator that was the limit gives invalid, never pass.
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
	Run      string           `json:"run"` // the record's ID
	Dir      string           `json:"dir"`
	Result   Result           `json:"result"`
	Reasons  []scenarios.Text `json:"reasons"` // never empty
	SLOs     []SLOResult      `json:"slos"`
	Warnings []record.Warning `json:"warnings,omitempty"`
}

// SLOResult is one promise judged.
type SLOResult struct {
	SLO    scenarios.SLO `json:"slo"`
	Result Result        `json:"result"`
	// Judged and Broken count windows; Tenants and BrokenTenants the tenants they belong to.
	Judged        int           `json:"judged"`
	Broken        int           `json:"broken"`
	Tenants       int           `json:"tenants"`
	BrokenTenants []TenantBreak `json:"brokenTenants,omitempty"`
	// Worst is the window with the largest share of slow or failed shots.
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
