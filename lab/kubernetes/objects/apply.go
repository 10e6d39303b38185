package objects

import (
	"context"
	"encoding/json"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Manager is the field manager of what is applied.
const Manager = "ansturm-lab"

// abreast is how many requests are under way at the same time; with more the API server only queues them.
const abreast = 8

// Apply writes the set: nodes and tenants side by side, each tenant's objects in their order. An API server that is away
// for a moment is waited for by the client, not here.
func (s *Set) Apply(ctx context.Context, client kubernetes.Interface) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(abreast)
	for _, node := range s.Nodes {
		group.Go(func() error { return Register(ctx, client, node) })
	}
	for _, t := range s.Tenants {
		group.Go(func() error { return t.apply(ctx, client) })
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

func (t Tenant) apply(ctx context.Context, client kubernetes.Interface) error {
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
		if err := apply(ctx, step.client, step.resource, step.object); err != nil {
			return fmt.Errorf("tenant %s: apply %s: %w", t.Name, step.resource, err)
		}
	}
	return nil
}

// apply is one server-side apply; what the object leaves empty stays the API server's to fill in.
func apply(ctx context.Context, client rest.Interface, resource string, object runtime.Object) error {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	delete(fields, "status")
	body, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	meta, ok := object.(metav1.Object)
	if !ok {
		return fmt.Errorf("%T has no metadata", object)
	}
	options := metav1.PatchOptions{FieldManager: Manager, Force: new(bool)}
	*options.Force = true
	return client.Patch(types.ApplyPatchType).
		NamespaceIfScoped(meta.GetNamespace(), meta.GetNamespace() != "").Resource(resource).Name(meta.GetName()).
		VersionedParams(&options, metav1.ParameterCodec).Body(body).Do(ctx).Error()
}
