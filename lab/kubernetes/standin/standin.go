// Package standin is the smallest node agent: it says that nodes are ready and that pods run, after the platform's delays,
// and serves nothing. It stands in for package nodeagent where a control plane alone is wanted, as in its tests and in
// measurements of its memory.
//
// One delaying queue holds what is due: a pod's next stage, a node's next lease. A key is worked on by one worker at a time.
package standin

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/ansturm/ansturm/lab/kubernetes/metricsapi"
	"github.com/ansturm/ansturm/scenarios"
)

// workers write to the API server at the same time.
const workers = 8

// Config says whose nodes and pods are run.
type Config struct {
	Client   kubernetes.Interface
	Platform *scenarios.Platform
	Seed     uint64
	// Load is the share of its CPU request that every pod uses.
	Load float64
}

// Agent runs all nodes.
type Agent struct {
	config Config
	queue  workqueue.TypedDelayingInterface[string]
	pods   corelisters.PodLister
	nodes  corelisters.NodeLister
	done   sync.WaitGroup

	mu      sync.Mutex
	begun   bool
	running map[string]*pod // by namespace/name
	leases  map[string]*lease
	address uint32
}

// Start runs nodes and pods until ctx ends; Wait returns when the last worker is done.
func Start(ctx context.Context, c Config) (*Agent, error) {
	a := &Agent{
		config: c, queue: workqueue.NewTypedDelayingQueue[string](),
		running: map[string]*pod{}, leases: map[string]*lease{},
	}
	bound := informers.NewSharedInformerFactoryWithOptions(c.Client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
	}), informers.WithTransform(trim))
	all := informers.NewSharedInformerFactoryWithOptions(c.Client, 0, informers.WithTransform(trim))
	pods, nodes := bound.Core().V1().Pods(), all.Core().V1().Nodes()
	a.pods, a.nodes = pods.Lister(), nodes.Lister()
	if err := a.follow("pod/", pods.Informer()); err != nil {
		return nil, err
	}
	if err := a.follow("node/", nodes.Informer()); err != nil {
		return nil, err
	}
	bound.Start(ctx.Done())
	all.Start(ctx.Done())
	bound.WaitForCacheSync(ctx.Done())
	all.WaitForCacheSync(ctx.Done())
	for range workers {
		a.done.Go(func() { a.work(ctx) })
	}
	context.AfterFunc(ctx, a.queue.ShutDown)
	return a, ctx.Err()
}

// Begin ends the set-up, during which pods are ready as soon as they are bound.
func (a *Agent) Begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begun = true
}

// Wait returns when all work has ended.
func (a *Agent) Wait() { a.done.Wait() }

// Targets are none: nothing is served.
func (a *Agent) Targets() map[string]string { return nil }

// Usage is what every running pod has used.
func (a *Agent) Usage() []metricsapi.Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	var list []metricsapi.Usage
	for _, p := range a.running {
		if p.stage == waiting {
			continue
		}
		for _, container := range p.containers {
			list = append(list, metricsapi.Usage{
				Namespace: p.namespace, Pod: p.name, Container: container, Node: p.node, Started: p.started, At: now,
				CPU: time.Duration(float64(now.Sub(p.started)) * p.cores * a.config.Load), Memory: 64 << 20,
			})
		}
	}
	return list
}

// follow queues an object whenever it changes.
func (a *Agent) follow(prefix string, informer cache.SharedIndexInformer) error {
	add := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			a.queue.Add(prefix + key)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: add, UpdateFunc: func(_, object any) { add(object) }, DeleteFunc: add,
	})
	return err
}

func (a *Agent) work(ctx context.Context) {
	for {
		key, end := a.queue.Get()
		if end {
			return
		}
		again, err := a.handle(ctx, key)
		if err != nil {
			again = time.Second
		}
		a.queue.Done(key)
		if again > 0 {
			a.queue.AddAfter(key, again)
		}
	}
}

// handle does what is due for a key, and says after what time to look again; 0 is not before it changes.
func (a *Agent) handle(ctx context.Context, key string) (time.Duration, error) {
	kind, name, _ := strings.Cut(key, "/")
	if kind == "pod" {
		return a.handlePod(ctx, name)
	}
	return a.handleNode(ctx, name)
}

// unit is a number of (0, 1) that belongs to a pod's stage.
func (a *Agent) unit(pod, stage string) float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s", a.config.Seed, pod, stage)
	return (float64(h.Sum64()>>11) + 0.5) / (1 << 53)
}

func trim(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	return object, nil
}

// isReady says whether a pod has the condition.
func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
