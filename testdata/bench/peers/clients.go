package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// load is what a client is asked to do.
type load struct {
	url         string
	connections int           // from the start
	most        int           // how far an open loop may grow; at least connections
	length      time.Duration // of sending
	rate        float64       // per second; 0: a closed loop, as fast as it goes
	poisson     bool          // exponential gaps instead of even ones
	times       bool          // response times are wanted, even where a client must be asked for them and pays
	journey     bool          // form and submission instead of one request
	env         []string
	log         string // a file the client may write its times to
}

// told is what a client says of its own run. What it does not say is negative.
type told struct {
	Completed int64
	PerSecond float64
	Response  quantiles // µs
	Start     int64     // of the schedule, ns of the real-time clock; 0: not told
}

// quantiles are times in µs; negative: not told.
type quantiles struct {
	P50  float64 `json:"p50_us"`
	P90  float64 `json:"p90_us"`
	P95  float64 `json:"p95_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
}

var untold = quantiles{-1, -1, -1, -1, -1}

// client is one load generator.
type client struct {
	name            string
	find            func(context.Context, *bench) (path, version string, err error)
	binary, version string
	open            bool // it can send at a given rate
	closed          bool // it can keep a number of connections busy
	poisson         bool // it can send with exponential gaps
	checks          bool // it can play the journey
	warmsUp         bool // it sends one request over each connection before its schedule begins
	grows           bool // it opens connections as it needs them; the others have all from the start
	tls             bool
	// command gives arguments and standard input; read understands what was printed.
	command func(binary string, l load) (argv []string, stdin string)
	read    func(c client, l load, u usage) (told, error)
}

var allClients = []client{
	{
		name: "limit", find: ours("limit"), open: true, closed: true, poisson: true, grows: true,
		command: func(binary string, l load) ([]string, string) { return limitCommand(binary, l), "" }, read: readLimit,
	},
	{
		name: "limit-spinning", find: ours("limit"), open: true, poisson: true, grows: true, read: readLimit,
		command: func(binary string, l load) ([]string, string) { return append(limitCommand(binary, l), "--spin"), "" },
	},
	{
		name: "ansturm", find: findAnsturm, open: true, closed: true, poisson: true, checks: true, tls: true, grows: true,
		command: ansturmCommand, read: readAnsturm,
	},
	{
		name: "wrk", find: fromDebian("wrk", "wrk"), closed: true, tls: true, command: wrkCommand, read: readWrk,
	},
	{
		name: "h2load", find: fromDebian("h2load", "nghttp2-client"), open: true, closed: true, tls: true,
		command: h2loadCommand, read: readH2load,
	},
	{
		name: "fortio", find: fromModule("fortio", fortioModule, "", &fortioDriver), open: true, closed: true, warmsUp: true,
		command: fortioCommand, read: readFortio,
	},
	{
		name: "vegeta", find: fromModule("vegeta", vegetaModule, "github.com/tsenart/vegeta/v12", nil), open: true, closed: true, grows: true,
		command: vegetaCommand, read: readVegeta,
	},
	{
		name: "hey", find: fromModule("hey", heyModule, "github.com/rakyll/hey", nil), open: true, closed: true, tls: true,
		command: heyCommand, read: readHey,
	},
	{
		name: "k6", find: fromModule("k6", k6Module, "go.k6.io/k6/v2", nil), open: true, closed: true, checks: true, tls: true,
		command: k6Command, read: readK6,
	},
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func port(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }

// ---- ours ----

func limitCommand(binary string, l load) []string {
	argv := []string{binary, "--port", port(l.url), "--for", seconds(l.length), "--connections", strconv.Itoa(l.connections)}
	if l.rate > 0 {
		argv = append(argv, "--rate", fmt.Sprint(l.rate), "--most", strconv.Itoa(l.most))
	}
	if l.poisson {
		argv = append(argv, "--process", "poisson")
	}
	return argv
}

// recordDir is where ansturm keeps the record of a run, beside the client's log.
func recordDir(l load) string { return filepath.Join(filepath.Dir(l.log), "record") }

func ansturmCommand(binary string, l load) ([]string, string) {
	if l.journey {
		return ansturmJourney(binary, l), ""
	}
	argv := []string{binary, "fire", l.url + "/", "--for", l.length.String(), "--json", "-o", recordDir(l)}
	if l.rate == 0 {
		return append(argv, "--rate", "max", "--connections", strconv.Itoa(l.connections)), ""
	}
	process := "uniform"
	if l.poisson {
		process = "poisson"
	}
	return append(argv, "--rate", fmt.Sprint(l.rate), "--process", process, "--connections", strconv.Itoa(l.most)), ""
}

// readAnsturm reads what it printed, and from the record when its schedule began.
func readAnsturm(_ client, l load, u usage) (told, error) {
	dir := recordDir(l)
	defer os.RemoveAll(dir)
	if l.journey {
		return readAnsturmRun(u)
	}
	t, err := readOwnJSON(u, l)
	if err != nil {
		return t, err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		return t, err
	}
	var run struct{ StartedAt time.Time }
	if err := json.Unmarshal(raw, &run); err != nil {
		return t, fmt.Errorf("run.json: %w", err)
	}
	t.Start = run.StartedAt.UnixNano()
	return t, nil
}

func readLimit(_ client, l load, u usage) (told, error) { return readOwnJSON(u, l) }

// readOwnJSON reads what limit and ansturm print: the same fields, by the same names.
func readOwnJSON(u usage, l load) (told, error) {
	var said struct {
		Completed int64
		Start     int64 `json:"start_ns"`
		Response  quantiles
	}
	if err := json.Unmarshal(u.stdout, &said); err != nil {
		return told{}, fmt.Errorf("its JSON: %w: %s", err, lastLine(u.stderr))
	}
	return told{Completed: said.Completed, PerSecond: float64(said.Completed) / l.length.Seconds(), Response: said.Response, Start: said.Start}, nil
}

// ---- k6 ----

// k6Script plays one request or the journey, in a closed loop or at a rate, and prints the figures as JSON at the end.
const k6Script = `import http from 'k6/http';
import { check } from 'k6';
const l = %s;
export const options = {
  scenarios: { s: l.rate > 0
    ? { executor: 'constant-arrival-rate', rate: l.rate, timeUnit: '1s', duration: l.length, preAllocatedVUs: l.connections, maxVUs: l.most, gracefulStop: '15s' }
    : { executor: 'constant-vus', vus: l.connections, duration: l.length, gracefulStop: '1s' } },
  summaryTrendStats: ['p(50)', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)'],
  insecureSkipTLSVerify: true,
  discardResponseBodies: !l.journey,
};
function journey() {
  const form = http.post(l.url + '/form', 'name=Muster');
  const token = form.json('token');
  check(form, { 'form': (r) => r.status === 200 && token !== undefined });
  const done = http.post(l.url + '/submit', 'token=' + token + '&reason=move');
  check(done, { 'submitted': (r) => r.status === 201 && r.json('id') !== undefined });
}
export default function () {
  if (l.journey) journey();
  else http.get(l.url + '/');
}
export function handleSummary(data) {
  const m = data.metrics;
  return { stdout: JSON.stringify({ times: m.http_req_duration.values, count: m.http_reqs.values.count, rate: m.http_reqs.values.rate,
    dropped: m.dropped_iterations ? m.dropped_iterations.values.count : 0, failed: m.checks ? m.checks.values.fails : 0 }) };
}
`

func k6Command(binary string, l load) ([]string, string) {
	text, _ := json.Marshal(map[string]any{ // plain values: cannot fail
		"url": l.url, "connections": l.connections, "most": max(l.most, l.connections), "length": l.length.String(), "rate": l.rate, "journey": l.journey,
	})
	return []string{binary, "run", "--quiet", "--no-usage-report", "-"}, fmt.Sprintf(k6Script, text)
}

func readK6(_ client, _ load, u usage) (told, error) {
	var said struct {
		Times               map[string]float64 // ms
		Count, Rate, Failed float64
	}
	if err := json.Unmarshal(u.stdout, &said); err != nil {
		return told{}, fmt.Errorf("its summary: %w: %s", err, lastLine(u.stderr))
	}
	if said.Failed > 0 {
		return told{}, fmt.Errorf("%v of its checks failed", said.Failed)
	}
	at := func(name string) float64 { return said.Times[name] * 1000 }
	return told{
		Completed: int64(said.Count), PerSecond: said.Rate,
		Response: quantiles{at("p(50)"), at("p(90)"), at("p(95)"), at("p(99)"), at("p(99.9)")},
	}, nil
}
