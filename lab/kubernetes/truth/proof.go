package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ansturm/ansturm/planner/chain"
	"github.com/ansturm/ansturm/testdata/proofs"
)

// proof is a line of proof. What does not belong to its case is left out.
type proof struct {
	Case    string    `json:"case"`
	Commit  string    `json:"commit"`
	At      time.Time `json:"at"`
	Tenants int       `json:"tenants"`
	// Seconds is how long the run was; Valid, that neither generator nor platform were the limit.
	Seconds    float64 `json:"seconds"`
	Shots      int64   `json:"shots"`
	LatenessMs float64 `json:"latenessP99ms"`
	Valid      bool    `json:"valid"`
	// Accepted applications by the platform's own account, and whether that agrees with the ledger.
	Accepted int64 `json:"accepted"`
	Agrees   bool  `json:"agrees"`
	ScaleUps int   `json:"scaleUps"`

	// Audited changes of spec.replicas; Unlike, how many are in one of audit and timeline only.
	Audited    int                  `json:"audited,omitempty"`
	Unlike     int                  `json:"unlike"`
	Attributed int                  `json:"attributed,omitempty"`
	Partly     int                  `json:"partly,omitempty"`
	Unfinished int                  `json:"unfinished,omitempty"`
	Reasons    map[chain.Reason]int `json:"reasons,omitempty"`
	Stages     []stageError         `json:"stages,omitempty"`

	Quotas []podQuota `json:"quotas,omitempty"`
}

func newProof(what string, at time.Time, s *seen) *proof {
	p := &proof{
		Case: what, Commit: proofs.Commit(), At: at.UTC().Truncate(time.Second), Tenants: len(s.run.Scenario.Tenants.List),
		Seconds: s.run.EndedAt.Sub(s.run.StartedAt).Round(time.Second).Seconds(), Shots: s.run.Totals.Shots,
		LatenessMs: s.run.Validity.LatenessP99.Seconds() * 1e3, Valid: s.run.Validity.Valid,
	}
	if lab := s.account.Lab; lab != nil {
		p.Accepted, p.Agrees = lab.Accepted, lab.Agrees
	}
	return p
}

// String is the proof for people.
func (p *proof) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d tenants, %d shots in %.0f s, lateness p99 %.1f ms, valid %v; %d applications accepted, agrees %v\n",
		p.Case, p.Tenants, p.Shots, p.Seconds, p.LatenessMs, p.Valid, p.Accepted, p.Agrees)
	if p.Case == "chain" {
		why, _ := json.Marshal(p.Reasons) // a map of numbers
		fmt.Fprintf(&b, "%d scalings in the audit, %d unlike the timeline's; %d scale-ups: %d attributed, %d in part, %d unfinished %s\n",
			p.Audited, p.Unlike, p.ScaleUps, p.Attributed, p.Partly, p.Unfinished, why)
	}
	for _, s := range p.Stages {
		fmt.Fprintf(&b, "%-10s %5d  off by %7.1f ms p50 %7.1f ms p95 %8.1f ms most", s.Stage, s.Count, s.P50ms, s.P95ms, s.MaxMs)
		if s.Bounded > 0 {
			fmt.Fprintf(&b, "  %5d bounds, %7.1f ms wide, %5.1f %% of them hold the truth", s.Bounded, s.WidthMs, 100*s.Inside)
		}
		if s.Unknown > 0 {
			fmt.Fprintf(&b, "  %d of unknown truth", s.Unknown)
		}
		b.WriteByte('\n')
	}
	for _, q := range p.Quotas {
		fmt.Fprintf(&b, "%-40s held back in %5.0f periods, %6.1f s; by the kernel %5.0f, %6.1f s\n", q.Pod, q.Periods, q.Seconds, q.KernelPeriods, q.KernelSeconds)
	}
	return strings.TrimRight(b.String(), "\n")
}
