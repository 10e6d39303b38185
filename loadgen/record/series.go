package record

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// numbering gives every series of windows of a run a number, so that a shot finds its windows without making strings.
//
//	0                                        lateness of all shots
//	1 + (measure, step, outcome)             one-second windows of all tenants
//	.. + (measure, step, tenant, outcome)    one-minute windows of one tenant
type numbering struct {
	steps, tenants []string
	tags           map[uint32]string // made when a line is first written
}

// The measures a step is counted by.
const (
	byResponse = iota
	byService
	measures
)

func newNumbering(s *scenarios.Scenario) (*numbering, error) {
	if s == nil {
		return nil, fmt.Errorf("record: the run has no scenario")
	}
	n := &numbering{tags: map[uint32]string{}}
	for _, step := range s.AllSteps() {
		n.steps = append(n.steps, step.Name)
	}
	for _, t := range s.Tenants.List {
		n.tenants = append(n.tenants, t.Name)
	}
	for what, names := range map[string][]string{"step": n.steps, "tenant": n.tenants} {
		for _, name := range names {
			if !taggable(name) {
				return nil, fmt.Errorf("record: %s %q: the name must not be empty, start with *, or hold slashes, commas or blanks", what, name)
			}
		}
	}
	if uint64(measures)*uint64(len(n.steps))*uint64(len(n.tenants)+1)*uint64(outcomes) >= 1<<32-1 {
		return nil, fmt.Errorf("record: %d steps of %d tenants are more than a record can hold", len(n.steps), len(n.tenants))
	}
	return n, nil
}

func (n *numbering) all(measure int, step int32, o Outcome) uint32 {
	return 1 + uint32((measure*len(n.steps)+int(step))*int(outcomes)+int(o))
}

func (n *numbering) one(measure int, step, tenant int32, o Outcome) uint32 {
	row := (measure*len(n.steps)+int(step))*len(n.tenants) + int(tenant)
	return n.first() + uint32(row*int(outcomes)+int(o))
}

// first is the number of the first series of a single tenant.
func (n *numbering) first() uint32 { return 1 + uint32(measures*len(n.steps)*int(outcomes)) }

func (n *numbering) minute(series uint32) bool { return series >= n.first() }

// length of the windows of a series.
func (n *numbering) length(series uint32) time.Duration {
	if n.minute(series) {
		return time.Minute
	}
	return time.Second
}

// key is the inverse of all and one.
func (n *numbering) key(series uint32) Key {
	if series == 0 {
		return Key{Measure: Lateness, Outcome: OK}
	}
	var k Key
	if n.minute(series) {
		i := int(series - n.first())
		k.Outcome, i = Outcome(i%int(outcomes)), i/int(outcomes)
		k.Tenant, i = n.tenants[i%len(n.tenants)], i/len(n.tenants)
		k.Measure, k.Step = measureNames[i/len(n.steps)], n.steps[i%len(n.steps)]
		return k
	}
	i := int(series - 1)
	k.Outcome, i = Outcome(i%int(outcomes)), i/int(outcomes)
	k.Measure, k.Step = measureNames[i/len(n.steps)], n.steps[i%len(n.steps)]
	return k
}

var measureNames = [measures]string{Response, Service}

// tag is the tag of a series in the log.
func (n *numbering) tag(series uint32) string {
	t, known := n.tags[series]
	if !known {
		t = n.key(series).tag()
		n.tags[series] = t
	}
	return t
}
