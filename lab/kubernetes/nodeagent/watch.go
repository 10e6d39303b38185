package nodeagent

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
)

// watch follows nodes, the pods bound to them and the tenants' EndpointSlices until ctx ends, and returns when all that
// there was has been seen.
func (a *Agent) watch(ctx context.Context) error {
	factory := func(tweak func(*metav1.ListOptions)) informers.SharedInformerFactory {
		return informers.NewSharedInformerFactoryWithOptions(a.config.Client, 0,
			informers.WithTweakListOptions(tweak), informers.WithTransform(a.trim))
	}
	nodes := factory(func(o *metav1.ListOptions) { o.LabelSelector = objects.LabelPool })
	pods := factory(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
	})
	slices := factory(func(o *metav1.ListOptions) { o.LabelSelector = discoveryv1.LabelServiceName })
	a.store = pods.Core().V1().Pods().Informer().GetStore()
	for _, w := range []struct {
		factory   informers.SharedInformerFactory
		informer  cache.SharedIndexInformer
		saw, gone func(any)
	}{
		{nodes, nodes.Core().V1().Nodes().Informer(), a.sawNode, a.sawNodeGo},
		{pods, pods.Core().V1().Pods().Informer(), a.sawPod, a.sawPodGo},
		{slices, slices.Discovery().V1().EndpointSlices().Informer(), a.sawSlice, a.sawSliceGo},
	} {
		registered, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: w.saw,
			DeleteFunc: func(object any) {
				if missed, ok := object.(cache.DeletedFinalStateUnknown); ok { // only a new list showed that it is gone
					object = missed.Obj
				}
				w.gone(object)
			},
			UpdateFunc: func(before, object any) {
				if uid(before) != uid(object) { // deleted and made again while the watch was away
					w.gone(before)
				}
				w.saw(object)
			},
		})
		if err != nil {
			return err
		}
		w.factory.Start(ctx.Done())
		a.done.Go(func() {
			<-ctx.Done()
			w.factory.Shutdown()
		})
		if !cache.WaitForCacheSync(ctx.Done(), registered.HasSynced) {
			return fmt.Errorf("watch: %w", ctx.Err())
		}
	}
	return nil
}

func uid(object any) types.UID {
	if o, ok := object.(metav1.Object); ok {
		return o.GetUID()
	}
	return ""
}

// trim leaves of an object what the agent reads: of a thousand pods as much as fits into a few hundred kilobytes.
func (a *Agent) trim(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Pod:
		return trimPod(o, a.programOf(o) != ""), nil
	case *corev1.Node:
		o.ManagedFields = nil
		o.Status.Images = nil
	case *discoveryv1.EndpointSlice:
		o.ManagedFields = nil
	}
	return object, nil
}

func trimPod(o *corev1.Pod, process bool) *corev1.Pod {
	kept := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: o.Namespace, Name: o.Name, UID: o.UID, Labels: o.Labels, ResourceVersion: o.ResourceVersion,
			CreationTimestamp: o.CreationTimestamp, DeletionTimestamp: o.DeletionTimestamp,
			DeletionGracePeriodSeconds: o.DeletionGracePeriodSeconds, Finalizers: o.Finalizers,
		},
		Spec:   corev1.PodSpec{NodeName: o.Spec.NodeName, RestartPolicy: o.Spec.RestartPolicy},
		Status: corev1.PodStatus{Phase: o.Status.Phase},
	}
	if process {
		kept.Annotations, kept.Spec.Volumes = o.Annotations, o.Spec.Volumes
	}
	for _, c := range o.Spec.Containers {
		container := corev1.Container{Name: c.Name, Image: c.Image, Resources: c.Resources}
		if process {
			container.Command, container.Args, container.Env, container.Ports = c.Command, c.Args, c.Env, c.Ports
			container.ReadinessProbe, container.VolumeMounts = c.ReadinessProbe, c.VolumeMounts
		}
		kept.Spec.Containers = append(kept.Spec.Containers, container)
	}
	return kept
}

// retry tries until it succeeds, the object is gone or changed under it, or ctx ends; an API server that is away is waited
// for.
func (a *Agent) retry(ctx context.Context, try func() error) bool {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := try()
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil || errors.Is(err, context.Canceled):
			return false
		case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause): // nobody will miss it
			return false
		case apierrors.IsNotFound(err), apierrors.IsConflict(err), apierrors.IsInvalid(err), apierrors.IsForbidden(err),
			apierrors.IsBadRequest(err), apierrors.IsAlreadyExists(err):
			if !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
				a.config.Say("the API server refuses: %v", err)
			}
			return false
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}
