package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

func replicasAt(at float64, ready, current int32) record.Event {
	return record.Event{Kind: record.KindReplicas, Tenant: "a", At: time.Duration(at * 1e9), Ready: ready, Current: current}
}

// A second has the counts of the last event before it or at it.
func TestFollowCountsBySeconds(t *testing.T) {
	got := follow([]record.Event{
		replicasAt(0, 1, 1),
		{Kind: record.KindScale, Tenant: "a", Desired: 9},
		replicasAt(1.2, 1, 3), replicasAt(1.7, 2, 3), replicasAt(4, 3, 3),
		replicasAt(5.5, 9, 9), // after the end
	}, 6)["a"]
	if want := (&replicas{ready: []int32{1, 1, 2, 2, 3, 3}, current: []int32{1, 1, 3, 3, 3, 3}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func twoSides(a, b []int32) (*side, *side) {
	s := &scenarios.Scenario{Tenants: scenarios.Tenants{List: []scenarios.Tenant{{Name: "a"}}}}
	of := func(counts []int32) *side {
		return &side{seconds: len(counts), scenario: s, tenants: map[string]*replicas{"a": {counts, counts}}}
	}
	return of(a), of(b)
}

func TestCompareCountsTheSecondsWithinOne(t *testing.T) {
	a, b := make([]int32, 100), make([]int32, 100)
	for i := range a {
		a[i], b[i] = 2, 2
		if i >= 40 {
			a[i] = 4
		}
		if i >= 50 { // ten seconds behind
			b[i] = 4
		}
		if i >= 80 { // two more, for good
			b[i] = 6
		}
	}
	embedded, cluster := twoSides(a, b)
	total, tenants, err := compare(embedded, cluster)
	want := together{Ready: 0.7, Current: 0.7, ReadyNearby: 0.95}
	if difference := (10*2 - 20*2) / 100.0; math.Abs(total.Difference-difference) > 1e-9 {
		t.Errorf("%v more on average, want %v", total.Difference, difference)
	}
	if total.Difference = 0; err != nil || total != want || len(tenants) != 1 || tenants[0].Tenant != "a" {
		t.Errorf("%+v of %+v, %v; want %+v: 10 seconds apart by phase, 20 for good, of which 5 are more than 15 s in", total, tenants, err, want)
	}
	cluster.seed++
	if _, _, err := compare(embedded, cluster); err == nil {
		t.Error("two seeds were compared")
	}
	if _, _, err := compare(&side{scenario: embedded.scenario, seconds: 100, tenants: nil}, embedded); err == nil {
		t.Error("a record without replicas was compared")
	}
}

// The chart is one well-formed document with a line for each side of each tenant.
func TestChartIsADrawing(t *testing.T) {
	embedded, cluster := twoSides([]int32{1, 1, 3, 3}, []int32{1, 2, 2, 3})
	_, tenants, err := compare(embedded, cluster)
	if err != nil {
		t.Fatal(err)
	}
	chart := draw(embedded, cluster, tenants)
	lines := 0
	d := xml.NewDecoder(bytes.NewReader(chart))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, chart)
		}
		if e, is := token.(xml.StartElement); is {
			for _, a := range e.Attr {
				if a.Name.Local == "stroke" && (a.Value == colorLab || a.Value == colorCluster) {
					lines++
				}
			}
		}
	}
	if lines != 2 || !strings.Contains(string(chart), "a: within one replica in 100.0 %") {
		t.Errorf("%d lines in\n%s", lines, chart)
	}
}

func TestSettings(t *testing.T) {
	for _, args := range [][]string{{"-fire=false"}, {"-no"}} {
		if _, err := parseSettings(args, io.Discard); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}
