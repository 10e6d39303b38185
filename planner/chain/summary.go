package chain

import (
	"math"
	"slices"
	"time"
)

// Summary is what the chains of a record amount to.
type Summary struct {
	// ScaleUps = Attributed + Unfinished + Partly.
	ScaleUps   int `json:"scaleUps"`
	Attributed int `json:"attributed"`
	Unfinished int `json:"unfinished"` // whole but for what did not happen: the record's end, no room, pods taken back
	Partly     int `json:"partly"`     // something happened that was not seen
	Strays     int `json:"strays"`     // pods of no scale-up
	// Reasons count what is missing, in stages and pods.
	Reasons map[Reason]int `json:"reasons,omitempty"`
	// Stages are the lengths of the stages that were seen, in their order.
	Stages []StageTimes `json:"stages,omitempty"`
}

// StageTimes are the lengths of one stage, each from the last known stage before it.
type StageTimes struct {
	Stage  string        `json:"stage"`
	Count  int           `json:"count"`
	Median time.Duration `json:"median"`
	P95    time.Duration `json:"p95"`
	// Unsure is the median width of the bounds within which the stage's moments are known.
	Unsure time.Duration `json:"unsure"`
	Late   int           `json:"late,omitempty"`
}

// Share of the scale-ups that came to their end which is fully attributed, 0 to 1; not a number where there is none.
func (s *Summary) Share() float64 {
	if s.Attributed+s.Partly == 0 {
		return math.NaN()
	}
	return float64(s.Attributed) / float64(s.Attributed+s.Partly)
}

// Summary sums the chains up.
func (c *Chains) Summary() Summary {
	s := Summary{ScaleUps: len(c.ScaleUps), Strays: len(c.Strays), Reasons: map[Reason]int{}}
	times := map[string]*lengths{}
	for i := range c.ScaleUps {
		up := &c.ScaleUps[i]
		switch up.state() {
		case whole:
			s.Attributed++
		case unfinished:
			s.Unfinished++
		case partly:
			s.Partly++
		}
		if up.Why != "" {
			s.Reasons[up.Why] += int(up.Lacking)
		}
		follow(times, s.Reasons, up.Stages, Moment{})
		for _, p := range up.Pods {
			follow(times, s.Reasons, p.Stages, up.Stage(Decision))
		}
	}
	for _, stage := range append([]string{Sample, Decision}, PodStages...) {
		if t := times[stage]; t != nil {
			s.Stages = append(s.Stages, StageTimes{
				Stage: stage, Count: len(t.length), Median: quantile(t.length, 0.5), P95: quantile(t.length, 0.95),
				Unsure: quantile(t.unsure, 0.5), Late: t.late,
			})
		}
	}
	return s
}

type lengths struct {
	length, unsure []time.Duration
	late           int
}

// follow goes along stages, the first of them after before (nothing is known of it: a zero Moment).
func follow(times map[string]*lengths, reasons map[Reason]int, stages []Moment, before Moment) {
	for _, m := range stages {
		if !m.Known() {
			reasons[m.Missing]++
			continue
		}
		if before.Stage != "" {
			t := times[m.Stage]
			if t == nil {
				t = &lengths{}
				times[m.Stage] = t
			}
			t.length = append(t.length, max(0, m.At-before.At)) // estimates may cross
			t.unsure = append(t.unsure, m.To-m.From)
			if m.Late {
				t.late++
			}
		}
		before = m
	}
}

// quantile by the nearest rank; v is not changed.
func quantile(v []time.Duration, q float64) time.Duration {
	v = slices.Sorted(slices.Values(v))
	return v[max(0, int(math.Ceil(q*float64(len(v))))-1)]
}
