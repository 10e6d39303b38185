package main

import "context"

// closedConnections is how many connections a closed loop keeps busy.
const closedConnections = 64

// throughput: how many requests one core of the client can send, closed loop. The sink may be the slower side, then the
// client's core is not busy all the time: requests a CPU second are what its core could do.
func (b *bench) throughput(ctx context.Context) error {
	t := table{
		measurement: "throughput", load: "64 connections, closed loop",
		columns: []column{
			columnPerSecond, columnCPU, columnPerCPU, columnBusy, columnPeak,
			{"p50_us", "p50 µs, as reported", 0},
			{"p99_us", "p99 µs, as reported", 0},
			columnDisturbed,
		},
	}
	l := load{connections: closedConnections, length: b.length}
	return b.inTurns(ctx, t, b.those(func(c client) bool { return c.closed }), func(ctx context.Context, c client) (row, error) {
		t, err := b.turn(ctx, c, l, false)
		if err != nil {
			return nil, err
		}
		cpu := t.cpuPerRequest(t.Answered)
		return row{t.PerSecond, cpu, 1e6 / cpu, t.busy(), t.peakMiB(), known(t.Response.P50), known(t.Response.P99), t.disturbed}, nil
	})
}
