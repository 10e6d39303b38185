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

// The speeds a run can go at; only the embedded platform can go faster than life.
const (
	lifeSpeed = 1
	topSpeed  = 10
)

func (a *app) runCommand() *cobra.Command {
	var f firing
	var client client
	var kube clusterFlags
	var useLab bool
	var platform string
	var seed uint64
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
request costs there is taken from --platform.`,
		Example: "  ansturm run quick --speed 10\n  ansturm run school.yaml --platform bigger.yaml -o runs/bigger\n" +
			"  ansturm run quick --kube-context lab --kubeconfig lab.kubeconfig",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			changed := c.Flags().Changed
			if err := checkWhere(useLab, f.target, &kube, changed); err != nil {
				return err
			}
			if err := checkSpeed(f.speed, f.target, kube.context); err != nil {
				return err
			}
			if f.target != "" { // before anything is read or opened: no packet without consent
				address, err := loadgen.TargetAddress(f.target)
				if err != nil {
					return inputError(err, "fire at the embedded platform (--lab), or at a server on 127.0.0.1")
				}
				f.target = address
			} else if flag := client.given(changed); flag != "" && kube.context == "" {
				return inputError(fmt.Errorf("--%s without --target: the embedded platform speaks HTTP/1.1 without TLS", flag), "")
			}
			w, err := a.runWorld(args[0], platform, cmp.Or(f.target, kube.context))
			if err != nil {
				return err
			}
			address := f.target
			if kube.context != "" {
				if f.cluster, err = a.openCluster(c.Context(), &kube, w.scenario, f.target); err != nil {
					return err
				}
				w.platform = cluster.Overlay(f.cluster.found.Platform, w.platform)
				f.target, address = f.cluster.name(), f.cluster.addresses[0]
			}
			if f.way, err = client.way(address); err != nil {
				return err
			}
			if c.Flags().Changed("seed") {
				w.scenario.Arrivals.Seed = seed
			}
			f.scenario, f.platform, f.purpose, f.title = w.scenario, w.platform, "surge", "arrivals"
			if f.dir == "" {
				f.dir = freshDir(filepath.Join("runs", strings.TrimSuffix(w.scenario.Name, ".yaml")))
			}
			return a.runAndTell(c.Context(), f)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&useLab, "lab", false, "fire at the embedded platform (the default)")
	flags.StringVar(&platform, "platform", "", "platform file (default: the one beside the scenario)")
	flags.StringVar(&f.target, "target", "", "fire at this URL on loopback instead")
	flags.Float64Var(&f.speed, "speed", lifeSpeed, "times life's speed, at most 10 (embedded platform only)")
	flags.Uint64Var(&seed, "seed", 0, "seed of the arrivals, instead of the scenario's")
	flags.StringVarP(&f.dir, "output", "o", "", "directory of the record (default runs/NAME)")
	flags.StringVar(&f.waitingRoom, "waiting-room", "", "cookie by which a waiting room before the target keeps people's places: they wait as it tells them")
	flags.IntVar(&f.maxConnections, "connections", 0, "most open connections (0: 15000)")
	client.flags(c)
	kube.flags(c)
	return c
}

// runWorld loads what a run needs; a target of its own needs no platform.
func (a *app) runWorld(scenario, platform, target string) (*world, error) {
	if target != "" && platform == "" {
		return loadScenario(scenario)
	}
	return loadWorld(scenario, platform)
}

// checkWhere refuses flags that do not go together.
func checkWhere(useLab bool, target string, kube *clusterFlags, changed func(string) bool) error {
	switch {
	case changed("waiting-room") && target == "" && kube.context == "":
		return inputError(errors.New("--waiting-room without --target or --kube-context"), "the embedded platform's waiting room is the platform's admission")
	case useLab && target != "":
		return inputError(errors.New("--lab and --target exclude each other"), "")
	case useLab && kube.context != "":
		return inputError(errors.New("--lab and --kube-context exclude each other"), "")
	case kube.context == "" && changed("kube-context"):
		return inputError(errors.New("--kube-context names no context"), "kubectl config get-contexts shows those there are")
	case kube.seriesEvery <= 0:
		return inputError(fmt.Errorf("--scrape-every %v: must be above 0", kube.seriesEvery), "")
	case kube.linger < 0:
		return inputError(fmt.Errorf("--linger %v: must not be negative", kube.linger), "")
	case kube.context == "":
		if flag := kube.given(changed); flag != "" {
			return inputError(fmt.Errorf("--%s without --kube-context", flag), "name the context whose cluster is meant")
		}
	}
	return nil
}

// checkSpeed refuses speeds that would make another system of the platform.
func checkSpeed(speed float64, target, kubeContext string) error {
	flag := "--target"
	if kubeContext != "" {
		flag = "--kube-context"
	}
	switch {
	case !(speed > 0) || speed > topSpeed:
		return inputError(fmt.Errorf("--speed %g: must be above 0 and at most %d", speed, topSpeed), "")
	case (target != "" || kubeContext != "") && speed != lifeSpeed:
		return inputError(fmt.Errorf("--speed %g with %s: only the embedded platform can go faster than life", speed, flag),
			"leave --speed out, and shorten the scenario instead")
	}
	return nil
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
