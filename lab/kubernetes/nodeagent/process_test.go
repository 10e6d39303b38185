package nodeagent

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ansturm/ansturm/lab/kubernetes/metricsapi"
	"github.com/ansturm/ansturm/lab/kubernetes/objects"
)

// real makes a pod a process of the test's own program.
func (w *world) real(edit func(*corev1.Pod)) func(*corev1.Pod) {
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	return func(p *corev1.Pod) {
		p.Annotations = map[string]string{objects.AnnotationProcess: self}
		c := &p.Spec.Containers[0]
		c.Resources = corev1.ResourceRequirements{}
		c.Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
		if edit != nil {
			edit(p)
		}
	}
}

func TestProcessPodServes(t *testing.T) {
	pf := platform()
	pf.Autoscaling.Housekeeping = 50 * time.Millisecond
	w := newWorld(t, pf)
	w.bind("real", "vm-1", w.real(nil))
	p := w.untilReady("real")
	if !strings.HasPrefix(p.Status.PodIP, "198.19.") {
		t.Errorf("its name is %q, want one of 198.19.0.0/16", p.Status.PodIP)
	}
	w.hold([]string{"real"}, nil)
	w.untilServed("real")
	first := w.Usage()
	w.until("it is read again, and its CPU shows", func() bool {
		u := w.Usage()
		return len(first) == 1 && len(u) == 1 && u[0].At.After(first[0].At) && u[0].CPU > 0 && u[0].Memory > 0
	})
	w.remove("real", 30)
	w.untilGone("real")
	if entries := w.log.of(t, "real"); !strings.Contains(strings.Join(stages(entries), " "), "serving terminating") {
		t.Errorf("stages %v", stages(entries))
	}
}

// A scrape does not make a kubelet look: what it finds of a process is as old as that of a virtual pod.
func TestAScrapeFindsWhatWasReadLast(t *testing.T) {
	pf := platform()
	pf.Autoscaling.Housekeeping = time.Hour
	w := newWorld(t, pf)
	w.bind("real", "vm-1", w.real(nil))
	w.untilReady("real")
	var first []metricsapi.Usage
	w.until("it is read", func() bool { first = w.Usage(); return len(first) == 1 })
	w.hold([]string{"real"}, nil)
	w.untilServed("real")
	if again := w.Usage(); len(again) != 1 || again[0] != first[0] {
		t.Errorf("%+v was read, then %+v", first, again)
	}
	w.until("the counters show the present", func() bool { u := w.used(); return len(u) == 1 && u[0].At.After(first[0].At) })
}

func TestProcessIsThrottledUnderItsQuota(t *testing.T) {
	w := newWorld(t, platform())
	if !w.cgroups.usable() {
		t.Skip(w.Quotas())
	}
	w.bind("real", "vm-1", w.real(func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: list("200m", "64Mi"), Limits: list("200m", "64Mi")}
	}))
	w.untilReady("real")
	w.hold([]string{"real"}, nil)
	w.untilServed("real")
	for range 20 { // 0.4 s of CPU at a fifth of a core
		w.submit("1")
	}
	w.until("the journal tells of it", func() bool {
		for _, e := range w.log.of(t, "real") {
			if e.Stage == StageThrottled && e.Values["throttled_periods"] > 0 && e.Values["throttled_seconds"] > 0 {
				return true
			}
		}
		return false
	})
	text := w.counters()
	for _, name := range []string{"container_cpu_cfs_throttled_periods_total", "container_cpu_usage_seconds_total"} {
		if !strings.Contains(text, name+`{namespace="t1",pod="real",container="antrag",node="vm-1"} `) {
			t.Errorf("counters without %s:\n%s", name, text)
		}
	}
	group := w.running()[0].life.Load().process.group.dirs[0]
	w.remove("real", 30)
	w.untilGone("real")
	if _, err := os.Stat(group); !os.IsNotExist(err) {
		t.Errorf("its group %s is left behind: %v", group, err)
	}
}

func (w *world) counters() string {
	w.t.Helper()
	a, err := http.Get(w.Counters())
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func TestLimitWithoutCgroupsIsRefusedPlainly(t *testing.T) {
	w := newWorld(t, platform())
	w.cgroups.close()
	*w.cgroups = cgroups{why: "cgroup v1 is not ours to write: permission denied"}
	w.bind("real", "vm-1", w.real(func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Limits = list("200m", "64Mi") }))
	w.until("it says why it does not run", func() bool {
		s := w.get("real").Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && strings.Contains(s[0].State.Waiting.Message, "cannot be set here: cgroup v1 is not ours")
	})
}

func TestProcessesThatEnd(t *testing.T) {
	w := newWorld(t, platform())
	ends := func(name, code string, policy corev1.RestartPolicy) {
		w.bind(name, "vm-1", w.real(func(p *corev1.Pod) {
			c := &p.Spec.Containers[0]
			c.Ports, p.Spec.RestartPolicy, p.Labels = nil, policy, nil // a job's pod: nobody's server
			c.Env = []corev1.EnvVar{{Name: "TEST_EXIT", Value: code}}
		}))
	}
	ends("good", "0", corev1.RestartPolicyNever)
	ends("bad", "3", corev1.RestartPolicyNever)
	ends("loop", "4", corev1.RestartPolicyAlways)
	for name, want := range map[string]struct {
		phase corev1.PodPhase
		code  int32
	}{"good": {corev1.PodSucceeded, 0}, "bad": {corev1.PodFailed, 3}} {
		w.until(name+" has ended", func() bool { return w.get(name).Status.Phase == want.phase })
		end := w.get(name).Status.ContainerStatuses[0].State.Terminated
		if end == nil || end.ExitCode != want.code || end.Message != "said before the end" {
			t.Errorf("%s ended as %+v, want code %d and its last words", name, end, want.code)
		}
	}
	w.until("the third is to be started again", func() bool {
		s := w.get("loop").Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "CrashLoopBackOff" && s[0].RestartCount == 1 &&
			s[0].LastTerminationState.Terminated.ExitCode == 4
	})
	w.remove("loop", 30)
	w.untilGone("loop")
}

func TestEnvironmentOfAProcess(t *testing.T) {
	p := &pod{
		a: &Agent{config: Config{Platform: platform()}}, name: "x-1", namespace: "t1", uid: "u", node: "vm-2", ip: "198.18.0.9",
		object: &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Labels:      map[string]string{"ansturm.dev/tenant": "t1", "a/b": "c"},
				Annotations: map[string]string{"batch.kubernetes.io/job-completion-index": "3"},
			},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Env: []corev1.EnvVar{
				{Name: "PLAIN", Value: "v"},
				field("INDEX", "metadata.annotations['batch.kubernetes.io/job-completion-index']"),
				field("LABEL", "metadata.labels['a/b']"), field("IP", "status.podIP"), field("NODE", "spec.nodeName"), field("UID", "metadata.uid"),
			}}}},
		},
	}
	want := []string{
		"ANSTURM_LISTEN=127.18.0.9:8080", "ANSTURM_TENANT=t1", "POD_NAME=x-1", "POD_NAMESPACE=t1", "HOSTNAME=x-1",
		`ANSTURM_STEPS={"submit":{"cpu":"20ms","accepts":true}}`, "PLAIN=v", "INDEX=3", "LABEL=c", "IP=127.18.0.9", "NODE=vm-2", "UID=u",
	}
	got, values := p.environment()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("environment\n%q, want\n%q", got, want)
	}
	p.object.Spec.Containers[0].Command = []string{"/bin/x", "sub"}
	p.object.Spec.Containers[0].Args = []string{"--index=$(INDEX)", "$$(INDEX) $(POD_NAME)"}
	if got, want := p.arguments(values), []string{"sub", "--index=3", "$(INDEX) $(POD_NAME)"}; !reflect.DeepEqual(got, want) {
		t.Errorf("arguments %q, want %q", got, want)
	}
}

func field(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
}

func TestCgroupsAreFoundInWhatTheKernelSays(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, sub := range []string{"cpu,cpuacct/slice", "cpuacct", "unified/user.slice/me"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, mounts, own string
		want              *cgroups
	}{
		{
			"v1 with both controllers in one hierarchy", "30 24 0:26 / DIR/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
				"31 24 0:27 / DIR/unified rw shared:9 - cgroup2 cgroup2 rw\n", "4:cpu,cpuacct:/slice\n0::/user.slice/me\n",
			&cgroups{version: 1, homes: []string{filepath.Join(dir, "cpu,cpuacct/slice")}},
		},
		{
			"v1 apart, in a container that sees a part", "30 24 0:26 /docker/abc DIR/cpu,cpuacct rw - cgroup cgroup rw,cpu\n" +
				"31 24 0:26 / DIR/cpuacct rw - cgroup cgroup rw,cpuacct\n", "4:cpu:/docker/abc\n3:cpuacct:/gone\n",
			&cgroups{version: 1, homes: []string{filepath.Join(dir, "cpu,cpuacct"), filepath.Join(dir, "cpuacct")}},
		},
		{
			"v2 alone", "31 24 0:27 / DIR/unified rw - cgroup2 cgroup2 rw,nsdelegate\n", "0::/user.slice/me\n",
			&cgroups{version: 2, homes: []string{filepath.Join(dir, "unified/user.slice/me")}},
		},
		{"none", "22 1 8:1 / / rw - ext4 /dev/root rw\n", "", nil},
	} {
		got, err := findCgroupsIn(file("mounts", strings.ReplaceAll(c.mounts, "DIR", dir)), file("own", c.own))
		if (err == nil) != (c.want != nil) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestOnlyProcessesThatRunAreAlive(t *testing.T) {
	if !alive(os.Getpid()) {
		t.Error("this one is")
	}
	child := exec.Command("true")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := child.Process.Pid
	for deadline := time.Now().Add(patience); alive(pid) && time.Now().Before(deadline); { // it ends, unasked after
	}
	if alive(pid) {
		t.Error("a zombie is said to live")
	}
	_ = child.Wait()
	if alive(pid) {
		t.Error("a process that is no more is said to live")
	}
}

func TestQuotaByWhateverVersion(t *testing.T) {
	c := findCgroups()
	if !c.usable() {
		t.Skip(c)
	}
	defer c.close()
	g, err := c.create("quota", 0.2, 0.2)
	if err != nil {
		t.Fatal(err)
	}
	defer g.remove()
	file, want := "cpu.cfs_quota_us", "20000"
	if c.version == 2 {
		file, want = "cpu.max", "20000 100000"
	}
	text, err := os.ReadFile(filepath.Join(g.dirs[0], file))
	if err != nil || strings.TrimSpace(string(text)) != want {
		t.Errorf("%s is %q, %v; want %s", file, text, err, want)
	}
	if s, err := g.stat(); err != nil || s.throttled != 0 {
		t.Errorf("a fresh group's counters are %+v, %v", s, err)
	}
}

// A v2 hierarchy as a folder of plain files: what is written where, without a kernel behind it.
func TestQuotaOfVersion2(t *testing.T) {
	home := t.TempDir()
	if err := write(home, "cgroup.controllers", "cpuset cpu io memory"); err != nil {
		t.Fatal(err)
	}
	c := &cgroups{version: 2, homes: []string{home}}
	if err := c.claim(); err != nil {
		t.Fatal(err)
	}
	g, err := c.create("pod", 0.2, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		home + "/cgroup.subtree_control": "+cpu", c.bases[0] + "/cgroup.subtree_control": "+cpu",
		g.dirs[0] + "/cpu.max": "20000 100000", g.dirs[0] + "/cpu.weight": "20",
	} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", file, got, err, want)
		}
	}
	if err := write(g.dirs[0], "cpu.stat", "usage_usec 1500\nuser_usec 1\nnr_periods 31\nnr_throttled 30\nthrottled_usec 2400000\n"); err != nil {
		t.Fatal(err)
	}
	s, err := g.stat()
	if err != nil || s.periods != 31 || s.throttled != 30 || s.stood.Seconds() != 2.4 || s.cpu.Microseconds() != 1500 {
		t.Errorf("counters %+v, %v", s, err)
	}
	if err := os.WriteFile(filepath.Join(home, "cgroup.controllers"), []byte("memory"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&cgroups{version: 2, homes: []string{home}}).claim(); err == nil || !strings.Contains(err.Error(), "no cpu controller") {
		t.Errorf("a hierarchy without the controller: %v", err)
	}
}
