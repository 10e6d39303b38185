package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/ansturm/ansturm/lab/kubernetes/audit"
	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
	"github.com/ansturm/ansturm/lab/kubernetes/objects"
)

// The platform of the tests: under the load that the test brings, half a core on two half cores, the autoscalers want more
// than the most, so that each tenant goes up from 2 to 3 pods and stays there.
const platform = `
name: small
kubernetes: "1.35"
autoscaling: {syncPeriod: 2s, metricResolution: 2s, housekeeping: 1s, metricLag: 100ms, nodeLossDetection: 4s}
pools:
  - name: vm
    count: 2
    capacity: {cpu: 8, memory: 32Gi}
    reserved: {cpu: 500m, memory: 2Gi}
    leadTime: 1s
    site: rz-1
workloads:
  - name: antrag
    tenants: [adorf, bstadt]
    resources: {requests: {cpu: 500m, memory: 256Mi}, limits: {cpu: 500m, memory: 256Mi}}
    replicas: 2
    hpa:
      minReplicas: 2
      maxReplicas: 3
      metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 20}}}]
      behavior: {scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 1, periodSeconds: 15}]}}
    start: {pull: {fixed: 200ms}, start: {fixed: 100ms}, ready: {fixed: 300ms}}
    steps: {submit: {cpu: {fixed: 20ms}, accepts: true}}
  - name: archiv
    tenants: [adorf-archiv]
    resources: {requests: {cpu: 100m}}
    replicas: 1
    start: {}
    steps: {form: {cpu: {fixed: 10ms}}}
`

// TestLab goes through a lab's life with one lab, as a start costs seconds: killed, started again over what the first left
// behind, looked at, disturbed, stopped.
func TestLab(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	dir := t.TempDir()
	file, state := filepath.Join(dir, "small.platform.yaml"), filepath.Join(dir, "state")
	if err := errors.Join(os.WriteFile(file, []byte(platform), 0o600), os.Mkdir(state, 0o700)); err != nil {
		t.Fatal(err)
	}
	killed := start(t, file, "--state", state)
	t.Run("a killed lab takes its API server along", func(t *testing.T) { killedTakesServer(t, killed) })

	config := filepath.Join(dir, "kubeconfig")
	p := start(t, file, "--state", state, "--kubeconfig", config, "--seed", "7", "--add-node", "vm@0s")
	defer fireEvery(t, 40*time.Millisecond, p.Targets["adorf"], p.Targets["bstadt"])()
	t.Run("the next start removes what it left", func(t *testing.T) {
		if _, err := os.Stat(killed.State); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", killed.State, err)
		}
		if p.Kubeconfig != config {
			t.Errorf("kubeconfig is %s, wanted %s", p.Kubeconfig, config)
		}
	})
	client := p.client(t, controlplane.Context)
	t.Run("nodes, pods and autoscalers are the platform's", func(t *testing.T) { platformStands(t, client) })
	t.Run("nothing listens off loopback", func(t *testing.T) { onlyLoopback(t, p) })
	t.Run("the observer may look and not touch", func(t *testing.T) { observerLooks(t, p.client(t, controlplane.ObserverContext)) })
	t.Run("the autoscaler scales, and the audit log tells", func(t *testing.T) { autoscales(t, client, p.Audit) })
	plan := manifestsOf(t, planned(t))
	t.Run("a plan's autoscalers pass a dry run, wrong ones do not", func(t *testing.T) { dryRuns(t, p, client, plan) })
	t.Run("a plan is applied, and what was there put back", func(t *testing.T) { appliedAndRestored(t, p, client, plan) })
	t.Run("a killed API server comes back, and watches go on", func(t *testing.T) { serverComesBack(t, p, client) })
	t.Run("a deleted namespace goes with all that is in it", func(t *testing.T) { namespaceGoes(t, client) })
	t.Run("a lost node's pods are replaced", func(t *testing.T) { nodeLost(t, client) })
	t.Run("SIGTERM leaves nothing behind", func(t *testing.T) {
		if code := p.end(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d, wanted 0", code)
		}
		left, err := os.ReadDir(state)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the state folder: %v %v", left, err)
		}
		if _, err := os.Stat(config); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the kubeconfig is still there: %v", err)
		}
		if alive(p.ServerPID) {
			t.Error("the API server is still there")
		}
	})
}

func killedTakesServer(t *testing.T, p *process) {
	if !alive(p.ServerPID) {
		t.Fatal("there was no API server")
	}
	p.end(syscall.SIGKILL)
	eventually(t, "API server's end", func(context.Context) error {
		if alive(p.ServerPID) {
			return errors.New("the API server outlives its parent")
		}
		return nil
	})
	if _, err := os.Stat(p.State); err != nil {
		t.Errorf("a killed lab should leave its state folder for the next start to find: %v", err)
	}
}

// alive says whether a process runs; one that is dead and not yet waited for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func platformStands(t *testing.T, client kubernetes.Interface) {
	ctx := t.Context()
	eventually(t, "the ordered node", func(ctx context.Context) error {
		_, err := client.CoreV1().Nodes().Get(ctx, "vm-3", metav1.GetOptions{})
		return err
	})
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: objects.LabelPool + "=vm"})
	if err != nil || len(nodes.Items) != 3 {
		t.Fatalf("%d nodes (%v), wanted two and the ordered one", len(nodes.Items), err)
	}
	free := nodes.Items[0].Status.Allocatable
	if got := free.Cpu().String() + " " + free.Memory().String() + " " + free.Pods().String(); got != "7500m 30Gi 110" {
		t.Errorf("allocatable is %s, wanted capacity less reservation, 7500m 30Gi 110", got)
	}
	hpa, err := client.AutoscalingV2().HorizontalPodAutoscalers("adorf").Get(ctx, "antrag", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if *hpa.Spec.MinReplicas != 2 || hpa.Spec.MaxReplicas != 3 || *hpa.Spec.Metrics[0].Resource.Target.AverageUtilization != 20 ||
		hpa.Spec.ScaleTargetRef != (autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "antrag"}) {
		t.Errorf("the autoscaler is not the platform's: %+v", hpa.Spec)
	}
	namespace, err := client.CoreV1().Namespaces().Get(ctx, "adorf", metav1.GetOptions{})
	if err != nil || namespace.Labels[objects.LabelConsent] != objects.ConsentAllowed {
		t.Errorf("the namespace gives no consent: %v %v", namespace.Labels, err)
	}
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: objects.LabelTenant + "=adorf-archiv"})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("%d pods of adorf-archiv (%v), wanted one", len(pods.Items), err)
	}
	if pod := pods.Items[0]; pod.Status.Phase != corev1.PodRunning || !strings.HasPrefix(pod.Spec.NodeName, "vm-") || !strings.HasPrefix(pod.Status.PodIP, "198.1") {
		t.Errorf("pod %s on %q with address %q", pod.Status.Phase, pod.Spec.NodeName, pod.Status.PodIP)
	}
}

func observerLooks(t *testing.T, client kubernetes.Interface) {
	ctx := t.Context()
	if _, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("may not list pods: %v", err)
	}
	if err := client.CoreV1().RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/pods").Do(ctx).Error(); err != nil {
		t.Errorf("may not read metrics: %v", err)
	}
	if err := client.CoreV1().Namespaces().Delete(ctx, "adorf", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("deleting a namespace: %v, wanted forbidden", err)
	}
	if _, err := client.CoreV1().Secrets("").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing secrets: %v, wanted forbidden", err)
	}
}

// autoscales waits for the real controller, fed by metrics.k8s.io, to go to 3 pods, and reads who did it from the audit log.
func autoscales(t *testing.T, client kubernetes.Interface, log string) {
	eventually(t, "three pods", func(ctx context.Context) error {
		d, err := client.AppsV1().Deployments("adorf").Get(ctx, "antrag", metav1.GetOptions{})
		if err == nil && d.Status.ReadyReplicas != 3 {
			err = fmt.Errorf("%d pods are ready", d.Status.ReadyReplicas)
		}
		return err
	})
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	writes, err := audit.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, w := range audit.Changes(writes) {
		if w.Resource == "deployments" && w.Namespace == "adorf" {
			told = append(told, fmt.Sprintf("%s %d", w.User, w.Replicas))
		}
	}
	wanted := []string{"ansturm:admin 2", "system:serviceaccount:kube-system:horizontal-pod-autoscaler 3"}
	if !reflect.DeepEqual(told, wanted) {
		t.Errorf("the audit log tells %q, wanted %q", told, wanted)
	}
}

// serverComesBack kills the API server under an informer, which must then see what happens after.
func serverComesBack(t *testing.T, p *process, client kubernetes.Interface) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan struct{}, 1)
	factory := informers.NewSharedInformerFactory(client, 0)
	_, err := factory.Core().V1().Namespaces().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(_, object any) {
		if object.(*corev1.Namespace).Annotations["test"] == "after" {
			select {
			case seen <- struct{}{}:
			default:
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if err := syscall.Kill(p.ServerPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the API server's return", func(ctx context.Context) error {
		_, err := client.CoreV1().Namespaces().Patch(ctx, "adorf", types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"test":"after"}}}`), metav1.PatchOptions{})
		return err
	})
	select {
	case <-seen:
	case <-time.After(time.Minute):
		t.Error("the informer never saw the change")
	}
	if alive(p.ServerPID) || !strings.Contains(p.stderr.String(), "started again") {
		t.Errorf("it was not another API server; the lab said:\n%s", p.stderr)
	}
}

// nodeLost marks a node that has pods as lost: all its pods must be replaced on others.
func nodeLost(t *testing.T, client kubernetes.Interface) {
	pods, err := client.CoreV1().Pods("adorf").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) == 0 {
		t.Fatalf("no pods: %v", err)
	}
	lost := pods.Items[0].Spec.NodeName
	body := fmt.Sprintf(`{"metadata":{"annotations":{%q:"now"}}}`, objects.AnnotationLost)
	if _, err := client.CoreV1().Nodes().Patch(t.Context(), lost, types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replacement", func(ctx context.Context) error {
		pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: objects.LabelTenant})
		if err != nil {
			return err
		}
		elsewhere := 0
		for _, pod := range pods.Items {
			if pod.Spec.NodeName != lost && pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
				elsewhere++
			}
		}
		if elsewhere != 6 {
			return fmt.Errorf("%d pods run elsewhere, wanted 3 and 3", elsewhere)
		}
		return nil
	})
}

// namespaceGoes deletes a tenant as a user would: controllers of the second stage empty its namespace. (Once a node is lost
// they could not: as in a cluster, its pods stay until the Node is deleted.)
func namespaceGoes(t *testing.T, client kubernetes.Interface) {
	if err := client.CoreV1().Namespaces().Delete(t.Context(), "adorf-archiv", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace's end", func(ctx context.Context) error {
		left, err := client.CoreV1().Namespaces().Get(ctx, "adorf-archiv", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is still there: %+v %w", left.Status, err)
	})
}
