package main

import (
	"os"
	"testing"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
	"github.com/ansturm/ansturm/scenarios"
)

func TestLargePlatformIsAsLargeAsItSays(t *testing.T) {
	p, err := scenarios.ParsePlatform("large.platform.yaml", []byte(largePlatform()))
	if err != nil {
		t.Fatal(err)
	}
	set, err := objects.Make(p, objects.Names(p, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Nodes) != 60 || set.Replicas() != 1000 {
		t.Errorf("%d nodes and %d pods, wanted 60 and 1,000", len(set.Nodes), set.Replicas())
	}
}

// TestReadsAProcess reads this process, about which at least the orders of magnitude are known.
func TestReadsAProcess(t *testing.T) {
	resident, own, most, err := memory(os.Getpid())
	if err != nil {
		t.Skipf("no such files here: %v", err)
	}
	if own <= 0 || own > resident+1 || resident > most+1 || resident < 1 {
		t.Errorf("resident %.1f MB, own %.1f, at the most %.1f: wanted them to rise, from some megabytes", resident, own, most)
	}
	l := &lab{PID: os.Getpid(), ServerPID: os.Getpid()}
	if once := l.busy(); once <= 0 {
		t.Errorf("%s of processor time, wanted more", once)
	}
	if load, err := loadAverage(); err != nil || load < 0 {
		t.Errorf("load %v, %v", load, err)
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{2: {3, 1, 2}, 2.5: {4, 1, 2, 3}, 7: {7}, 0: nil} {
		if got := median(values); got != want {
			t.Errorf("the median of %v is %v, wanted %v", values, got, want)
		}
	}
}
