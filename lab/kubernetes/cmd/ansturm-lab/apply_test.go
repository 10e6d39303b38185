package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	k8sscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/observe"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
)

// The surge that the tests' plan is made for.
const surge = `
name: small
arrivals: {total: 300, over: 10s, curve: [{kind: constant}]}
tenants: {list: [{name: adorf}, {name: bstadt}]}
journeys: [{name: j, steps: [{name: submit, method: POST, url: /, headers: {Idempotency-Key: "{{seq}}"}}]}]
slos: [{step: submit, percentile: 95, within: 2s, errors: 0.01, tenant: all}]
`

// planned makes a plan for the tests' platform and gives its directory.
func planned(t *testing.T) string {
	t.Helper()
	s, err := scenarios.Parse("small.yaml", []byte(surge), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(platform, "  - name: archiv")
	p, err := scenarios.ParsePlatform("small.platform.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := planner.Search(t.Context(), nil, s, p, planner.Options{Delta: 0.1, Worlds: 32, LoseNodes: new(0)})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := plan.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// manifestsOf are the autoscalers that a plan wrote.
func manifestsOf(t *testing.T, plan string) (all [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(plan, "hpa", "*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("autoscalers %q (%v), want one for each of two tenants", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

func connected(t *testing.T, p *process) *cluster.Client {
	t.Helper()
	c, err := cluster.Connect(t.Context(), cluster.Config{Kubeconfig: p.Kubeconfig, Context: controlplane.Context})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dryRuns has the real API server check every autoscaler of a plan, as they are and made wrong. Nothing may change by that.
func dryRuns(t *testing.T, p *process, client kubernetes.Interface, plan [][]byte) {
	c := connected(t, p)
	before := autoscalersOf(t, client)
	saved, err := c.Prepare(t.Context(), plan, time.Now())
	if err != nil {
		t.Fatalf("the API server does not take the plan: %v", err)
	}
	for _, a := range saved.Autoscalers {
		if a.Before == nil || a.Before.MaxReplicas != 3 || a.Applied.Behavior == nil || *a.Applied.MinReplicas > a.Applied.MaxReplicas {
			t.Errorf("%s: before %+v, would be %+v", &a, a.Before, a.Applied)
		}
	}
	for name, change := range map[string][2]string{
		"min above max": {"minReplicas:", "minReplicas: 9999 #"}, "an unknown field": {"maxReplicas:", "most: 1\n  maxReplicas:"},
		"no replicas": {"maxReplicas:", "maxReplicas: 0 #"},
	} {
		for _, manifest := range plan {
			wrong := bytes.Replace(manifest, []byte(change[0]), []byte(change[1]), 1)
			if bytes.Equal(wrong, manifest) {
				t.Fatalf("%s: there is no %s in\n%s", name, change[0], manifest)
			}
			if _, err := c.Prepare(t.Context(), [][]byte{wrong}, time.Now()); err == nil {
				t.Errorf("%s was taken:\n%s", name, wrong)
			}
		}
	}
	if after := autoscalersOf(t, client); !slices.Equal(before, after) {
		t.Errorf("the dry runs changed something:\n%q\n%q", before, after)
	}
}

// autoscalersOf are the tests' autoscalers with all that a restoration must bring back: spec, and whose fields they are.
func autoscalersOf(t *testing.T, client kubernetes.Interface) (all []string) {
	t.Helper()
	for _, ns := range []string{"adorf", "bstadt"} {
		h, err := client.AutoscalingV2().HorizontalPodAutoscalers(ns).Get(t.Context(), "antrag", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h.Spec.String())
		for _, m := range h.ManagedFields {
			if m.Subresource == "" { // the status has a manager of its own, who goes on writing
				all = append(all, ns+" "+m.Manager+" "+string(m.Operation)+" "+m.FieldsV1.String())
			}
		}
	}
	return all
}

// appliedAndRestored applies a plan and puts back what was there: twice, the second time with an autoscaler that somebody
// has changed meanwhile, which must be left alone, and one that is gone.
func appliedAndRestored(t *testing.T, p *process, client kubernetes.Interface, plan [][]byte) {
	c, ctx := connected(t, p), t.Context()
	before := autoscalersOf(t, client)
	saved, err := c.Prepare(ctx, plan, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(ctx, saved); err != nil {
		t.Fatal(err)
	}
	for _, a := range saved.Autoscalers {
		h, err := client.AutoscalingV2().HorizontalPodAutoscalers(a.Namespace).Get(ctx, a.Name, metav1.GetOptions{})
		if err != nil || h.Spec.MaxReplicas != a.Applied.MaxReplicas || !slices.ContainsFunc(h.ManagedFields, func(m metav1.ManagedFieldsEntry) bool {
			return m.Manager == cluster.FieldManager && m.Operation == metav1.ManagedFieldsOperationApply
		}) {
			t.Errorf("%s was not applied: %v %+v", &a, err, h)
		}
	}
	if err := c.Restore(ctx, saved); err != nil {
		t.Fatal(err)
	}
	if after := autoscalersOf(t, client); !slices.Equal(before, after) {
		t.Errorf("it is not as it was:\n%q\n%q", before, after)
	}
	if err := c.Restore(ctx, saved); err != nil {
		t.Errorf("restored again: %v", err)
	}
	if err := c.Apply(ctx, saved); err != nil {
		t.Fatal(err)
	}
	const theirs = 77
	changed := changeMost(t, client, "adorf", theirs)
	if err := c.Restore(ctx, saved); !errors.Is(err, cluster.ErrChanged) || !strings.Contains(err.Error(), "adorf/antrag") || strings.Contains(err.Error(), "bstadt") {
		t.Errorf("somebody has changed adorf's autoscaler: %v", err)
	}
	if h, err := client.AutoscalingV2().HorizontalPodAutoscalers("adorf").Get(ctx, "antrag", metav1.GetOptions{}); err != nil || h.Spec.MaxReplicas != theirs {
		t.Errorf("their change to %d is gone: %v %+v", changed.Spec.MaxReplicas, err, h)
	}
	changeMost(t, client, "adorf", saved.Autoscalers[0].Applied.MaxReplicas)
	if err := c.Restore(ctx, saved); err != nil {
		t.Fatal(err)
	}
	if after := autoscalersOf(t, client); !slices.Equal(before, after) {
		t.Errorf("it is not as it was:\n%q\n%q", before, after)
	}
}

// changeMost writes another maximum, as a user would.
func changeMost(t *testing.T, client kubernetes.Interface, ns string, most int32) (h *autoscalingv2.HorizontalPodAutoscaler) {
	t.Helper()
	api := client.AutoscalingV2().HorizontalPodAutoscalers(ns)
	for range 10 {
		var err error
		if h, err = api.Get(t.Context(), "antrag", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		h.Spec.MaxReplicas = most
		if h, err = api.Update(t.Context(), h, metav1.UpdateOptions{}); err == nil {
			return h
		}
	}
	t.Fatal("the autoscaler could not be changed")
	return nil
}

// TestVerify fires a plan at a real control plane by the program itself: whatever the verdict, the plan's autoscalers were
// there during the run, and afterwards all is as it was.
func TestVerify(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane and fires")
	}
	dir := t.TempDir()
	file, out := filepath.Join(dir, "small.platform.yaml"), filepath.Join(dir, "out")
	if err := os.WriteFile(file, []byte(platform), 0o600); err != nil {
		t.Fatal(err)
	}
	p, plan := start(t, file, "--kubeconfig", filepath.Join(dir, "kubeconfig")), planned(t)
	client := p.client(t, controlplane.Context)
	before := autoscalersOf(t, client)
	fire := exec.Command(buildAnsturm(t), "verify", plan, "--kubeconfig", restricted(t, p, client), "--kube-context", "restricted", "--apply", "--linger", "0s", "-o", out)
	text, err := fire.CombinedOutput()
	if code := fire.ProcessState.ExitCode(); code == 2 || code == 5 || code < 0 { // else it is the verdict, and this machine may be busy
		t.Fatalf("verify: %v\n%s", err, text)
	}
	rec, err := record.Open(filepath.Join(out, "plan"))
	if err != nil {
		t.Fatal(err)
	}
	if account, err := rec.Account(); err != nil || account.Ledger.Completed == 0 || !rec.Run.Complete() {
		t.Errorf("the record: %v %+v", err, account)
	}
	wrote, err := planner.LoadPlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range wrote.Tenants {
		if w := rec.Run.Platform.WorkloadOf(tenant.Tenant); w == nil || w.HPA == nil || w.HPA.MaxReplicas != tenant.HPA.MaxReplicas || *w.HPA.MinReplicas != *tenant.HPA.MinReplicas {
			t.Errorf("%s was fired at with %+v, the plan has %+v", tenant.Tenant, w, tenant.HPA)
		}
	}
	if v, err := planner.LoadVerification(plan); err != nil || len(v.Comparisons) == 0 {
		t.Errorf("the verification: %v %+v", err, v)
	}
	// The replicas are put back too, and are the autoscalers' own again: the surge's CPU may let these scale at once.
	if after := autoscalersOf(t, client); !slices.Equal(before, after) {
		t.Errorf("it is not as it was:\n%q\n%q\n%s", before, after, text)
	}
}

// restricted is a kubeconfig, with a context of that name, of somebody who has just the rights that ansturm rbac --verify
// prints.
func restricted(t *testing.T, p *process, client kubernetes.Interface) string {
	t.Helper()
	ctx := t.Context()
	for doc := range strings.SplitSeq(observe.RBAC+"---\n"+cluster.RBAC, "\n---\n") {
		object, _, err := k8sscheme.Codecs.UniversalDeserializer().Decode([]byte(doc), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		switch o := object.(type) {
		case *corev1.Namespace:
			_, err = client.CoreV1().Namespaces().Create(ctx, o, metav1.CreateOptions{})
		case *corev1.ServiceAccount:
			_, err = client.CoreV1().ServiceAccounts(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
		case *rbacv1.ClusterRole: // the lab has an observer of that name
			o.Name += "-printed"
			_, err = client.RbacV1().ClusterRoles().Create(ctx, o, metav1.CreateOptions{})
		case *rbacv1.ClusterRoleBinding:
			o.Name += "-printed"
			o.RoleRef.Name += "-printed"
			_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, o, metav1.CreateOptions{})
		default:
			t.Fatalf("%T among the rights", o)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	token, err := client.CoreV1().ServiceAccounts("ansturm").CreateToken(ctx, "ansturm", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(p.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.AuthInfos["restricted"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts["restricted"] = &clientcmdapi.Context{Cluster: config.Contexts[controlplane.Context].Cluster, AuthInfo: "restricted"}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}
