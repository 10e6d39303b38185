package differential

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/planner/hpa"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	as "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	v1core "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	pa "k8s.io/kubernetes/pkg/controller/podautoscaler"
	pam "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	customapi "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalapi "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metricsapi "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	resourceclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	customclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalclient "k8s.io/metrics/pkg/client/external_metrics"
)

var worlds = flag.Int("worlds", 300, "")
var seed = flag.Uint64("seed", 1, "")

type informer struct {
	cache.SharedIndexInformer
	ix      cache.Indexer
	handler cache.ResourceEventHandler
}

func newInformer() *informer {
	return &informer{ix: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
}
func (i *informer) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	i.handler = h
	return nil, nil
}
func (i *informer) HasSynced() bool { return true }

type hpaInf struct{ *informer }

func (h hpaInf) Informer() cache.SharedIndexInformer { return h.informer }
func (h hpaInf) Lister() autoscalinglisters.HorizontalPodAutoscalerLister {
	return autoscalinglisters.NewHorizontalPodAutoscalerLister(h.ix)
}

type podInf struct{ *informer }

func (h podInf) Informer() cache.SharedIndexInformer { return h.informer }
func (h podInf) Lister() corelisters.PodLister      { return corelisters.NewPodLister(h.ix) }

type mapper struct{ meta.RESTMapper }

func (mapper) RESTMappings(gk schema.GroupKind, versions ...string) ([]*meta.RESTMapping, error) {
	return []*meta.RESTMapping{{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}}}, nil
}

type events struct{ v1core.EventInterface }

func (events) CreateWithEventNamespace(e *v1.Event) (*v1.Event, error)        { return e, nil }
func (events) UpdateWithEventNamespace(e *v1.Event) (*v1.Event, error)        { return e, nil }
func (events) PatchWithEventNamespace(e *v1.Event, _ []byte) (*v1.Event, error) { return e, nil }
func (events) CreateWithEventNamespaceWithContext(_ context.Context, e *v1.Event) (*v1.Event, error) {
	return e, nil
}
func (events) UpdateWithEventNamespaceWithContext(_ context.Context, e *v1.Event) (*v1.Event, error) {
	return e, nil
}
func (events) PatchWithEventNamespaceWithContext(_ context.Context, e *v1.Event, _ []byte) (*v1.Event, error) {
	return e, nil
}

type plant struct {
	scale.ScaleInterface
	autoscalingclient.HorizontalPodAutoscalerInterface
	hpas      *informer
	sc        autoscalingv1.Scale
	fail      bool
	wrote     *int32
	gets      int
	status    *as.HorizontalPodAutoscalerStatus
	err       error
	podItems  []metricsapi.PodMetrics
	podErr    error
	values    map[string]hpa.Value
	gone      []string
}

func (p *plant) Events(string) v1core.EventInterface       { return events{} }
func (p *plant) Scales(string) scale.ScaleInterface        { return scales{p: p} }
func (p *plant) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return hpaClient{p: p}
}

type scales struct {
	scale.ScaleInterface
	p *plant
}

func (s scales) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	s.p.gets++
	return s.p.sc.DeepCopy(), nil
}
func (s scales) Update(_ context.Context, _ schema.GroupResource, x *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	if s.p.fail {
		return nil, errors.New("refused")
	}
	s.p.wrote = new(x.Spec.Replicas)
	return x, nil
}

type hpaClient struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	p *plant
}

func (h hpaClient) UpdateStatus(_ context.Context, x *as.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*as.HorizontalPodAutoscaler, error) {
	old, _, _ := h.p.hpas.ix.GetByKey("ns/h")
	n := old.(*as.HorizontalPodAutoscaler).DeepCopy()
	n.Status = *x.Status.DeepCopy()
	h.p.hpas.ix.Update(n)
	return x, nil
}

type resCl struct {
	resourceclient.PodMetricsInterface
	p *plant
}

func (p *plant) PodMetricses(string) resourceclient.PodMetricsInterface { return resCl{p: p} }
func (r resCl) List(context.Context, metav1.ListOptions) (*metricsapi.PodMetricsList, error) {
	return &metricsapi.PodMetricsList{Items: r.p.podItems}, r.p.podErr
}

type cus struct {
	customclient.MetricsInterface
	p *plant
}

func (c cus) GetForObject(_ schema.GroupKind, _ string, m string, _ labels.Selector) (*customapi.MetricValue, error) {
	v := c.p.values[m]
	if v.Err != nil {
		return nil, v.Err
	}
	return &customapi.MetricValue{Value: *resource.NewMilliQuantity(v.Milli[0], resource.DecimalSI)}, nil
}
func (c cus) GetForObjects(_ schema.GroupKind, _ labels.Selector, m string, _ labels.Selector) (*customapi.MetricValueList, error) {
	v := c.p.values[m]
	if v.Err != nil {
		return nil, v.Err
	}
	l := &customapi.MetricValueList{}
	for i, x := range v.Pods {
		if x.Has {
			l.Items = append(l.Items, customapi.MetricValue{DescribedObject: v1.ObjectReference{Name: fmt.Sprintf("p%d", i)}, Value: *resource.NewMilliQuantity(x.Milli, resource.DecimalSI)})
		}
	}
	return l, nil
}

type cusClient struct{ p *plant }

func (c cusClient) RootScopedMetrics() customclient.MetricsInterface        { return cus{p: c.p} }
func (c cusClient) NamespacedMetrics(string) customclient.MetricsInterface { return cus{p: c.p} }

type extClient struct{ p *plant }

func (c extClient) NamespacedMetrics(string) externalclient.MetricsInterface { return c }
func (c extClient) List(m string, _ labels.Selector) (*externalapi.ExternalMetricValueList, error) {
	v := c.p.values[m]
	if v.Err != nil {
		return nil, v.Err
	}
	l := &externalapi.ExternalMetricValueList{}
	for _, x := range v.Milli {
		l.Items = append(l.Items, externalapi.ExternalMetricValue{Value: *resource.NewMilliQuantity(x, resource.DecimalSI)})
	}
	return l, nil
}

type rnd struct{ *rand.Rand }

func (r rnd) of(xs ...int64) int64  { return xs[r.IntN(len(xs))] }
func (r rnd) one(n int) bool        { return r.IntN(n) == 0 }

func (r rnd) rules() *as.HPAScalingRules {
	if r.one(5) {
		return nil
	}
	x := &as.HPAScalingRules{}
	if r.one(2) {
		x.StabilizationWindowSeconds = new(int32(r.of(0, 0, 15, 30, 45, 60, 7, 300)))
	}
	if r.one(2) {
		x.SelectPolicy = new([]as.ScalingPolicySelect{as.MaxChangePolicySelect, as.MinChangePolicySelect, as.DisabledPolicySelect}[r.IntN(3)])
	}
	if r.one(2) {
		for range 1 + r.IntN(3) {
			x.Policies = append(x.Policies, as.HPAScalingPolicy{Type: []as.HPAScalingPolicyType{as.PodsScalingPolicy, as.PercentScalingPolicy}[r.IntN(2)], Value: int32(r.of(1, 2, 4, 10, 50, 100, 150)), PeriodSeconds: int32(r.of(1, 15, 30, 45, 60, 20, 90))})
		}
	}
	if r.one(3) {
		x.Tolerance = new(resource.MustParse([]string{"0", "0.05", "0.5", "0.1", "0.2"}[r.IntN(5)]))
	}
	return x
}

func (r rnd) target(kinds ...as.MetricTargetType) as.MetricTarget {
	t := as.MetricTarget{Type: kinds[r.IntN(len(kinds))]}
	switch t.Type {
	case as.UtilizationMetricType:
		t.AverageUtilization = new(int32(r.of(1, 10, 30, 50, 60, 70, 80, 100, 120, 200)))
	case as.AverageValueMetricType:
		t.AverageValue = resource.NewMilliQuantity(r.of(1, 100, 500, 600, 1000, 1234, 10000), resource.DecimalSI)
	case as.ValueMetricType:
		t.Value = resource.NewMilliQuantity(r.of(1, 100, 500, 600, 1000, 1234, 10000), resource.DecimalSI)
	}
	return t
}

func (r rnd) spec() *as.HorizontalPodAutoscalerSpec {
	s := &as.HorizontalPodAutoscalerSpec{ScaleTargetRef: as.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "d"}}
	min := int32(r.of(1, 1, 1, 2, 5))
	if r.one(4) {
		min = 1
	} else {
		s.MinReplicas = &min
	}
	s.MaxReplicas = min + int32(r.of(0, 1, 5, 10, 30, 100))
	valued := false
	n := 1 + r.IntN(3)
	if r.one(2) {
		n = 1
	}
	for i := range n {
		id := as.MetricIdentifier{Name: fmt.Sprintf("m%d", i), Selector: &metav1.LabelSelector{}}
		switch r.IntN(8) {
		case 0, 1, 2:
			t := r.target(as.UtilizationMetricType, as.UtilizationMetricType, as.AverageValueMetricType)
			s.Metrics = append(s.Metrics, as.MetricSpec{Type: as.ResourceMetricSourceType, Resource: &as.ResourceMetricSource{Name: v1.ResourceCPU, Target: t}})
		case 3:
			t := r.target(as.UtilizationMetricType, as.AverageValueMetricType)
			if t.AverageValue != nil {
				t.AverageValue = resource.NewQuantity(r.of(1000, 1<<20, 1<<29), resource.BinarySI)
			}
			s.Metrics = append(s.Metrics, as.MetricSpec{Type: as.ResourceMetricSourceType, Resource: &as.ResourceMetricSource{Name: v1.ResourceMemory, Target: t}})
		case 4:
			s.Metrics = append(s.Metrics, as.MetricSpec{Type: as.ContainerResourceMetricSourceType, ContainerResource: &as.ContainerResourceMetricSource{Name: v1.ResourceCPU, Container: []string{"a", "b"}[r.IntN(2)], Target: r.target(as.UtilizationMetricType, as.AverageValueMetricType)}})
		case 5:
			s.Metrics = append(s.Metrics, as.MetricSpec{Type: as.PodsMetricSourceType, Pods: &as.PodsMetricSource{Metric: id, Target: r.target(as.AverageValueMetricType)}})
		case 6:
			valued = true
			s.Metrics = append(s.Metrics, as.MetricSpec{Type: as.ExternalMetricSourceType, External: &as.ExternalMetricSource{Metric: id, Target: r.target(as.AverageValueMetricType, as.ValueMetricType)}})
		case 7:
			valued = true
			s.Metrics = append(s.Metrics, as.MetricSpec{Type: as.ObjectMetricSourceType, Object: &as.ObjectMetricSource{DescribedObject: as.CrossVersionObjectReference{Kind: "Service", Name: "s"}, Metric: id, Target: r.target(as.AverageValueMetricType, as.ValueMetricType)}})
		}
	}
	if valued && r.one(3) {
		s.MinReplicas = new(int32(0))
	}
	if r.one(3) {
		s.Behavior = nil
	} else {
		s.Behavior = &as.HorizontalPodAutoscalerBehavior{ScaleUp: r.rules(), ScaleDown: r.rules()}
	}
	return s
}

var failure = errors.New("api down")

func (r rnd) pod(now time.Duration, level int64) hpa.Pod {
	age := time.Duration(r.of(0, 10, 20, 30, 45, 60, 299, 300, 301, 1000, 3600, 3600)) * time.Second
	p := hpa.Pod{HasStart: !r.one(20), Start: now - age, Ready: hpa.Ready}
	p.ReadyChanged = p.Start + time.Duration(r.of(0, 5, 15, 29, 30, 31, 45))*time.Second
	if r.one(5) {
		p.Ready = []hpa.Readiness{hpa.NoCondition, hpa.NotReady, hpa.NotReady, hpa.UnknownReadiness}[r.IntN(4)]
	}
	if r.one(8) {
		p.Phase = []hpa.Phase{hpa.Pending, hpa.Pending, hpa.Failed, hpa.Succeeded, hpa.UnknownPhase}[r.IntN(5)]
	}
	p.Deleting = r.one(15)
	p.Sample = hpa.Sample{Has: !r.one(8), Time: now - time.Duration(r.of(0, 1, 5, 14, 15, 16, 60))*time.Second, Window: time.Duration(r.of(10, 15, 30)) * time.Second}
	for _, n := range []string{"a", "b"}[:1+r.IntN(2)] {
		c := hpa.Container{Name: n, Request: hpa.Of(r.of(100, 500, 1000), r.of(1<<20, 1<<28, 1000)), Usage: hpa.Of(level*r.of(9, 10, 10, 10, 11)/10+r.of(0, 0, 1), r.of(1<<20, 1<<27, 900, 1100))}
		if r.one(60) {
			c.Request.HasCPU = false
		}
		if r.one(100) {
			c.Request.CPU = 0
		}
		if r.one(60) {
			c.Usage.HasCPU = false
		}
		c.Unlisted = r.one(60)
		c.UsageOnly = r.one(100)
		p.Containers = append(p.Containers, c)
	}
	if r.one(40) {
		p.PodLevel, p.Request = true, hpa.Of(r.of(100, 500, 1000), r.of(1<<20, 1<<28, 1000))
	}
	return p
}

func list(a hpa.Amount) v1.ResourceList {
	l := v1.ResourceList{}
	if a.HasCPU {
		l[v1.ResourceCPU] = *resource.NewMilliQuantity(a.CPU, resource.DecimalSI)
	}
	if a.HasMemory {
		l[v1.ResourceMemory] = *resource.NewQuantity(a.Memory, resource.BinarySI)
	}
	return l
}

func toPod(name string, p hpa.Pod, at func(time.Duration) metav1.Time) *v1.Pod {
	out := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", Labels: map[string]string{"app": "x"}}}
	if p.Deleting {
		out.DeletionTimestamp = new(at(0))
	}
	out.Status.Phase = []v1.PodPhase{v1.PodRunning, v1.PodPending, v1.PodSucceeded, v1.PodFailed, v1.PodUnknown}[p.Phase]
	if p.HasStart {
		out.Status.StartTime = new(at(p.Start))
	}
	if p.Ready != hpa.NoCondition {
		out.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: []v1.ConditionStatus{"", v1.ConditionTrue, v1.ConditionFalse, v1.ConditionUnknown}[p.Ready], LastTransitionTime: at(p.ReadyChanged)}}
	}
	for _, c := range p.Containers {
		if !c.UsageOnly {
			out.Spec.Containers = append(out.Spec.Containers, v1.Container{Name: c.Name, Resources: v1.ResourceRequirements{Requests: list(c.Request)}})
		}
	}
	if p.PodLevel {
		out.Spec.Resources = &v1.ResourceRequirements{Requests: list(p.Request)}
	}
	return out
}

func toMetrics(name string, p hpa.Pod, at func(time.Duration) metav1.Time) metricsapi.PodMetrics {
	m := metricsapi.PodMetrics{ObjectMeta: metav1.ObjectMeta{Name: name}, Timestamp: at(p.Sample.Time), Window: metav1.Duration{Duration: p.Sample.Window}}
	for _, c := range p.Containers {
		if !c.Unlisted {
			m.Containers = append(m.Containers, metricsapi.ContainerMetrics{Name: c.Name, Usage: list(c.Usage)})
		}
	}
	return m
}

var texts = map[error][]string{
	hpa.ErrNoSamples:      {"no metrics returned from"},
	hpa.ErrNoPods:         {"no pods returned by selector"},
	hpa.ErrNoUsableSample: {"did not receive metrics for targeted pods"},
	hpa.ErrNoRequest:      {"missing request for", "missing pod-level request", "not found in Pod"}, // which pod is looked at first is chance
	hpa.ErrNoContainer:    {"not found in Pod", "missing request for"},
	hpa.ErrNothingMatched: {"no metrics returned matched known pods"},
	failure:               {"api down"},
}

type counter struct{ syncs, scales, errs, limited, held int }

func world(t *testing.T, seed uint64, n *counter) {
	r := rnd{rand.New(rand.NewPCG(seed, 7))}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p := &plant{hpas: newInformer()}
		pods := newInformer()
		utilruntime.ErrorHandlers = []utilruntime.ErrorHandler{func(_ context.Context, err error, _ string, _ ...any) { p.err = err }}
		cfg := hpa.Default()
		if r.one(3) {
			cfg.DownscaleStabilization = time.Duration(r.of(0, 15, 30, 60)) * time.Second
		}
		if r.one(3) {
			cfg.Tolerance = []float64{0, 0.01, 0.2, 0.5}[r.IntN(4)]
		}
		start := time.Now()
		at := func(d time.Duration) metav1.Time { return metav1.NewTime(start.Add(d)) }
		ctl := pa.NewHorizontalController(ctx, p, p, p, mapper{}, pam.NewRESTMetricsClient(p, cusClient{p}, extClient{p}), hpaInf{p.hpas}, podInf{pods}, cfg.SyncPeriod, cfg.DownscaleStabilization, cfg.Tolerance, cfg.CPUInitializationPeriod, cfg.InitialReadinessDelay)
		done := make(chan struct{})
		go func() { ctl.Run(ctx, 1); close(done) }()
		synctest.Wait()
		spec := r.spec()
		obj := &as.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "ns"}, Spec: *hpa.WithDefaults(spec)}
		p.hpas.ix.Add(obj)
		p.hpas.handler.OnAdd(obj, false)
		mine, err := hpa.New(spec, cfg)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		current := int32(r.of(0, 1, 2, 3, 5, 10, 20))
		if r.one(2) {
			current = max(1, current)
		}
		level := r.of(10, 100, 300, 600)
		synctest.Wait()
		time.Sleep(time.Second)
		for k := range 40 {
			now := time.Duration(k+1) * 15 * time.Second
			if r.one(10) {
				level = r.of(0, 10, 50, 100, 300, 600, 900)
			}
			if r.one(25) {
				current = int32(r.of(0, 1, 2, 3, 5, 10, 20, 200))
			}
			if r.one(25) {
				spec2 := r.spec()
				spec2.Metrics = spec.Metrics
				spec2.MinReplicas = new(int32(1))
				spec = spec2
				if err := mine.SetSpec(spec); err != nil {
					t.Fatal(err)
				}
				old, _, _ := p.hpas.ix.GetByKey("ns/h")
				nw := old.(*as.HorizontalPodAutoscaler).DeepCopy()
				nw.Spec = *hpa.WithDefaults(spec)
				p.hpas.ix.Update(nw)
			}
			in := &hpa.Input{Now: now, SpecReplicas: current, StatusReplicas: max(0, current+int32(r.of(0, 0, 0, 1, -1)))}
			count := max(0, int(current)+int(r.of(0, 0, 0, 0, 1, -1)))
			if count > 12 {
				count = 12
			}
			calm := r.one(2)
			for range count {
				q := r.pod(now, level)
				if calm {
					q.Phase, q.Deleting, q.Sample.Has, q.Ready, q.HasStart, q.Start, q.ReadyChanged = hpa.Running, false, true, hpa.Ready, true, now-time.Hour, now-time.Hour+10*time.Second
				}
				in.Pods = append(in.Pods, q)
			}
			if r.one(15) {
				in.Strays = append(in.Strays, r.pod(now, level))
			}
			p.podErr = nil
			apiDown := r.one(30)
			if apiDown {
				p.podErr = failure
			}
			p.values = map[string]hpa.Value{}
			for i, m := range spec.Metrics {
				v := hpa.Value{}
				switch {
				case m.Resource != nil || m.ContainerResource != nil:
					if apiDown {
						v.Err = failure
					}
				case r.one(15):
					v.Err = failure
				case m.Pods != nil:
					for range len(in.Pods) + int(r.of(0, 0, 0, 1)) {
						v.Pods = append(v.Pods, hpa.PodValue{Has: !r.one(12), Milli: r.of(540, 600, 660, 100, 1000, 1234, 500)})
					}
				case m.External != nil:
					for range r.of(1, 1, 2, 3, 0) {
						v.Milli = append(v.Milli, r.of(540, 600, 660, 100, 1000, 12340, 5000, 900, 1100, 0))
					}
				default:
					v.Milli = []int64{r.of(540, 600, 660, 100, 1000, 12340, 5000, 900, 1100, 0)}
				}
				p.values[fmt.Sprintf("m%d", i)] = v
				in.Values = append(in.Values, v)
			}
			p.podItems = nil
			var objs []any
			for i, q := range in.Pods {
				name := fmt.Sprintf("p%d", i)
				objs = append(objs, toPod(name, q, at))
				if q.Sample.Has {
					p.podItems = append(p.podItems, toMetrics(name, q, at))
				}
			}
			for i, q := range in.Strays {
				if q.Sample.Has {
					p.podItems = append(p.podItems, toMetrics(fmt.Sprintf("gone%d", i), q, at))
				}
			}
			pods.ix.Replace(objs, "")
			p.sc = autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "d", Namespace: "ns"}, Spec: autoscalingv1.ScaleSpec{Replicas: in.SpecReplicas}, Status: autoscalingv1.ScaleStatus{Replicas: in.StatusReplicas, Selector: "app=x"}}
			p.wrote, p.err, p.fail, p.gets = nil, nil, r.one(20), 0
			for time.Since(start) < now {
				time.Sleep(now - time.Since(start))
			}
			synctest.Wait()
			if p.gets == 0 {
				t.Fatalf("seed %d sync %d: no sync happened", seed, k)
			}
			d := mine.Decide(in)
			if d.Scale && p.fail {
				mine.Reject(&d)
			} else if d.Scale {
				mine.Commit(in, &d)
			}
			n.syncs++
			compare(t, fmt.Sprintf("seed %d sync %d", seed, k), p, d, n, spec, in)
			if t.Failed() {
				break
			}
			if d.Scale && !p.fail {
				current = d.Desired
			}
			time.Sleep(time.Second)
		}
		cancel()
		<-done
	})
}

func compare(t *testing.T, where string, p *plant, d hpa.Decision, n *counter, spec *as.HorizontalPodAutoscalerSpec, in *hpa.Input) {
	if (d.Scale && !p.fail) != (p.wrote != nil) || p.wrote != nil && *p.wrote != d.Desired {
		w := int32(-1)
		if p.wrote != nil {
			w = *p.wrote
		}
		t.Errorf("%s: controller wrote %d (err %v), mine %+v\nin %+v\nspec %v", where, w, p.err, d, *in, spec)
		return
	}
	if d.Scale {
		n.scales++
	}
	got := map[as.HorizontalPodAutoscalerConditionType]hpa.Condition{}
	o, _, _ := p.hpas.ix.GetByKey("ns/h")
	for _, c := range o.(*as.HorizontalPodAutoscaler).Status.Conditions {
		got[c.Type] = hpa.Condition{True: c.Status == v1.ConditionTrue, Reason: c.Reason}
	}
	for ty, c := range map[as.HorizontalPodAutoscalerConditionType]hpa.Condition{as.AbleToScale: d.Conditions.AbleToScale, as.ScalingActive: d.Conditions.ScalingActive, as.ScalingLimited: d.Conditions.ScalingLimited} {
		if got[ty] != c {
			t.Errorf("%s: %s is %+v, mine %+v (%v)", where, ty, got[ty], c, p.err)
		}
	}
	if d.Conditions.ScalingLimited.True {
		n.limited++
	}
	if d.Stabilized != d.Proposed {
		n.held++
	}
	failedScale := p.fail && d.Scale
	if !failedScale && (p.err != nil) != (d.Err != nil) {
		t.Errorf("%s: error %v, mine %v", where, p.err, d.Err)
	}
	if d.Err != nil && !failedScale {
		n.errs++
		ok := false
		for _, s := range texts[d.Err] {
			ok = ok || strings.Contains(p.err.Error(), s)
		}
		if !ok {
			t.Errorf("%s: error %q, mine %q", where, p.err, d.Err)
		}
	}
}

func TestDiff(t *testing.T) {
	klog.LogToStderr(false)
	klog.SetOutput(discard{})
	var n counter
	for i := range *worlds {
		world(t, *seed+uint64(i), &n)
		if t.Failed() {
			break
		}
	}
	t.Logf("%+v", n)
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
