package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/testdata/labprocess"
)

// processes is the kind of platform whose pods are processes that burn CPU under cgroup quotas, governed by a real control
// plane: lab/kubernetes, at life's speed.
const processes = "processes"

// mostCores is what all processes together may want: the machine has to bear control plane and generator beside them.
const mostCores = 0.9

// drawProcesses makes the seed's subject of processes: small enough for one machine, and for a quarter of an hour.
func drawProcesses(seed int64) (*subject, error) {
	d := drawer{rand.New(rand.NewPCG(uint64(seed), 0x70726f63))}
	x := &subject{seed: seed, cores: 1.1 * mostCores}
	over := 4 * time.Minute
	x.surge = &scenarios.Scenario{
		Name:     "surge",
		Arrivals: scenarios.Arrivals{Over: over, Curve: d.curve(over)},
		SLOs:     []scenarios.SLO{{Step: "submit", Percentile: 95, Within: 5 * time.Second, Errors: 0.01}},
	}
	for i := range 2 + d.IntN(2) {
		x.surge.Tenants.List = append(x.surge.Tenants.List, scenarios.Tenant{Name: fmt.Sprintf("tenant-%d", i+1), Weight: 1 + d.Float64()})
	}
	x.surge.Journeys = []scenarios.Journey{{Name: "apply", Weight: 1, Steps: []scenarios.Step{d.step("form", true), d.step("submit", false)}}}
	x.platform = &scenarios.Platform{Name: "processes", Workloads: d.workloads(x.surge)}
	for i := range x.platform.Workloads {
		d.burner(&x.platform.Workloads[i])
	}
	if err := d.sizeProcesses(x); err != nil {
		return nil, err
	}
	d.pools(x)
	x.platform.Pools[0].Count++ // the calibration's pods, too, find room
	x.rehearsal = d.rehearsed(x.surge)
	for i, s := range []*scenarios.Scenario{x.surge, x.rehearsal} {
		s.Arrivals.Seed = uint64(seed)*16 + uint64(i)*8
	}
	x.described = d.guess(x.platform)
	return x, nil
}

// burner makes a workload one of processes: they take whoever comes, and begin in their own time.
func (d drawer) burner(w *scenarios.Workload) {
	limit := one[int64](d, 150, 200, 300)
	w.Resources.Requests, w.Resources.Limits = resources(limit, 64), resources(limit, 64)
	w.Replicas, w.Threads, w.Backlog, w.Memory = 1, 256, 256, scenarios.Memory{}
	w.Start = scenarios.Start{Pull: d.delay(time.Second, 4*time.Second), Start: fixed(50 * time.Millisecond), Ready: fixed(100 * time.Millisecond)}
	w.HPA = d.autoscaler(w.Replicas)
	for name, mean := range map[string]time.Duration{"form": d.span(5*time.Millisecond, 15*time.Millisecond), "submit": d.span(15*time.Millisecond, 40*time.Millisecond)} {
		w.Steps[name] = scenarios.Work{CPU: *fixed(mean), Accepts: name == "submit"}
	}
}

func fixed(d time.Duration) *scenarios.Distribution { return &scenarios.Distribution{Fixed: &d} }

// sizeProcesses sets the total, so that the peak takes no more of the machine than it has.
func (d drawer) sizeProcesses(x *subject) error {
	s := x.surge
	s.Arrivals.Total = mostArrivals
	curve, err := s.Curve()
	if err != nil {
		return err
	}
	_, peak := curve.Peak()
	s.Arrivals.Total = int64(mostArrivals * d.between(0.6, 1) * mostCores / (x.perPerson(s) * peak))
	peak *= float64(s.Arrivals.Total) / mostArrivals
	for i := range x.platform.Workloads {
		w := &x.platform.Workloads[i]
		w.HPA.MaxReplicas = w.Replicas + int32(x.busiestPods(w, peak)*d.between(1.2, 2.5))
	}
	return nil
}

// cluster fires at labs of real processes.
type cluster struct {
	bin    string // where ansturm, ansturm-lab and burner are
	stderr io.Writer
}

// attempts is how often a run is fired that the machine spoilt.
const attempts = 3

// fire fires at a lab of its own, as somebody who may only look.
func (c cluster) fire(ctx context.Context, f firing) (rec *record.Record, err error) {
	for n := range attempts {
		dir := fmt.Sprintf("%s-try-%d", f.dir, n+1)
		if rec = f.kept(dir); rec == nil {
			rec, err = c.once(ctx, f, dir)
		}
		if err != nil || rec.Run.Validity.Valid {
			return rec, err
		}
		fmt.Fprintf(c.stderr, "%s: invalid: %v\n", f.name, scenarios.AllIn(rec.Run.Validity.Reasons, "en"))
	}
	return nil, fmt.Errorf("%s: invalid %d times", f.name, attempts)
}

// kept is the whole record of this very firing in dir, where -keep left one; else nil. A platform takes a quarter of an hour, and
// what was fired stays true when fit or simulator are mended.
func (f firing) kept(dir string) *record.Record {
	files, err := f.files()
	if err != nil {
		return nil
	}
	for name, want := range files {
		if have, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(have, want) {
			return nil
		}
	}
	rec, err := record.Open(filepath.Join(dir, "record"))
	if err != nil || !rec.Run.Complete() || rec.Run.Interrupted {
		return nil
	}
	rec.Run.Purpose = f.purpose
	return rec
}

// files is what a run starts from, by name.
func (f firing) files() (map[string][]byte, error) {
	scenario, err1 := scenarios.Marshal(f.scenario)
	platform, err2 := scenarios.MarshalPlatform(f.platform)
	described, err3 := scenarios.MarshalPlatform(f.described)
	return map[string][]byte{"scenario.yaml": scenario, "platform.yaml": platform, "described.yaml": described}, errors.Join(err1, err2, err3)
}

func (c cluster) once(ctx context.Context, f firing, dir string) (rec *record.Record, err error) {
	files, err := f.files()
	// A record of an earlier try is of another firing, or broken off.
	if err = errors.Join(err, os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return nil, err
		}
	}
	scenario := filepath.Join(dir, "scenario.yaml")
	args := []string{filepath.Join(dir, "platform.yaml"), "--scenario", scenario, "--state", dir, "--await-autoscalers"}
	for _, w := range f.platform.Workloads {
		args = append(args, "--process", w.Name+"=burner")
	}
	var ready struct {
		Kubeconfig string
		Contexts   []string
	}
	lab, err := labprocess.Start(ctx, c.stderr, &ready, filepath.Join(c.bin, "ansturm-lab"), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lab.Stop()) }()
	if len(ready.Contexts) == 0 {
		return nil, errors.New("the lab's ready line names no context")
	}
	into := filepath.Join(dir, "record")
	run := exec.CommandContext(ctx, filepath.Join(c.bin, "ansturm"), "run", scenario, "--platform", filepath.Join(dir, "described.yaml"), "--kubeconfig", ready.Kubeconfig,
		"--kube-context", ready.Contexts[len(ready.Contexts)-1], "--linger", "40s", "-o", into)
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	run.Stdout, run.Stderr = c.stderr, c.stderr
	const invalid = 4
	if err := run.Run(); err != nil && run.ProcessState.ExitCode() != invalid {
		return nil, fmt.Errorf("ansturm run: %w", err)
	}
	if rec, err = record.Open(into); err == nil {
		rec.Run.Purpose = f.purpose // ansturm run knows surges only
	}
	return rec, err
}
