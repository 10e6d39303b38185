package fit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// Data is what a fit takes from one record.
type Data struct {
	Dir string
	Run *record.Run
	// Windows are the service windows; others are passed over.
	Windows []record.Window
	Events  []record.Event
}

// Read takes from a record what a fit needs.
func Read(rec *record.Record) (*Data, error) {
	if rec == nil {
		return nil, fmt.Errorf("fit: no record")
	}
	windows, err := rec.Windows(func(k record.Key, _ time.Duration) bool { return k.Measure == record.Service })
	if err != nil {
		return nil, fmt.Errorf("fit %s: %w", rec.Dir, err)
	}
	events, err := rec.Timeline()
	if err != nil {
		return nil, fmt.Errorf("fit %s: %w", rec.Dir, err)
	}
	return &Data{Dir: rec.Dir, Run: &rec.Run, Windows: windows, Events: events}, nil
}

// check refuses runs that say nothing about the platform, and runs that cannot be fitted together.
func check(runs []*Data) error {
	if len(runs) == 0 {
		return fmt.Errorf("fit: no runs given: give at least a calibration run")
	}
	for _, r := range runs {
		if r == nil || r.Run == nil {
			return fmt.Errorf("fit: a run without its run.json")
		}
		if !r.Run.Validity.Valid {
			return fmt.Errorf("fit: run %s is invalid, the generator was the limit (%s): fire it again with more capacity for the generator",
				r.Run.ID, strings.Join(scenarios.AllIn(r.Run.Validity.Reasons, "en"), "; "))
		}
		if err := alike(runs[0].Run, r.Run); err != nil {
			return fmt.Errorf("fit: runs %s and %s: %w", runs[0].Run.ID, r.Run.ID, err)
		}
	}
	return nil
}

// alike says why two runs do not belong together: another program, another kind of target, or workloads that cost
// something else. Counts of nodes and replicas, the autoscaling and the scenario may differ; that is what one varies.
func alike(a, b *record.Run) error {
	switch {
	case a.Format != b.Format:
		return fmt.Errorf("record formats %d and %d", a.Format, b.Format)
	case a.Ansturm != b.Ansturm:
		return fmt.Errorf("fired by versions %q and %q: fire both with one version", a.Ansturm, b.Ansturm)
	case (a.Platform == nil) != (b.Platform == nil):
		return fmt.Errorf("only one of them knows its platform")
	case a.Platform == nil:
		return nil
	}
	x, y := costs(a.Platform), costs(b.Platform)
	for name, cost := range x {
		if other, both := y[name]; both && other != cost {
			return fmt.Errorf("workload %s has other resources, work or start-up in one than in the other", name)
		}
	}
	return nil
}

// costs writes down of each workload what makes its requests dear.
func costs(p *scenarios.Platform) map[string]string {
	out := map[string]string{}
	for _, w := range p.Workloads {
		w.Tenants, w.Replicas, w.HPA = nil, 0, nil
		b, err := json.Marshal(w)
		if err == nil && !strings.Contains(out[w.Name], string(b)) {
			out[w.Name] += string(b)
		}
	}
	return out
}

// workloadOf finds the workload of a tenant under a name: the one that names the tenant, else the one for all others.
func workloadOf(p *scenarios.Platform, name, tenant string) *scenarios.Workload {
	if p == nil {
		return nil
	}
	var general *scenarios.Workload
	for i := range p.Workloads {
		w := &p.Workloads[i]
		switch {
		case w.Name != name:
		case slices.Contains(w.Tenants, tenant):
			return w
		case len(w.Tenants) == 0 || general == nil:
			general = w
		}
	}
	return general
}

// limitOf is a pod's CPU limit in cores, else its request, else 1: what its speed is measured by.
func limitOf(w *scenarios.Workload) float64 {
	if w == nil {
		return 1
	}
	if q := w.Resources.Limits.Cpu(); !q.IsZero() {
		return q.AsApproximateFloat64()
	}
	if q := w.Resources.Requests.Cpu(); !q.IsZero() {
		return q.AsApproximateFloat64()
	}
	return 1
}
