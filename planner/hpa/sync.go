package hpa

import "time"

// Controller is one autoscaler: its spec, its recent recommendations and its recent changes. It is not safe for
// concurrent use; a copy made by CopyFrom is independent.
type Controller struct {
	cfg  Config
	spec compiled

	recommendations []recommendation
	added, removed  []event
	conditions      Conditions
	current         []Current
	events          []Event
}

// recommendation is what the metrics asked for at a time.
type recommendation struct {
	at       time.Duration
	replicas int32
}

// event is a change of the count that was written. Once outdated its slot may be reused, for good (rule 19).
type event struct {
	at       time.Duration
	change   int32
	outdated bool
}

// New makes an autoscaler without history, as after a start of the controller; the first sync seeds it with the current
// replicas. spec need not have its defaults; it is not kept.
func New(spec *Spec, cfg Config) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Controller{cfg: cfg}
	if err := c.SetSpec(spec); err != nil {
		return nil, err
	}
	return c, nil
}

// SetSpec replaces the spec; history and conditions stay, as they do when a user edits the object.
func (c *Controller) SetSpec(spec *Spec) error {
	compiled, err := compile(spec, c.cfg)
	if err != nil {
		return err
	}
	c.spec = compiled
	c.current = make([]Current, len(compiled.metrics))
	return nil
}

// SetConditions replaces the conditions. They live in the object, not in the controller: a status that could not be
// written leaves those from before the sync, a new object of the same name has none.
func (c *Controller) SetConditions(conditions Conditions) { c.conditions = conditions }

// Restart forgets the history, as a change of the controller's leader does (rule 2). Conditions stay.
func (c *Controller) Restart() {
	c.recommendations, c.added, c.removed = c.recommendations[:0], c.added[:0], c.removed[:0]
}

// Reset forgets history and conditions: the autoscaler is as New made it. It keeps its memory, for the next world of a
// simulation.
func (c *Controller) Reset() {
	c.Restart()
	c.conditions = Conditions{}
	c.events = c.events[:0]
	clear(c.current)
}

// CopyFrom makes c an independent copy of from, reusing c's memory.
func (c *Controller) CopyFrom(from *Controller) {
	old := *c
	*c = *from
	c.recommendations = append(old.recommendations[:0], from.recommendations...)
	c.added = append(old.added[:0], from.added...)
	c.removed = append(old.removed[:0], from.removed...)
	c.current = append(old.current[:0], from.current...)
	c.events = append(old.events[:0], from.events...)
}

// Current is what the spec's i-th metric stood at in the last sync that asked the metrics.
func (c *Controller) Current(i int) Current {
	if i < 0 || i >= len(c.current) {
		return Current{}
	}
	return c.current[i]
}

// Events are those of the last sync, in order. They are valid until the next sync.
func (c *Controller) Events() []Event { return c.events }

// Sync decides and takes for granted that a decision to scale is written, as soon as it is made.
func (c *Controller) Sync(in *Input) (d Decision) {
	c.decide(in, &d)
	if d.Scale {
		c.Commit(in.Now+d.Took, in, &d)
	}
	return d
}

// Decide is a sync up to the writing of the scale. Where d.Scale says that there is something to write, its caller calls
// Commit or Reject.
func (c *Controller) Decide(in *Input) (d Decision) {
	c.decide(in, &d)
	return d
}

// decide fills an empty decision in where it is: copies of one, just written field by field, are what a sync would wait for.
func (c *Controller) decide(in *Input, d *Decision) {
	c.events = c.events[:0]
	d.Desired, d.Metric, d.FirstInvalid = in.SpecReplicas, -1, -1
	if in.ScaleErr != nil {
		c.conditions.AbleToScale = Condition{false, failedGetScale}
		c.warn(failedGetScale)
		d.Err, d.Conditions = in.ScaleErr, c.conditions
		return
	}
	c.conditions.AbleToScale = Condition{true, "SucceededGetScale"}
	if len(c.recommendations) == 0 { // rule 2
		c.recommendations = append(c.recommendations, recommendation{in.Now, in.SpecReplicas})
	}
	switch now := in.SpecReplicas; { // rule 4
	case now == 0 && c.spec.min != 0:
		c.conditions.ScalingActive = Condition{false, "ScalingDisabled"}
	case now > c.spec.max:
		d.Desired, d.Scale, d.Cause = c.spec.max, true, AboveMax
	case now < c.spec.min:
		d.Desired, d.Scale, d.Cause = c.spec.min, true, BelowMin
	default:
		c.decideByMetrics(in, d)
	}
	d.Conditions = c.conditions
}

// decideByMetrics is the way of most syncs: propose, stabilize, limit.
func (c *Controller) decideByMetrics(in *Input, d *Decision) {
	if !c.selected(in.Selection, d) || !c.propose(in, d) {
		c.warn("FailedComputeMetricsReplicas")
		return
	}
	desired, now := max(d.Proposed, 0), in.Now+d.Took
	switch {
	case desired > in.SpecReplicas:
		d.Cause = AboveTarget
	case desired < in.SpecReplicas:
		d.Cause = BelowTarget
	}
	if c.spec.behavior {
		d.Desired = c.normaliseByBehavior(now, in.SpecReplicas, desired, d)
	} else {
		d.Desired = c.normalise(now, in.SpecReplicas, desired, d)
	}
	d.Scale = d.Desired != in.SpecReplicas
}

// selected reports whether the workload's pods can be told from others (rule 6).
func (c *Controller) selected(s Selection, d *Decision) bool {
	var event, reason string
	switch s {
	case NoSelector:
		d.Err, event, reason = ErrNoSelector, "SelectorRequired", invalidSelector
	case BadSelector:
		d.Err, event, reason = ErrBadSelector, invalidSelector, invalidSelector
	case Shared:
		d.Err, event, reason = ErrShared, "AmbiguousSelector", "AmbiguousSelector"
	default:
		return true
	}
	c.warn(event)
	c.conditions.ScalingActive = Condition{false, reason}
	return false
}

// propose asks every metric in turn and takes the largest answer; the first one wins a tie (rule 5). It reports whether
// there is a count to go by.
func (c *Controller) propose(in *Input, d *Decision) bool {
	var replicas int32
	for i := range c.spec.metrics {
		if i < len(in.Values) {
			d.Took += in.Values[i].Took
		}
		proposal, current, err := c.spec.replicas(&c.cfg, i, in, in.Now+d.Took)
		c.current[i] = current
		if err != nil {
			c.warn(c.spec.metrics[i].failed)
			if d.Invalid == 0 {
				d.FirstInvalid, d.Err = i, err
			}
			d.Invalid++
			continue
		}
		if replicas == 0 || proposal > replicas {
			replicas, d.Metric = proposal, i
		}
	}
	if d.Invalid == len(c.spec.metrics) || d.Invalid > 0 && replicas < in.SpecReplicas {
		c.conditions.ScalingActive = Condition{false, c.spec.metrics[d.FirstInvalid].failed}
		d.Metric = -1
		return false
	}
	c.conditions.ScalingActive = Condition{true, "ValidMetricFound"}
	d.Proposed = replicas
	return true
}

// Commit notes that d was written at that time, after retries perhaps (rule 21): from now on it counts in the rates. in is
// what was decided on, not what the scale had become meanwhile.
func (c *Controller) Commit(at time.Duration, in *Input, d *Decision) {
	c.conditions.AbleToScale = Condition{true, "SucceededRescale"}
	c.events = append(c.events, Event{Reason: "SuccessfulRescale"})
	d.Conditions.AbleToScale = c.conditions.AbleToScale
	if !c.spec.behavior {
		return
	}
	if d.Desired > in.SpecReplicas {
		c.added = remember(c.added, event{at: at, change: d.Desired - in.SpecReplicas}, c.spec.up.longest)
	} else {
		c.removed = remember(c.removed, event{at: at, change: in.SpecReplicas - d.Desired}, c.spec.down.longest)
	}
}

// Reject notes that writing the scale failed for good: nothing counts, and condition and d.Err say so.
func (c *Controller) Reject(d *Decision, err error) {
	c.conditions.AbleToScale = Condition{false, "FailedUpdateScale"}
	c.warn("FailedRescale")
	d.Conditions.AbleToScale, d.Err = c.conditions.AbleToScale, err
}

func (c *Controller) warn(reason string) {
	c.events = append(c.events, Event{Warning: true, Reason: reason})
}

// remember puts e into the last outdated slot, else at the end (rule 19).
func remember(events []event, e event, longest time.Duration) []event {
	slot := -1
	for i := range events {
		if events[i].at < e.at-longest {
			events[i].outdated = true
		}
		if events[i].outdated {
			slot = i
		}
	}
	if slot < 0 {
		return append(events, e)
	}
	events[slot] = e
	return events
}
