package hpa

import (
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// Reasons of conditions and events that stand in more than one place.
const (
	failedGetScale  = "FailedGetScale"
	invalidSelector = "InvalidSelector"
)

// Reasons of the conditions AbleToScale and ScalingLimited.
const (
	withinRange    = "DesiredWithinRange"
	readyForNew    = "ReadyForNewScale"
	tooMany        = "TooManyReplicas"
	tooFew         = "TooFewReplicas"
	upLimit        = "ScaleUpLimit"
	downLimit      = "ScaleDownLimit"
	stabilizedUp   = "ScaleUpStabilized"
	stabilizedDown = "ScaleDownStabilized"
)

// normalise is the path without behavior (rule 16): the highest recommendation of the window, which may also lift, then
// at most double (or 4) and between min and max.
func (c *Controller) normalise(now time.Duration, current, desired int32, d *Decision) int32 {
	stabilized := c.highest(now, desired)
	d.Stabilized = stabilized
	c.conditions.AbleToScale = Condition{true, readyForNew}
	if stabilized != desired {
		c.conditions.AbleToScale.Reason = stabilizedDown
	}
	most, reason := c.spec.max, tooMany
	if limit := int32(math.Max(2*float64(current), 4)); most > limit {
		most, reason = limit, upLimit
	}
	switch {
	case stabilized < c.spec.min:
		return c.limited(true, tooFew, c.spec.min)
	case stabilized > most:
		return c.limited(true, reason, most)
	}
	return c.limited(false, withinRange, stabilized)
}

// highest is the largest recommendation since the cutoff, the cutoff included, and remembers the new one.
func (c *Controller) highest(now time.Duration, desired int32) int32 {
	cutoff := now - c.spec.downscaleDefault
	most, slot := desired, -1
	for i := range c.recommendations {
		switch r := &c.recommendations[i]; {
		case r.at < cutoff:
			slot = i
		case r.replicas > most:
			most = r.replicas
		}
	}
	c.recommend(slot, recommendation{now, desired})
	return most
}

// recommend writes r into the slot, or at the end where no slot is free (rule 19).
func (c *Controller) recommend(slot int, r recommendation) {
	if slot < 0 {
		c.recommendations = append(c.recommendations, r)
		return
	}
	c.recommendations[slot] = r
}

// normaliseByBehavior is the path with behavior (rules 17 and 18).
func (c *Controller) normaliseByBehavior(now time.Duration, current, desired int32, d *Decision) int32 {
	stabilized := c.between(now, current, desired)
	d.Stabilized = stabilized
	switch {
	case stabilized == desired:
		c.conditions.AbleToScale = Condition{true, readyForNew}
	case desired >= current:
		c.conditions.AbleToScale = Condition{true, stabilizedUp}
	default:
		c.conditions.AbleToScale = Condition{true, stabilizedDown}
	}
	switch {
	case stabilized > current:
		most, reason := c.spec.max, tooMany
		if limit := max(c.mostByRate(now, current), current); most > limit {
			most, reason = limit, upLimit
		}
		if stabilized > most {
			return c.limited(true, reason, most)
		}
	case stabilized < current:
		least, reason := c.spec.min, tooFew
		if limit := min(c.leastByRate(now, current), current); least < limit {
			least, reason = limit, downLimit
		}
		if stabilized < least {
			return c.limited(true, reason, least)
		}
	}
	return c.limited(false, withinRange, stabilized)
}

// limited sets the ScalingLimited condition; a limit that changed nothing does not count as one.
func (c *Controller) limited(is bool, reason string, replicas int32) int32 {
	c.conditions.ScalingLimited = Condition{is, reason}
	return replicas
}

// between keeps the current count within the lowest recommendation of the upscale window and the highest of the
// downscale window, both strictly after their cutoffs, and remembers the new recommendation (rule 17).
func (c *Controller) between(now time.Duration, current, desired int32) int32 {
	upCutoff, downCutoff := now-c.spec.up.window, now-c.spec.down.window
	oldest := min(upCutoff, downCutoff)
	up, down, slot := desired, desired, -1
	for i := range c.recommendations {
		r := &c.recommendations[i]
		if r.at > upCutoff {
			up = min(up, r.replicas)
		}
		if r.at > downCutoff {
			down = max(down, r.replicas)
		}
		if r.at < oldest {
			slot = i
		}
	}
	c.recommend(slot, recommendation{now, desired})
	return min(max(current, up), down)
}

// changed is the sum of the changes strictly after the cutoff.
func changed(events []event, cutoff time.Duration) (sum int32) {
	for i := range events {
		if events[i].at > cutoff {
			sum += events[i].change
		}
	}
	return sum
}

// periodStart is what the count was at the start of a policy's period, by the changes this controller made (rule 18).
func (c *Controller) periodStart(now, period time.Duration, current int32) int32 {
	return current - changed(c.added, now-period) + changed(c.removed, now-period)
}

// mostByRate is the largest count the upscale policies allow. Percentages round up, lest one pod never become two.
func (c *Controller) mostByRate(now time.Duration, current int32) int32 {
	least := c.spec.up.choose == autoscalingv2.MinChangePolicySelect
	if c.spec.up.choose == autoscalingv2.DisabledPolicySelect {
		return current
	}
	limit := int32(math.MinInt32)
	if least {
		limit = math.MaxInt32
	}
	for _, p := range c.spec.up.policies {
		start := c.periodStart(now, p.period, current)
		allowed := start + p.value
		if p.percent {
			allowed = int32(math.Ceil(float64(start) * (1 + float64(p.value)/100)))
		}
		if least {
			limit = min(limit, allowed)
		} else {
			limit = max(limit, allowed)
		}
	}
	return limit
}

// leastByRate is the smallest count the downscale policies allow. Percentages are cut off.
func (c *Controller) leastByRate(now time.Duration, current int32) int32 {
	least := c.spec.down.choose == autoscalingv2.MinChangePolicySelect
	if c.spec.down.choose == autoscalingv2.DisabledPolicySelect {
		return current
	}
	limit := int32(math.MaxInt32)
	if least {
		limit = math.MinInt32
	}
	for _, p := range c.spec.down.policies {
		start := c.periodStart(now, p.period, current)
		allowed := start - p.value
		if p.percent {
			allowed = int32(float64(start) * (1 - float64(p.value)/100))
		}
		if least {
			limit = max(limit, allowed)
		} else {
			limit = min(limit, allowed)
		}
	}
	return limit
}
