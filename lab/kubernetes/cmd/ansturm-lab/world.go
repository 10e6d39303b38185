package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
	"github.com/ansturm/ansturm/scenarios"
)

// release is the version of Kubernetes that is built in.
const release = "1.35"

// Shorter times a real control plane cannot keep: its stamps and windows have whole seconds, and a node's lease is renewed
// every second at the most, of which some must be missed before the node counts as lost.
const (
	shortestPeriod    = time.Second
	shortestDetection = 4 * time.Second
	mostNodes         = 10_000 // of a pool, as in a platform's file
)

// world is a platform with the settings laid over it, its tenants, and what befalls its nodes.
type world struct {
	platform *scenarios.Platform
	scenario *scenarios.Scenario // nil: the workloads name the tenants
	tenants  []string
	programs map[string]string // by the images that they stand for

	losses  []moment
	arrives []arrival
}

// arrival is a node that joins at a time after the lab is ready.
type arrival struct {
	node scenarios.NodeRef
	at   time.Duration
}

// load makes the world of the command line.
func (s *settings) load() (*world, error) {
	p, err := scenarios.FindPlatform(s.platform)
	if err != nil {
		return nil, err
	}
	w := &world{platform: p}
	if w.scenario, err = s.findScenario(); err != nil {
		return nil, err
	}
	if w.scenario != nil {
		if err := p.Check(w.scenario); err != nil {
			return nil, err
		}
	}
	if w.tenants = objects.Names(p, w.scenario); len(w.tenants) == 0 {
		return nil, fmt.Errorf("platform %q names no tenants; --scenario says whose are meant", p.Name)
	}
	for _, d := range s.delays {
		d.set(p, d.value)
	}
	if err := resize(p, s.nodes); err != nil {
		return nil, err
	}
	if err := w.arrange(s); err != nil {
		return nil, err
	}
	if w.programs, err = programs(s.images); err != nil {
		return nil, err
	}
	return w, errors.Join(check(s.platform, p), checkProcesses(p, s.processes))
}

// findScenario is the given one, else the one beside the platform, else none.
func (s *settings) findScenario() (*scenarios.Scenario, error) {
	if s.scenario != "" {
		return scenarios.Find(s.scenario)
	}
	if entry, err := scenarios.Open(s.platform); err == nil {
		return entry.Scenario()
	}
	ext := filepath.Ext(s.platform)
	beside, isPlatform := strings.CutSuffix(strings.TrimSuffix(s.platform, ext), ".platform")
	if !isPlatform {
		return nil, nil
	}
	found, err := scenarios.Load(beside + ext)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return found, err
}

// resize sets pools' numbers of nodes.
func resize(p *scenarios.Platform, sizes []string) error {
	for _, value := range sizes {
		name, number, _ := strings.Cut(value, "=")
		n, err := strconv.Atoi(number)
		pool := poolOf(p, name)
		if err != nil || n < 0 || n > mostNodes || pool == nil {
			return fmt.Errorf("--nodes: %q is not POOL=N with a pool of the platform (%s) and 0 to %d", value, strings.Join(pools(p), ", "), mostNodes)
		}
		pool.Count = n
	}
	return nil
}

// arrange makes the plan of nodes that come and go, by the platform's file and the command line.
func (w *world) arrange(s *settings) error {
	p, ordered := w.platform, map[string]int{}
	var names []string
	for _, n := range p.Nodes() {
		names = append(names, n.Name)
	}
	for _, m := range s.additions {
		pool := poolOf(p, m.name)
		if pool == nil {
			return fmt.Errorf("--add-node: the platform has no pool %q, it has %s", m.name, strings.Join(pools(p), ", "))
		}
		ordered[m.name]++
		node := scenarios.NodeRef{Name: fmt.Sprintf("%s-%d", pool.Name, pool.Count+ordered[m.name]), Pool: pool}
		w.arrives = append(w.arrives, arrival{node, m.at + pool.LeadTime})
		names = append(names, node.Name)
	}
	w.losses = slices.Clone(s.losses)
	for _, d := range p.Disruptions {
		w.losses = append(w.losses, moment{d.LoseNode, d.At})
	}
	for _, m := range w.losses {
		if !slices.Contains(names, m.name) {
			return fmt.Errorf("--lose-node: %q is none of the platform's %d nodes, which are called POOL-NUMBER, like %s-1", m.name, len(names), pools(p)[0])
		}
	}
	return nil
}

// check says what of a platform no real control plane could keep.
func check(file string, p *scenarios.Platform) error {
	if p.Kubernetes != release {
		return fmt.Errorf("%s: kubernetes: is %q, and this lab is %s", file, p.Kubernetes, release)
	}
	a := &p.Autoscaling
	for _, c := range []struct {
		field, flag string
		is, least   time.Duration
	}{
		{"syncPeriod", "--sync-period", a.SyncPeriod, shortestPeriod},
		{"metricResolution", "--metric-resolution", a.MetricResolution, shortestPeriod},
		{"nodeLossDetection", "--node-loss-detection", a.NodeLossDetection, shortestDetection},
	} {
		if c.is < c.least {
			return fmt.Errorf("%s: autoscaling.%s (or %s): is %s, must be at least %s for a real control plane", file, c.field, c.flag, c.is, c.least)
		}
	}
	if a.MetricLag > a.MetricResolution {
		return fmt.Errorf("%s: autoscaling.metricLag (or --metric-lag): is %s, must be at most metricResolution, %s: the next scrape takes the place of what is not served by then", file, a.MetricLag, a.MetricResolution)
	}
	return nil
}

// checkProcesses says which wish for real processes cannot be.
func checkProcesses(p *scenarios.Platform, wishes []string) error {
	var names []string
	for _, w := range p.Workloads {
		names = append(names, w.Name)
	}
	for _, wish := range wishes {
		workload, program, _ := strings.Cut(wish, "=")
		if program == "" || !slices.Contains(names, workload) {
			return fmt.Errorf("--process: %q is not WORKLOAD=PROGRAM with a workload of the platform (%s)", wish, strings.Join(names, ", "))
		}
	}
	return nil
}

// programs are what images stand for.
func programs(images []string) (map[string]string, error) {
	all := map[string]string{}
	for _, value := range images {
		image, program, _ := strings.Cut(value, "=")
		if image == "" || program == "" {
			return nil, fmt.Errorf("--image: %q is not NAME=PROGRAM, like ansturm:1=ansturm", value)
		}
		all[image] = program
	}
	return all, nil
}

func pools(p *scenarios.Platform) (names []string) {
	for _, pool := range p.Pools {
		names = append(names, pool.Name)
	}
	return names
}

func poolOf(p *scenarios.Platform, name string) *scenarios.NodePool {
	for i := range p.Pools {
		if p.Pools[i].Name == name {
			return &p.Pools[i]
		}
	}
	return nil
}
