package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// perConnection is the share of a rate that each connection gets, for clients that can only be told that.
func perConnection(l load) string {
	return strconv.FormatFloat(l.rate/float64(l.connections), 'f', -1, 64)
}

// ---- wrk ----

func wrkCommand(binary string, l load) ([]string, string) {
	return []string{
		binary, "-t1", "-c" + strconv.Itoa(l.connections), "-d" + strconv.Itoa(int(l.length.Seconds())) + "s", "--timeout", "20s", "--latency", l.url + "/",
	}, ""
}

var (
	wrkRate  = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkCount = regexp.MustCompile(`(\d+) requests in`)
	wrkLine  = regexp.MustCompile(`(?m)^\s+(50|75|90|99)%\s+([0-9.]+)(us|ms|s|m)`)
)

func readWrk(_ client, _ load, u usage) (told, error) {
	t, err := readRate(wrkRate, wrkCount, u)
	if err != nil {
		return t, err
	}
	for _, line := range wrkLine.FindAllSubmatch(u.stdout, -1) {
		d, err := time.ParseDuration(string(line[2]) + string(line[3]))
		if err != nil {
			return t, err
		}
		us := float64(d) / 1000
		switch string(line[1]) {
		case "50":
			t.Response.P50 = us
		case "90":
			t.Response.P90 = us
		case "99":
			t.Response.P99 = us
		}
	}
	return t, nil
}

// readRate finds the rate and the count of good answers in what a client printed.
func readRate(rates, counts *regexp.Regexp, u usage) (told, error) {
	rate, count := rates.FindSubmatch(u.stdout), counts.FindSubmatch(u.stdout)
	if rate == nil || count == nil {
		return told{}, fmt.Errorf("no rate in what it printed: %s%s", lastLine(u.stdout), lastLine(u.stderr))
	}
	t := told{Response: untold}
	t.PerSecond, _ = strconv.ParseFloat(string(rate[1]), 64)
	t.Completed, _ = strconv.ParseInt(string(count[1]), 10, 64)
	return t, nil
}

// ---- h2load ----

func h2loadCommand(binary string, l load) ([]string, string) {
	argv := []string{binary, "--h1", "-t1", "-c" + strconv.Itoa(l.connections)}
	if l.rate > 0 { // a number instead of a duration: it then waits for the last answers
		argv = append(argv, "--rps", perConnection(l), "-n", strconv.Itoa(int(l.rate*l.length.Seconds())))
	} else {
		argv = append(argv, "-D", seconds(l.length))
	}
	if l.times {
		argv = append(argv, "--log-file", l.log)
	}
	return append(argv, l.url+"/"), ""
}

var (
	h2loadRate  = regexp.MustCompile(`finished in [0-9.]+\w+, ([0-9.]+) req/s`)
	h2loadCount = regexp.MustCompile(`requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded`)
)

func readH2load(_ client, l load, u usage) (told, error) {
	t, err := readRate(h2loadRate, h2loadCount, u)
	if err != nil {
		return t, err
	}
	if !l.times {
		return t, nil
	}
	raw, err := os.ReadFile(l.log)
	if err != nil {
		return t, err
	}
	defer os.Remove(l.log)
	var us []float64
	for line := range strings.Lines(string(raw)) { // start in µs since 1970, status, µs until the answer's end
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		v, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return t, fmt.Errorf("its log: %w", err)
		}
		us = append(us, v)
	}
	t.Response = quantilesOf(us)
	return t, nil
}

// ---- fortio ----

func fortioCommand(binary string, l load) ([]string, string) {
	argv := []string{binary, "-url", l.url + "/", "-c", strconv.Itoa(l.connections), "-t", l.length.String()}
	if l.rate > 0 { // -uniform staggers the connections: without it all send at once
		argv = append(argv, "-qps", fmt.Sprint(l.rate), "-uniform")
	}
	return argv, ""
}

func readFortio(_ client, _ load, u usage) (told, error) {
	var said struct {
		QPS         float64
		Count       int64
		Percentiles []struct{ Percentile, Value float64 }
	}
	if err := json.Unmarshal(u.stdout, &said); err != nil {
		return told{}, fmt.Errorf("its JSON: %w: %s", err, lastLine(u.stderr))
	}
	t := told{Completed: said.Count, PerSecond: said.QPS, Response: untold}
	for _, p := range said.Percentiles {
		us := p.Value * 1e6
		switch p.Percentile {
		case 50:
			t.Response.P50 = us
		case 90:
			t.Response.P90 = us
		case 95:
			t.Response.P95 = us
		case 99:
			t.Response.P99 = us
		case 99.9:
			t.Response.P999 = us
		}
	}
	return t, nil
}

// ---- vegeta ----

func vegetaCommand(binary string, l load) ([]string, string) {
	argv := []string{
		binary, "attack", "-duration", l.length.String(), "-timeout", "20s", "-output", l.log,
		"-connections", strconv.Itoa(max(l.most, l.connections)), "-max-connections", strconv.Itoa(max(l.most, l.connections)),
	}
	if l.rate > 0 {
		argv = append(argv, "-rate", fmt.Sprint(l.rate), "-workers", strconv.Itoa(l.connections))
	} else {
		argv = append(argv, "-rate", "0", "-max-workers", strconv.Itoa(l.connections))
	}
	return argv, "GET " + l.url + "/\n"
}

// readVegeta has vegeta itself read its log, after the run and off the client's account.
func readVegeta(c client, l load, u usage) (told, error) {
	defer os.Remove(l.log)
	out, err := exec.Command(c.binary, "encode", "-to", "csv", l.log).Output()
	if err != nil {
		return told{}, fmt.Errorf("its report: %w: %s", err, lastLine(u.stderr))
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil {
		return told{}, fmt.Errorf("its CSV: %w", err)
	}
	var us []float64
	var first, last int64
	for _, row := range rows { // time in ns since 1970, status, latency in ns, …
		at, err1 := strconv.ParseInt(row[0], 10, 64)
		ns, err2 := strconv.ParseFloat(row[2], 64)
		if err1 != nil || err2 != nil {
			return told{}, fmt.Errorf("its CSV has %q and %q for time and latency", row[0], row[2])
		}
		if row[1] != "200" {
			continue
		}
		if first == 0 || at < first {
			first = at
		}
		last = max(last, at)
		us = append(us, ns/1000)
	}
	t := told{Completed: int64(len(us)), Response: quantilesOf(us)}
	if last > first {
		t.PerSecond = float64(len(us)) / (float64(last-first) / 1e9)
	}
	return t, nil
}

// ---- hey ----

func heyCommand(binary string, l load) ([]string, string) {
	argv := []string{binary, "-z", l.length.String(), "-c", strconv.Itoa(l.connections), "-cpus", "1", "-t", "20"}
	if l.rate > 0 {
		argv = append(argv, "-q", perConnection(l))
	}
	if l.times {
		argv = append(argv, "-o", "csv")
	}
	return append(argv, l.url+"/"), ""
}

var (
	heyRate  = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	heyCount = regexp.MustCompile(`\[200\]\s+(\d+) responses`)
)

func readHey(_ client, l load, u usage) (told, error) {
	if !l.times {
		return readRate(heyRate, heyCount, u)
	}
	rows, err := csv.NewReader(strings.NewReader(string(u.stdout))).ReadAll()
	if err != nil || len(rows) < 2 {
		return told{}, fmt.Errorf("its CSV (%d rows): %w", len(rows), err)
	}
	var us []float64
	for _, row := range rows[1:] {
		s, err := strconv.ParseFloat(row[0], 64)
		if err != nil {
			return told{}, fmt.Errorf("its CSV: %w", err)
		}
		us = append(us, s*1e6)
	}
	return told{Completed: int64(len(us)), PerSecond: float64(len(us)) / l.length.Seconds(), Response: quantilesOf(us)}, nil
}

// quantilesOf sorts its argument; each quantile is the ⌈q·n⌉-th smallest value.
func quantilesOf(us []float64) quantiles {
	slices.Sort(us)
	return quantiles{rank(us, .5), rank(us, .9), rank(us, .95), rank(us, .99), rank(us, .999)}
}

// rank is the ⌈q·n⌉-th smallest of sorted values; -1 when there are none.
func rank(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return -1
	}
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
