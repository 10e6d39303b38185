package differential

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	podmetrics "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"github.com/ansturm/ansturm/planner/hpa"
)

func init() {
	debug.SetGCPercent(800) // the heap is small and the garbage much: a third of the time otherwise
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}

// retries is longer than all retries of one write take.
const retries = 100 * time.Millisecond

// stage is a world being played: the controller on its plant, and planner/hpa beside it.
type stage struct {
	*plant
	w      *world
	began  time.Time
	stop   func()
	next   time.Time // the next sync of the world's own autoscaler
	syncs  int
	counts *counts

	main, rival actor
	shown       *hpa.Input // what the pods' cache holds
	seen        *step      // of which it is
	others      []hpa.Pod  // that the rival alone finds
}

// actor is one of the stage's autoscalers: its side of the plant, and planner/hpa.
type actor struct {
	name, workload string
	selector       string
	spec           *hpa.Spec
	mine           *hpa.Controller
	alive, looked  bool // looked: it has registered its selector
	next           time.Time
	replicas       int32 // the rival's
	conditions     hpa.Conditions
	status         status
	changes        []change // what was written, for the count of edges
}

// play plays a world to both and tells the first difference; empty if there is none.
func play(t *testing.T, w *world, c *counts) (difference string) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{plant: newPlant(), w: w, began: time.Now(), counts: c}
		s.main = actor{name: "hpa", workload: "web", selector: selector}
		s.rival = actor{name: "rival", workload: "other", selector: selector, spec: rivalSpec(), replicas: 3}
		if w.Rival != nil && w.Rival.Partly {
			s.rival.selector = partly
		}
		handlers := utilruntime.ErrorHandlers
		utilruntime.ErrorHandlers = []utilruntime.ErrorHandler{func(_ context.Context, err error, _ string, _ ...any) { s.errs = append(s.errs, err) }}
		defer func() { utilruntime.ErrorHandlers = handlers }()
		s.start()
		defer func() { s.stop() }()
		difference = s.run()
	})
	return difference
}

// start starts a controller, which meets all objects that there are.
func (s *stage) start() {
	ctx, cancel := context.WithCancel(context.Background())
	cfg := &s.w.Config
	controller := podautoscaler.NewHorizontalController(ctx, s.plant, s.plant, s.plant, mapper{},
		podmetrics.NewRESTMetricsClient(s.plant, custom{p: s.plant}, external{p: s.plant}), hpaInformer{s.hpas}, podInformer{s.pods},
		cfg.SyncPeriod, cfg.DownscaleStabilization, cfg.Tolerance, cfg.CPUInitializationPeriod, cfg.InitialReadinessDelay)
	done := make(chan struct{})
	go func() { controller.Run(ctx, 1); close(done) }()
	s.stop = func() { cancel(); <-done }
	for _, object := range s.hpas.store.List() {
		s.hpas.handler.OnAdd(object, true)
	}
	synctest.Wait()
}

func (s *stage) run() string {
	if err := s.begin(&s.main, s.w.Spec); err != "" {
		return err
	}
	s.next = time.Now().Add(s.w.Config.SyncPeriod)
	for k := range s.w.Steps {
		x := &s.w.Steps[k]
		if err := s.before(k, x); err != "" {
			return fmt.Sprintf("step %d: %s", k, err)
		}
		if err := s.sync(x); err != "" {
			return fmt.Sprintf("step %d: %s", k, err)
		}
	}
	return ""
}

// begin makes an actor's object and its scaler.
func (s *stage) begin(a *actor, spec *hpa.Spec) string {
	a.spec, a.alive, a.looked = spec, true, false
	if a.mine == nil {
		mine, err := hpa.New(spec, s.w.Config)
		if err != nil {
			return "the world's spec: " + err.Error()
		}
		a.mine = mine
		s.sides[a.workload] = &side{}
	}
	object := autoscaler(a.name, a.workload, spec)
	_ = s.hpas.store.Add(object)
	s.hpas.handler.OnAdd(object, false)
	a.status, a.conditions = status{}, hpa.Conditions{}
	a.next = time.Now().Add(s.w.Config.SyncPeriod)
	return ""
}

// end deletes an actor's object.
func (s *stage) end(a *actor) {
	object := s.object(a.name)
	_ = s.hpas.store.Delete(object)
	s.hpas.handler.OnDelete(object)
	a.alive, a.looked = false, false
}

// before is what happens between two syncs.
func (s *stage) before(k int, x *step) string {
	a := &s.main
	if x.Restart {
		s.stop()
		s.start()
		for _, a := range []*actor{&s.main, &s.rival} {
			if a.mine != nil {
				a.mine.Restart()
				a.looked, a.next = false, time.Now().Add(s.w.Config.SyncPeriod)
				a.changes = nil
			}
		}
		s.next = s.main.next
		s.counts.Restarts++
	}
	switch x.Object {
	case replaced:
		s.end(a)
		s.begin(a, a.spec)
		a.mine.SetConditions(hpa.Conditions{})
	case recreated:
		s.end(a)
		s.sleepUntil(s.next)
		s.begin(a, a.spec)
		a.mine.Reset()
		a.changes = nil
		s.next = a.next
	}
	if x.Object != kept {
		s.counts.Recreated++
	}
	if x.Edit != nil {
		if err := a.mine.SetSpec(x.Edit); err != nil {
			return "the edited spec: " + err.Error()
		}
		a.spec = x.Edit
		old := s.object(a.name)
		object := old.DeepCopy()
		object.Spec = *specOf(a.workload, x.Edit)
		_ = s.hpas.store.Update(object)
		s.hpas.handler.OnUpdate(old, object)
		s.counts.Edits++
	}
	if r := s.w.Rival; r != nil {
		return s.compete(k, r)
	}
	return ""
}

// compete lets the rival come and go, and has it synced halfway between two syncs of the world's own: on the pods that the
// last of these saw.
func (s *stage) compete(k int, r *rival) string {
	a, half := &s.rival, s.next.Add(-s.w.Config.SyncPeriod/2)
	due := a.alive && !a.next.After(half)
	var in *hpa.Input
	var scale *side
	if due {
		in = s.rivalSees(half)
		fail(in, a.spec, s.down)
		scale = s.set(a, &step{}, in)
	}
	s.sleepUntil(half)
	switch {
	case k == r.From:
		return s.begin(a, a.spec)
	case due:
		if difference := s.compare(a, scale, in); difference != "" {
			return "the rival: " + difference
		}
		a.replicas, a.next = scale.scale.Spec.Replicas, scale.last.Add(s.w.Config.SyncPeriod)
	}
	if k == r.To && a.alive {
		s.end(a)
	}
	return ""
}

// rivalSees is the rival's input.
func (s *stage) rivalSees(at time.Time) *hpa.Input {
	a := &s.rival
	in := &hpa.Input{Now: at.Sub(s.began), SpecReplicas: a.replicas, StatusReplicas: a.replicas, Pods: s.shown.Pods, Strays: s.shown.Strays}
	if s.w.Rival.Partly {
		in.Pods, in.Strays = slices.Concat(in.Pods[:s.seen.Common], s.others), nil
	}
	if s.main.looked && s.shared() {
		in.Selection = hpa.Shared
	}
	return in
}

// shared says that there is a pod that both autoscalers' selectors find.
func (s *stage) shared() bool {
	if s.w.Rival.Partly {
		return s.seen.Common > 0
	}
	return len(s.shown.Pods) > 0
}

// fail makes the resource metrics' answers errors where their API is down.
func fail(in *hpa.Input, spec *hpa.Spec, down bool) {
	if !down {
		return
	}
	metrics := hpa.WithDefaults(spec).Metrics
	for len(in.Values) < len(metrics) {
		in.Values = append(in.Values, hpa.Value{})
	}
	for i := range metrics {
		if metrics[i].Resource != nil || metrics[i].ContainerResource != nil {
			in.Values[i].Err = errDown
		}
	}
}

func (s *stage) sleepUntil(t time.Time) {
	time.Sleep(time.Until(t))
	synctest.Wait()
}

// set gives an actor's object a new identity and its side of the plant what the step says.
func (s *stage) set(a *actor, x *step, in *hpa.Input) *side {
	object := s.object(a.name).DeepCopy()
	s.syncs++
	object.UID = identity(s.syncs)
	_ = s.hpas.store.Update(object)
	selector := a.selector
	switch in.Selection {
	case hpa.NoSelector:
		selector = ""
	case hpa.BadSelector:
		selector = "app in x"
	}
	side := &side{step: x, scale: autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: a.workload, Namespace: space},
		Spec:       autoscalingv1.ScaleSpec{Replicas: in.SpecReplicas},
		Status:     autoscalingv1.ScaleStatus{Replicas: in.StatusReplicas, Selector: selector},
	}}
	s.sides[a.workload] = side
	s.errs, s.events = nil, nil
	return side
}

// sync is one sync of the world's own autoscaler.
func (s *stage) sync(x *step) string {
	a := &s.main
	in := x.input(s.next.Sub(s.began))
	fail(in, a.spec, x.Down)
	s.shown, s.seen, s.others = in, x, later(x.Foreign, in.Now)
	s.show(x, in, s.others, hpa.WithDefaults(a.spec), s.began)
	side := s.set(a, x, in)
	if s.rival.looked && in.Selection == hpa.Selected {
		if s.shared() {
			in.Selection = hpa.Shared
		}
		s.counts.overlap(s.w.Rival, in.Selection)
	}
	s.sleepUntil(s.next)
	for s.until.After(time.Now()) { // answers under way, one after another
		s.sleepUntil(s.until)
	}
	if x.Conflicts > 0 {
		s.sleepUntil(time.Now().Add(retries))
	}
	difference := s.compare(a, side, in)
	s.next = side.last.Add(s.w.Config.SyncPeriod)
	return difference
}
