package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
)

const (
	// beforeFile is what was in the cluster before a verification, beside its record.
	beforeFile = "before.json"
	// restorePatience bounds restoring, settlePoll is how often the workloads are looked at until they are up.
	restorePatience = 2 * time.Minute
	settlePoll      = time.Second
)

// onCluster verifies on a cluster: what is there is saved, the plan applied, fired at, and what was there put back, however
// it ends.
func (v *verification) onCluster(ctx context.Context, p *progress, plan *planner.Plan, name string) (verified *planner.Verification, err error) {
	manifests, err := readManifests(planDir(name))
	if err != nil {
		return nil, err
	}
	before, err := v.openCluster(ctx, &v.kube, plan.Scenario, "")
	if err != nil {
		return nil, err
	}
	saved, err := before.client.Prepare(ctx, manifests, time.Now().UTC())
	if err != nil {
		return nil, writeError(err)
	}
	warnings := untouched(plan, before.found)
	for _, w := range warnings {
		v.say("warning: %s", w.Text.In("en"))
	}
	if err := v.agreed(saved); err != nil {
		return nil, err
	}
	if err := saveBefore(v.out, saved); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.putBack(ctx, before.client, v.out, saved)) }()
	if err := v.bring(ctx, before.client, saved); err != nil {
		return nil, err
	}
	target, err := v.openCluster(ctx, &v.kube, plan.Scenario, "") // its description is the plan's now
	if err != nil {
		return nil, err
	}
	return v.verifyAt(ctx, p, plan, name, firing{
		scenario: plan.Scenario, platform: cluster.Overlay(target.found.Platform, plan.Platform), cluster: target, target: target.name(),
		speed: lifeSpeed, dir: filepath.Join(v.out, "plan"), purpose: "verify", title: "verify", warnings: warnings,
	})
}

// readManifests reads the autoscalers that the plan wrote, as they are now.
func readManifests(dir string) ([][]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "hpa", "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, inputError(errors.Join(fmt.Errorf("%s: no autoscalers to apply", filepath.Join(dir, "hpa")), err), "name the directory that ansturm plan wrote")
	}
	var all [][]byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, inputError(err, "")
		}
		all = append(all, data)
	}
	return all, nil
}

// untouched warns of what the plan wants otherwise than it is in the cluster, and a verification leaves as it is.
func untouched(plan *planner.Plan, found *cluster.Found) (out []record.Warning) {
	warn := func(code, de, en string) {
		out = append(out, record.Warning{Code: code, Text: scenarios.Text{"de": de, "en": en}})
	}
	have, want := len(found.Platform.Nodes()), plan.Decided()
	de, en := strconv.Itoa(have), strconv.Itoa(have)
	if len(found.Platform.Pools) == 0 {
		de, en = "unbekannt viele", "an unknown number"
	}
	if have != want {
		warn("nodes-untouched",
			fmt.Sprintf("Knoten: %d im Plan, %s im Cluster. Die Überprüfung ändert daran nichts; was sie zeigt, gilt für die im Cluster.", want, de),
			fmt.Sprintf("Nodes: %d in the plan, %s in the cluster. A verification leaves them as they are; what it shows holds for those in the cluster.", want, en))
	}
	if plan.Platform.Admission != nil {
		warn("waiting-room-untouched", "Der Plan sieht einen Warteraum vor. Die Überprüfung richtet keinen ein.",
			"The plan is for a waiting room. A verification puts none up.")
	}
	return out
}

// agreed says what will be written, and asks for consent where it was not given.
func (v *verification) agreed(saved *cluster.Saved) error {
	what := fmt.Sprintf("%d autoscalers of context %s (%s) are replaced for the run, and put back after it; nothing else is changed, nodes neither",
		len(saved.Autoscalers), saved.Context, saved.Host)
	if v.apply {
		v.say("%s", what)
		return nil
	}
	in := terminal(v.stdin)
	if in == nil {
		return inputError(fmt.Errorf("nothing is written without consent: %s", what), "--apply gives it")
	}
	v.say("%s. Write %q to go on:", what, saved.Context)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != saved.Context {
		return inputError(errors.New("no consent was given; nothing was written"), "")
	}
	return nil
}

// bring applies the plan, and lets the workloads come up to its least replicas, as they would be on the day.
func (v *verification) bring(ctx context.Context, client *cluster.Client, saved *cluster.Saved) error {
	if err := client.Apply(ctx, saved); err != nil {
		return writeError(err)
	}
	end := time.NewTimer(v.settle)
	defer end.Stop()
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for {
		settled, waiting, err := client.Settled(ctx, saved)
		if settled || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return inputError(fmt.Errorf("after %v %s", v.settle, waiting), "is there room for the plan's least replicas? --settle waits longer")
		}
	}
}

// putBack puts back what was there, also after Ctrl-C.
func (v *verification) putBack(ctx context.Context, client *cluster.Client, dir string, saved *cluster.Saved) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restorePatience)
	defer cancel()
	switch err := client.Restore(ctx, saved); {
	case errors.Is(err, cluster.ErrChanged):
		return inputError(err, "what was there before is in "+filepath.Join(dir, beforeFile))
	case err != nil:
		return inputError(fmt.Errorf("the cluster is not as it was: %w", err), "ansturm verify --restore "+dir+" tries again")
	}
	v.say("context %s: %d autoscalers and the replicas of their workloads are as they were; nodes were not touched", saved.Context, len(saved.Autoscalers))
	saved.RestoredAt = time.Now().UTC()
	return saveBefore(dir, saved)
}

// restoreFrom puts back what a verification that was killed left behind.
func (v *verification) restoreFrom(ctx context.Context, dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, beforeFile))
	var saved cluster.Saved
	if err == nil {
		err = json.Unmarshal(data, &saved)
	}
	switch {
	case err != nil:
		return inputError(fmt.Errorf("--restore: %w", err), "name the directory of a verification on a cluster")
	case saved.Format != cluster.SavedFormat:
		return inputError(fmt.Errorf("--restore %s: format %d, this program reads %d", dir, saved.Format, cluster.SavedFormat), "")
	case !saved.RestoredAt.IsZero():
		v.say("context %s: all was put back already, at %s", saved.Context, saved.RestoredAt.Format(time.RFC3339))
		return nil
	case v.kube.context != "" && v.kube.context != saved.Context:
		return inputError(fmt.Errorf("--restore %s is of context %s", dir, saved.Context), "")
	}
	client, err := cluster.Connect(ctx, cluster.Config{Kubeconfig: v.kube.kubeconfig, Context: saved.Context})
	if err != nil {
		return clusterError(err)
	}
	if client.Host() != saved.Host {
		return inputError(fmt.Errorf("--restore: context %s leads to %s, what was saved is of %s", saved.Context, client.Host(), saved.Host), "")
	}
	return v.putBack(ctx, client, dir, &saved)
}

// saveBefore writes what was there, whole or not at all, and on the disk before anything is changed.
func saveBefore(dir string, saved *cluster.Saved) error {
	data, err := json.MarshalIndent(saved, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return inputError(err, "name another directory with -o")
	}
	path := filepath.Join(dir, beforeFile)
	f, err := os.CreateTemp(dir, beforeFile+".*")
	if err != nil {
		return inputError(err, "name another directory with -o")
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save what was there before: %w", err)
	}
	return nil
}

// writeError says what to mend where the cluster refuses.
func writeError(err error) error {
	if errors.Is(err, cluster.ErrLeft) {
		return inputError(err, "ansturm verify --restore DIR does, with the directory of that verification")
	}
	if strings.Contains(err.Error(), "forbidden") {
		return inputError(err, "ansturm rbac --verify prints the rights that are needed")
	}
	return inputError(err, "nothing was changed; mend the plan's hpa/*.yaml, or what stands in their way")
}
