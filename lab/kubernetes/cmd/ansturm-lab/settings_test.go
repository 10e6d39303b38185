package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

func TestSettingsOverlayThePlatform(t *testing.T) {
	s, err := parse([]string{
		"briefwahl", "--sync-period", "5s", "--metric-resolution", "7s", "--pull", "0s", "--ready", "9s", "--lead-time", "1m",
		"--nodes", "vm=60", "--lose-node", "vm-3@2m", "--add-node", "vm@30s", "--add-node", "vm@0s", "--metric-lag", "0s",
	}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.load()
	if err != nil {
		t.Fatal(err)
	}
	p := w.platform
	if len(w.tenants) != 150 || p.Pools[0].Count != 60 || p.Pools[0].LeadTime != time.Minute {
		t.Errorf("%d tenants, %d nodes that take %s; wanted the scenario's 150, 60 and a minute", len(w.tenants), p.Pools[0].Count, p.Pools[0].LeadTime)
	}
	a := p.Autoscaling
	if a.SyncPeriod != 5*time.Second || a.MetricResolution != 7*time.Second || a.MetricLag != 0 || a.NodeLossDetection != 40*time.Second {
		t.Errorf("autoscaling is %+v: three settings and one of the platform's were wanted", a)
	}
	stages := p.Workloads[0].Start
	if stages.Pull.Mean() != 0 || stages.Ready.Mean() != 9*time.Second || stages.Start.Mean() != 3*time.Second {
		t.Errorf("pull, start and ready take %s, %s, %s on average", stages.Pull.Mean(), stages.Start.Mean(), stages.Ready.Mean())
	}
	pool := &p.Pools[0]
	come := []arrival{{scenarios.NodeRef{Name: "vm-61", Pool: pool}, 90 * time.Second}, {scenarios.NodeRef{Name: "vm-62", Pool: pool}, time.Minute}}
	if !reflect.DeepEqual(w.losses, []moment{{"vm-3", 2 * time.Minute}}) || !reflect.DeepEqual(w.arrives, come) {
		t.Errorf("%v are lost and %v come", w.losses, w.arrives)
	}
}

func TestSettingsSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file, fast, old, lossy := filepath.Join(dir, "nobody.yaml"), filepath.Join(dir, "fast.yaml"), filepath.Join(dir, "old.yaml"), filepath.Join(dir, "lossy.yaml")
	nobody := "name: nobody\npools: [{name: vm, count: 1, capacity: {cpu: 1, memory: 1Gi}}]\nworkloads: [{name: w, resources: {requests: {cpu: 1}}, replicas: 1, start: {}, steps: {a: {cpu: {fixed: 1ms}}}}]\n"
	somebody := strings.Replace(nobody, "name: w", "name: w, tenants: [t]", 1)
	for path, text := range map[string]string{
		file: nobody,
		fast: somebody + "autoscaling: {syncPeriod: 500ms}\n",
		old:  somebody + "kubernetes: \"1.34\"\n",
		// The file's own mistakes are told with their place.
		lossy: somebody + "disruptions:\n  - {at: 1m, loseNode: vm-2}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]string{
		"":                                  "one platform is wanted",
		"quick briefwahl":                   "here are 2",
		"no-such-platform":                  "no-such-platform",
		"quick --lose-node vm-1":            "NAME@TIME",
		"quick --lose-node @2m":             "NAME@TIME",
		"quick --add-node vm@-1s":           "NAME@TIME",
		"quick --add-node gpu@1s":           `no pool "gpu"`,
		"quick --nodes vm":                  "POOL=N",
		"quick --nodes gpu=2":               "POOL=N",
		"quick --sync-period -1s":           "--sync-period: is -1s",
		"quick --pull -1ns":                 "--pull: is -1ns",
		"quick --sync-period 500ms":         "--sync-period): is 500ms, must be at least 1s",
		"quick --metric-resolution 0s":      "--metric-resolution): is 0s, must be at least 1s",
		"quick --node-loss-detection 1s":    "at least 4s",
		"quick --metric-lag 20s":            "at most metricResolution, 15s",
		"quick --ready soon":                "--ready",
		"quick --lose-node vm-99@2m":        `"vm-99"`,
		"quick --nodes vm=10001":            "0 to 10000",
		"quick --process antrag":            "WORKLOAD=PROGRAM",
		"quick --process nobody=burner":     "WORKLOAD=PROGRAM",
		"quick --image ansturm:1":           `"ansturm:1" is not NAME=PROGRAM`,
		"quick --image =ansturm":            "NAME=PROGRAM",
		fast:                                fast + ": autoscaling.syncPeriod",
		old:                                 `is "1.34"`,
		lossy:                               lossy + ":5:24: disruptions[0].loseNode",
		"quick --no-such-flag":              "no-such-flag",
		"quick --scenario no-such-scenario": "no-such-scenario",
		file:                                "names no tenants",
	} {
		s, err := parse(strings.Fields(args), &bytes.Buffer{})
		if err == nil {
			_, err = s.load()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, wanted one that says %q", args, err, want)
		}
	}
}
