package audit

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// line is an audit event; what is not said is as in a request that was let through.
func line(resource, subresource, uid, version string, replicas int, change ...string) string {
	event := fmt.Sprintf(`{"kind":"Event","stage":"ResponseComplete","requestURI":"/apis/apps/v1/x","verb":"update",`+
		`"user":{"username":"system:serviceaccount:kube-system:horizontal-pod-autoscaler"},`+
		`"objectRef":{"resource":%q,"subresource":%q,"namespace":"adorf","name":"antrag"},"responseStatus":{"code":200},`+
		`"responseObject":{"metadata":{"name":"antrag","uid":%q,"resourceVersion":%q},"spec":{"replicas":%d}},`+
		`"requestReceivedTimestamp":"2026-01-01T12:00:00.000001Z","stageTimestamp":"2026-01-01T12:00:00.002003Z"}`,
		resource, subresource, uid, version, replicas)
	return strings.NewReplacer(change...).Replace(event) + "\n"
}

func TestReadAndChanges(t *testing.T) {
	log := line("deployments", "", "u1", "100", 2, "system:serviceaccount:kube-system:horizontal-pod-autoscaler", "admin") +
		line("deployments", "scale", "u1", "130", 8) + // written down before the one that it followed
		line("deployments", "scale", "u1", "120", 4) +
		line("deployments", "", "u1", "125", 4) + // an annotation
		line("deployments", "scale", "u1", "140", 9, `"code":200`, `"code":409`) +
		line("deployments", "scale", "u1", "141", 9, `/x"`, `/x?dryRun=All"`) +
		line("deployments", "scale", "u1", "142", 9, "ResponseComplete", "ResponseStarted") +
		line("deployments", "", "u2", "150", 8) + // deleted and made again
		line("deployments", "scale", "u2", "160", 9)[:50] // the API server was killed here
	writes, err := Read(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	if len(writes) != 5 {
		t.Fatalf("%d writes, wanted 5: %+v", len(writes), writes)
	}
	var told []string
	for _, w := range Changes(writes) {
		told = append(told, fmt.Sprintf("%d=%d scale:%v", w.ResourceVersion, w.Replicas, w.Scale))
	}
	want := "[100=2 scale:false 120=4 scale:true 130=8 scale:true 150=8 scale:false]"
	if got := fmt.Sprint(told); got != want {
		t.Errorf("changes are %s, wanted %s", got, want)
	}
	first := writes[0]
	if first.User != "admin" || first.Namespace != "adorf" || first.Name != "antrag" || first.At.Sub(first.Received).Microseconds() != 2002 {
		t.Errorf("the first write is %+v", first)
	}
}

// Pods made of a prefix have their name from the answer; one that was refused was not made.
func TestPods(t *testing.T) {
	made := line("pods", "", "u1", "100", 0, `"name":"antrag"},"responseStatus"`, `"name":""},"responseStatus"`, `"name":"antrag","uid"`, `"name":"antrag-x1","uid"`)
	bound := line("pods", "binding", "", "", 0, `"name":"antrag"},"responseStatus"`, `"name":"antrag-x1"},"responseStatus"`, "12:00:00", "12:00:05")
	refused := line("pods", "", "u2", "110", 0, `"code":200`, `"code":403`)
	const ends = `"endpoints":[{"conditions":{"ready":false},"targetRef":{"kind":"Pod","name":"antrag-x2"}},{"conditions":{"ready":true},"targetRef":{"kind":"Pod","name":"antrag-x1"}}]`
	slice := func(at string) string {
		return line("endpointslices", "", "u4", "130", 0, `"spec":{"replicas":0}`, ends, "12:00:00", at)
	}
	pods, err := Pods(strings.NewReader(made + bound + refused + line("deployments", "", "u3", "120", 4) + slice("12:00:09") + slice("12:00:08") + slice("12:00:10")))
	if err != nil || len(pods) != 1 {
		t.Fatalf("pods %v, %v", pods, err)
	}
	p := pods["adorf/antrag-x1"]
	if p.Created.To.Sub(p.Created.From).Microseconds() != 2002 || p.Bound.From.Sub(p.Created.From).Seconds() != 5 || p.Ready.From.Sub(p.Created.From).Seconds() != 8 {
		t.Errorf("told as %+v", p)
	}
	if writes, err := Read(strings.NewReader(bound)); err != nil || len(writes) != 0 {
		t.Errorf("a binding is taken for a write of replicas: %v, %v", writes, err)
	}
}

func TestReadNamesTheLine(t *testing.T) {
	_, err := Read(strings.NewReader(line("deployments", "", "u", "1", 1) + "{\n"))
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error is %v, wanted one of line 2", err)
	}
}

// TestPolicyIsYAML: the API server does not start with a policy that it cannot read.
func TestPolicyIsYAML(t *testing.T) {
	var policy struct {
		Rules []struct{ Level string }
	}
	if err := yaml.Unmarshal([]byte(Policy), &policy); err != nil || len(policy.Rules) != 5 || policy.Rules[4].Level != "None" {
		t.Errorf("policy is %+v (%v), its last rule should leave out everything else", policy, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(line("deployments", "scale", "u1", "130", 8))
	f.Add(line("deployments", "scale", "u1", "x", 8) + "\n")
	f.Add("{}\n[]\n")
	f.Fuzz(func(t *testing.T, log string) {
		writes, err := Read(strings.NewReader(log))
		if err != nil {
			return
		}
		changes := Changes(writes)
		if len(changes) > len(writes) || len(writes) > strings.Count(log, "\n") {
			t.Errorf("%d changes of %d writes in %d lines", len(changes), len(writes), strings.Count(log, "\n"))
		}
	})
}
