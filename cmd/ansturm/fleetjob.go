package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/fleet/place"
)

// jobFlags are what the flags of run say about workers in a cluster.
type jobFlags struct {
	context, kubeconfig   string
	namespace, image      string
	cpu, cpuLimit, memory string
	selector              map[string]string
	tolerations           []string
}

func (j *jobFlags) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&j.context, "workers-context", "", "context of the cluster that the workers run in (default: that of --kube-context)")
	flags.StringVar(&j.kubeconfig, "workers-kubeconfig", "", "file with that context (default: that of --kubeconfig)")
	flags.StringVar(&j.namespace, "workers-namespace", "ansturm", "namespace of the workers' Job")
	flags.StringVar(&j.image, "workers-image", "", "image with ansturm as its entry point, and a user that is not root")
	flags.StringVar(&j.cpu, "workers-cpu", "", "processors that each worker requests (default 1)")
	flags.StringVar(&j.cpuLimit, "workers-cpu-limit", "", "quota of each worker; it holds shots back (default: none)")
	flags.StringVar(&j.memory, "workers-memory", "", "memory that each worker requests, and its limit (default 1Gi)")
	flags.StringToStringVar(&j.selector, "workers-node-selector", nil, "labels of the nodes that they run on: POOL=load; away from the platform that is measured")
	flags.StringArrayVar(&j.tolerations, "workers-toleration", nil, "taint of these nodes: KEY[=VALUE][:EFFECT]; may be repeated")
	must(c.MarkFlagFilename("workers-kubeconfig"))
}

// jobFlagNames are those that only make sense with workers in a cluster.
var jobFlagNames = []string{
	"workers-context", "workers-kubeconfig", "workers-namespace", "workers-image", "workers-cpu", "workers-cpu-limit",
	"workers-memory", "workers-node-selector", "workers-toleration",
}

// job makes the placement; all that is wrong with the flags is said before the cluster is spoken to.
func (j *jobFlags) job(ctx context.Context, w place.Worker, run string, lasts time.Duration, say func(string)) (*place.Job, error) {
	c := place.JobConfig{Worker: w, Run: run, Lasts: lasts, Namespace: j.namespace, Image: j.image, NodeSelector: j.selector, Say: say}
	for _, q := range []struct {
		flag, text string
		to         *resource.Quantity
	}{{"workers-cpu", j.cpu, &c.CPU}, {"workers-cpu-limit", j.cpuLimit, &c.CPULimit}, {"workers-memory", j.memory, &c.Memory}} {
		if q.text == "" {
			continue
		}
		quantity, err := resource.ParseQuantity(q.text)
		if err != nil || quantity.Sign() <= 0 {
			return nil, inputError(fmt.Errorf("--%s %q is no quantity above 0", q.flag, q.text), "write it as Kubernetes does: 500m, 2, 1Gi")
		}
		*q.to = quantity
	}
	for _, text := range j.tolerations {
		toleration, err := parseToleration(text)
		if err != nil {
			return nil, err
		}
		c.Tolerations = append(c.Tolerations, toleration)
	}
	var err error
	if c.Client, err = cluster.Connect(ctx, cluster.Config{Kubeconfig: j.kubeconfig, Context: j.context}); err != nil {
		return nil, clusterError(err)
	}
	job, err := place.NewJob(c)
	return job, inputError(err, "")
}

// parseToleration reads KEY[=VALUE][:EFFECT].
func parseToleration(text string) (t corev1.Toleration, err error) {
	taint, effect, _ := strings.Cut(text, ":")
	key, value, valued := strings.Cut(taint, "=")
	t = corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffect(effect)}
	if valued {
		t.Operator, t.Value = corev1.TolerationOpEqual, value
	}
	switch t.Effect {
	case "", corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
	default:
		return t, inputError(fmt.Errorf("--workers-toleration %q: no effect %q", text, effect), "NoSchedule, PreferNoSchedule or NoExecute")
	}
	if key == "" {
		return t, inputError(errors.New("--workers-toleration without a key"), "write it like dedicated=load:NoSchedule")
	}
	return t, nil
}
