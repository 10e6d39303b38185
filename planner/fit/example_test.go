package fit_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
)

// Six scrapes of one tenant whose requests cost 0.1 s each and whose pods use nothing when idle.
func ExampleFromData() {
	data := &fit.Data{Run: &record.Run{ID: "cal-1", Purpose: "calibration", EndedAt: time.Unix(75, 0), Validity: record.Validity{Valid: true}}}
	used := 0.0
	for s := range 76 {
		if s%15 == 0 {
			data.Events = append(data.Events, record.Event{
				At: time.Duration(s) * time.Second, Kind: record.KindMetrics, Tenant: "a", Workload: "app",
				Values: map[string]float64{"cpu_seconds": used, "pods": 2},
			})
		}
		n := int64(5 + 5*(s/30)) // requests in this second: the rate is stepped
		h := record.NewHistogram(3)
		if err := h.Add(120*time.Millisecond, n); err != nil {
			fmt.Println(err)
			return
		}
		data.Windows = append(data.Windows, record.Window{
			Key: record.Key{Measure: record.Service, Step: "submit"}, Start: time.Duration(s) * time.Second, Length: time.Second, Histogram: h,
		})
		used += 0.1 * float64(n)
	}
	m, err := fit.FromData(context.Background(), []*fit.Data{data}, fit.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f CPU seconds a request\n", m.Workloads["app"].Steps["submit"].Demand.Value)
	// Output: 0.100 CPU seconds a request
}
