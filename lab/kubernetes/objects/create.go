package objects

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// Manager is the field manager of what is written.
const Manager = "ansturm-lab"

// abreast is how many requests are under way at the same time; with more the API server only queues them.
const abreast = 8

// Create writes the set: nodes and tenants side by side, each tenant's objects in their order. (A server-side apply of the
// same costs the API server twice as much, and there is nothing yet to be merged with.)
func (s *Set) Create(ctx context.Context, client kubernetes.Interface) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(abreast)
	for _, node := range s.Nodes {
		group.Go(func() error { return Register(ctx, client, node) })
	}
	for _, t := range s.Tenants {
		group.Go(func() error { return t.create(ctx, client) })
	}
	return group.Wait()
}

// Register creates a node as a kubelet does, with its capacity; one that is there already is left alone.
func Register(ctx context.Context, client kubernetes.Interface, node *corev1.Node) error {
	_, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{FieldManager: Manager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("register node %s: %w", node.Name, err)
	}
	return nil
}

func (t Tenant) create(ctx context.Context, client kubernetes.Interface) error {
	core, apps, autoscaling := client.CoreV1().RESTClient(), client.AppsV1().RESTClient(), client.AutoscalingV2().RESTClient()
	steps := []struct {
		client   rest.Interface
		resource string
		object   runtime.Object
		skip     bool
	}{
		{core, "namespaces", t.Namespace, false},
		{core, "serviceaccounts", t.Account, false},
		{core, "services", t.Service, false},
		{apps, "deployments", t.Deployment, false},
		{autoscaling, "horizontalpodautoscalers", t.HPA, t.HPA == nil},
	}
	for _, step := range steps {
		if step.skip {
			continue
		}
		if err := create(ctx, step.client, step.resource, step.object); err != nil {
			return fmt.Errorf("tenant %s: create %s: %w", t.Name, step.resource, err)
		}
	}
	return nil
}

// create writes an object unless it is there already, as a namespace's service account may be.
func create(ctx context.Context, client rest.Interface, resource string, object runtime.Object) error {
	meta, ok := object.(metav1.Object)
	if !ok {
		return fmt.Errorf("%T has no metadata", object)
	}
	err := client.Post().NamespaceIfScoped(meta.GetNamespace(), meta.GetNamespace() != "").Resource(resource).
		VersionedParams(&metav1.CreateOptions{FieldManager: Manager}, scheme.ParameterCodec).Body(object).Do(ctx).Error()
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
