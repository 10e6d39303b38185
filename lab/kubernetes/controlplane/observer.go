package controlplane

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// AllowObserver lets [Observer] get, list and watch what a load test looks at. Secrets and config maps are not among it.
func (p *Plane) AllowObserver(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(p.RESTConfig(Admin))
	if err != nil {
		return err
	}
	const name = "ansturm-observer"
	look := []string{"get", "list", "watch"}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{Verbs: look, APIGroups: []string{""}, Resources: []string{"namespaces", "nodes", "pods", "services", "events"}},
		{Verbs: look, APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets", "statefulsets"}},
		{Verbs: look, APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}},
		{Verbs: look, APIGroups: []string{"batch"}, Resources: []string{"jobs"}},
		{Verbs: look, APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}},
		{Verbs: look, APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}},
		{Verbs: []string{"get", "list"}, APIGroups: []string{"metrics.k8s.io"}, Resources: []string{"nodes", "pods"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: Observer}},
	}
	_, err = client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("observer: %w", err)
	}
	_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("observer: %w", err)
	}
	return nil
}
