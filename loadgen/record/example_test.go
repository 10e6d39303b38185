package record_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
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

// Two workers fire the arrivals of one run. Their deltas come late, in another order and twice; the record does not show it.
func ExampleCollector() {
	tmp, err := os.MkdirTemp("", "record")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	run := record.Run{
		ID: "many", Speed: 1, StartedAt: time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC),
		Scenario: &scenarios.Scenario{
			Name:     "two-citizens",
			Arrivals: scenarios.Arrivals{Total: 3, Over: time.Minute},
			Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "here"}}},
			Journeys: []scenarios.Journey{{Name: "apply", Steps: []scenarios.Step{{Name: "submit"}}}},
		},
	}
	var frames [][]byte
	for worker := range uint32(2) {
		c, err := record.NewCollector(run, 1+worker, 1, func(_ record.FrameID, frame []byte) error {
			frames = append(frames, slices.Clone(frame))
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
		shard := c.Shard()
		shard.Sample(record.Sample{Seq: worker, Done: 250 * time.Millisecond})
		shard.Fate(worker, record.Completed)
		if err := c.Close(time.Second); err != nil {
			log.Fatal(err)
		}
	}

	dir := filepath.Join(tmp, "run")
	w, err := record.Fold(dir, run)
	if err != nil {
		log.Fatal(err)
	}
	var d record.Delta
	for _, frame := range [][]byte{frames[1], frames[0], frames[1]} {
		if err := w.Parse(frame, &d); err != nil {
			log.Fatal(err)
		}
		news, err := w.Merge(&d)
		fmt.Println("worker", d.Worker, "news:", news, err)
	}
	if err := w.Settle(record.Unsent, w.Missing()); err != nil { // nobody was told to fire the third
		log.Fatal(err)
	}
	if err := w.Close(run.StartedAt.Add(time.Minute), nil); err != nil {
		log.Fatal(err)
	}
	r, err := record.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	account, err := r.Account()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(account.Shots, "shots,", account.Ledger.Completed, "completed,", account.Ledger.Unsent, "unsent, problems:", account.Problems)
	// Output:
	// worker 2 news: true <nil>
	// worker 1 news: true <nil>
	// worker 2 news: false <nil>
	// 2 shots, 2 completed, 1 unsent, problems: []
}
