package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// conflicts is how often a write is tried again that another (a status, say) has overtaken.
const conflicts = 5

// Restore puts back what was there: specs, who had set their fields, and the workloads' replicas. It may be called at any
// time after Prepare, by anybody, and again: what is as it was is left alone. An autoscaler that somebody else has changed
// meanwhile is left, too, and named in the error, an ErrChanged; all others are restored all the same.
func (c *Client) Restore(ctx context.Context, s *Saved) error {
	var errs []error
	for i := range s.Autoscalers {
		a := &s.Autoscalers[i]
		changed, err := c.restore(ctx, a)
		if err == nil && (changed || a.Before == nil) { // where there was no autoscaler, nobody else gives them back
			err = c.rescale(ctx, a)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("restore autoscaler %s: %w", a, err))
		}
	}
	return errors.Join(errs...)
}

// restore restores one autoscaler, and says whether there was anything to restore.
func (c *Client) restore(ctx context.Context, a *SavedAutoscaler) (changed bool, err error) {
	for range conflicts {
		var h *autoscalingv2.HorizontalPodAutoscaler
		if h, err = c.current(ctx, a); err != nil {
			return false, err
		}
		if h == nil && a.Before == nil || h != nil && a.Before != nil && equality.Semantic.DeepEqual(h.Spec, *a.Before) && !applied(h) {
			return changed, nil
		}
		// Between the two writes of a restoration its own name stands among the managers, and the spec is the old one.
		if h == nil || !applied(h) || !equality.Semantic.DeepEqual(h.Spec, a.Applied) && (a.Before == nil || !equality.Semantic.DeepEqual(h.Spec, *a.Before)) {
			return false, ErrChanged
		}
		changed = true
		if err = c.putBack(ctx, a, h); err != nil && !apierrors.IsConflict(err) {
			return false, err
		}
	}
	return false, fmt.Errorf("overtaken by others %d times: %w", conflicts, err)
}

// applied says whether a verification's fields are in an autoscaler.
func applied(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	for _, m := range h.ManagedFields {
		if m.Manager == FieldManager {
			return true
		}
	}
	return false
}

// putBack removes an autoscaler that was not there; else it writes the old spec, and after that, in a write that changes
// no field and so gives none a new owner, who had set what: a next apply of theirs then meets no conflict.
func (c *Client) putBack(ctx context.Context, a *SavedAutoscaler, h *autoscalingv2.HorizontalPodAutoscaler) error {
	if a.Before == nil {
		body, err := json.Marshal(metav1.DeleteOptions{Preconditions: metav1.NewPreconditionDeleteOptions(string(h.UID)).Preconditions})
		if err != nil {
			return err
		}
		return c.of(rest.Interface.Delete, a).SetHeader("Content-Type", "application/json").Body(body).Do(ctx).Error()
	}
	h.Spec = *a.Before.DeepCopy()
	h, err := c.put(ctx, a, h)
	if err != nil {
		return err
	}
	h.ManagedFields = a.ManagedFields
	_, err = c.put(ctx, a, h)
	return err
}

func (c *Client) put(ctx context.Context, a *SavedAutoscaler, h *autoscalingv2.HorizontalPodAutoscaler) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	h.TypeMeta = metav1.TypeMeta{APIVersion: Autoscaling.String(), Kind: "HorizontalPodAutoscaler"}
	body, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	var now autoscalingv2.HorizontalPodAutoscaler
	err = c.of(rest.Interface.Put, a).VersionedParams(&metav1.UpdateOptions{FieldManager: FieldManager}, metav1.ParameterCodec).
		SetHeader("Content-Type", "application/json").Body(body).Do(ctx).Into(&now)
	return &now, err
}

// rescale gives a workload its replicas back; where an autoscaler was there before, it goes on from them.
func (c *Client) rescale(ctx context.Context, a *SavedAutoscaler) error {
	body := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, a.Replicas)
	err := c.groups[Apps].Patch(types.MergePatchType).Namespace(a.Namespace).Resource("deployments").Name(a.Deployment).SubResource("scale").
		SetHeader("Accept", "application/json").VersionedParams(&metav1.PatchOptions{FieldManager: FieldManager}, metav1.ParameterCodec).
		Body(body).Do(ctx).Error()
	if apierrors.IsNotFound(err) { // the workload is gone, and with it what there was to restore
		return nil
	}
	return err
}

// ready is how many replicas of a workload are ready.
func (c *Client) ready(ctx context.Context, a *SavedAutoscaler) (int32, error) {
	var d appsv1.Deployment
	if err := c.groups[Apps].Get().Namespace(a.Namespace).Resource("deployments").Name(a.Deployment).Do(ctx).Into(&d); err != nil {
		return 0, fmt.Errorf("deployment %s/%s: %w", a.Namespace, a.Deployment, err)
	}
	return d.Status.ReadyReplicas, nil
}
