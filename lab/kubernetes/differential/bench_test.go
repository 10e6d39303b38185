//go:build unix

package differential

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	"k8s.io/client-go/scale"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	podmetrics "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	metricsapi "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	resourceclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"github.com/ansturm/ansturm/planner/hpa"
)

// window is how many syncs of an autoscaler lie in its windows: 5 minutes of 15 seconds.
const window = 20

// BenchmarkSync measures the controller and planner/hpa on the same syncs: 10 ready pods, one CPU metric in tolerance,
// up to 20 recommendations in the window. The controller runs in real time, as fast as it gets: one worker, a period of
// nothing, an autoscaler a namespace and as many of them as it takes that each is synced 20 times. What the plant does
// is in its figure: lists of 10 pods and 10 samples from memory, no network.
func BenchmarkSync(b *testing.B) {
	b.Run("controller", benchmarkController)
	b.Run("planner", benchmarkPlanner)
}

func benchmarkController(b *testing.B) {
	p := &crowd{plant: newPlant(), want: int64(b.N), done: make(chan struct{})}
	s := benchmarkStep()
	in := s.input(0)
	began := time.Now()
	for i := range in.Pods {
		p.samples[selector] = append(p.samples[selector], sample(p.names(i), &in.Pods[i], began))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cfg := hpa.Default()
	controller := podautoscaler.NewHorizontalController(ctx, p, p, p, mapper{},
		podmetrics.NewRESTMetricsClient(p, custom{p: p.plant}, external{p: p.plant}), hpaInformer{p.hpas}, podInformer{p.pods},
		1, cfg.DownscaleStabilization, cfg.Tolerance, cfg.CPUInitializationPeriod, cfg.InitialReadinessDelay)
	for i := range b.N/window + 1 {
		object := autoscaler("hpa", "web", rivalSpec())
		object.Namespace = fmt.Sprintf("ns-%d", i)
		_ = p.hpas.store.Add(object)
		p.hpas.handler.OnAdd(object, true)
		for k := range in.Pods {
			x := pod(p.names(k), own, &in.Pods[k], began)
			x.Namespace = object.Namespace
			_ = p.pods.store.Add(x)
		}
	}
	ended := make(chan struct{})
	b.ReportAllocs()
	b.ResetTimer()
	from := busy(b)
	go func() { controller.Run(ctx, 1); close(ended) }()
	<-p.done
	b.StopTimer()
	report(b, busy(b)-from)
	cancel()
	<-ended
}

func benchmarkPlanner(b *testing.B) {
	mine, err := hpa.New(rivalSpec(), hpa.Default())
	if err != nil {
		b.Fatal(err)
	}
	s := benchmarkStep()
	in := s.input(time.Hour)
	for range 2 * window {
		in.Now += 15 * time.Second
		mine.Sync(in)
	}
	b.ReportAllocs()
	b.ResetTimer()
	from := busy(b)
	for b.Loop() {
		in.Now += 15 * time.Second
		if d := mine.Sync(in); d.Err != nil {
			b.Fatal(d.Err)
		}
	}
	report(b, busy(b)-from)
}

// benchmarkStep has 10 pods at 70 %, the target.
func benchmarkStep() *step {
	s := &step{Replicas: 9, Status: 9}
	for range 10 {
		s.Pods = append(s.Pods, steady(700))
	}
	return s
}

func report(b *testing.B, busy time.Duration) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "syncs/s")
	b.ReportMetric(float64(b.N)/busy.Seconds(), "syncs/cpu-s")
}

// busy is the processor time that the process has used.
func busy(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// crowd is a plant of many autoscalers that all see the same, and counts their syncs.
type crowd struct {
	*plant
	synced atomic.Int64
	want   int64
	done   chan struct{}
}

func (c *crowd) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return crowdStatuses{c: c}
}

type crowdStatuses struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	c *crowd
}

func (s crowdStatuses) UpdateStatus(_ context.Context, wanted *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return wanted, s.c.hpas.store.Update(wanted.DeepCopy())
}

type crowdScales struct {
	scale.ScaleInterface
	c *crowd
}

func (c *crowd) Scales(string) scale.ScaleInterface { return crowdScales{c: c} }

func (s crowdScales) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	if s.c.synced.Add(1) == s.c.want {
		close(s.c.done)
	}
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       autoscalingv1.ScaleSpec{Replicas: 9}, Status: autoscalingv1.ScaleStatus{Replicas: 9, Selector: "app=x"},
	}, nil
}

// PodMetricses gives a list that the controller may keep.
func (c *crowd) PodMetricses(string) resourceclient.PodMetricsInterface { return crowdMetrics{c: c} }

type crowdMetrics struct {
	resourceclient.PodMetricsInterface
	c *crowd
}

func (m crowdMetrics) List(context.Context, metav1.ListOptions) (*metricsapi.PodMetricsList, error) {
	return &metricsapi.PodMetricsList{Items: m.c.samples[selector]}, nil
}
