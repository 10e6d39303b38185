package main

import (
	"context"
	"time"
)

// The memory run: each answer is held back so long that, at this rate, so many requests are in flight at a time.
const (
	inFlight = 15000
	heldFor  = 3 * time.Second
)

// memory: what 15,000 requests in flight at a time cost. Clients that open connections as they need them send at the rate
// that keeps so many waiting; the others keep 15,000 connections busy.
func (b *bench) memory(ctx context.Context) error {
	t := table{
		measurement: "memory", load: "15,000 requests in flight, each answered after 3 s",
		columns: []column{columnPeak, {"in_flight", "in flight, most", 0}, columnPerSecond, columnCPU, columnDisturbed},
	}
	clients := b.those(func(c client) bool { return c.name != "limit-spinning" && c.name != "k6" }) // k6 would need gigabytes
	return b.inTurns(ctx, t, clients, func(ctx context.Context, c client) (row, error) {
		l := load{connections: inFlight, length: max(b.length, 9*time.Second)}
		if c.grows {
			l.connections, l.most, l.rate = closedConnections, inFlight, inFlight/heldFor.Seconds()
		}
		t, err := b.turn(ctx, c, l, false, "--hold", seconds(heldFor))
		if err != nil {
			return nil, err
		}
		return row{t.peakMiB(), float64(t.MostHeld), t.PerSecond, t.cpuPerRequest(t.Answered), t.disturbed}, nil
	})
}
