// Package ansturm_test guards the house: imports go downward only.
package ansturm_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/ansturm/ansturm"

// floors orders the packages; a package may import only those on lower floors.
var floors = map[string]int{
	"loadgen/fleet/netlab": 7, // above all: nobody may import it but tests, which are not judged here

	"cmd/ansturm":         6,
	"reports":             5,
	"lab":                 4,
	"planner":             4,
	"loadgen/fleet":       5,
	"loadgen/fleet/lease": 4,
	"loadgen/fleet/bus":   3,
	"loadgen":             3,
	"loadgen/observe":     3,
	"loadgen/cluster":     3,
	"planner/fit":         3,
	"planner/sim":         3,
	"planner/gate":        3,
	"planner/hpa":         2,
	"planner/pack":        2,
	"planner/chain":       2,
	"loadgen/record":      1,
	"scenarios/arrivals":  1,

	"loadgen/cluster/clustertest": 1, // a small API server for tests
	"loadgen/fleet/place":         3,

	"scenarios": 0,
}

// heavy names the dependencies that live in few packages only, and those packages.
var heavy = map[string][]string{
	"github.com/spf13/cobra":                  {"cmd/ansturm"},
	"github.com/vbauerster/mpb/v8":            {"cmd/ansturm"},
	"github.com/go-echarts/go-echarts/v2":     {"reports"},
	"gonum.org/v1/gonum":                      {"planner", "planner/fit", "planner/sim", "planner/gate", "planner/pack"},
	"github.com/HdrHistogram/hdrhistogram-go": {"loadgen/record"},
	"github.com/RoaringBitmap/roaring/v2":     {"loadgen/record", "lab", "loadgen/fleet", "cmd/ansturm"},
	"github.com/prometheus/common":            {"loadgen/record", "loadgen/observe", "cmd/ansturm"},
	"github.com/prometheus/client_model":      {"loadgen/record", "loadgen/observe", "cmd/ansturm"},
	"k8s.io/client-go":                        {"loadgen/observe", "loadgen/cluster", "loadgen/fleet/place"},
	"k8s.io/metrics":                          {"loadgen/observe", "loadgen/cluster"},
	"github.com/valyala/fasthttp":             {"lab"},
	"github.com/goccy/go-yaml":                {"scenarios"},
	"github.com/nats-io":                      {"loadgen/fleet/bus"},
}

// sameFloor are the imports allowed within one floor.
var sameFloor = map[string]bool{"planner→planner/fit": true, "loadgen/observe→loadgen/cluster": true, "loadgen/fleet/place→loadgen/cluster": true}

func TestImportsGoDownward(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		importer := strings.TrimPrefix(strings.TrimPrefix(fields[0], module), "/")
		if importer == "" {
			continue // the module's root holds only this test
		}
		floor, known := floors[importer]
		if !known {
			t.Errorf("package %s stands on no floor: add it to ARCHITECTURE.md and to this test", importer)
			continue
		}
		for _, imported := range fields[1:] {
			if inner, ours := strings.CutPrefix(imported, module+"/"); ours {
				if floors[inner] >= floor && !sameFloor[importer+"→"+inner] {
					t.Errorf("%s (floor %d) imports %s (floor %d)", importer, floor, inner, floors[inner])
				}
				continue
			}
			for prefix, rooms := range heavy {
				if (imported == prefix || strings.HasPrefix(imported, prefix+"/")) && !contains(rooms, importer) {
					t.Errorf("%s imports %s, which belongs into %v", importer, imported, rooms)
				}
			}
			if strings.HasPrefix(imported, "k8s.io/kubernetes") {
				t.Errorf("%s imports %s: only lab/kubernetes, a module of its own, may", importer, imported)
			}
		}
		if strings.HasPrefix(importer, "planner") {
			for _, imported := range fields[1:] {
				switch strings.TrimPrefix(imported, module+"/") {
				case "loadgen", "lab", "loadgen/observe", "loadgen/cluster", "loadgen/fleet":
					t.Errorf("%s imports %s: planners never fire", importer, imported)
				}
			}
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
