package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

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
	journal            string
	processes, images  []string
	await              bool // be ready only when every autoscaler has metrics

	delays            []given
	nodes             []string
	losses, additions []moment
}

// moment is what happens to a node or a pool at a time after the lab is ready.
type moment struct {
	name string
	at   time.Duration
}

// delay is a time of the platform that a flag sets.
type delay struct {
	flag, usage string
	set         func(p *scenarios.Platform, d time.Duration)
}

// given is a delay that the command line has.
type given struct {
	delay
	value time.Duration
}

var delays = []delay{
	{"sync-period", "the autoscaler's period", func(p *scenarios.Platform, d time.Duration) { p.Autoscaling.SyncPeriod = d }},
	{"metric-resolution", "the time between two scrapes", func(p *scenarios.Platform, d time.Duration) { p.Autoscaling.MetricResolution = d }},
	{"metric-lag", "from a scrape to its being served", func(p *scenarios.Platform, d time.Duration) { p.Autoscaling.MetricLag = d }},
	{"node-loss-detection", "from a node's death to its pods' replacement", func(p *scenarios.Platform, d time.Duration) { p.Autoscaling.NodeLossDetection = d }},
	{"pull", "every image pull's time", ofStart(func(s *scenarios.Start) **scenarios.Distribution { return &s.Pull })},
	{"start", "every container's start", ofStart(func(s *scenarios.Start) **scenarios.Distribution { return &s.Start })},
	{"ready", "from started to ready", ofStart(func(s *scenarios.Start) **scenarios.Distribution { return &s.Ready })},
	{"lead-time", "every pool's time from ordering a node to its being there", func(p *scenarios.Platform, d time.Duration) {
		for i := range p.Pools {
			p.Pools[i].LeadTime = d
		}
	}},
}

// ofStart sets one stage of every workload's start.
func ofStart(stage func(*scenarios.Start) **scenarios.Distribution) func(*scenarios.Platform, time.Duration) {
	return func(p *scenarios.Platform, d time.Duration) {
		for i := range p.Workloads {
			*stage(&p.Workloads[i].Start) = &scenarios.Distribution{Fixed: &d}
		}
	}
}

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
	f.StringVar(&s.journal, "journal", "", "where to write every stage of every pod (default: in the state folder)")
	f.StringArrayVar(&s.processes, "process", nil, "run a workload's pods as real processes, WORKLOAD=PROGRAM: antrag=burner; may be repeated")
	f.StringArrayVar(&s.images, "image", nil, "run pods of an image as real processes, NAME=PROGRAM: ansturm:1=ansturm; may be repeated")
	f.BoolVar(&s.await, "await-autoscalers", false, "be ready only when every autoscaler has metrics of its pods, which takes a minute")
	for _, d := range delays {
		f.Duration(d.flag, 0, d.usage+" (default: the platform's)")
	}
	lose := f.StringArray("lose-node", nil, "lose a node, NAME@TIME after the lab is ready: vm-3@2m; may be repeated")
	add := f.StringArray("add-node", nil, "order a node of a pool, POOL@TIME: vm@30s; it comes after the pool's lead time; may be repeated")
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
	if err := s.takeDelays(f); err != nil {
		return nil, err
	}
	return s, s.takeMoments(*lose, *add)
}

// takeDelays keeps the delays that were given: 0 is a value, too.
func (s *settings) takeDelays(f *pflag.FlagSet) error {
	for _, d := range delays {
		if !f.Changed(d.flag) {
			continue
		}
		value, err := f.GetDuration(d.flag)
		if err != nil {
			return err
		}
		if value < 0 {
			return fmt.Errorf("--%s: is %s, must not be negative", d.flag, value)
		}
		s.delays = append(s.delays, given{d, value})
	}
	return nil
}

func (s *settings) takeMoments(lose, add []string) (err error) {
	if s.losses, err = moments("--lose-node", "vm-3@2m", lose); err != nil {
		return err
	}
	s.additions, err = moments("--add-node", "vm@30s", add)
	return err
}

func moments(flag, like string, values []string) ([]moment, error) {
	var list []moment
	for _, value := range values {
		name, after, found := strings.Cut(value, "@")
		at, err := time.ParseDuration(after)
		if !found || name == "" || err != nil || at < 0 {
			return nil, fmt.Errorf("%s: %q is not NAME@TIME, like %s", flag, value, like)
		}
		list = append(list, moment{name, at})
	}
	return list, nil
}
