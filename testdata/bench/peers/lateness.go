package main

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// firstArrival is the kernel's first stamp; there must be requests.
func firstArrival(requests []request) int64 {
	first := requests[0].arrival
	for _, r := range requests {
		first = min(first, r.arrival)
	}
	return first
}

// arrivalsOf are the kernel's stamps of a run's requests in order, in seconds from the first.
func arrivalsOf(requests []request) []float64 {
	stamps := make([]int64, len(requests))
	for i, r := range requests {
		stamps[i] = r.arrival
	}
	slices.Sort(stamps)
	seconds := make([]float64, len(stamps))
	for i, s := range stamps {
		seconds[i] = float64(s-stamps[0]) / 1e9
	}
	return seconds
}

// earlyShare is the share of arrivals that the estimated start lets be early.
const earlyShare = 0.001

// startSeen estimates when the schedule began, from arrivals in order that should have come at start + k/rate. No client
// may send before a request is due, so the start is the least of aₖ − k/rate: what comes in bursts counts as late from the
// due on, not as early. The quantile early (0.1 %) of the differences stands for the least, so that a few requests sent too
// early do not count against all that follow. Any later start would have more of them early: this is the kindest one.
func startSeen(arrivals []float64, rate, early float64) float64 {
	ahead := make([]float64, len(arrivals))
	for k, a := range arrivals {
		ahead[k] = a - float64(k)/rate
	}
	slices.Sort(ahead)
	return rank(ahead, early)
}

// latenessOf is how late, in seconds, each arrival came against start + k/rate; early ones are not late. The k-th arrival
// is held against the k-th due, whichever request it was: what left in another order is not late for that.
func latenessOf(arrivals []float64, start, rate float64) []float64 {
	late := make([]float64, len(arrivals))
	for k, a := range arrivals {
		late[k] = max(0, a-start-float64(k)/rate)
	}
	return late
}

// gapVariation is the coefficient of variation of the gaps between arrivals: standard deviation by mean. An even schedule
// has 0, a Poisson process 1; clients that send in bursts have more.
func gapVariation(arrivals []float64) float64 {
	n := len(arrivals) - 1
	if n < 1 {
		return math.NaN()
	}
	mean := (arrivals[n] - arrivals[0]) / float64(n)
	var squares float64
	for i := range n {
		d := arrivals[i+1] - arrivals[i] - mean
		squares += d * d
	}
	return math.Sqrt(squares/float64(n)) / mean
}

// latenessRates are in requests a second.
var latenessRates = []float64{2000, 10000, 20000}

// lateness: how late requests come against an even schedule, as the sink's kernel sees it.
func (b *bench) lateness(ctx context.Context) error {
	for _, rate := range latenessRates {
		t := table{
			measurement: "lateness", load: fmt.Sprintf("%s a second, evenly, 64 connections", cell(rate, 0)),
			columns: []column{
				{"p50_us", "late p50 µs", 1},
				{"p90_us", "p90 µs", 1},
				{"p99_us", "p99 µs", 0},
				{"p999_us", "p99.9 µs", 0},
				{"told_p50_us", "p50 µs, told start", 1},
				{"told_p90_us", "p90 µs, told start", 1},
				{"sent_percent", "arrived %", 2},
				{"gap_cv", "gaps' variation", 2},
				columnCPU, columnPeak, columnDisturbed,
			},
		}
		l := load{connections: closedConnections, length: b.length, rate: rate}
		err := b.inTurns(ctx, t, b.those(func(c client) bool { return c.open }), func(ctx context.Context, c client) (row, error) {
			t, err := b.turn(ctx, c, l, true)
			if err != nil {
				return nil, err
			}
			arrivals := arrivalsOf(t.requests)
			q, byTold := quantilesOf(scaled(latenessOf(arrivals, startSeen(arrivals, rate, earlyShare), rate), 1e6)), untold
			if t.Start != 0 {
				start := float64(t.Start-firstArrival(t.requests)) / 1e9
				byTold = quantilesOf(scaled(latenessOf(arrivals, start, rate), 1e6))
			}
			sent := 100 * float64(len(t.requests)) / (rate * l.length.Seconds())
			return row{
				q.P50, q.P90, q.P99, q.P999, known(byTold.P50), known(byTold.P90), sent, gapVariation(arrivals),
				t.cpuPerRequest(t.Answered), t.peakMiB(), t.disturbed,
			}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// poisson: whether exponential gaps come out as such. The schedule's own variation is 1.
func (b *bench) poisson(ctx context.Context) error {
	for _, rate := range latenessRates {
		t := table{
			measurement: "poisson", load: fmt.Sprintf("%s a second, Poisson, 64 connections and more where needed", cell(rate, 0)),
			columns: []column{{"gap_cv", "gaps' variation", 3}, {"sent_percent", "arrived %", 2}, columnCPU, columnDisturbed},
		}
		l := load{connections: closedConnections, most: 1000, length: b.length, rate: rate, poisson: true}
		err := b.inTurns(ctx, t, b.those(func(c client) bool { return c.poisson }), func(ctx context.Context, c client) (row, error) {
			t, err := b.turn(ctx, c, l, true)
			if err != nil {
				return nil, err
			}
			sent := 100 * float64(len(t.requests)) / (rate * l.length.Seconds())
			return row{gapVariation(arrivalsOf(t.requests)), sent, t.cpuPerRequest(t.Answered), t.disturbed}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func scaled(values []float64, by float64) []float64 {
	for i := range values {
		values[i] *= by
	}
	return values
}
