package loadgen_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// tally is the least of recorders; record.Writer is the real one.
type tally struct{ completed atomic.Int64 }

func (*tally) Sample(record.Sample) {}
func (t *tally) Fate(_ uint32, f record.Fate) {
	if f == record.Completed {
		t.completed.Add(1)
	}
}
func (*tally) Created(record.Created) {}
func (*tally) Event(record.Event)     {}
func (*tally) Err() error             { return nil }

func Example() {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line, _ := bufio.NewReader(r.Body).ReadString('\n')
		fmt.Fprintf(w, "thank you, %s", line)
	}))
	defer target.Close()
	if _, err := loadgen.TargetAddress(target.URL); err != nil {
		fmt.Println(err)
		return
	}
	scenario := &scenarios.Scenario{
		Name:     "example",
		Arrivals: scenarios.Arrivals{Total: 100, Over: 10 * time.Second, Process: "uniform"},
		Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "adorf", Weight: 1}}},
		Journeys: []scenarios.Journey{{Name: "apply", Weight: 1, Steps: []scenarios.Step{{
			Name: "submit", Method: "POST", URL: "/apply", Body: "arrival {{seq}} of {{tenant}}",
			Checks: []scenarios.Check{{Status: []int{200}}, {Contains: "thank you"}},
		}}}},
	}
	schedule, err := arrivals.New(scenario)
	if err != nil {
		fmt.Println(err)
		return
	}
	recorder := &tally{}
	engine, err := loadgen.New(loadgen.Config{
		Scenario: scenario, Schedule: schedule, RunID: "example", Speed: 50,
		Recorder: recorder, Samples: func(int) loadgen.Samples { return recorder },
		Address: func(int) string { return strings.TrimPrefix(target.URL, "http://") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := engine.Run(context.Background())
	fmt.Println(result.Totals.Shots, "shots,", recorder.completed.Load(), "arrivals completed,", err)
	// Output: 100 shots, 100 arrivals completed, <nil>
}
