package place

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/cluster/clustertest"
)

const (
	run     = "0123456789abcdef"
	jobName = "ansturm-" + run
)

// newJob is a placement at a server of the test's own.
func newJob(t *testing.T, s *clustertest.Server, edit func(*JobConfig)) *Job {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(s.Kubeconfig("test", "token: abc")), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := cluster.Connect(t.Context(), cluster.Config{Kubeconfig: file})
	if err != nil {
		t.Fatal(err)
	}
	c := JobConfig{
		Worker: Worker{Join: "tls://bus:4222", TokenFile: tokenIn(t.TempDir())}, Client: client, Namespace: "load", Run: run, Image: "ansturm:1", Lasts: time.Minute,
	}
	if edit != nil {
		edit(&c)
	}
	j, err := NewJob(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what a test leaves is left
		_ = j.Stop(ctx)
	})
	return j
}

func made(t *testing.T, s *clustertest.Server) (*batchv1.Job, *corev1.Secret) {
	t.Helper()
	job, _ := s.Get("jobs", "load", jobName).(*batchv1.Job)
	secret, _ := s.Get("secrets", "load", jobName).(*corev1.Secret)
	return job, secret
}

func TestJobIsSuspendedUntilItsSecretIsThere(t *testing.T) {
	s := clustertest.Start(t)
	var order []string
	s.Hook(func(r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		job, secret := made(t, s)
		state := "no Job"
		if job != nil {
			state = map[bool]string{true: "suspended", false: "begun"}[*job.Spec.Suspend]
		}
		if secret != nil {
			state += ", Secret"
		}
		order = append(order, r.Method+" "+filepath.Base(r.URL.Path)+": "+state)
	})
	j := newJob(t, s, nil)
	if err := j.Start(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	want := []string{"POST jobs: no Job", "POST secrets: suspended", "PATCH " + jobName + ": suspended, Secret"}
	if !slices.Equal(order, want) {
		t.Errorf("in the order %q, want %q", order, want)
	}
	job, held := made(t, s)
	if *job.Spec.Suspend || *job.Spec.Completions != 3 || *job.Spec.Parallelism != 3 {
		t.Errorf("the Job is %+v", job.Spec)
	}
	owner := []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: jobName, UID: job.UID}}
	if !reflect.DeepEqual(held.OwnerReferences, owner) || string(held.Data[tokenFile]) != secret {
		t.Errorf("the Secret is %+v", held)
	}
	if text, _ := json.Marshal(job); strings.Contains(string(text), secret) {
		t.Error("the Job holds the token")
	}
}

func TestWorkersOfAJob(t *testing.T) {
	s := clustertest.Start(t)
	j := newJob(t, s, func(c *JobConfig) {
		c.Args = []string{"--shards", "2"}
		c.NodeSelector = map[string]string{"pool": "load"}
		c.Tolerations = []corev1.Toleration{{Key: "load", Operator: corev1.TolerationOpExists}}
	})
	if err := j.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	job, _ := made(t, s)
	if *job.Spec.ActiveDeadlineSeconds != 660 || *job.Spec.TTLSecondsAfterFinished != 600 || *job.Spec.PodReplacementPolicy != batchv1.Failed {
		t.Errorf("its limits are %+v", job.Spec)
	}
	pod := job.Spec.Template.Spec
	args := "worker --join tls://bus:4222 --token-file /run/ansturm/token --name $(POD_NAME) --state /var/lib/ansturm/journal --shards 2"
	if got := strings.Join(pod.Containers[0].Args, " "); got != args {
		t.Errorf("its arguments are %q, want %q", got, args)
	}
	r := pod.Containers[0].Resources
	if r.Requests.Cpu().String() != "1" || !r.Limits.Cpu().IsZero() || r.Limits.Memory().String() != "1Gi" || r.Requests.Memory().String() != "1Gi" {
		t.Errorf("its resources are %+v", r)
	}
	if pod.NodeSelector["pool"] != "load" || len(pod.Tolerations) != 1 || len(pod.TopologySpreadConstraints) != 1 {
		t.Errorf("where it runs: %v, %v, %v", pod.NodeSelector, pod.Tolerations, pod.TopologySpreadConstraints)
	}
}

// pod is one of the Job's, with its container in some state.
func pod(name string, phase corev1.PodPhase, state corev1.ContainerState) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "load", Name: name, Labels: map[string]string{LabelRun: run}},
		Spec:       corev1.PodSpec{NodeName: "vm-1"},
		Status:     corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{Name: container, State: state}}},
	}
}

func TestOnlyATerminatedContainerProvesADeath(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: 137, Message: "last words"}}
	}
	s := clustertest.Start(t)
	j := newJob(t, s, nil)
	s.Put("pods", pod("before", corev1.PodFailed, ended("Error")))
	if err := j.Start(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if d := death(t, j); d.Name != "before" {
		t.Errorf("the first to be told is %+v, want what was there before", d)
	}
	for _, p := range []*corev1.Pod{
		pod("collected", corev1.PodFailed, running), // the pod garbage collector says so of a pod whose node is gone
		pod("guessed", corev1.PodFailed, ended("ContainerStatusUnknown")),
		pod("deleted", corev1.PodRunning, running),
		pod("killed", corev1.PodFailed, ended("OOMKilled")),
		pod("killed", corev1.PodSucceeded, ended("OOMKilled")), // told once
	} {
		s.Put("pods", p)
	}
	s.Delete("pods", "load", "deleted")
	stranger := pod("stranger", corev1.PodFailed, ended("Error"))
	stranger.Labels = nil
	s.Put("pods", stranger)
	s.Put("pods", pod("last", corev1.PodSucceeded, ended("Completed")))
	var told []string
	for range 2 {
		d := death(t, j)
		told = append(told, d.Name+": "+d.Why)
	}
	want := []string{
		"killed: OOMKilled, exit code 137, on node vm-1: last words", "last: Completed, exit code 137, on node vm-1: last words",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told were %q, want %q", told, want)
	}
}

func TestWhatKeepsWorkersFromStartingIsToldOnce(t *testing.T) {
	waiting := func(reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	said := make(chan string, 10)
	s := clustertest.Start(t)
	j := newJob(t, s, func(c *JobConfig) { c.Say = func(line string) { said <- line } })
	if err := j.Start(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	unscheduled := pod("a", corev1.PodPending, corev1.ContainerState{})
	unscheduled.Status.ContainerStatuses = nil
	unscheduled.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/2 nodes are available"},
	}
	leaving := pod("d", corev1.PodPending, waiting("CreateContainerError", "no such file"))
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	for _, p := range []*corev1.Pod{
		unscheduled,
		pod("a", corev1.PodPending, waiting("ContainerCreating", "")),
		pod("b", corev1.PodPending, waiting("ImagePullBackOff", "Back-off pulling image")),
		pod("c", corev1.PodPending, waiting("ImagePullBackOff", "Back-off pulling image")),
		leaving,
		pod("a", corev1.PodFailed, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}),
	} {
		s.Put("pods", p)
	}
	if d := death(t, j); d.Name != "a" || d.Done {
		t.Errorf("told was %+v", d)
	}
	close(said)
	var lines []string
	for line := range said {
		lines = append(lines, line)
	}
	want := []string{
		"worker a does not start: Unschedulable: 0/2 nodes are available", "worker b does not start: ImagePullBackOff: Back-off pulling image",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("said was %q, want %q", lines, want)
	}
}

func TestJobOfAnEarlierCoordinator(t *testing.T) {
	s := clustertest.Start(t)
	s.Deny("create secrets")
	if err := newJob(t, s, nil).Start(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "make the Secret in namespace load") {
		t.Fatalf("without the right to make a Secret: %v", err)
	}
	// It died there. Who comes back may do more.
	if job, secret := made(t, s); job == nil || secret != nil || !*job.Spec.Suspend {
		t.Fatalf("left behind are %v and %v, want a suspended Job without pods", job, secret)
	}
	s = clustertest.Start(t)
	if err := newJob(t, s, nil).Start(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	again := newJob(t, s, nil)
	if err := again.Start(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if job, _ := made(t, s); *job.Spec.Completions != 3 || *job.Spec.Suspend {
		t.Errorf("the Job is %+v, want the one that was there", job.Spec)
	}
	ended, _ := made(t, s)
	ended.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "DeadlineExceeded"}}
	s.Put("jobs", ended)
	if err := newJob(t, s, nil).Start(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "has ended (Failed: DeadlineExceeded)") {
		t.Errorf("a Job that is over: %v", err)
	}
}

func TestJobOfSomebodyElseIsLeftAlone(t *testing.T) {
	s := clustertest.Start(t)
	s.Put("jobs", &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "load", Name: jobName}})
	j := newJob(t, s, nil)
	if err := j.Start(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "is not this run's") {
		t.Errorf("it has our name: %v", err)
	}
	if err := j.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if job, secret := made(t, s); job == nil || secret != nil {
		t.Errorf("there are %v and %v, want the Job alone, as it was", job, secret)
	}
}

func TestStopRemovesAll(t *testing.T) {
	s := clustertest.Start(t)
	j := newJob(t, s, nil)
	if err := j.Start(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	job, _ := made(t, s)
	for _, name := range []string{"a", "b"} {
		p := pod(name, corev1.PodRunning, corev1.ContainerState{})
		p.OwnerReferences = []metav1.OwnerReference{{Name: jobName, UID: job.UID}}
		s.Put("pods", p)
	}
	if err := j.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d, more := <-j.Deaths(); more {
		t.Errorf("told of %+v: nobody knows how it ended", d)
	}
	if job, secret := made(t, s); job != nil || secret != nil || s.Get("pods", "load", "a") != nil {
		t.Errorf("left are %v, %v", job, secret)
	}
	if err := j.Stop(t.Context()); err != nil {
		t.Errorf("once more: %v", err)
	}
	if err := newJob(t, s, nil).Stop(t.Context()); err != nil {
		t.Errorf("of what was never started: %v", err)
	}
}

func TestStopSaysWhatIsLeft(t *testing.T) {
	s := clustertest.Start(t)
	j := newJob(t, s, nil)
	s.Put("pods", pod("orphan", corev1.PodRunning, corev1.ContainerState{}))
	if err := j.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.awaitNone(ctx); err == nil || !strings.Contains(err.Error(), "1 of its pods still there") {
		t.Errorf("a pod that does not go: %v", err)
	}
}

func TestNothingIsMadeThatMayNotBeWatched(t *testing.T) {
	s := clustertest.Start(t)
	s.Deny("pods")
	s.Deny("delete jobs")
	j := newJob(t, s, nil)
	if err := j.Start(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "watch pods in namespace load") {
		t.Errorf("without the right to look at pods: %v", err)
	}
	if err := j.Stop(t.Context()); err != nil {
		t.Errorf("there is nothing to remove, and yet: %v", err)
	}
	if job, _ := made(t, s); job != nil {
		t.Error("a Job was made all the same")
	}
}

func TestJobConfigSaysWhatIsWrong(t *testing.T) {
	good := newJob(t, clustertest.Start(t), nil).config
	for want, edit := range map[string]func(*JobConfig){
		"an address to join, and a token": func(c *JobConfig) { c.TokenFile = "" },
		"a namespace and an image":        func(c *JobConfig) { c.Image = "" },
		`run "Up" is not`:                 func(c *JobConfig) { c.Run = "Up" },
		"needs an end":                    func(c *JobConfig) { c.Lasts = 0 },
	} {
		c := good
		edit(&c)
		if _, err := NewJob(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it to say %q", err, want)
		}
	}
}
