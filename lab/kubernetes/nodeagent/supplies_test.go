package nodeagent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// newSupplied is a world in which an image stands for the test's own program.
func newSupplied(t *testing.T) *world {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	volumes := t.TempDir()
	return newWorld(t, platform(), func(c *Config) { c.Images, c.Volumes = map[string]string{"reader:1": self}, volumes })
}

// reader is a pod of nobody's that reads a file of a volume, says what it found, and ends.
func reader(file string, volumes ...corev1.Volume) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Labels, p.Spec.RestartPolicy, p.Spec.Volumes = nil, corev1.RestartPolicyNever, volumes
		c := &p.Spec.Containers[0]
		c.Image, c.Resources = "reader:1", corev1.ResourceRequirements{}
		c.Env = []corev1.EnvVar{{Name: "TEST_READ", Value: file}, field("NAME", "metadata.name")}
		for _, v := range volumes {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: v.Name, MountPath: "/run/" + v.Name})
		}
	}
}

func secretVolume(name string) corev1.Volume {
	return corev1.Volume{Name: "token", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name}}}
}

func (w *world) untilEnded(name string) string {
	w.t.Helper()
	w.until(name+" has ended", func() bool { return w.get(name).Status.Phase == corev1.PodSucceeded })
	return w.get(name).Status.ContainerStatuses[0].State.Terminated.Message
}

func TestProcessWaitsForItsSecret(t *testing.T) {
	w := newSupplied(t)
	state := corev1.Volume{Name: "state", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	p := w.bind("real", "vm-1", func(p *corev1.Pod) {
		reader("/run/token/key", secretVolume("late"), state)(p)
		c := &p.Spec.Containers[0]
		c.Command, c.Args = []string{"/usr/bin/reader", "worker"}, []string{"--name", "$(NAME)", "--state=/run/state/a"}
	})
	w.until("it is said what is missing", func() bool {
		events, err := w.client.CoreV1().Events("t1").List(t.Context(), metav1.ListOptions{})
		return err == nil && slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.Reason == "FailedMount" && strings.Contains(e.Message, `volume "token" : secrets "late" not found`)
		})
	})
	w.until("its container is being created", func() bool {
		s := w.get("real").Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "ContainerCreating"
	})
	_, err := w.client.CoreV1().Secrets("t1").Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "t1", Name: "late"}, Data: map[string][]byte{"key": []byte("s3cret")},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(w.config.Volumes, string(p.UID))
	if got, want := w.untilEnded("real"), "worker --name real --state="+dir+`/state/a read "s3cret", <nil>`; got != want {
		t.Errorf("it said %q, want %q", got, want)
	}
	for path, want := range map[string]os.FileMode{"": 0o700 | os.ModeDir, "state": 0o700 | os.ModeDir, "token/key": 0o400} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", path, info, err, want)
		}
	}
	if err := w.client.CoreV1().Pods("t1").Delete(t.Context(), "real", metav1.DeleteOptions{}); err != nil { // at once, as it has ended
		t.Fatal(err)
	}
	w.untilGone("real")
	w.until("its volumes are gone", func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) })
}

func TestVariablesAndFilesOfOtherObjects(t *testing.T) {
	w := newSupplied(t)
	_, err := w.client.CoreV1().ConfigMaps("t1").Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "t1", Name: "map"}, Data: map[string]string{"a": "1", "b": "2"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	from := func(object, key string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: object}, Key: key, Optional: ptr.To(true),
		}}
	}
	w.bind("real", "vm-1", func(p *corev1.Pod) {
		volume := corev1.Volume{Name: "files", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "map"}, Items: []corev1.KeyToPath{{Key: "b", Path: "deep/b"}},
		}}}
		reader("/run/files/deep/b", volume, secretVolume("none"))(p)
		p.Spec.Volumes[1].Secret.Optional = ptr.To(true)
		c := &p.Spec.Containers[0]
		c.Env = append(c.Env, corev1.EnvVar{Name: "A", ValueFrom: from("map", "a")}, corev1.EnvVar{Name: "NONE", ValueFrom: from("map", "c")})
		c.Args = []string{"A=$(A)", "NONE=$(NONE)"}
	})
	if got, want := w.untilEnded("real"), `A=1 NONE=$(NONE) read "2", <nil>`; got != want {
		t.Errorf("it said %q, want %q", got, want)
	}
}

func TestPodThatWaitsCanBeDeleted(t *testing.T) {
	w := newSupplied(t)
	w.bind("real", "vm-1", reader("/run/token/key", secretVolume("never")))
	w.until("it waits", func() bool { return len(w.get("real").Status.ContainerStatuses) == 1 })
	w.remove("real", 30)
	w.untilGone("real")
}

func TestPathsOfMountsAreFoundInText(t *testing.T) {
	mounts := []mount{{"/run/ansturm/deep", "/v/d"}, {"/run/ansturm", "/v/t"}, {"/state", "/v/s"}}
	for text, want := range map[string]string{
		"/run/ansturm/token":             "/v/t/token",
		"--token-file=/run/ansturm":      "--token-file=/v/t",
		"/run/ansturm/deep/x,/state":     "/v/d/x,/v/s",
		"/state:/state/a;/states":        "/v/s:/v/s/a;/states",
		"/var/state /run/ansturm-2/x":    "/var/state /run/ansturm-2/x",
		"tls://state/state":              "tls://state/state",
		"":                               "",
		"https://h/run/ansturm /state\n": "https://h/run/ansturm /v/s\n",
	} {
		if got := relocate(text, mounts); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
