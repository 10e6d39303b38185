package record_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// Write a record of one arrival, read it back, and see that it adds up.
func Example() {
	tmp, err := os.MkdirTemp("", "record")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	dir := filepath.Join(tmp, "run")
	start := time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)

	w, err := record.Create(dir, record.Run{
		ID: "one", Speed: 1, StartedAt: start,
		Scenario: &scenarios.Scenario{
			Name:     "one-citizen",
			Arrivals: scenarios.Arrivals{Total: 1, Over: time.Minute},
			Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "here"}}},
			Journeys: []scenarios.Journey{{Name: "apply", Steps: []scenarios.Step{{Name: "submit"}}}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	shard := w.Shard()
	shard.Sample(record.Sample{Due: 10 * time.Second, Sent: 10 * time.Second, Done: 10*time.Second + 250*time.Millisecond})
	shard.Fate(0, record.Completed)
	if err := w.Close(start.Add(time.Minute), nil); err != nil {
		log.Fatal(err)
	}

	r, err := record.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	windows, err := r.Windows(func(k record.Key, _ time.Duration) bool { return k.Measure == record.Response && k.Tenant == "" })
	if err != nil {
		log.Fatal(err)
	}
	account, err := r.Account()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(windows[0].Step, "from", windows[0].Start, "median", windows[0].Histogram.Quantile(0.5))
	fmt.Println(account.Ledger.Completed, "of", account.Ledger.Total, "completed, problems:", account.Problems)
	// Output:
	// submit from 10s median 250.111ms
	// 1 of 1 completed, problems: []
}
