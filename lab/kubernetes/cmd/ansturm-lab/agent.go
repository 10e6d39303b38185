package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/ansturm/ansturm/lab/kubernetes/metricsapi"
	"github.com/ansturm/ansturm/lab/kubernetes/nodeagent"
	"github.com/ansturm/ansturm/lab/kubernetes/standin"
)

// agents are what can run the pods; the first is the default.
var agents = []string{"nodeagent", "standin"}

// agent runs the nodes and their pods. This file is the only one that knows which it is.
type agent interface {
	// Usage is what the pods have used, for the metrics API.
	Usage() []metricsapi.Usage
	// Targets are the tenants' addresses on loopback.
	Targets() map[string]string
	// Begin ends the set-up, during which pods are ready without delay.
	Begin()
	// Wait returns when the agent has ended, after its context has.
	Wait()
}

// startAgent starts the pods' agent, its journal being the file --journal, by default one in the state folder.
func (l *lab) startAgent(ctx context.Context, client kubernetes.Interface) (agent, error) {
	switch l.settings.agent {
	case "nodeagent":
		return l.startNodeAgent(ctx, client)
	case "standin":
		return standin.Start(ctx, standin.Config{Client: client, Platform: l.world.platform, Seed: l.seed, Load: 0.3})
	}
	return nil, fmt.Errorf("--agent: there is no %q, only %v", l.settings.agent, agents)
}

func (l *lab) startNodeAgent(ctx context.Context, client kubernetes.Interface) (agent, error) {
	if l.journal == "" {
		l.journal = l.state.Path("pods.jsonl")
	}
	journal, err := os.Create(l.journal)
	if err != nil {
		return nil, fmt.Errorf("--journal: %w", err)
	}
	a, err := nodeagent.Start(ctx, nodeagent.Config{
		Client: client, Platform: l.world.platform, Scenario: l.world.scenario, Seed: l.seed, Log: journal, Say: l.say,
	})
	if err != nil {
		_ = journal.Close()
		return nil, err
	}
	if len(l.processes) > 0 {
		l.say("%s", a.Quotas())
	}
	l.where = whereabouts{a.Desk(), a.Counters(), l.journal}
	return &journaled{a, journal}, nil
}

// journaled is an agent whose journal is closed when it has ended.
type journaled struct {
	*nodeagent.Agent
	journal io.Closer
}

// Wait returns when the agent has ended.
func (j *journaled) Wait() {
	j.Agent.Wait()
	_ = j.journal.Close()
}

// whereabouts are what a node agent serves and writes beside the tenants.
type whereabouts struct {
	// Desk gives the account of a run, Counters the containers' counters as Prometheus reads them; Journal is the file
	// with every stage of every pod.
	Desk     string `json:"desk,omitempty"`
	Counters string `json:"counters,omitempty"`
	Journal  string `json:"journal,omitempty"`
}

// wish lays over the objects what the command line says of the pods, and where the desk is.
func (l *lab) wish() error {
	for _, p := range l.processes {
		workload, program, _ := strings.Cut(p, "=")
		if err := l.set.RunAsProcess(workload, program); err != nil {
			return fmt.Errorf("--process: %w", err)
		}
	}
	if l.where.Desk != "" {
		l.set.SayDesk(l.where.Desk)
	}
	return nil
}

// awaitRotation waits until the ready pods get requests, where the agent serves any.
func (l *lab) awaitRotation(ctx context.Context) {
	a, serves := l.agent.(interface{ AwaitRotation(ctx context.Context) })
	if !serves {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	a.AwaitRotation(ctx)
}
