package gate_test

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

func ExampleJudgeData() {
	slow := record.NewHistogram(2)
	for d, n := range map[time.Duration]int64{time.Second: 90, 4 * time.Second: 10} {
		if err := slow.Add(d, n); err != nil {
			fmt.Println(err)
			return
		}
	}
	v, err := gate.JudgeData(&gate.Data{
		Run: &record.Run{
			EndedAt: time.Unix(60, 0), Validity: record.Validity{Valid: true},
			Scenario: &scenarios.Scenario{SLOs: []scenarios.SLO{{Name: "submit", Percentile: 95, Within: 2 * time.Second, Errors: 0.01, Window: time.Minute}}},
		},
		Windows: []record.Window{{Key: record.Key{Measure: record.Response, Step: "submit", Tenant: "a"}, Length: time.Minute, Histogram: slow}},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Result, v.Result.ExitCode())
	fmt.Println(v.Reasons[0].In("en"))
	// Output:
	// fail 1
	// Promise "submit" broken: in 1 of 1 windows; 1 of 1 tenants, first from 0:00. Worst: tenant a, step submit, 0:00 to 1:00: 10 % of 100 requests too slow or failed (allowed 5 %), 0 % failed (allowed 1 %), p95 4.01 s (promised 2 s).
}
