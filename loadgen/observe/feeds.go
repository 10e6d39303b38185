package observe

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/ansturm/ansturm/loadgen/cluster"
)

// feed is one resource to be watched.
type feed struct {
	resource string
	title    string // resource, where empty
	group    schema.GroupVersion
	kind     any
	// namespaced resources are watched in the tenants' namespaces only, selected by the labels where they carry them.
	namespaced, labelled bool
	field                string // field selector
	needed               bool   // without it nothing can be said
	store                func(o *Observer, l *line, synced func()) cache.ReflectorStore
}

// feeds are in the order in which they are read first: what others refer to comes before them.
func (o *Observer) feeds() []feed {
	events := func(kind string) feed {
		return feed{
			resource: "events", title: "events of " + strings.ToLower(kind) + "s", group: cluster.Core, kind: &corev1.Event{}, namespaced: true,
			field: "involvedObject.kind=" + kind, store: tableOf(digestNotice, (*Observer).noticeChanged, trimNotice),
		}
	}
	return []feed{
		{
			resource: "nodes", group: cluster.Core, kind: &corev1.Node{},
			store: tableOf(digestNode, (*Observer).nodeChanged, trimNode),
		},
		{
			resource: "deployments", group: cluster.Apps, kind: &appsv1.Deployment{}, namespaced: true, labelled: true, needed: true,
			store: tableOf(digestDeployment, (*Observer).deploymentChanged, trimDeployment),
		},
		{
			resource: "replicasets", group: cluster.Apps, kind: &appsv1.ReplicaSet{}, namespaced: true, labelled: true,
			store: tableOf(digestSet, (*Observer).setChanged, trimSet),
		},
		{
			resource: "pods", group: cluster.Core, kind: &corev1.Pod{}, namespaced: true, labelled: true, needed: true,
			store: tableOf(digestPod, (*Observer).podChanged, trimPod),
		},
		{
			resource: "horizontalpodautoscalers", group: cluster.Autoscaling, kind: &autoscalingv2.HorizontalPodAutoscaler{},
			namespaced: true, labelled: true, store: tableOf(digestHPA, (*Observer).hpaChanged, trimHPA),
		},
		{
			resource: "endpointslices", group: cluster.Discovery, kind: &discoveryv1.EndpointSlice{}, namespaced: true, labelled: true,
			store: tableOf(digestSlice, (*Observer).sliceChanged, trimSlice),
		},
		events("Pod"), events("HorizontalPodAutoscaler"),
	}
}

// tableOf makes a feed's store of what digests its objects and of what follows their changes. Objects of namespaces that
// are none of the tenants' are passed over.
func tableOf[O metav1.Object, T any](
	digest func(O) T, change func(o *Observer, was, is *T, s seen), trim func(O),
) func(*Observer, *line, func()) cache.ReflectorStore {
	return func(o *Observer, l *line, synced func()) cache.ReflectorStore {
		return &table[T]{
			o: o, line: l, rows: map[types.UID]*row[T]{}, synced: synced,
			digest: func(obj metav1.Object) (none T, ok bool) {
				typed, ok := obj.(O)
				if !ok || obj.GetNamespace() != "" && !o.tenants[obj.GetNamespace()] {
					return none, false
				}
				return digest(typed), true
			},
			change: func(was, is *T, s seen) { change(o, was, is, s) },
			trim: func(obj any) (any, error) {
				if typed, ok := obj.(O); ok {
					trim(typed)
				}
				return obj, nil
			},
		}
	}
}

// watchAll starts a line for every feed and waits until all have been read once. ctx bounds the waiting, running the lines.
func (o *Observer) watchAll(ctx, running context.Context) error {
	for _, f := range o.feeds() {
		err := o.watchFeed(ctx, running, f)
		switch {
		case err == nil:
		case !f.needed && (apierrors.IsForbidden(err) || apierrors.IsNotFound(err)):
			o.warn("not-observed",
				fmt.Sprintf("%s wurden nicht beobachtet: %v", cmp.Or(f.title, f.resource), err),
				fmt.Sprintf("%s were not observed: %v", cmp.Or(f.title, f.resource), err))
		default:
			return fmt.Errorf("observe %s: %w", f.resource, err)
		}
	}
	return nil
}

// watchFeed watches a feed: the cluster as a whole where there are many tenants and it is allowed, else their namespaces.
func (o *Observer) watchFeed(ctx, running context.Context, f feed) error {
	if !f.namespaced {
		return o.watch(ctx, running, f, "")
	}
	if len(o.cfg.Tenants) >= o.cfg.Together {
		if err := o.watch(ctx, running, f, ""); !apierrors.IsForbidden(err) {
			return err
		}
	}
	for _, tenant := range o.cfg.Tenants {
		if err := o.watch(ctx, running, f, tenant); err != nil {
			return err
		}
	}
	return nil
}

// watch starts one line and waits for its first list.
func (o *Observer) watch(ctx, running context.Context, f feed, namespace string) error {
	name := cmp.Or(f.title, f.resource)
	if namespace != "" {
		name += " in " + namespace
	}
	l := &line{now: o.now, noticed: func(g gap) { o.noteGap(name, g) }}
	l.lister = cache.NewFilteredListWatchFromClient(o.cfg.Client.REST(f.group), f.resource, namespace, func(options *metav1.ListOptions) {
		options.FieldSelector = f.field
		if f.labelled {
			options.LabelSelector = o.cfg.Selector
		}
	})
	first := make(chan error, 1)
	tell := func(err error) {
		select {
		case first <- err:
		default: // told already
		}
	}
	store := f.store(o, l, func() { tell(nil) })
	r := cache.NewReflectorWithOptions(l, f.kind, store, cache.ReflectorOptions{Name: name})
	o.group.Go(func() {
		for pause := leastPause; running.Err() == nil; pause = min(2*pause, mostPause) {
			begun := time.Now()
			err := r.ListAndWatchWithContext(running)
			if l.fresh() {
				if err == nil {
					err = errStopped
				}
				tell(err)
				return
			}
			if err != nil {
				l.cut(err.Error())
			} else {
				l.cut("the watch ended")
			}
			if time.Since(begun) > mostPause {
				pause = leastPause
			}
			select {
			case <-running.Done():
			case <-time.After(pause):
			}
		}
	})
	select {
	case err := <-first:
		if err == nil {
			o.mu.Lock()
			o.lines = append(o.lines, &named{l, name})
			o.mu.Unlock()
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errStopped, ctx.Err())
	}
}
