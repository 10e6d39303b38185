package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/fleet/place"
)

// A platform as small as can be, with room for a fleet.
const fleetPlatform = `
name: fleet
kubernetes: "1.35"
pools: [{name: vm, count: 2, capacity: {cpu: 8, memory: 32Gi}}]
workloads: [{name: w, tenants: [t], resources: {requests: {cpu: 100m}}, replicas: 1, start: {}, steps: {form: {cpu: {fixed: 1ms}}}}]
`

// seen is what a worker of the test tells of itself.
type seen struct {
	Name, Index, Token string
	Pid                int
}

// work is a worker that says what it was given, and ends with 0 when it is asked to or the test says that the run is over.
func work(args []string) int {
	get := func(flag string) string { return args[slices.Index(args, flag)+1] }
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	token, err := os.ReadFile(get("--token-file"))
	if err == nil {
		err = os.MkdirAll(get("--state"), 0o700)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if slices.Contains(args, "--refuse") {
		fmt.Println("refused: of another version")
		return place.ExitRefused
	}
	name, dir := get("--name"), get("--seen")
	text, _ := json.Marshal(seen{name, os.Getenv("JOB_COMPLETION_INDEX"), string(token), os.Getpid()})
	young := filepath.Join(dir, "."+name)
	if err := errors.Join(os.WriteFile(young, text, 0o600), os.Rename(young, filepath.Join(dir, name))); err != nil {
		return 1
	}
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-ended:
			return 0
		case <-tick.C:
			if _, err := os.Stat(filepath.Join(dir, "over")); err == nil {
				return 0
			}
		}
	}
}

// fleet is a Job under test.
type fleet struct {
	*place.Job
	dir string
}

func newFleet(t *testing.T, client *cluster.Client, run string, args ...string) *fleet {
	t.Helper()
	dir, token := t.TempDir(), filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("the-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	job, err := place.NewJob(place.JobConfig{
		Worker: place.Worker{Join: "tls://127.0.0.1:1", TokenFile: token, Args: append(args, "--seen", dir)},
		Client: client, Namespace: controlplane.FleetNamespace, Run: run, Image: "ansturm:test", Lasts: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = job.Stop(context.WithoutCancel(t.Context())) })
	return &fleet{job, dir}
}

// workers are those that have told of themselves, by index.
func (f *fleet) workers(t *testing.T, n int) (all []seen) {
	t.Helper()
	eventually(t, "the workers are there", func(context.Context) error {
		files, err := os.ReadDir(f.dir)
		if err != nil {
			return err
		}
		all = nil
		for _, file := range files {
			var one seen
			text, err := os.ReadFile(filepath.Join(f.dir, file.Name()))
			if err == nil && json.Unmarshal(text, &one) == nil && !strings.HasPrefix(file.Name(), ".") {
				all = append(all, one)
			}
		}
		if len(all) != n {
			return fmt.Errorf("there are %d of %d", len(all), n)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b seen) int { return strings.Compare(a.Index, b.Index) })
	return all
}

// gone waits until nothing is left of the fleet in the cluster.
func (f *fleet) gone(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	eventually(t, "Job, Secret and pods are gone", func(ctx context.Context) error {
		_, err := client.BatchV1().Jobs(controlplane.FleetNamespace).Get(ctx, f.Name(), metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("the Job: %w", err)
		}
		_, err = client.CoreV1().Secrets(controlplane.FleetNamespace).Get(ctx, f.Name(), metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("the Secret: %w", err)
		}
		pods, err := client.CoreV1().Pods(controlplane.FleetNamespace).List(ctx, metav1.ListOptions{})
		if err != nil || len(pods.Items) > 0 {
			return fmt.Errorf("%d pods, %w", len(pods.Items), err)
		}
		return nil
	})
}

// TestFleetOfProcesses runs a fleet's Job at the unmodified Job controller, under no more rights than a user is told to grant,
// in a namespace that enforces the restricted Pod Security Standard.
func TestFleetOfProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "fleet.platform.yaml")
	if err := os.WriteFile(file, []byte(fleetPlatform), 0o600); err != nil {
		t.Fatal(err)
	}
	lab := start(t, file, "--state", dir, "--image", "ansturm:test="+self(t))
	admin := lab.client(t, controlplane.Context)
	client, err := cluster.Connect(t.Context(), cluster.Config{Kubeconfig: lab.Kubeconfig, Context: controlplane.FleetContext})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the fleet's user may do no more than it needs", func(t *testing.T) { fleetMayLittle(t, lab.client(t, controlplane.FleetContext)) })
	t.Run("a pod that is not restricted is refused", func(t *testing.T) { onlyRestricted(t, admin) })
	t.Run("three workers, one of which is killed, end; all goes by its time to live", func(t *testing.T) { fleetEnds(t, client, admin) })
	t.Run("a worker that is refused ends the Job", func(t *testing.T) { fleetRefused(t, client, admin) })
	t.Run("a fleet that is stopped leaves nothing", func(t *testing.T) { fleetStops(t, lab, client, admin) })
}

func fleetMayLittle(t *testing.T, client kubernetes.Interface) {
	for what, try := range map[string]func(string) error{
		"list secrets": func(ns string) error {
			_, err := client.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
			return err
		},
		"read its own Secret": func(ns string) error {
			_, err := client.CoreV1().Secrets(ns).Get(t.Context(), "ansturm-a", metav1.GetOptions{})
			return err
		},
		"delete a pod": func(ns string) error {
			return client.CoreV1().Pods(ns).Delete(t.Context(), "p", metav1.DeleteOptions{})
		},
		"see pods elsewhere": func(string) error {
			_, err := client.CoreV1().Pods("t").List(t.Context(), metav1.ListOptions{})
			return err
		},
	} {
		if err := try(controlplane.FleetNamespace); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v, want forbidden", what, err)
		}
	}
}

func onlyRestricted(t *testing.T, client kubernetes.Interface) {
	eventually(t, "the namespace's service account", func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(controlplane.FleetNamespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	_, err := client.CoreV1().Pods(controlplane.FleetNamespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "plain"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("%v, want it to be refused by PodSecurity", err)
	}
}

func fleetEnds(t *testing.T, client *cluster.Client, admin kubernetes.Interface) {
	f := newFleet(t, client, "a")
	if err := f.Start(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	all := f.workers(t, 3)
	for i, w := range all {
		if w.Index != fmt.Sprint(i) || w.Token != "the-token" || !strings.HasPrefix(w.Name, "ansturm-a-"+w.Index+"-") {
			t.Errorf("worker %d: %+v", i, w)
		}
		for _, what := range []string{"cmdline", "environ"} {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", w.Pid, what)); err != nil || strings.Contains(string(text), "the-token") {
				t.Errorf("%s of worker %d holds the token, or cannot be read: %v", what, i, err)
			}
		}
	}
	if err := syscall.Kill(all[1].Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-f.Deaths():
		if d.Name != all[1].Name || !strings.HasPrefix(d.Why, "Error, exit code 137, on node vm-") {
			t.Errorf("told was %+v, killed was %s", d, all[1].Name)
		}
	case <-time.After(time.Minute):
		t.Fatal("its death is not told")
	}
	f.workers(t, 4) // the Job controller has replaced it
	if err := os.WriteFile(filepath.Join(f.dir, "over"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	jobs := admin.BatchV1().Jobs(controlplane.FleetNamespace)
	eventually(t, "all three indexes are completed", func(ctx context.Context) error {
		job, err := jobs.Get(ctx, f.Name(), metav1.GetOptions{})
		if err == nil && (job.Status.CompletedIndexes != "0-2" || job.Status.CompletionTime == nil) {
			err = fmt.Errorf("completed are %q: %+v", job.Status.CompletedIndexes, job.Status.Conditions)
		}
		return err
	})
	_, err := jobs.Patch(t.Context(), f.Name(), types.MergePatchType, []byte(`{"spec":{"ttlSecondsAfterFinished":0}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.gone(t, admin)
}

func fleetRefused(t *testing.T, client *cluster.Client, admin kubernetes.Interface) {
	f := newFleet(t, client, "c", "--refuse")
	if err := f.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-f.Deaths():
		if !strings.HasPrefix(d.Why, "Error, exit code 64, on node vm-") || !strings.HasSuffix(d.Why, ": refused: of another version") {
			t.Errorf("told was %+v", d)
		}
	case <-time.After(time.Minute):
		t.Fatal("its end is not told")
	}
	eventually(t, "the Job fails", func(ctx context.Context) error {
		job, err := admin.BatchV1().Jobs(controlplane.FleetNamespace).Get(ctx, f.Name(), metav1.GetOptions{})
		if err == nil && !slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
			return c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue && c.Reason == batchv1.JobReasonPodFailurePolicy
		}) {
			err = fmt.Errorf("its conditions are %+v", job.Status.Conditions)
		}
		return err
	})
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.gone(t, admin)
}

func fleetStops(t *testing.T, lab *process, client *cluster.Client, admin kubernetes.Interface) {
	f := newFleet(t, client, "b")
	if err := f.Start(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	all := f.workers(t, 2)
	if err := f.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.gone(t, admin)
	for _, w := range all {
		if alive(w.Pid) {
			t.Errorf("worker %s still runs", w.Name)
		}
	}
	eventually(t, "their volumes are gone", func(context.Context) error {
		left, err := os.ReadDir(filepath.Join(lab.State, "pods"))
		if err != nil || len(left) > 0 {
			return fmt.Errorf("left are %v, %w", left, err)
		}
		return nil
	})
}
