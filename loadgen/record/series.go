package record

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// numbering gives every series of windows of a run a number, so that a shot finds its windows without making strings.
// The numbers that one shot needs lie side by side.
//
//	0, 1, 2, 3                             one-second windows of all shots: lateness, connect, TLS, waited
//	4 + 3·(step, outcome) + measure        one-second windows of all tenants
//	.. + 2·(row, step, outcome) + measure  one-minute windows of one tenant
//
// A row is a tenant counted apart; where there are more than the budget allows, the last row is all others.
type numbering struct {
	steps, tenants []string
	rows           []string // names of the rows
	row            []uint32 // by tenant
	folded         int      // tenants counted with others
	minutes        uint32   // the first series of one tenant
}

// The series of all shots.
const (
	lateness = iota
	connect
	handshake
	atDoor
	ofAllShots
)

// The measures a step is counted by; the last only for all tenants together.
const (
	byResponse = iota
	byService
	byFirstByte
	allMeasures
	oneMeasures = byFirstByte
)

var (
	shotMeasures = [ofAllShots]string{Lateness, Connect, TLS, Waited}
	stepMeasures = [allMeasures]string{Response, Service, FirstByte}
)

// TenantBudget is how many pairs of tenant and step are counted apart, each in up to 12 windows a minute (two measures,
// six outcomes): 2,000 tenants of ten steps. Beyond it the tenants of least weight are counted together as [Others], and
// a warning of the run says so.
const TenantBudget = 20_480

// Others is the tenant that stands for those beyond the [TenantBudget]. No real tenant can have the name.
const Others = "*other"

// mostSteps keeps the series' numbers within 32 bits.
const mostSteps = 1 << 16

func newNumbering(s *scenarios.Scenario, budget int) (*numbering, error) {
	if s == nil {
		return nil, fmt.Errorf("record: the run has no scenario")
	}
	n := &numbering{}
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
	if len(n.steps) > mostSteps {
		return nil, fmt.Errorf("record: %d steps are more than a record can hold, %d", len(n.steps), mostSteps)
	}
	n.fold(s.Tenants.List, max(budget/max(len(n.steps), 1), 1))
	n.minutes = ofAllShots + uint32(len(n.steps))*uint32(outcomes)*allMeasures
	return n, nil
}

// fold gives the rows tenants of most weight a row each, in the scenario's order, and one row to all others. It looks
// at nothing but the scenario: every shard, every worker and every run of it folds the same.
func (n *numbering) fold(list []scenarios.Tenant, rows int) {
	n.row = make([]uint32, len(list))
	apart := make([]int, len(list))
	for i := range apart {
		apart[i] = i
	}
	if len(list) > rows {
		weight := func(i int) float64 {
			if w := list[i].Weight; w != 0 {
				return w
			}
			return 1
		}
		slices.SortStableFunc(apart, func(a, b int) int { return cmp.Compare(weight(b), weight(a)) })
		apart = apart[:rows]
		slices.Sort(apart)
		for i := range n.row {
			n.row[i] = uint32(rows)
		}
	}
	for row, i := range apart {
		n.row[i] = uint32(row)
		n.rows = append(n.rows, n.tenants[i])
	}
	if n.folded = len(list) - len(apart); n.folded > 0 {
		n.rows = append(n.rows, Others)
	}
}

// all is the first series of a step and outcome, one that of a row, step and outcome; a measure is added to them.
func (n *numbering) all(step int32, o Outcome) uint32 {
	return ofAllShots + (uint32(step)*uint32(outcomes)+uint32(o))*allMeasures
}

func (n *numbering) one(row uint32, step int32, o Outcome) uint32 {
	return n.minutes + ((row*uint32(len(n.steps))+uint32(step))*uint32(outcomes)+uint32(o))*oneMeasures
}

func (n *numbering) minute(series uint32) bool { return series >= n.minutes }

// count is the number of series.
func (n *numbering) count() uint32 {
	return n.minutes + uint32(len(n.rows)*len(n.steps))*uint32(outcomes)*oneMeasures
}

// layout is that of the windows of a series.
func (n *numbering) layout(series uint32) *layout {
	if n.minute(series) {
		return minuteLayout
	}
	return secondLayout
}

// place is where a buffer's head of a window is, places how many there are.
func (n *numbering) place(series, slot uint32) uint32 {
	if n.minute(series) {
		return n.minutes*secondPlaces + series - n.minutes
	}
	return series*secondPlaces + slot%secondPlaces
}

func (n *numbering) places() uint32 {
	return n.minutes*secondPlaces + n.count() - n.minutes
}

// pages is how many page numbers the table of a window has.
func (n *numbering) pages(series uint32) uint32 {
	if n.minute(series) {
		return minutePages
	}
	return secondPages
}

// length of the windows of a series.
func (n *numbering) length(series uint32) time.Duration {
	if n.minute(series) {
		return time.Minute
	}
	return time.Second
}

// key is the inverse of all and one.
func (n *numbering) key(series uint32) Key {
	if series < ofAllShots {
		return Key{Measure: shotMeasures[series]}
	}
	if !n.minute(series) {
		i := series - ofAllShots
		pair := i / allMeasures
		return Key{
			Measure: stepMeasures[i%allMeasures], Step: n.steps[pair/uint32(outcomes)],
			Outcome: Outcome(pair % uint32(outcomes)),
		}
	}
	i := series - n.minutes
	pair := i / oneMeasures
	row := pair / uint32(outcomes)
	return Key{
		Measure: stepMeasures[i%oneMeasures], Step: n.steps[row%uint32(len(n.steps))],
		Tenant: n.rows[row/uint32(len(n.steps))], Outcome: Outcome(pair % uint32(outcomes)),
	}
}
