package controlplane

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// orphanage is the time between two looks for orphans, as the pod garbage collector's.
const orphanage = 20 * time.Second

// orphans deletes the pods of nodes that were deleted, when two looks one after another have found them so. In a cluster
// that is one of the works of the pod garbage collector, whose package needs most of a kubelet, a container runtime's
// client among it: 136 packages, a twentieth of the build, for these lines.
func (c *controllers) orphans(context.Context) (run, error) {
	client, _, err := c.client("pod-garbage-collector")
	if err != nil {
		return nil, err
	}
	core := c.informers.Core().V1()
	pods, nodes := core.Pods().Lister(), core.Nodes().Lister()
	look := func(ctx context.Context, before map[types.UID]bool) map[types.UID]bool {
		found := map[types.UID]bool{}
		all, err := pods.List(labels.Everything())
		if err != nil {
			return found
		}
		for _, pod := range all {
			if pod.Spec.NodeName == "" {
				continue
			}
			if _, err := nodes.Get(pod.Spec.NodeName); !apierrors.IsNotFound(err) {
				continue
			}
			if found[pod.UID] = true; before[pod.UID] {
				now := metav1.NewDeleteOptions(0)
				now.Preconditions = metav1.NewUIDPreconditions(string(pod.UID))
				if err := client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *now); err != nil && !apierrors.IsNotFound(err) {
					logger(ctx).Error(err, "orphan", "pod", pod.Namespace+"/"+pod.Name) // tried again at the next look
				}
			}
		}
		return found
	}
	return func(ctx context.Context) {
		var before map[types.UID]bool
		for tick := time.NewTicker(orphanage); ; {
			select {
			case <-tick.C:
				before = look(ctx, before)
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	}, nil
}
