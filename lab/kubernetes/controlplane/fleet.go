package controlplane

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/ansturm/ansturm/loadgen/fleet/place"
)

// FleetNamespace is for a fleet's workers, and takes only pods that keep to the restricted Pod Security Standard.
const FleetNamespace = "ansturm-fleet"

// AllowFleet makes [FleetNamespace], and lets [Fleet] do there what a user is told to grant, no more.
func (p *Plane) AllowFleet(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(p.RESTConfig(Admin))
	if err != nil {
		return err
	}
	role, binding := &rbacv1.Role{}, &rbacv1.RoleBinding{}
	for i, text := range strings.Split(place.RBAC(FleetNamespace), "\n---\n") {
		if err := yaml.UnmarshalStrict([]byte(text), []any{role, binding}[i]); err != nil {
			return fmt.Errorf("fleet: %w", err)
		}
	}
	binding.Subjects = []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: Fleet}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: FleetNamespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	for _, create := range []func() error{
		func() (err error) {
			_, err = client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
			return err
		},
		func() (err error) {
			_, err = client.RbacV1().Roles(FleetNamespace).Create(ctx, role, metav1.CreateOptions{})
			return err
		},
		func() (err error) {
			_, err = client.RbacV1().RoleBindings(FleetNamespace).Create(ctx, binding, metav1.CreateOptions{})
			return err
		},
	} {
		if err := create(); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("fleet: %w", err)
		}
	}
	return nil
}
