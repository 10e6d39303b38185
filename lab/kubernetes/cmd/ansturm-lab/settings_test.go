package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSettingsOverlayThePlatform(t *testing.T) {
	s, err := parse([]string{
		"briefwahl", "--sync-period", "5s", "--metric-resolution", "7s", "--pull", "0s", "--ready", "9s", "--lead-time", "1m",
		"--nodes", "vm=60", "--lose-node", "vm-3@2m", "--add-node", "vm@30s",
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
	if a.SyncPeriod != 5*time.Second || a.MetricResolution != 7*time.Second || a.MetricLag != time.Second || a.NodeLossDetection != 40*time.Second {
		t.Errorf("autoscaling is %+v: two settings and two of the platform's were wanted", a)
	}
	stages := p.Workloads[0].Start
	if stages.Pull.Mean() != 0 || stages.Ready.Mean() != 9*time.Second || stages.Start.Mean() != 3*time.Second {
		t.Errorf("pull, start and ready take %s, %s, %s on average", stages.Pull.Mean(), stages.Start.Mean(), stages.Ready.Mean())
	}
	if !reflect.DeepEqual(s.losses, []moment{{"vm-3", 2 * time.Minute}}) || !reflect.DeepEqual(s.additions, []moment{{"vm", 30 * time.Second}}) {
		t.Errorf("moments are %v and %v", s.losses, s.additions)
	}
}

func TestSettingsSayWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nobody.yaml")
	nobody := "name: nobody\npools: [{name: vm, count: 1, capacity: {cpu: 1, memory: 1Gi}}]\nworkloads: [{name: w, resources: {requests: {cpu: 1}}, replicas: 1, start: {}, steps: {a: {cpu: {fixed: 1ms}}}}]\n"
	if err := os.WriteFile(file, []byte(nobody), 0o600); err != nil {
		t.Fatal(err)
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
		"quick --sync-period -1s":           "above 0",
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
