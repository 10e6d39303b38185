package lab

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// Virtual is the embedded platform in virtual time and without sockets: whoever holds it hands requests in and says how
// late it is. Pods, back ends and control plane are those of [Serve], request by request. It is not safe for concurrent
// use.
type Virtual struct{ c *core }

// NewVirtual makes the platform and begins its time at 0; of cfg, Speed and MaxConnections are not read. emit takes the
// timeline's events; their Wall is not set.
func NewVirtual(cfg Config, emit func(record.Event)) (*Virtual, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c, err := newCore(cfg.Platform, cfg.Scenario, cfg.Seed)
	if err != nil {
		return nil, err
	}
	c.emit = emit
	c.answered = func(r *request) { r.told(answerOf(r.outcome)) }
	c.begin(0)
	return &Virtual{c}, nil
}

// answerOf is what an engine makes of an answer: a 503 fails its check, a pod that dies breaks the connection.
func answerOf(o outcome) record.Outcome {
	switch o {
	case served:
		return record.OK
	case cut:
		return record.Lost
	}
	return record.Failed
}

// Now is the platform's time.
func (v *Virtual) Now() time.Duration { return v.c.now }

// Next is when something happens next in the platform if nothing is handed in.
func (v *Virtual) Next() time.Duration {
	if e := v.c.queue.first(); e != nil {
		return max(e.at, v.c.now)
	}
	return never
}

// Advance lets everything happen that is due until then.
func (v *Virtual) Advance(until time.Duration) { v.c.advance(until) }

// Submit hands a request in, now: of a tenant and a step, by their places in the scenario's list and its AllSteps, with
// an idempotency key where it has one. told gets the answer, perhaps before Submit returns; it must hand nothing in.
func (v *Virtual) Submit(tenant, step int, key uint32, keyed bool, told func(record.Outcome)) error {
	d := v.c.tenants[tenant]
	if step >= len(d.works) || d.works[step] == nil {
		return fmt.Errorf("lab: tenant %s knows no step %d", d.tenant, step)
	}
	v.c.submit(&request{tenant: tenant, step: step, key: key, keyed: keyed, told: told})
	return nil
}

// Finish ends the platform, as [Client.Finish] does.
func (v *Virtual) Finish() Account {
	v.c.close()
	return Account{
		Accepted: v.c.accepted.Clone(), Duplicates: v.c.duplicates, Unkeyed: v.c.unkeyed, Refused: v.c.counts.refused, Valid: true,
	}
}
