// Package chain takes the reaction chain of every scale-up out of a timeline:
//
//	load → sample → decision → pod created → scheduled → pulled → started → ready → in rotation or serving
//
// Every stage carries its evidence and the bounds within which the truth lies; what cannot be attributed is named as such,
// with the reason. It is a pure function of events, so it can be redone from a record years later, and the same for the
// embedded platform's timeline as for a cluster's.
//
// Which pods belong to which decision is not written anywhere in Kubernetes. They are given out in order: a pod goes to
// the earliest scale-up of its workload that it can have come after and that still lacks pods. Pods that no scale-up
// lacks (a rollout's, or those that replace lost ones) are strays.
package chain

import (
	"cmp"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// The stages before a pod's; its own are the record's phases.
const (
	Load     = "load"     // the use rose above the target
	Sample   = "sample"   // the metrics sample that showed it to the autoscaler
	Decision = "decision" // the new count was written
)

// PodStages are the stages of a pod. Of the last two one is enough: which of them is seen depends on the platform.
var PodStages = []string{
	record.PhaseCreated, record.PhaseScheduled, record.PhasePulled, record.PhaseStarted, record.PhaseReady,
	record.PhaseRotation, record.PhaseServing,
}

// Moment is when a stage was reached.
type Moment struct {
	Stage string `json:"stage"`
	// At is the best estimate; the truth is From … To. Of a stage that is Missing they are what the stages around it leave
	// open, and zero where these leave nothing.
	At   time.Duration `json:"at"`
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
	// Evidence is what it was taken from, in words; Late, that it was seen only after a gap in the watching.
	Evidence string `json:"evidence,omitempty"`
	Late     bool   `json:"late,omitempty"`
	// Missing says why the stage cannot be attributed; empty where it can.
	Missing Reason `json:"missing,omitempty"`
}

// Known says whether the stage is attributed.
func (m Moment) Known() bool { return m.Missing == "" }

// Pod is one pod's part of a chain.
type Pod struct {
	Name string `json:"name"`
	Node string `json:"node,omitempty"`
	// Waited: no node had room at first.
	Waited bool `json:"waited,omitempty"`
	// Stages are in the order of PodStages, those known and those missing.
	Stages []Moment `json:"stages"`
}

// Stage gives the pod's moment of a stage; the zero Moment where it has none.
func (p *Pod) Stage(name string) Moment { return find(p.Stages, name) }

func find(moments []Moment, stage string) Moment {
	for _, m := range moments {
		if m.Stage == stage {
			return m
		}
	}
	return Moment{}
}

// ScaleUp is one raise of a workload's count and what came of it.
type ScaleUp struct {
	Tenant   string `json:"tenant"`
	Workload string `json:"workload"`
	From     int32  `json:"from"`
	To       int32  `json:"to"`
	Cause    string `json:"cause,omitempty"`
	// Stages are load, sample and decision.
	Stages []Moment `json:"stages"`
	Pods   []Pod    `json:"pods"`
	// Lacking is the number of pods that were asked for and did not come; Why says why.
	Lacking int32  `json:"lacking,omitempty"`
	Why     Reason `json:"why,omitempty"`
}

// Stage gives the scale-up's own moment of a stage; the zero Moment where it has none.
func (s *ScaleUp) Stage(name string) Moment { return find(s.Stages, name) }

// Attributed says whether every stage of the scale-up and of all its pods is known.
func (s *ScaleUp) Attributed() bool { return s.state() == whole }

// Unfinished says whether nothing is missing but what did not happen: before the record's end, for want of room, or
// because the pods were taken back.
func (s *ScaleUp) Unfinished() bool { return s.state() == unfinished }

type state int

const (
	whole state = iota
	unfinished
	partly
)

func (s *ScaleUp) state() state {
	worst := whole
	see := func(r Reason) {
		switch {
		case r.Unseen():
			worst = partly
		case r != "":
			worst = max(worst, unfinished)
		}
	}
	see(s.Why)
	for _, m := range s.Stages {
		see(m.Missing)
	}
	for _, p := range s.Pods {
		for _, m := range p.Stages {
			see(m.Missing)
		}
	}
	return worst
}

// Chains is what a timeline tells of reactions.
type Chains struct {
	ScaleUps []ScaleUp `json:"scaleUps"`
	// Strays are pods that came after no scale-up that lacked them.
	Strays []Pod `json:"strays,omitempty"`
}

// Of takes the chains out of a timeline. The platform says what each workload scales on, and how old samples are when
// they are served; nil where nothing is known of it, then the autoscalers' own status is asked.
func Of(events []record.Event, platform *scenarios.Platform) *Chains {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b record.Event) int { return cmp.Compare(a.At, b.At) })
	r := read(events, platform)
	c := &Chains{}
	for _, w := range r.workloads {
		ups, strays := w.attribute(r.end)
		c.ScaleUps = append(c.ScaleUps, ups...)
		c.Strays = append(c.Strays, strays...)
	}
	slices.SortStableFunc(c.ScaleUps, func(a, b ScaleUp) int {
		return cmp.Compare(a.Stage(Decision).At, b.Stage(Decision).At)
	})
	return c
}
