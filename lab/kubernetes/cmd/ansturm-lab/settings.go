package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
	"github.com/ansturm/ansturm/scenarios"
)

const usage = `ansturm-lab PLATFORM: a real Kubernetes control plane on loopback, with the platform in it.

PLATFORM is a platform's file, or the name of one that ships (briefwahl, quick, ...). Its tenants are those of the scenario
beside it, or of --scenario; without a scenario those that its workloads name. It stays until Ctrl-C.

`

// settings are the command line.
type settings struct {
	platform, scenario string
	kubeconfig, state  string
	json               bool
	seed               uint64
	agent, journal     string
	processes          []string

	auto              scenarios.Autoscaling
	pull, start       time.Duration
	ready             time.Duration
	lose, add         []string
	leadTime          time.Duration
	nodes             []string
	losses, additions []moment
}

// moment is what happens to a node or a pool at a time after the lab is ready.
type moment struct {
	name string
	at   time.Duration
}

// unset marks a duration that was not given, as 0 is a value.
const unset = -1

// errHelp: the help was asked for and shown.
var errHelp = errors.New("help")

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	f := pflag.NewFlagSet("ansturm-lab", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() { fmt.Fprint(stderr, usage, f.FlagUsages()) }
	f.StringVar(&s.scenario, "scenario", "", "the scenario whose tenants and steps are served: its name or file")
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "where to write the kubeconfig (default: in the state folder)")
	f.StringVar(&s.state, "state", os.TempDir(), "where to make the state folder")
	f.BoolVar(&s.json, "json", false, "the ready line as JSON")
	f.Uint64Var(&s.seed, "seed", 1, "seed of the delays")
	f.StringVar(&s.agent, "agent", agents[0], "what runs the pods: "+strings.Join(agents, ", "))
	f.StringVar(&s.journal, "journal", "", "where to write every stage of every pod (default: in the state folder)")
	f.StringArrayVar(&s.processes, "process", nil, "run a workload's pods as real processes, WORKLOAD=PROGRAM: antrag=burner; may be repeated")
	f.DurationVar(&s.auto.SyncPeriod, "sync-period", 0, "the autoscaler's period (default: the platform's)")
	f.DurationVar(&s.auto.MetricResolution, "metric-resolution", 0, "the time between two scrapes (default: the platform's)")
	f.DurationVar(&s.auto.MetricLag, "metric-lag", 0, "from a scrape to its being served (default: the platform's)")
	f.DurationVar(&s.auto.NodeLossDetection, "node-loss-detection", 0, "from a node's death to its pods' replacement (default: the platform's)")
	f.DurationVar(&s.pull, "pull", unset, "every image pull's time (default: the platform's)")
	f.DurationVar(&s.start, "start", unset, "every container's start (default: the platform's)")
	f.DurationVar(&s.ready, "ready", unset, "from started to ready (default: the platform's)")
	f.StringArrayVar(&s.lose, "lose-node", nil, "lose a node, NAME@TIME after the lab is ready: vm-3@2m; may be repeated")
	f.StringArrayVar(&s.add, "add-node", nil, "order a node of a pool, POOL@TIME: vm@30s; it comes after the pool's lead time; may be repeated")
	f.DurationVar(&s.leadTime, "lead-time", unset, "every pool's lead time (default: the platform's)")
	f.StringArrayVar(&s.nodes, "nodes", nil, "a pool's number of nodes, POOL=N; may be repeated")
	f.SortFlags = false
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil, errHelp
		}
		return nil, err
	}
	if f.NArg() != 1 {
		return nil, fmt.Errorf("one platform is wanted, here are %d; --help shows more", f.NArg())
	}
	s.platform = f.Arg(0)
	return s, s.parseMoments()
}

func (s *settings) parseMoments() (err error) {
	if s.losses, err = moments("--lose-node", s.lose); err != nil {
		return err
	}
	s.additions, err = moments("--add-node", s.add)
	return err
}

func moments(flag string, values []string) ([]moment, error) {
	var list []moment
	for _, value := range values {
		name, after, found := strings.Cut(value, "@")
		at, err := time.ParseDuration(after)
		if !found || name == "" || err != nil || at < 0 {
			return nil, fmt.Errorf("%s: %q is not NAME@TIME, like vm-3@2m", flag, value)
		}
		list = append(list, moment{name, at})
	}
	return list, nil
}

// world is a platform with the settings laid over it, and its tenants.
type world struct {
	platform *scenarios.Platform
	scenario *scenarios.Scenario // nil: the workloads name the tenants
	tenants  []string
}

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
	return w, s.overlay(p)
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

// overlay lays the command line's settings over the platform's.
func (s *settings) overlay(p *scenarios.Platform) error {
	for _, d := range []struct{ given, target *time.Duration }{
		{&s.auto.SyncPeriod, &p.Autoscaling.SyncPeriod},
		{&s.auto.MetricResolution, &p.Autoscaling.MetricResolution},
		{&s.auto.MetricLag, &p.Autoscaling.MetricLag},
		{&s.auto.NodeLossDetection, &p.Autoscaling.NodeLossDetection},
	} {
		if *d.given < 0 {
			return fmt.Errorf("a period of %s, must be above 0", *d.given)
		}
		if *d.given > 0 {
			*d.target = *d.given
		}
	}
	for i := range p.Workloads {
		stages := &p.Workloads[i].Start
		fix(&stages.Pull, s.pull)
		fix(&stages.Start, s.start)
		fix(&stages.Ready, s.ready)
	}
	if s.leadTime != unset {
		for i := range p.Pools {
			p.Pools[i].LeadTime = s.leadTime
		}
	}
	return s.resize(p)
}

func fix(target **scenarios.Distribution, d time.Duration) {
	if d != unset {
		*target = &scenarios.Distribution{Fixed: &d}
	}
}

// resize sets pools' numbers of nodes, and checks that the nodes and pools of the moments exist.
func (s *settings) resize(p *scenarios.Platform) error {
	for _, value := range s.nodes {
		name, number, _ := strings.Cut(value, "=")
		n, err := strconv.Atoi(number)
		pool := poolOf(p, name)
		if err != nil || n < 0 || pool == nil {
			return fmt.Errorf("--nodes: %q is not POOL=N with a pool of the platform", value)
		}
		pool.Count = n
	}
	for _, m := range s.additions {
		if poolOf(p, m.name) == nil {
			return fmt.Errorf("--add-node: platform %q has no pool %q", p.Name, m.name)
		}
	}
	for _, d := range p.Disruptions {
		if d.LoseNode != "" {
			s.losses = append(s.losses, moment{d.LoseNode, d.At})
		}
	}
	return nil
}

func poolOf(p *scenarios.Platform, name string) *scenarios.NodePool {
	for i := range p.Pools {
		if p.Pools[i].Name == name {
			return &p.Pools[i]
		}
	}
	return nil
}
