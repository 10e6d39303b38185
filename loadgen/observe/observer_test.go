package observe

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/ansturm/ansturm/loadgen/record"
)

// A scale-up from the HPA's write to the pod's place in rotation comes in the embedded platform's words, each stage once.
func TestScaleUp(t *testing.T) {
	w := newWorld(t)
	w.observe(nil)
	initial := w.await("initial pod", phaseOf("web-abc-1", record.PhaseReady))
	if initial.At != 0 || initial.Message != "initial" || initial.Workload != "web" || initial.Tenant != "t1" || initial.Node != "vm-1" {
		t.Errorf("the pod that was there is told as %+v", initial)
	}
	if n := w.await("node", func(e record.Event) bool { return e.Kind == record.KindNode }); n.Workload != "vm" || n.Phase != "ready" {
		t.Errorf("the node is told as %+v", n)
	}

	w.Put("deployments", deployment("t1", 2))
	w.Put("replicasets", replicaSet("t1", 2))
	w.Put("pods", pod1("t1", "web-abc-2", ""))
	scale := w.await("scaling", scaledTo(2))
	if scale.From != 1 || scale.Message != "test" || scale.ResourceVersion == "" || scale.Wall.IsZero() || scale.Source != "watch" {
		t.Errorf("the scaling is told as %+v", scale)
	}
	created := w.await("new pod", phaseOf("web-abc-2", record.PhaseCreated))
	ref := corev1.ObjectReference{Kind: "Pod", Name: "web-abc-2", UID: w.uidOf("web-abc-2")}
	exact := notice("t1", ref, "Scheduled", "Successfully assigned t1/web-abc-2 to vm-1")
	exact.EventTime = metav1.NowMicro()
	exact.LastTimestamp = metav1.Time{}
	w.Put("events", exact)
	w.Put("events", notice("t1", ref, "Pulled", `Successfully pulled image "web" in 2s (2.1s including waiting)`))
	w.await("pull", phaseOf("web-abc-2", record.PhasePulled))
	w.Put("pods", pod1("t1", "web-abc-2", corev1.ConditionFalse))
	w.await("start", phaseOf("web-abc-2", record.PhaseStarted))
	w.Put("pods", pod1("t1", "web-abc-2", corev1.ConditionTrue))
	w.Put("endpointslices", slice1("t1", "web-abc-1", "web-abc-2"))
	w.await("rotation", phaseOf("web-abc-2", record.PhaseRotation))
	w.await("two ready", func(e record.Event) bool {
		return e.Kind == record.KindReplicas && e.Desired == 2 && e.Current == 2 && e.Ready == 2
	})
	seen := w.await("exact notice", func(e record.Event) bool { return e.Kind == record.KindNotice && e.Phase == "Scheduled" })
	if seen.Evidence != record.EvidenceExact || seen.Within != nil || seen.Workload != "web" {
		t.Errorf("the notice with microseconds is told as %+v", seen)
	}
	if created.Within == nil || created.Within.From > created.At || created.Within.To < created.At {
		t.Errorf("created at %v, within %v", created.At, created.Within)
	}
	for _, phase := range []string{
		record.PhaseCreated, record.PhaseScheduled, record.PhasePulled, record.PhaseStarted, record.PhaseReady, record.PhaseRotation,
	} {
		if n := len(w.all(phaseOf("web-abc-2", phase))); n != 1 {
			t.Errorf("%s was told %d times%s", phase, n, w.told())
		}
	}
	if n := len(w.all(phaseOf("web-abc-1", record.PhaseRotation))); n != 0 {
		t.Error("a pod that was in rotation before the run came into it again")
	}
	w.Delete("pods", "t1", "web-abc-2")
	w.await("end", phaseOf("web-abc-2", record.PhaseDeleted))
}

// uidOf is the pod's UID as the observer knows it; the pod has been told of.
func (w *world) uidOf(name string) types.UID {
	w.Observer.mu.Lock()
	defer w.Observer.mu.Unlock()
	return w.byName["t1/"+name].uid
}

// Connections that break are gaps; the watches are taken up where they ended, and nothing is told twice.
func TestBrokenConnections(t *testing.T) {
	w := newWorld(t)
	w.observe(nil)
	lists := w.Count("list pods")
	w.Bookmark("pods")
	w.Drop()
	for _, resource := range []string{"pods", "deployments"} {
		g := w.await("gap of "+resource, gapOf(resource))
		if g.Values["relisted"] != 0 || g.Values["watches"] != 8 || g.Values["seconds"] <= 0 || !strings.Contains(g.Message, "0 of 8 watches listed anew") {
			t.Errorf("the gap is told as %+v", g)
		}
	}
	if n := len(w.all(gapOf(""))); n != 1 {
		t.Errorf("one broken connection is told as %d gaps%s", n, w.told())
	}
	begun := time.Now()
	w.Put("deployments", deployment("t1", 3))
	ended := time.Now()
	// In the second of the write before, it has no stamp of its own and may be taken for late: then the bounds hold the truth.
	if e := w.await("scaling", scaledTo(3)); e.Late && !w.holds(e, begun, ended) {
		t.Errorf("a change after the gap is marked late, within %v", e.Within)
	}
	if got := w.Count("list pods"); got != lists {
		t.Errorf("pods were listed %d times more; the place was known", got-lists)
	}
	w.once()
}

// holds says whether an event's bounds hold a moment of those from begun to ended.
func (w *world) holds(e record.Event, begun, ended time.Time) bool {
	return e.Within != nil && e.Within.From <= ended.Sub(w.Observer.start) && e.Within.To >= begun.Sub(w.Observer.start)
}

// once fails the test if anything was told twice.
func (w *world) once() {
	w.t.Helper()
	type key struct{ kind, tenant, workload, object, phase, version string }
	seen := map[key]bool{}
	for _, e := range w.all(func(e record.Event) bool { return e.Kind == record.KindPod || e.Kind == record.KindScale }) {
		k := key{e.Kind, e.Tenant, e.Workload, e.Object, e.Phase, ""}
		if e.Kind == record.KindScale {
			k.version = e.ResourceVersion
		}
		if seen[k] {
			w.t.Errorf("told twice: %+v", e)
		}
		seen[k] = true
	}
}

// An API server that restarts and has forgotten the past: what happened meanwhile is told once, as late, with bounds
// that hold the truth, and the gap says that there was a relist.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.observe(nil)
	w.Down()
	begun := time.Now()
	w.Put("deployments", deployment("t1", 4))
	w.Put("pods", pod1("t1", "web-abc-2", corev1.ConditionTrue))
	w.Delete("pods", "t1", "web-abc-1")
	w.Forget()
	ended := time.Now()
	w.Up()
	gap := w.await("gap", gapOf("deployments"))
	if gap.Values["relisted"] != 1 || gap.Values["seconds"] <= 0 {
		t.Errorf("the gap is told as %+v", gap)
	}
	scale := w.await("scaling", scaledTo(4))
	for what, e := range map[string]record.Event{
		"scaling": scale, "new pod": w.await("pod", phaseOf("web-abc-2", record.PhaseReady)), "old pod": w.await("end", phaseOf("web-abc-1", record.PhaseDeleted)),
	} {
		if !e.Late {
			t.Errorf("%s is not marked late", what)
		}
		if !w.holds(e, begun, ended) {
			t.Errorf("%s: within %v, the truth is %v to %v", what, e.Within, begun.Sub(w.Observer.start), ended.Sub(w.Observer.start))
		}
	}
	w.Put("deployments", deployment("t1", 5))
	if e := w.await("scaling after", scaledTo(5)); e.Late {
		t.Error("a change after the gap is marked late")
	}
	w.once()
}

// A restart that remembers: the watch is taken up, the backlog told as late where it provably is.
func TestRestartWithMemory(t *testing.T) {
	w := newWorld(t)
	w.observe(nil)
	w.Down()
	w.Put("deployments", deployment("t1", 4))
	w.Put("deployments", deployment("t1", 6))
	w.Up()
	w.await("first write", scaledTo(4))
	e := w.await("second write", scaledTo(6))
	if e.From != 4 {
		t.Errorf("from %d, want 4: no write between is lost", e.From)
	}
	if g := w.await("gap", gapOf("deployments")); g.Values["relisted"] != 0 {
		t.Errorf("the gap is told as %+v", g)
	}
	w.once()
}

// A token that expires and is renewed in its file: the observer goes on.
func TestTokenExpires(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	w.Token("first")
	w.connect("tokenFile: " + file)
	w.observe(nil)
	refused := make(chan struct{}, 100)
	w.Token("second")
	w.Hook(func(r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer second" {
			select {
			case refused <- struct{}{}:
			default:
			}
		}
	})
	w.Drop()
	<-refused
	write("second")
	w.Put("deployments", deployment("t1", 3))
	w.await("scaling", scaledTo(3))
	if g := w.await("gap", gapOf("deployments")); g.Values["relisted"] != 0 {
		t.Errorf("the gap is told as %+v; a renewed token needs no relist", g)
	}
	w.once()
}

// Without rights for what is not essential the rest is watched, and the record warns; without those for pods it is an error.
func TestMissingRights(t *testing.T) {
	w := newWorld(t)
	w.Deny("events", "nodes")
	w.observe(nil)
	warnings := w.Stop()
	for _, resource := range []string{"events of pods", "events of horizontalpodautoscalers", "nodes"} {
		if !slices.ContainsFunc(warnings, func(x record.Warning) bool {
			return x.Code == "not-observed" && strings.Contains(x.Text["en"], resource+" were not observed")
		}) {
			t.Errorf("no warning about %s in %v", resource, warnings)
		}
	}
	w.Deny("pods")
	_, err := Start(t.Context(), Config{Client: w.client, Tenants: []string{"t1"}})
	if err == nil || !strings.Contains(err.Error(), "pods") {
		t.Errorf("without rights for pods: %v", err)
	}
}

// Many tenants are watched together where that is allowed, else one by one; of other namespaces nothing is told.
func TestOtherNamespaces(t *testing.T) {
	for name, denied := range map[string][]string{"together": nil, "one by one": {"pods/", "deployments/"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Deny(denied...)
			w.Put("deployments", deployment("t2", 1))
			w.Put("deployments", deployment("stranger", 1))
			w.observe(func(c *Config) { c.Tenants, c.Together, c.Selector = []string{"t1", "t2"}, 2, "ansturm.dev/tenant" })
			w.Put("deployments", deployment("stranger", 7))
			w.Put("deployments", deployment("t1", 8))
			w.Put("deployments", deployment("t2", 9))
			w.await("t1's scaling", scaledTo(8))
			if e := w.await("t2's scaling", scaledTo(9)); e.Tenant != "t2" {
				t.Errorf("told of tenant %s", e.Tenant)
			}
			if got := w.all(func(e record.Event) bool { return e.Tenant == "stranger" }); len(got) > 0 {
				t.Errorf("told of a stranger: %v", got)
			}
		})
	}
}

// All that is asked of the API server is covered by the rights that ship, and these only read.
func TestRightsSuffice(t *testing.T) {
	var role rbacv1.ClusterRole
	for _, doc := range strings.Split(RBAC, "\n---\n") {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &meta); err != nil {
			t.Fatal(err)
		}
		if meta.Kind == "ClusterRole" {
			if err := yaml.UnmarshalStrict([]byte(doc), &role); err != nil {
				t.Fatal(err)
			}
		}
	}
	granted := map[string]bool{}
	for _, rule := range role.Rules {
		for _, verb := range rule.Verbs {
			if !slices.Contains([]string{"get", "list", "watch"}, verb) {
				t.Errorf("the rights allow %s", verb)
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					granted[verb+" "+group+"/"+resource] = true
				}
			}
		}
	}
	w := newWorld(t)
	var mu sync.Mutex
	asked := map[string]bool{}
	w.Hook(func(r *http.Request) {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		if r.URL.Path == "/version" {
			return // answered to everybody
		}
		group := ""
		if parts[0] == "apis" {
			group, parts = parts[1], parts[1:]
		}
		if parts = parts[2:]; parts[0] == "namespaces" && len(parts) > 2 {
			parts = parts[2:]
		}
		verb := "list"
		if r.URL.Query().Get("watch") != "" {
			verb = "watch"
		} else if len(parts) > 1 {
			verb = "get"
		}
		if r.Method != http.MethodGet {
			verb = r.Method
		}
		mu.Lock()
		defer mu.Unlock()
		asked[verb+" "+group+"/"+parts[0]] = true
	})
	w.Put("namespaces", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "t1", Labels: map[string]string{"ansturm.dev/load-test": "allowed"}}})
	w.connect("")
	if err := w.client.Consent(t.Context(), []string{"t1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Discover(t.Context(), "test", []string{"t1"}); err != nil {
		t.Fatal(err)
	}
	w.Put("podmetrics", podMetrics("t1", "web-abc-1", time.Now(), "100m"))
	w.observe(func(c *Config) { c.MetricsEvery = time.Hour })
	w.await("metrics", func(e record.Event) bool { return e.Kind == record.KindMetrics })
	mu.Lock()
	defer mu.Unlock()
	if len(asked) < 10 {
		t.Errorf("only %v was asked", asked)
	}
	for a := range asked {
		if !granted[a] {
			t.Errorf("%q is asked, and not granted", a)
		}
	}
}

// An API server that is not there at the start is an error, in time.
func TestStartWithoutServer(t *testing.T) {
	w := newWorld(t)
	w.connect("")
	w.Down()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Start(ctx, Config{Client: w.client, Tenants: []string{"t1"}}); err == nil {
		t.Error("no error")
	}
}
