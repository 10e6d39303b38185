package differential

import (
	"context"
	"fmt"
	"strings"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	customapi "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalapi "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metricsapi "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	resourceclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
)

// plant is everything the controller talks to: the informers' caches, the API server, and the metrics APIs. Tests set it
// up between syncs; the controller's goroutines use it during one.
type plant struct {
	hpas, pods *informer
	sides      map[string]*side // by the workload's name
	errs       []error          // handed to the error handler
	events     []corev1.Event

	samples map[string][]metricsapi.PodMetrics // by the selector
	down    bool
	values  map[string]value // by the metric's name
	names   func(pod int) string

	asking *side           // whose sync it is
	delays []time.Duration // of the next answers of the API of resource metrics
	until  time.Time       // an answer is under way
}

// side is one autoscaler and its workload.
type side struct {
	scale  autoscalingv1.Scale
	step   *step
	gets   int
	writes []autoscalingv1.Scale // that succeeded
	tries  int                   // writes of the scale
	last   time.Time             // of the last call
	status int                   // writes of the status
}

const space = "ns"

// The selectors: of the world's autoscaler, and of a rival that finds some of its pods.
const (
	selector = "app=x"
	partly   = "team=y"
)

func newPlant() *plant {
	return &plant{
		hpas: newInformer(), pods: newInformer(), sides: map[string]*side{}, samples: map[string][]metricsapi.PodMetrics{},
		names: func(pod int) string { return fmt.Sprintf("pod-%d", pod) },
	}
}

// informer is a cache that is always in sync, and the one handler registered with it.
type informer struct {
	cache.SharedIndexInformer
	store   cache.Indexer
	handler cache.ResourceEventHandler
}

func newInformer() *informer {
	return &informer{store: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
}

func (i *informer) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	i.handler = h
	return nil, nil
}

func (i *informer) HasSynced() bool { return true }

type hpaInformer struct{ *informer }

func (i hpaInformer) Informer() cache.SharedIndexInformer { return i.informer }
func (i hpaInformer) Lister() autoscalinglisters.HorizontalPodAutoscalerLister {
	return autoscalinglisters.NewHorizontalPodAutoscalerLister(i.store)
}

type podInformer struct{ *informer }

func (i podInformer) Informer() cache.SharedIndexInformer { return i.informer }
func (i podInformer) Lister() corelisters.PodLister       { return corelisters.NewPodLister(i.store) }

type mapper struct{ meta.RESTMapper }

func (mapper) RESTMappings(schema.GroupKind, ...string) ([]*meta.RESTMapping, error) {
	return []*meta.RESTMapping{{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}}}, nil
}

// sink takes events as the API server would.
type sink struct {
	coreclient.EventInterface
	p *plant
}

func (s sink) took(e *corev1.Event) (*corev1.Event, error) {
	s.p.events = append(s.p.events, *e)
	return e, nil
}

func (s sink) CreateWithEventNamespaceWithContext(_ context.Context, e *corev1.Event) (*corev1.Event, error) {
	return s.took(e)
}

func (s sink) UpdateWithEventNamespaceWithContext(_ context.Context, e *corev1.Event) (*corev1.Event, error) {
	return s.took(e)
}

func (s sink) PatchWithEventNamespaceWithContext(_ context.Context, e *corev1.Event, _ []byte) (*corev1.Event, error) {
	return s.took(e)
}
func (s sink) CreateWithEventNamespace(e *corev1.Event) (*corev1.Event, error) { return s.took(e) }
func (s sink) UpdateWithEventNamespace(e *corev1.Event) (*corev1.Event, error) { return s.took(e) }
func (s sink) PatchWithEventNamespace(e *corev1.Event, _ []byte) (*corev1.Event, error) {
	return s.took(e)
}

func (p *plant) Events(string) coreclient.EventInterface { return sink{p: p} }
func (p *plant) Scales(string) scale.ScaleInterface      { return scales{p: p} }
func (p *plant) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return statuses{p: p}
}

// scales are the workloads' scales; the writes go through only after the step's conflicts.
type scales struct {
	scale.ScaleInterface
	p *plant
}

func (s scales) Get(_ context.Context, _ schema.GroupResource, name string, _ metav1.GetOptions) (*autoscalingv1.Scale, error) {
	x := s.p.sides[name]
	s.p.asking = x
	x.gets++
	x.last = time.Now()
	if x.gets > 1 && x.step.Refetch || x.gets == 1 && x.step.Unreadable {
		return nil, errDown
	}
	return x.scale.DeepCopy(), nil
}

func (s scales) Update(_ context.Context, _ schema.GroupResource, wanted *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	x := s.p.sides[wanted.Name]
	x.tries++
	x.last = time.Now()
	switch {
	case x.step.Refused:
		return nil, errRefused
	case x.tries <= x.step.Conflicts:
		x.scale.Spec.Replicas = x.step.Meanwhile
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: "deployments"}, wanted.Name, errRefused)
	}
	x.scale.Spec.Replicas = wanted.Spec.Replicas
	x.writes = append(x.writes, *wanted.DeepCopy())
	return wanted, nil
}

// statuses takes the autoscalers' statuses into the informer's cache at once.
type statuses struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	p *plant
}

func (s statuses) UpdateStatus(_ context.Context, wanted *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	x := s.p.sides[wanted.Spec.ScaleTargetRef.Name]
	x.status++
	if x.step.StatusRefused {
		return nil, errRefused
	}
	object := s.p.object(wanted.Name).DeepCopy()
	object.Status = *wanted.Status.DeepCopy()
	return wanted, s.p.hpas.store.Update(object)
}

// object is the autoscaler of that name as the informer has it.
func (p *plant) object(name string) *autoscalingv2.HorizontalPodAutoscaler {
	object, _, err := p.hpas.store.GetByKey(space + "/" + name)
	if err != nil || object == nil {
		return nil
	}
	return object.(*autoscalingv2.HorizontalPodAutoscaler)
}

// podMetrics is the API of resource metrics.
type podMetrics struct {
	resourceclient.PodMetricsInterface
	p *plant
}

func (p *plant) PodMetricses(string) resourceclient.PodMetricsInterface { return podMetrics{p: p} }

func (m podMetrics) List(_ context.Context, options metav1.ListOptions) (*metricsapi.PodMetricsList, error) {
	if len(m.p.delays) > 0 {
		m.p.take(m.p.delays[0])
		m.p.delays = m.p.delays[1:]
	}
	if m.p.down {
		return nil, errDown
	}
	return &metricsapi.PodMetricsList{Items: m.p.samples[options.LabelSelector]}, nil
}

// take is the time that an answer takes.
func (p *plant) take(d time.Duration) {
	if d == 0 {
		return
	}
	p.until = time.Now().Add(d)
	time.Sleep(d)
	p.asking.last = time.Now()
}

// custom is the API of custom metrics.
type custom struct {
	customclient.MetricsInterface
	p *plant
}

func (c custom) RootScopedMetrics() customclient.MetricsInterface       { return c }
func (c custom) NamespacedMetrics(string) customclient.MetricsInterface { return c }

func (c custom) GetForObject(_ schema.GroupKind, _, name string, _ labels.Selector) (*customapi.MetricValue, error) {
	v := c.p.values[name]
	c.p.take(v.Took)
	if v.Down || len(v.Milli) == 0 {
		return nil, errDown
	}
	return &customapi.MetricValue{Value: milli(v.Milli[0])}, nil
}

func (c custom) GetForObjects(_ schema.GroupKind, _ labels.Selector, name string, _ labels.Selector) (*customapi.MetricValueList, error) {
	v := c.p.values[name]
	c.p.take(v.Took)
	if v.Down {
		return nil, errDown
	}
	list := &customapi.MetricValueList{}
	for i, pod := range v.Pods {
		if pod.Has {
			list.Items = append(list.Items, customapi.MetricValue{
				DescribedObject: corev1.ObjectReference{Name: c.p.names(i)}, Value: milli(pod.Milli),
			})
		}
	}
	return list, nil
}

// external is the API of external metrics.
type external struct{ p *plant }

func (e external) NamespacedMetrics(string) externalclient.MetricsInterface { return e }

func (e external) List(name string, _ labels.Selector) (*externalapi.ExternalMetricValueList, error) {
	v := e.p.values[name]
	e.p.take(v.Took)
	if v.Down {
		return nil, errDown
	}
	list := &externalapi.ExternalMetricValueList{}
	for _, x := range v.Milli {
		list.Items = append(list.Items, externalapi.ExternalMetricValue{Value: milli(x)})
	}
	return list, nil
}

func milli(x int64) resource.Quantity { return *resource.NewMilliQuantity(x, resource.DecimalSI) }

// text is what went to the error handler.
func (p *plant) text() string {
	var out []string
	for _, err := range p.errs {
		out = append(out, err.Error())
	}
	return strings.Join(out, " | ")
}
