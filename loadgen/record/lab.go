package record

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/scenarios"
)

// LabComparison holds the ledger against the lab's own log, as sets. Where a journey can be completed without a step
// that hands in an application, CompletedNotAccepted proves nothing and Agrees does not look at it.
type LabComparison struct {
	Accepted                int64 `json:"accepted"`
	Duplicates              int64 `json:"duplicates"`
	CompletedNotAccepted    int64 `json:"completedNotAccepted"`    // must be 0
	AcceptedNotCompleted    int64 `json:"acceptedNotCompleted"`    // each failed or indeterminate
	AcceptedWithoutFate     int64 `json:"acceptedWithoutFate"`     // must be 0
	AcceptedUnsent          int64 `json:"acceptedUnsent"`          // must be 0
	DuplicatesBeyondReloads int64 `json:"duplicatesBeyondReloads"` // must be 0
	Agrees                  bool  `json:"agrees"`
}

// compareLab holds the ledger against what the embedded platform accepted.
func (a *Account) compareLab(r *Record, l *Ledger) {
	if r.Run.Lab == nil {
		return
	}
	accepted, err := r.Accepted()
	if err != nil {
		a.problem("%v", err)
		return
	}
	if accepted == nil {
		a.problem("the lab's set of accepted applications is missing")
		return
	}
	c := compare(l, accepted, r.Run.Lab.Duplicates, r.Run.Totals)
	if !alwaysAccepts(r.Run.Scenario, r.Run.Platform) {
		c.Agrees = c.agrees(0)
	}
	a.Lab = &c
	if c.Accepted != r.Run.Lab.Accepted {
		a.problem("lab: %d applications in %s, %d by the lab's count", c.Accepted, r.Run.Lab.File, r.Run.Lab.Accepted)
	}
	if !c.Agrees {
		a.problem("lab: ledger and lab do not agree: %d completed but not accepted, %d accepted without a fate, "+
			"%d accepted but unsent, %d duplicates that no reload explains",
			c.CompletedNotAccepted, c.AcceptedWithoutFate, c.AcceptedUnsent, c.DuplicatesBeyondReloads)
	}
}

func compare(l *Ledger, accepted *roaring.Bitmap, duplicates int64, totals Totals) LabComparison {
	without := func(a, b *roaring.Bitmap) int64 { return int64(roaring.AndNot(a, b).GetCardinality()) }
	c := LabComparison{
		Accepted:                int64(accepted.GetCardinality()),
		Duplicates:              duplicates,
		CompletedNotAccepted:    without(l.Sets[Completed], accepted),
		AcceptedNotCompleted:    without(accepted, l.Sets[Completed]),
		AcceptedWithoutFate:     without(accepted, l.All()),
		AcceptedUnsent:          int64(accepted.AndCardinality(l.Sets[Unsent])),
		DuplicatesBeyondReloads: max(0, duplicates-totals.Reloads-totals.ComeBacks),
	}
	c.Agrees = c.agrees(c.CompletedNotAccepted)
	return c
}

func (c *LabComparison) agrees(completedNotAccepted int64) bool {
	return completedNotAccepted == 0 && c.AcceptedWithoutFate == 0 && c.AcceptedUnsent == 0 && c.DuplicatesBeyondReloads == 0
}

// alwaysAccepts says whether every journey hands in an application: it has a step that everybody takes and that every
// workload accepts. Without a platform nothing is known, and the stricter reading holds.
func alwaysAccepts(s *scenarios.Scenario, p *scenarios.Platform) bool {
	if p == nil || len(p.Workloads) == 0 {
		return true
	}
	for _, j := range s.Journeys {
		if !slices.ContainsFunc(j.Steps, func(step scenarios.Step) bool {
			return (step.Share == nil || *step.Share >= 1) &&
				!slices.ContainsFunc(p.Workloads, func(w scenarios.Workload) bool { return !w.Steps[step.Name].Accepts })
		}) {
			return false
		}
	}
	return true
}
