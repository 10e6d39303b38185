package main

import (
	"context"
	"fmt"

	"k8s.io/client-go/kubernetes"

	"github.com/ansturm/ansturm/lab/kubernetes/metricsapi"
	"github.com/ansturm/ansturm/lab/kubernetes/standin"
)

// agents are what can run the pods; the first is the default.
var agents = []string{"standin"}

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

func (s *settings) startAgent(ctx context.Context, client kubernetes.Interface, w *world) (agent, error) {
	switch s.agent {
	case "standin":
		return standin.Start(ctx, standin.Config{Client: client, Platform: w.platform, Seed: s.seed, Load: 0.3})
	}
	return nil, fmt.Errorf("--agent: there is no %q, only %v", s.agent, agents)
}
