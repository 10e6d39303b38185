package main

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > within {
		t.Errorf("%s is %g, want %g within %g", what, got, want, within)
	}
}

// even gives n arrivals at a rate, from one second on.
func even(n int, rate float64) []float64 {
	arrivals := make([]float64, n)
	for k := range arrivals {
		arrivals[k] = 1 + float64(k)/rate
	}
	return arrivals
}

func TestEvenArrivalsAreNotLate(t *testing.T) {
	arrivals := even(5000, 1000)
	start := startSeen(arrivals, 1000, earlyShare)
	near(t, "start", start, 1, 1e-9)
	near(t, "the greatest lateness", slices.Max(latenessOf(arrivals, start, 1000)), 0, 1e-9)
	near(t, "the gaps' variation", gapVariation(arrivals), 0, 1e-6)
}

// Ten at a time at the tenth's due: the first of them is 9 ms late, the last not at all, the median between.
func TestBurstsAreLate(t *testing.T) {
	arrivals := even(5000, 1000)
	for k := range arrivals {
		arrivals[k] = arrivals[k/10*10+9]
	}
	late := quantilesOf(latenessOf(arrivals, startSeen(arrivals, 1000, earlyShare), 1000))
	near(t, "p50", late.P50, 0.004, 1e-9)
	near(t, "p90", late.P90, 0.008, 1e-9)
	near(t, "p99", late.P99, 0.009, 1e-9)
	// Of n gaps every tenth is 10 ms and the others nothing: the variance is 9 times the squared mean.
	near(t, "the gaps' variation", gapVariation(arrivals), 3, 0.01)
}

// A burst over all connections at the very beginning must not make all that follow late.
func TestEarlyBurstIsForgiven(t *testing.T) {
	arrivals := even(100_000, 10_000)
	for k := range 64 {
		arrivals[k] = 1
	}
	late := quantilesOf(latenessOf(arrivals, startSeen(arrivals, 10_000, earlyShare), 10_000))
	near(t, "p50", late.P50, 0, 1e-9)
	near(t, "p99.9", late.P999, 0, 1e-9)
}

// requestsOfStall are a stall's requests as a sink notes them: who comes during the stall is answered at its end.
func requestsOfStall() []request {
	var requests []request
	for k := range int(stallRate * stallLength.Seconds()) {
		arrival := time.Duration(float64(k) / stallRate * float64(time.Second))
		answer := arrival
		if arrival >= stallAt && arrival < stallAt+stallFor {
			answer = stallAt + stallFor
		}
		requests = append(requests, request{-1, 1e18 + int64(arrival), 1e18 + int64(answer)})
	}
	return requests
}

func TestStallHasItsClosedForm(t *testing.T) {
	seen := quantilesOf(answersAfterDue(requestsOfStall(), stallRate))
	for _, q := range []struct{ q, want, got float64 }{{.95, 1, seen.P95}, {.99, 1.8, seen.P99}, {.999, 1.98, seen.P999}} {
		near(t, "the closed form", stallQuantile(q.q), q.want, 1e-9)
		near(t, "what the sink saw", q.got, q.want, 0.0011) // one arrival's gap
	}
	near(t, "the median", seen.P50, 0, 1e-6)
	near(t, "the closed form of the median", stallQuantile(.5), 0, 0)
}

func TestRecordsAreRead(t *testing.T) {
	var raw []byte
	for _, v := range []int64{-1, 5, 7, 12, 8, 9} {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	requests, err := readRequests(raw)
	if err != nil || !slices.Equal(requests, []request{{-1, 5, 7}, {12, 8, 9}}) {
		t.Errorf("%v, %v", requests, err)
	}
	if _, err := readRequests(raw[:25]); err == nil {
		t.Error("a record that is cut off is read without complaint")
	}
}

func TestMedians(t *testing.T) {
	l := line{rounds: []row{{1, math.NaN()}, {9, 4}, {2, 6}}}
	if m := l.median(2); m[0] != 2 || m[1] != 5 {
		t.Errorf("medians %v, want 2 and 5", m)
	}
	if m := (line{}).median(1); !math.IsNaN(m[0]) {
		t.Errorf("a client without rounds has the median %v", m[0])
	}
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		v      float64
		digits int
		want   string
	}{
		{0, 0, "0"}, {999.4, 0, "999"}, {1000, 0, "1,000"}, {1234567.89, 1, "1,234,567.9"}, {-1234, 0, "-1,234"}, {-123, 0, "-123"}, {math.NaN(), 2, "–"},
	} {
		if got := cell(c.v, c.digits); got != c.want {
			t.Errorf("cell(%g, %d) is %q, want %q", c.v, c.digits, got, c.want)
		}
	}
}

// What the peers print, shortened, from real runs of the versions named in build.go.
func TestPeersAnswersAreRead(t *testing.T) {
	wrk := "  Latency Distribution\n     50%  139.00us\n     75%  181.00us\n     90%    1.50ms\n     99%    2.00s \n" +
		"  666612 requests in 3.00s, 49.59MB read\nRequests/sec: 222151.20\n"
	h2load := "finished in 3.00s, 174857.67 req/s, 13.01MB/s\nrequests: 524573 total, 524637 started, 524573 done, 524570 succeeded, 3 failed, 0 errored, 0 timeout\n"
	hey := "  Requests/sec:\t19205.1234\n\nStatus code distribution:\n  [200]\t38410 responses\n"
	for _, c := range []struct {
		name  string
		read  func(client, load, usage) (told, error)
		out   string
		rate  float64
		count int64
		times [2]float64 // p50 and p99
	}{
		{name: "wrk", read: readWrk, out: wrk, rate: 222151.2, count: 666612, times: [2]float64{139, 2e6}},
		{name: "h2load", read: readH2load, out: h2load, rate: 174857.67, count: 524570, times: [2]float64{-1, -1}},
		{name: "hey", read: readHey, out: hey, rate: 19205.1234, count: 38410, times: [2]float64{-1, -1}},
	} {
		got, err := c.read(client{}, load{}, usage{stdout: []byte(c.out)})
		if err != nil || got.PerSecond != c.rate || got.Completed != c.count || got.Response.P50 != c.times[0] || got.Response.P99 != c.times[1] {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if _, err := c.read(client{}, load{}, usage{stdout: []byte("unable to connect")}); err == nil {
			t.Errorf("%s: an answer without figures is read without complaint", c.name)
		}
	}
}

func TestGoals(t *testing.T) {
	figures := map[string]float64{
		"throughput  ansturm per_second": 12, "throughput  wrk per_second": 10, "throughput  k6 per_second": 2,
		"lateness 10,000 a second ansturm told_p50_us": 24, "lateness 10,000 a second limit told_p50_us": 20,
		"lateness 10,000 a second ansturm p50_us": 22, "lateness 10,000 a second hey p50_us": 21, "lateness 10,000 a second k6 p50_us": 90,
		"stall 1,000 a second for 20 s, 2 s stall, 50  ansturm p95_ms": 1030, "stall 1,000 a second for 20 s, 2 s stall, 50  ansturm sink_p95_ms": 1021,
		"stall 1,000 a second for 20 s, 2 s stall, 50  limit p95_ms": 1020,
	}
	verdicts := map[string]bool{}
	for _, g := range goals(func(measurement, load, client, key string) float64 {
		if v, ok := figures[strings.Join([]string{measurement, load, client, key}, " ")]; ok {
			return v
		}
		return math.NaN()
	}) {
		verdicts[g.measurement+": "+g.what] = g.met()
	}
	want := map[string]bool{
		"throughput: requests/s, times wrk's": true, "throughput: requests/s, times k6's": false,
		"lateness: 10,000 a second: p50_us, times limit's": true, "lateness: 10,000 a second: p50_us, times the best peer's": false,
		"stall: 50 connections: p95_ms, ms from the sink's": true, "stall: 50 connections: p95_ms, ms from the closed form": false,
	}
	if !maps.Equal(verdicts, want) {
		t.Errorf("%v", verdicts)
	}
}
