package fit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/ansturm/ansturm/loadgen/record"
)

// Options steer a fit. The zero value means the defaults each field names.
type Options struct {
	// Level of the intervals, 0 to 1. Zero means 0.9.
	Level float64
	// Draws is the number of bootstrap draws. Zero means 64.
	Draws int
	Seed  uint64
	// Amplitude is how much larger than forecast the surge may be, as past events show: Value, Low and High at Level.
	// Zero means an assumption, 0.9 to 1.1, and a warning.
	Amplitude Estimate
}

// withDefaults fills in the defaults.
func (o Options) withDefaults() Options {
	if o.Level == 0 {
		o.Level = 0.9
	}
	if o.Draws == 0 {
		o.Draws = 64
	}
	return o
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	switch {
	case o.Level < 0 || o.Level >= 1:
		return fmt.Errorf("level %g is not between 0 and 1", o.Level)
	case o.Draws < 0 || o.Draws > 1<<16:
		return fmt.Errorf("%d draws, must be 0 to %d", o.Draws, 1<<16)
	case o.Amplitude.Value < 0 || o.Amplitude.Low > o.Amplitude.Value || o.Amplitude.High < o.Amplitude.Value:
		return fmt.Errorf("amplitude %g does not lie within %g to %g", o.Amplitude.Value, o.Amplitude.Low, o.Amplitude.High)
	case o.Amplitude.Value > 0 && o.Amplitude.Low <= 0:
		return fmt.Errorf("amplitude's low end %g must be above 0", o.Amplitude.Low)
	}
	return nil
}

// Fit reads the records and fits a model to them. It refuses runs whose generator was the limit, runs that do not
// belong together, and runs with too few scrapes, and says how many are needed.
func Fit(ctx context.Context, records []*record.Record, opts Options) (*Model, error) {
	data := make([]*Data, len(records))
	for i, rec := range records {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := Read(rec)
		if err != nil {
			return nil, err
		}
		data[i] = d
	}
	return FromData(ctx, data, opts)
}

// FromData fits a model; the pure core of Fit. The same data and options give the same model, to the last bit.
func FromData(ctx context.Context, data []*Data, opts Options) (*Model, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("fit: options: %w", err)
	}
	opts = opts.withDefaults()
	if err := check(data); err != nil {
		return nil, err
	}
	warn := &warnings{}
	m := &Model{Level: opts.Level, Workloads: map[string]*WorkloadModel{}}
	runs := make([]*run, len(data))
	for i, d := range data {
		runs[i] = arrange(d)
		m.Runs = append(m.Runs, Source{ID: d.Run.ID, Purpose: d.Run.Purpose, Dir: d.Dir})
		if !d.Run.Complete() || d.Run.Interrupted {
			warn.incomplete(d.Run.ID)
		}
	}
	backends := allServings(runs)
	strain(runs, backends)
	if err := m.fitWorkloads(ctx, runs, opts, warn); err != nil {
		return nil, err
	}
	m.Backends = fitBackends(backends, opts, warn)
	past := opts.Amplitude.Value > 0
	if !past {
		opts.Amplitude = Estimate{Value: 1, Low: 0.9, High: 1.1}
		warn.noPastEvents(opts.Amplitude)
	}
	m.Demand = amplitude(opts)
	m.Parameters = parameters(m, runs, past)
	warn.open(m.Parameters)
	m.Warnings = warn.list
	return m, nil
}

// fitWorkloads fits the workloads, what they do to each other, and within what bounds that was seen.
func (m *Model) fitWorkloads(ctx context.Context, runs []*run, opts Options, warn *warnings) error {
	pools := poolsOf(runs)
	subjects, err := subjectsOf(pools, runs, warn)
	if err != nil {
		return err
	}
	crowd, neighbours, err := fitNeighbours(ctx, subjects, pools, opts, warn)
	if err != nil {
		return err
	}
	m.Neighbours = neighbours
	for _, s := range subjects {
		s.under(crowd)
		if m.Workloads[s.name], err = s.fit(ctx, crowd, runs, opts, warn); err != nil {
			return err
		}
	}
	m.Domain = domain(runs, subjects)
	return nil
}

// subject is one workload and all that the runs show of it.
type subject struct {
	name   string
	steps  []string
	slots  []slot
	chosen []slot // those that identify the demand
	points []CapacityPoint
	limit  float64 // cores of its smallest pods
	// quietPod is what its pods use at the least, in cores.
	quietPod float64
	// overcommitted: on some platform of the runs it shares nodes that are promised to more than they have.
	overcommitted bool
}

// subjectsOf are the workloads that were scraped, by name.
func subjectsOf(pools []string, runs []*run, warn *warnings) ([]*subject, error) {
	names := map[string]bool{}
	for _, r := range runs {
		for _, t := range r.tenants {
			if len(t.cpu.t) > 0 {
				names[t.workload] = true
			}
		}
	}
	if len(names) == 0 {
		return nil, errors.New("fit: the timelines hold no scrape of any workload: without CPU counters no demand can be fitted")
	}
	var subjects []*subject
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s, err := subjectOf(name, pools, runs, warn)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// subjectOf gathers what the runs show of a workload.
func subjectOf(name string, pools []string, runs []*run, warn *warnings) (*subject, error) {
	s := &subject{name: name, steps: stepsOf(name, runs), limit: math.Inf(1)}
	if len(s.steps) == 0 {
		return nil, fmt.Errorf("fit: workload %s: no step was ever answered", name)
	}
	for i, r := range runs {
		s.slots = append(s.slots, r.slots(i, name, s.steps, pools)...)
		s.points = append(s.points, r.points(name)...)
		s.overcommitted = s.overcommitted || r.Run.Platform != nil && Overcommitted(r.Run.Platform)
		for _, t := range r.tenants {
			if t.workload == name {
				s.limit = math.Min(s.limit, t.limit)
			}
		}
	}
	s.quietPod = quietPod(runs, name)
	need := needed(len(s.steps))
	s.chosen = choose(name, s.slots, runs, need, warn)
	if len(s.chosen) < need {
		return nil, fmt.Errorf("fit: workload %s: %d scrape intervals with load, need at least %d for %d steps: run longer, or scrape more often",
			name, len(s.chosen), need, len(s.steps))
	}
	return s, nil
}

// under notes by how much the neighbours made the requests of each slot dearer.
func (s *subject) under(c *crowd) {
	for _, slots := range [][]slot{s.slots, s.chosen} {
		for i := range slots {
			slots[i].dearer = c.on(slots[i], -1)
		}
	}
}

// fit fits everything about one workload.
func (s *subject) fit(ctx context.Context, c *crowd, runs []*run, opts Options, warn *warnings) (*WorkloadModel, error) {
	described := describedWorkload(s.name, runs)
	f, err := fitDemand(ctx, s, described, c, opts, warn)
	if err != nil {
		return nil, err
	}
	w := &WorkloadModel{
		Idle:      estimate(f.x[0], f.draws[0], "cores", opts),
		Steps:     f.fitSteps(runs, described, s.limit, opts, warn, s.name),
		Condition: math.Min(f.condition, 1e16), // JSON knows no infinity
		Capacity:  f.fitCapacity(s.points, s.limit, opts, warn, s.name),
		Chain:     fitChain(runs, s.name, opts, warn),
		Memory:    fitMemory(s.name, runs, opts, warn),
		Residuals: f.residuals(runs),
		HeldOut:   f.heldOut(s.slots),
	}
	w.WarmUpFactor, w.WarmUpSeconds, w.WarmUpSeen = f.fitWarmUp(s.slots, describedWarmUp(s.name, runs), opts, warn, s.name)
	return w, nil
}

// stepsOf are the steps a workload serves: as the platform says, among those that were answered; all where no platform
// is known.
func stepsOf(name string, runs []*run) []string {
	known, seen := map[string]bool{}, map[string]bool{}
	for _, r := range runs {
		for _, s := range r.steps {
			seen[s] = true
		}
		if r.Run.Platform == nil {
			continue
		}
		for _, w := range r.Run.Platform.Workloads {
			if w.Name == name {
				for s := range w.Steps {
					known[s] = true
				}
			}
		}
	}
	if len(known) > 0 {
		maps.DeleteFunc(seen, func(s string, _ bool) bool { return !known[s] })
	}
	return slices.Sorted(maps.Keys(seen))
}
