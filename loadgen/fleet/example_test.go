package fleet_test

import (
	"context"
	"fmt"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/record"
)

// A coordinator needs a bus, and the run as one process would fire it.
func ExampleCoordinator() {
	coordinate := func(ctx context.Context, dir string, run record.Run, engine loadgen.Config) error {
		store, err := bus.Start(ctx, bus.Options{Run: run.ID, Dir: dir + ".fleet"})
		if err != nil {
			return err
		}
		defer store.Close() //nolint:errcheck // the record is closed by then
		c, err := fleet.New(fleet.Config{Store: store, Dir: dir, Run: run, Engine: engine, Workers: 3})
		if err != nil {
			return err
		}
		done, err := c.Run(ctx) // meanwhile: c.Event, c.Progress, c.Workers, c.Dead
		if err != nil {
			return err
		}
		fmt.Println(done.Validity.Valid, done.Totals.Shots)
		return nil
	}
	_ = coordinate
}

// A worker needs a token of the run, and a directory of its own.
func ExampleWork() {
	work := func(ctx context.Context, token bus.Token, url, state string) error {
		return fleet.Work(ctx, fleet.WorkerConfig{
			State: state,
			Join: func(ctx context.Context, hello []byte) (bus.Link, []byte, error) {
				seat, err := bus.Join(ctx, token, bus.Abroad{URL: url}, hello)
				if err != nil {
					return nil, nil, err
				}
				return seat.Link, seat.Welcome, nil
			},
		})
	}
	_ = work
}
