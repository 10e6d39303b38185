package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// The stall: requests come at stallRate for stallLength, and from stallAt on the server reads nothing for stallFor.
const (
	stallRate   = 1000.0
	stallLength = 20 * time.Second
	stallAt     = 9 * time.Second
	stallFor    = 2 * time.Second
)

// stallQuantile is the response time, in seconds, that a fraction q of all arrivals stay within: those who come during
// the stall wait for what is left of it, evenly between 0 and S, so the share that waits longer than x is (S−x)/T.
func stallQuantile(q float64) float64 {
	return max(0, stallFor.Seconds()-(1-q)*stallLength.Seconds())
}

// stall: what each client reports of a stall, with connections to spare and without.
func (b *bench) stall(ctx context.Context) error {
	for _, most := range []int{2500, 50} {
		t := table{
			measurement: "stall", load: fmt.Sprintf("1,000 a second for 20 s, 2 s stall, %s connections allowed", cell(float64(most), 0)),
			note: fmt.Sprintf("Closed form: p95 %.0f, p99 %.0f, p99.9 %.0f ms.", 1e3*stallQuantile(.95), 1e3*stallQuantile(.99), 1e3*stallQuantile(.999)),
			columns: []column{
				{"p95_ms", "p95 ms, reported", 0},
				{"p99_ms", "p99 ms, reported", 0},
				{"p999_ms", "p99.9 ms, reported", 0},
				{"sink_p95_ms", "p95 ms, by the sink", 0},
				{"sink_p99_ms", "p99 ms, by the sink", 0},
				{"sink_p999_ms", "p99.9 ms, by the sink", 0},
				{"missing", "arrivals missing", 0},
				{"during", "sent during the stall", 0},
				{"most_open", "connections", 0},
				columnDisturbed,
			},
		}
		one := func(ctx context.Context, c client) (row, error) { return b.stallOnce(ctx, c, most) }
		if err := b.inTurns(ctx, t, b.those(func(c client) bool { return c.open && c.name != "limit-spinning" }), one); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) stallOnce(ctx context.Context, c client, most int) (row, error) {
	l := load{connections: 1, most: most, length: stallLength, rate: stallRate, times: true}
	if !c.grows {
		l.connections = most
	}
	t, err := b.turn(ctx, c, l, true, "--stall-at", seconds(stallAt), "--stall-for", seconds(stallFor))
	if err != nil {
		return nil, err
	}
	if t.StalledTo == 0 {
		return nil, fmt.Errorf("the sink never stalled: it saw only %d requests", t.Answered)
	}
	seen := quantilesOf(scaled(answersAfterDue(t.requests, stallRate), 1e3))
	during := 0
	for _, r := range t.requests {
		if r.arrival >= t.StalledAt && r.arrival < t.StalledTo {
			during++
		}
	}
	ms := func(us float64) float64 {
		if us < 0 {
			return math.NaN()
		}
		return us / 1000
	}
	return row{
		ms(t.Response.P95), ms(t.Response.P99), ms(t.Response.P999), seen.P95, seen.P99, seen.P999,
		stallRate*stallLength.Seconds() - float64(len(t.requests)), float64(during), float64(t.MostOpen), t.disturbed,
	}, nil
}

// answersAfterDue is how long after the k-th due, in seconds, the k-th arrival was answered, by the sink's own clock. The
// start is the median of aₖ − k/rate here: some clients begin with one request on every connection, and 2,500 of 20,000
// that come early must not count against the others.
func answersAfterDue(requests []request, rate float64) []float64 {
	if len(requests) == 0 {
		return nil
	}
	ordered := slices.Clone(requests)
	slices.SortStableFunc(ordered, byArrival)
	start := startSeen(arrivalsOf(requests), rate, .5)
	after := make([]float64, len(ordered))
	for k, r := range ordered {
		after[k] = max(0, float64(r.answer-ordered[0].arrival)/1e9-start-float64(k)/rate)
	}
	return after
}
