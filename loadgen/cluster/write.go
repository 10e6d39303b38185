package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// FieldManager is the name under which autoscalers are applied.
const FieldManager = "ansturm-verify"

const autoscalers = "horizontalpodautoscalers"

// SavedFormat is the number of the format of Saved.
const SavedFormat = 1

// ErrChanged says that somebody else has changed an autoscaler since it was applied: it is left as it is.
var ErrChanged = errors.New("changed by somebody else meanwhile")

// ErrLeft says that an autoscaler is not what was there before, but what an earlier verification has left.
var ErrLeft = errors.New("an earlier verification has not put back what was there before")

// Saved is what was there before plans were applied to a cluster: all that Restore needs, whatever became of who wrote it.
type Saved struct {
	Format  int       `json:"format"`
	Context string    `json:"context"`
	Host    string    `json:"host"`
	At      time.Time `json:"at"`
	// RestoredAt is zero until everything is as it was.
	RestoredAt  time.Time         `json:"restoredAt,omitzero"`
	Autoscalers []SavedAutoscaler `json:"autoscalers"`
}

// SavedAutoscaler is one of them, with its workload's replicas.
type SavedAutoscaler struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Before is nil where there was none. ManagedFields say who had set what.
	Before          *autoscalingv2.HorizontalPodAutoscalerSpec `json:"before,omitempty"`
	ResourceVersion string                                     `json:"resourceVersion,omitempty"`
	ManagedFields   []metav1.ManagedFieldsEntry                `json:"managedFields,omitempty"`
	// Manifest is what is applied, Applied the spec that the API server makes of it, by its dry run.
	Manifest json.RawMessage                           `json:"manifest"`
	Applied  autoscalingv2.HorizontalPodAutoscalerSpec `json:"applied"`
	// Deployment is what it scales, and had Replicas.
	Deployment string `json:"deployment"`
	Replicas   int32  `json:"replicas"`
}

func (a *SavedAutoscaler) String() string { return a.Namespace + "/" + a.Name }

// Prepare reads what there is in place of autoscalers given as YAML, and has the API server check each by a dry run.
// Nothing is changed. Errors name the autoscaler: one that the server refuses, one whose workload is not there, one
// beside which another scales the same workload, or one that an earlier verification has left (ErrLeft).
func (c *Client) Prepare(ctx context.Context, manifests [][]byte, now time.Time) (*Saved, error) {
	s := &Saved{Format: SavedFormat, Context: c.Context, Host: c.Host(), At: now}
	for _, m := range manifests {
		a, err := c.prepare(ctx, m)
		if err != nil {
			return nil, err
		}
		s.Autoscalers = append(s.Autoscalers, *a)
	}
	return s, nil
}

func (c *Client) prepare(ctx context.Context, manifest []byte) (*SavedAutoscaler, error) {
	var h autoscalingv2.HorizontalPodAutoscaler
	if err := yaml.UnmarshalStrict(manifest, &h); err != nil {
		return nil, fmt.Errorf("autoscaler: %w", err)
	}
	raw, err := yaml.YAMLToJSON(manifest)
	if err != nil {
		return nil, fmt.Errorf("autoscaler: %w", err)
	}
	a := &SavedAutoscaler{Namespace: h.Namespace, Name: h.Name, Manifest: raw, Deployment: h.Spec.ScaleTargetRef.Name}
	if h.Kind != "HorizontalPodAutoscaler" || a.Namespace == "" || a.Name == "" || h.Spec.ScaleTargetRef.Kind != "Deployment" {
		return nil, fmt.Errorf("autoscaler %s: not a HorizontalPodAutoscaler of a Deployment with name and namespace", a)
	}
	if err := c.readBefore(ctx, a); err != nil {
		return nil, fmt.Errorf("autoscaler %s: %w", a, err)
	}
	applied, err := c.apply(ctx, a, metav1.DryRunAll)
	if err != nil {
		return nil, fmt.Errorf("autoscaler %s: the API server does not take it: %w", a, err)
	}
	a.Applied = applied.Spec
	return a, nil
}

// readBefore reads the autoscaler that is there, and the replicas of its workload.
func (c *Client) readBefore(ctx context.Context, a *SavedAutoscaler) error {
	all, err := gather(ctx, c.groups[Autoscaling], autoscalers, []string{a.Namespace},
		func() *autoscalingv2.HorizontalPodAutoscalerList { return &autoscalingv2.HorizontalPodAutoscalerList{} },
		func(l *autoscalingv2.HorizontalPodAutoscalerList) []autoscalingv2.HorizontalPodAutoscaler {
			return l.Items
		})
	if err != nil {
		return err
	}
	for _, h := range all[a.Namespace] {
		switch {
		case h.Name == a.Name && applied(&h):
			return ErrLeft
		case h.Name == a.Name:
			a.Before, a.ResourceVersion, a.ManagedFields = h.Spec.DeepCopy(), h.ResourceVersion, h.ManagedFields
		case h.Spec.ScaleTargetRef.Kind == "Deployment" && h.Spec.ScaleTargetRef.Name == a.Deployment:
			return fmt.Errorf("%s scales deployment %s already: two would work against each other", h.Name, a.Deployment)
		}
	}
	scale, err := c.scale(ctx, a)
	if err != nil {
		return fmt.Errorf("deployment %s: %w", a.Deployment, err)
	}
	a.Replicas = scale.Spec.Replicas
	return nil
}

func (c *Client) of(verb func(rest.Interface) *rest.Request, a *SavedAutoscaler) *rest.Request {
	return verb(c.groups[Autoscaling]).Namespace(a.Namespace).Resource(autoscalers).Name(a.Name)
}

// apply applies an autoscaler on the server's side, or only asks what would come of it.
func (c *Client) apply(ctx context.Context, a *SavedAutoscaler, dryRun ...string) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	force := true // what is taken from others is given back by Restore
	options := metav1.PatchOptions{FieldManager: FieldManager, Force: &force, DryRun: dryRun, FieldValidation: metav1.FieldValidationStrict}
	var h autoscalingv2.HorizontalPodAutoscaler
	err := c.of(func(r rest.Interface) *rest.Request { return r.Patch(types.ApplyYAMLPatchType) }, a).
		VersionedParams(&options, metav1.ParameterCodec).Body([]byte(a.Manifest)).Do(ctx).Into(&h)
	return &h, err
}

// scale is the scale of the workload. Its group is another than its path's, so that it is read as JSON.
func (c *Client) scale(ctx context.Context, a *SavedAutoscaler) (*autoscalingv1.Scale, error) {
	body, err := c.groups[Apps].Get().Namespace(a.Namespace).Resource("deployments").Name(a.Deployment).SubResource("scale").
		SetHeader("Accept", "application/json").Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	var s autoscalingv1.Scale
	return &s, json.Unmarshal(body, &s)
}

// writing is how long a write that was begun is waited for.
const writing = 10 * time.Second

// Apply applies what was prepared. What is there must still be what Prepare saw. When ctx ends, the write under way is still waited
// for: the server may carry it out, and Restore after it would not see it yet.
func (c *Client) Apply(ctx context.Context, s *Saved) error {
	for i := range s.Autoscalers {
		a := &s.Autoscalers[i]
		h, err := c.current(ctx, a)
		switch {
		case err != nil:
			return fmt.Errorf("autoscaler %s: %w", a, err)
		case (h == nil) != (a.Before == nil) || h != nil && !equality.Semantic.DeepEqual(h.Spec, *a.Before):
			return fmt.Errorf("autoscaler %s: %w", a, ErrChanged)
		}
		write, cancel := context.WithTimeout(context.WithoutCancel(ctx), writing)
		_, err = c.apply(write, a)
		cancel()
		if err != nil {
			return fmt.Errorf("autoscaler %s: apply: %w", a, err)
		}
	}
	return nil
}

// current is the autoscaler as it is, nil where there is none.
func (c *Client) current(ctx context.Context, a *SavedAutoscaler) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	var h autoscalingv2.HorizontalPodAutoscaler
	err := c.of(rest.Interface.Get, a).Do(ctx).Into(&h)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return &h, err
}

// Settled says whether the workloads have the least replicas that the applied autoscalers allow; waiting names one that
// has not.
func (c *Client) Settled(ctx context.Context, s *Saved) (settled bool, waiting string, err error) {
	for i := range s.Autoscalers {
		a := &s.Autoscalers[i]
		least := int32(1)
		if a.Applied.MinReplicas != nil {
			least = *a.Applied.MinReplicas
		}
		scale, err := c.scale(ctx, a)
		if err != nil {
			return false, "", fmt.Errorf("deployment %s/%s: %w", a.Namespace, a.Deployment, err)
		}
		ready, err := c.ready(ctx, a)
		if err != nil {
			return false, "", err
		}
		if scale.Spec.Replicas < least || ready < least {
			return false, fmt.Sprintf("%s/%s has %d of %d replicas ready", a.Namespace, a.Deployment, ready, least), nil
		}
	}
	return true, "", nil
}
