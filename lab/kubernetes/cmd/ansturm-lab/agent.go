package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/ansturm/ansturm/lab/kubernetes/nodeagent"
)

// startAgent starts what runs the nodes and their pods, its journal being the file --journal, by default one in the state
// folder; both end with ctx.
func (l *lab) startAgent(ctx context.Context, client kubernetes.Interface) (err error) {
	if l.journal == "" {
		l.journal = l.state.Path("pods.jsonl")
	}
	journal, err := os.Create(l.journal)
	if err != nil {
		return fmt.Errorf("--journal: %w", err)
	}
	l.agent, err = nodeagent.Start(ctx, nodeagent.Config{
		Client: client, Platform: l.world.platform, Scenario: l.world.scenario, Seed: l.seed, Log: journal, Say: l.say,
		Images: l.world.programs, Volumes: l.state.Path("pods"),
	})
	if err != nil {
		_ = journal.Close()
		return err
	}
	l.background.Go(func() {
		l.agent.Wait()
		_ = journal.Close()
	})
	if len(l.processes)+len(l.images) > 0 {
		l.say("%s", l.agent.Quotas())
	}
	return nil
}

// wish lays over the objects what the command line says of the pods, and where the desk is.
func (l *lab) wish() error {
	for _, p := range l.processes {
		workload, program, _ := strings.Cut(p, "=")
		if err := l.set.RunAsProcess(workload, program); err != nil {
			return fmt.Errorf("--process: %w", err)
		}
	}
	l.set.SayDesk(l.agent.Desk())
	return nil
}

// awaitRotation waits until the ready pods get requests.
func (l *lab) awaitRotation(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	l.agent.AwaitRotation(ctx)
}
