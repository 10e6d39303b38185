package controlplane

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// orphanPeriod is the time between two looks for orphans, as the pod garbage collector's.
const orphanPeriod = 20 * time.Second

// orphanage deletes the pods of nodes that were deleted, when two looks one after another have found them so. In a cluster
// that is one of the works of the pod garbage collector, whose package needs most of a kubelet, a container runtime's
// client among it: 136 packages, a twentieth of the build, for these lines.
type orphanage struct {
	client kubernetes.Interface
	pods   corelisters.PodLister
	nodes  corelisters.NodeLister
	found  map[types.UID]bool // at the last look
}

func (c *controllers) orphans(_ context.Context, own access) (run, error) {
	core := c.informers.Core().V1()
	o := &orphanage{client: own.client, pods: core.Pods().Lister(), nodes: core.Nodes().Lister()}
	return o.run, nil
}

func (o *orphanage) run(ctx context.Context) {
	tick := time.NewTicker(orphanPeriod)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			o.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look deletes the orphans that the look before has found too, and remembers those of this one.
func (o *orphanage) look(ctx context.Context) {
	before := o.found
	o.found = map[types.UID]bool{}
	pods, err := o.pods.List(labels.Everything())
	if err != nil {
		return
	}
	for _, pod := range pods {
		if pod.Spec.NodeName == "" {
			continue
		}
		if _, err := o.nodes.Get(pod.Spec.NodeName); !apierrors.IsNotFound(err) {
			continue
		}
		o.found[pod.UID] = true
		if !before[pod.UID] {
			continue
		}
		now := metav1.NewDeleteOptions(0)
		now.Preconditions = metav1.NewUIDPreconditions(string(pod.UID))
		if err := o.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *now); err != nil && !apierrors.IsNotFound(err) {
			logger(ctx).Error(err, "orphan", "pod", pod.Namespace+"/"+pod.Name) // tried again at the next look
		}
	}
}
