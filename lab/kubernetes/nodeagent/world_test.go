package nodeagent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"github.com/ansturm/ansturm/lab/kubernetes/burner"
	"github.com/ansturm/ansturm/lab/kubernetes/objects"
	"github.com/ansturm/ansturm/scenarios"
)

// The test's own program is the process of process pods: with an address to listen at it is a burner.
func TestMain(m *testing.M) {
	if os.Getenv("ANSTURM_LISTEN") == "" {
		os.Exit(m.Run())
	}
	if path := os.Getenv("TEST_READ"); path != "" {
		text, err := os.ReadFile(path)
		fmt.Printf("%s read %q, %v", strings.Join(os.Args[1:], " "), text, err)
		os.Exit(0)
	}
	if code := os.Getenv("TEST_EXIT"); code != "" {
		fmt.Println("said before the end")
		os.Exit(int(code[0] - '0'))
	}
	c, err := burner.FromEnvironment(os.Getenv)
	if err == nil {
		err = burner.Serve(context.Background(), c)
	}
	fmt.Println(err)
	os.Exit(1)
}

// patience is how long a test waits for what must come; it is not a measure of how soon it comes.
const patience = 20 * time.Second

func list(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func fixed(d time.Duration) *scenarios.Distribution { return &scenarios.Distribution{Fixed: &d} }

// platform is one tenant, t1, on two nodes.
func platform() *scenarios.Platform {
	return &scenarios.Platform{
		Name:        "small",
		Autoscaling: scenarios.Autoscaling{EndpointDelay: time.Millisecond},
		Pools:       []scenarios.NodePool{{Name: "vm", Count: 2, Capacity: list("4", "16Gi")}},
		Workloads: []scenarios.Workload{{
			Name: "antrag", Tenants: []string{"t1"}, Replicas: 1,
			Resources: corev1.ResourceRequirements{Requests: list("500m", "512Mi"), Limits: list("500m", "512Mi")},
			Start: scenarios.Start{
				Pull: fixed(30 * time.Millisecond), Start: fixed(20 * time.Millisecond), Ready: fixed(10 * time.Millisecond),
			},
			Steps: map[string]scenarios.Work{"submit": {CPU: *fixed(20 * time.Millisecond), Accepts: true}},
		}},
	}
}

// world is an agent beside an API server of objects alone; the test is scheduler and controllers.
type world struct {
	*Agent
	t      *testing.T
	client *fake.Clientset
	log    *lines
	uids   int
}

// lines is a journal that a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) of(t *testing.T, pod string) (entries []Entry) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	scanner := bufio.NewScanner(bytes.NewReader(l.text.Bytes()))
	for scanner.Scan() {
		var e Entry
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			t.Errorf("journal: %v in %s", err, scanner.Bytes())
		}
		if e.Pod == pod {
			entries = append(entries, e)
		}
	}
	return entries
}

// newWorld starts an agent over p with p's nodes ready, after the set-up.
func newWorld(t *testing.T, p *scenarios.Platform, edit ...func(*Config)) *world {
	t.Helper()
	client := fake.NewSimpleClientset()
	// A fake watch gives only what happens after it has begun: nothing may happen before.
	watching := make(chan struct{}, 100)
	client.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		w, err := client.Tracker().Watch(action.GetResource(), action.GetNamespace())
		watching <- struct{}{}
		return true, w, err
	})
	ctx, cancel := context.WithCancel(context.Background())
	log := &lines{}
	config := Config{Client: client, Platform: p, Log: log, Say: t.Logf, RenewEvery: 50 * time.Millisecond}
	for _, e := range edit {
		e(&config)
	}
	a, err := Start(ctx, config)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		a.Wait()
	})
	for range 3 {
		select {
		case <-watching:
		case <-time.After(patience):
			t.Fatal("the agent does not watch")
		}
	}
	w := &world{Agent: a, t: t, client: client, log: log}
	for _, ref := range p.Nodes() {
		w.addNode(ref)
	}
	w.Begin()
	return w
}

func (w *world) addNode(ref scenarios.NodeRef) {
	w.t.Helper()
	n := objects.Node(ref)
	n.UID = w.uid()
	if _, err := w.client.CoreV1().Nodes().Create(w.t.Context(), n, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	w.until("node "+ref.Name+" is ready", func() bool {
		n, err := w.client.CoreV1().Nodes().Get(w.t.Context(), ref.Name, metav1.GetOptions{})
		return err == nil && isTrue(n.Status.Conditions, corev1.NodeReady)
	})
}

func (w *world) uid() types.UID {
	w.uids++
	return types.UID(fmt.Sprintf("uid-%d", w.uids))
}

// until waits for what must come.
func (w *world) until(what string, so func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.log.mu.Lock()
			defer w.log.mu.Unlock()
			w.t.Fatalf("waited in vain: %s; journal:\n%s", what, w.log.text.String())
		}
	}
}

// bind makes a pod of t1 that the scheduler has bound.
func (w *world) bind(name, node string, edit func(*corev1.Pod)) *corev1.Pod {
	w.t.Helper()
	resources := w.config.Platform.Workloads[0].Resources
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "t1", Name: name, UID: w.uid(), Labels: map[string]string{objects.LabelTenant: "t1"}},
		Spec: corev1.PodSpec{
			NodeName: node, RestartPolicy: corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{Name: "antrag", Image: "ansturm.dev/antrag:lab", Resources: resources}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}},
	}
	if edit != nil {
		edit(p)
	}
	if _, err := w.client.CoreV1().Pods(p.Namespace).Create(w.t.Context(), p, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// get is a pod as it stands, nil if it is gone.
func (w *world) get(name string) *corev1.Pod {
	p, err := w.client.CoreV1().Pods("t1").Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return p
}

func (w *world) ready(name string) bool {
	p := w.get(name)
	return p != nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func (w *world) untilReady(name string) *corev1.Pod {
	w.t.Helper()
	w.until(name+" is ready", func() bool { return w.ready(name) })
	return w.get(name)
}

// hold has a slice hold these pods as ready, and others as not.
func (w *world) hold(ready, not []string) {
	w.t.Helper()
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "t1", Name: "antrag-1", Labels: map[string]string{discoveryv1.LabelServiceName: "antrag"}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, name := range slices.Concat(ready, not) {
		p := w.get(name)
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{p.Status.PodIP}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(slices.Contains(ready, name))},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "t1", Name: name, UID: p.UID},
		})
	}
	slices := w.client.DiscoveryV1().EndpointSlices("t1")
	if _, err := slices.Update(w.t.Context(), s, metav1.UpdateOptions{}); err != nil {
		if _, err := slices.Create(w.t.Context(), s, metav1.CreateOptions{}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// remove is the API server's part of a deletion: the object stays until the agent takes it away.
func (w *world) remove(name string, grace int64) {
	w.t.Helper()
	p := w.get(name)
	now := metav1.Now()
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &now, &grace
	if _, err := w.client.CoreV1().Pods("t1").Update(w.t.Context(), p, metav1.UpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) untilGone(name string) {
	w.t.Helper()
	w.until(name+" is gone", func() bool { return w.get(name) == nil && slices.Contains(stages(w.log.of(w.t, name)), StageDeleted) })
}

func stages(entries []Entry) (list []string) {
	for _, e := range entries {
		if e.Stage != StageStatus {
			list = append(list, e.Stage)
		}
	}
	return list
}
