package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/gate"
)

// surge is what ansturm run was asked for.
type surge struct {
	*app
	firing   firing // complete once it is prepared
	client   client
	kube     clusterFlags
	useLab   bool
	platform string // a file, or empty
	seed     uint64
	resume   string // a record's directory
}

func (a *app) runCommand() *cobra.Command {
	s := surge{app: a}
	c := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Fire the surge and record what comes of it",
		Long: `Fires the scenario, open loop: an arrival is due when the schedule says so, whatever the platform does.
SCENARIO is a name from the library (ansturm scenario ls) or a file.

The embedded platform (--lab, the default) is the one of the file NAME.platform.yaml beside the scenario, or
--platform. Ctrl-C stops firing, keeps what was recorded, and exits 130.

With --kube-context the tenants are namespaces of a cluster. Each must carry the label ansturm.dev/load-test=allowed, and
its Service say by the annotation ansturm.dev/url where it is served, on this machine; --target names one address for
all. The cluster is watched (see ansturm rbac for the rights that takes) and described as far as it can be read; what a
request costs there is taken from --platform.

With --workers, processes of this machine fire instead of this one; with --joiners, those that ansturm worker starts on
others. The run is the same: each arrival is fired once, and what a worker that dies may have sent is indeterminate, never
fired again. A run whose coordinator has died is taken up by --resume, as long as its target is still there.`,
		Example: "  ansturm run quick --speed 10\n  ansturm run school.yaml --platform bigger.yaml -o runs/bigger\n" +
			"  ansturm run quick --kube-context lab --kubeconfig lab.kubeconfig\n" +
			"  ansturm run school.yaml --workers 4 --target http://127.0.0.1:8080 -o runs/school\n  ansturm run --resume runs/school",
		Args: func(c *cobra.Command, args []string) error {
			if s.resume != "" {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if s.resume != "" {
				if err := onlyResume(c); err != nil {
					return err
				}
				return a.resume(c.Context(), s.resume)
			}
			if err := s.prepare(c.Context(), args[0], c.Flags().Changed); err != nil {
				return err
			}
			s.firing.args = a.args
			return a.runAndTell(c.Context(), s.firing)
		},
	}
	s.flags(c)
	return c
}

func (s *surge) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&s.useLab, "lab", false, "fire at the embedded platform (the default)")
	flags.StringVar(&s.platform, "platform", "", "platform file (default: the one beside the scenario)")
	flags.StringVar(&s.firing.target, "target", "", "fire at this URL on loopback instead")
	addSpeed(c, &s.firing.speed, lifeSpeed)
	flags.Uint64Var(&s.seed, "seed", 0, "seed of the arrivals, instead of the scenario's")
	flags.StringVar(&s.resume, "resume", "", "take up the run of a fleet whose coordinator has died, by the directory of its record; with no other flag but --json and --quiet")
	flags.StringVarP(&s.firing.dir, "output", "o", "", "directory of the record (default runs/NAME)")
	flags.StringVar(&s.firing.waitingRoom, "waiting-room", "", "cookie by which a waiting room before the target keeps people's places: they wait as it tells them")
	flags.StringVar(&s.firing.metrics, "metrics", "", "serve the run's figures for Prometheus at http://HOST:PORT/metrics while it lasts")
	flags.IntVar(&s.firing.maxConnections, "connections", 0, "most open connections (0: 15000)")
	s.client.flags(c)
	s.kube.flags(c)
	s.firing.fleet.flags(c)
}

// prepare makes of the flags what is to be fired, and at what.
func (s *surge) prepare(ctx context.Context, scenario string, changed func(string) bool) (err error) {
	if err := s.check(changed); err != nil {
		return err
	}
	f := &s.firing
	if f.target != "" { // before anything is read or opened: no packet without consent
		if f.target, err = loadgen.TargetAddress(f.target); err != nil {
			return inputError(err, "fire at the embedded platform (--lab), or at a server on 127.0.0.1")
		}
	}
	w, err := s.load(scenario)
	if err != nil {
		return err
	}
	if changed("seed") {
		w.scenario.Arrivals.Seed = s.seed
	}
	f.scenario, f.platform, f.purpose, f.title = w.scenario, w.platform, "surge", "arrivals"
	f.fleet.job.context = cmp.Or(f.fleet.job.context, s.kube.context)
	f.fleet.job.kubeconfig = cmp.Or(f.fleet.job.kubeconfig, s.kube.kubeconfig)
	if err := s.aim(ctx); err != nil {
		return err
	}
	if s.begun != nil {
		f.dir, f.begun = s.begun.dir, s.begun
		return s.begun.check(f.scenario)
	}
	if f.dir == "" {
		f.dir = freshDir(filepath.Join("runs", strings.TrimSuffix(w.scenario.Name, ".yaml")))
	}
	f.dir = filepath.Clean(f.dir) // what is beside DIR/ would be in it
	return nil
}

// load loads what a run needs; a target of its own needs no platform.
func (s *surge) load(scenario string) (*world, error) {
	if s.platform == "" && (s.firing.target != "" || s.kube.context != "") {
		return loadScenario(scenario)
	}
	return loadWorld(scenario, s.platform)
}

// aim opens the cluster, if it is one that is fired at, and says how the target is spoken to.
func (s *surge) aim(ctx context.Context) (err error) {
	f, address := &s.firing, s.firing.target
	if s.kube.context != "" {
		if f.cluster, err = s.openCluster(ctx, &s.kube, f.scenario, f.target); err != nil {
			return err
		}
		f.platform = cluster.Overlay(f.cluster.found.Platform, f.platform)
		f.target, address = f.cluster.name(), f.cluster.addresses[0]
	}
	f.way, err = s.client.way(address)
	return err
}

// check refuses flags that do not go together.
func (s *surge) check(changed func(string) bool) error {
	target, onCluster := s.firing.target != "", s.kube.context != ""
	switch {
	case s.useLab && target:
		return inputError(errors.New("--lab and --target exclude each other"), "")
	case s.useLab && onCluster:
		return inputError(errors.New("--lab and --kube-context exclude each other"), "")
	case target || onCluster:
		if s.firing.speed != lifeSpeed {
			return inputError(errors.New("--speed with --target or --kube-context: only the embedded platform can go faster than life"),
				"leave --speed out, and shorten the scenario instead")
		}
	case changed("waiting-room"):
		return inputError(errors.New("--waiting-room without --target or --kube-context"), "the embedded platform's waiting room is the platform's admission")
	case s.client.given(changed) != "":
		return inputError(fmt.Errorf("--%s without --target: the embedded platform speaks HTTP/1.1 without TLS", s.client.given(changed)), "")
	}
	if err := s.firing.fleet.check(changed); err != nil {
		return err
	}
	if s.firing.fleet.on == kubernetes && s.firing.fleet.abroad() && !target && !onCluster { // a lab's pods are on this machine
		return inputError(errors.New("--workers-on kubernetes without --target or --kube-context: the embedded platform is on this machine's loopback, a pod fires at its own"),
			"run these workers on this machine, by --workers alone")
	}
	return s.kube.check(changed)
}

// runAndTell fires and says what came of it.
func (a *app) runAndTell(ctx context.Context, f firing) error {
	p := a.progress()
	rec, err := a.fire(ctx, p, f)
	p.wait()
	if rec == nil {
		return err
	}
	if tellErr := a.tellAccount(rec); tellErr != nil {
		return tellErr
	}
	if err != nil {
		return err // Ctrl-C: the record is whole all the same
	}
	return judged(rec)
}

// judged ends the program as a run's validity says.
func judged(rec *record.Record) error {
	if !rec.Run.Validity.Valid {
		return ended(gate.Invalid.ExitCode())
	}
	return nil
}

// tellAccount prints what a record holds.
func (a *app) tellAccount(rec *record.Record) error {
	account, err := rec.Account()
	if err != nil {
		return err
	}
	return a.tell(rec, account, false)
}
