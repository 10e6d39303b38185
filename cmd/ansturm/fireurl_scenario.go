package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

const (
	// closedConnections of a closed loop that names none.
	closedConnections = 64
	// mostBody bounds a body, in bytes: it is held in memory once, and sent with every shot.
	mostBody = 16 << 20
)

// shot is what the flags of ansturm fire say, as given.
type shot struct {
	url, rate, curve, process, method, body, out string
	over, timeout, late                          time.Duration
	total                                        int64
	seed                                         uint64
	headers                                      []string
	connections, shards                          int
	expect                                       []int
	insecure                                     bool
	authorities                                  string
	// given says whether a flag was written.
	given func(flag string) bool
}

// firing makes the run: a scenario of one tenant and one step. All errors are of input. It sends nothing.
func (s *shot) firing(stdin io.Reader) (firing, error) {
	f := firing{speed: lifeSpeed, purpose: "fire", title: "fire", byTime: true}
	where, err := splitTarget(s.url)
	if err != nil {
		return f, err
	}
	f.target, f.maxConnections, f.latenessLimit, f.shards = where.address, s.connections, s.late, s.shards
	if s.connections < 0 {
		return f, inputError(fmt.Errorf("--connections %d: must be at least 1", s.connections), "")
	}
	if s.given("shards") && (s.shards < 1 || s.shards > arrivals.Strands) {
		return f, inputError(fmt.Errorf("--shards %d: must be 1 to %d", s.shards, arrivals.Strands), "")
	}
	if s.given("lateness-limit") && s.late <= 0 {
		return f, inputError(fmt.Errorf("--lateness-limit %s: must be above 0", s.late), "")
	}
	if f.tls, err = s.secure(where); err != nil {
		return f, err
	}
	scenario := &scenarios.Scenario{
		Name:    "fire",
		Tenants: scenarios.Tenants{List: []scenarios.Tenant{{Name: "target"}}},
	}
	if scenario.Arrivals, f.closed, err = s.arrivals(); err != nil {
		return f, err
	}
	if f.closed > 0 {
		f.maxConnections = f.closed
	}
	step, err := s.step(where, stdin)
	if err != nil {
		return f, err
	}
	scenario.Journeys = []scenarios.Journey{{Name: "fire", Steps: []scenarios.Step{step}}}
	if f.scenario, err = scenario.WithDefaults(); err != nil {
		return f, inputError(err, "")
	}
	return f, inputError(inFlags(f.scenario.Validate()), "see 'ansturm fire --help'")
}

// target is a URL in the parts that the engine needs.
type target struct {
	origin  string // http://host:port as written
	host    string // host:port as written
	address string // as loadgen.Config.Address gives it
	path    string // path and query, with placeholders
}

// splitTarget takes a URL apart and checks that it may be fired at. The URL is split by hand: its path may hold
// placeholders, which no URL parser need let through.
func splitTarget(raw string) (target, error) {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found || scheme == "" {
		return target{}, inputError(fmt.Errorf("%q is no URL", raw), "write it with its scheme, like http://127.0.0.1:8080/")
	}
	rest, _, _ = strings.Cut(rest, "#") // a fragment never leaves a browser either
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	t := target{origin: scheme + "://" + rest[:end], host: rest[:end], path: rest[end:]}
	if !strings.HasPrefix(t.path, "/") {
		t.path = "/" + t.path
	}
	address, err := loadgen.TargetAddress(t.origin)
	switch {
	case errors.Is(err, loadgen.ErrNoConsent):
		return t, inputError(err, "fire at a server on this machine, 127.0.0.1 or localhost")
	case err != nil:
		return t, inputError(err, "write it like http://127.0.0.1:8080/")
	}
	t.address = address
	return t, nil
}

// step is the one request.
func (s *shot) step(where target, stdin io.Reader) (scenarios.Step, error) {
	step := scenarios.Step{Name: "shot", URL: where.origin + where.path, Method: strings.ToUpper(s.method), Timeout: s.timeout}
	if s.given("timeout") && s.timeout <= 0 {
		return step, inputError(fmt.Errorf("--timeout %s: must be above 0", s.timeout), "")
	}
	body, err := readBody(s.body, stdin)
	if err != nil {
		return step, err
	}
	step.Body = body
	if step.Method == "" && s.given("data") {
		step.Method = "POST"
	}
	if step.Headers, err = parseHeaders(s.headers); err != nil {
		return step, err
	}
	if !hasHeader(step.Headers, "Content-Type") && looksLikeJSON(body) {
		step.Headers["Content-Type"] = "application/json"
	}
	if !hasHeader(step.Headers, "Host") && where.host != strings.TrimPrefix(where.address, "https://") {
		step.Headers["Host"] = where.host // localhost is connected to by its address, but asked for by its name
	}
	if len(s.expect) > 0 {
		step.Checks = []scenarios.Check{{Status: s.expect}}
	}
	return step, nil
}

// readBody gives the text, or the file's where it begins with @.
func readBody(data string, stdin io.Reader) (string, error) {
	name, isFile := strings.CutPrefix(data, "@")
	if !isFile {
		return data, nil
	}
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", inputError(fmt.Errorf("--data: %w", err), "a text that begins with @ is read from a file")
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, mostBody+1))
	switch {
	case err != nil:
		return "", inputError(fmt.Errorf("--data: %w", err), "")
	case len(text) > mostBody:
		return "", inputError(fmt.Errorf("--data: %s is longer than %d MiB", data, mostBody>>20), "a scenario's form streams files")
	case !utf8.Valid(text):
		return "", inputError(fmt.Errorf("--data: %s is not text (UTF-8)", data), "a scenario's form uploads files of any kind")
	}
	return string(text), nil
}

// looksLikeJSON says whether a body is obviously JSON; placeholders may keep it from being so to the letter.
func looksLikeJSON(body string) bool {
	t := strings.TrimSpace(body)
	return strings.HasPrefix(t, "{") && !strings.HasPrefix(t, "{{") && strings.HasSuffix(t, "}") ||
		strings.HasPrefix(t, "[") && strings.HasSuffix(t, "]")
}

// parseHeaders reads 'Name: value' lines.
func parseHeaders(lines []string) (map[string]string, error) {
	headers := map[string]string{}
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !found || name == "" {
			return nil, inputError(fmt.Errorf("--header %q: no name and value", line), "write it like 'Accept: text/html'")
		}
		if hasHeader(headers, name) {
			return nil, inputError(fmt.Errorf("--header %q: %s is there twice", line, name), "write several values in one line, with commas")
		}
		headers[name] = strings.TrimSpace(value)
	}
	return headers, nil
}

func hasHeader(headers map[string]string, name string) bool {
	for have := range headers {
		if strings.EqualFold(have, name) {
			return true
		}
	}
	return false
}

// arrivals says who comes when; closed is the number of connections of a closed loop, 0 for an open one.
func (s *shot) arrivals() (a scenarios.Arrivals, closed int, err error) {
	if s.over <= 0 {
		return a, 0, inputError(fmt.Errorf("--for %s: must be above 0", s.over), "")
	}
	rate, isMax, err := parseRate(s.rate)
	if err != nil {
		return a, 0, err
	}
	a = scenarios.Arrivals{Over: s.over, Process: s.process, Seed: s.seed}
	if isMax {
		return s.closedLoop(a)
	}
	if a.Total, a.Over, err = s.amount(rate); err != nil {
		return a, 0, err
	}
	a.Curve, err = parseCurve(s.curve, a.Over)
	return a, 0, err
}

// closedLoop has no schedule: the total is more than any run gets through, in even order, which costs nothing to make.
func (s *shot) closedLoop(a scenarios.Arrivals) (scenarios.Arrivals, int, error) {
	for _, flag := range []string{"total", "curve", "process", "seed"} {
		if s.given(flag) {
			return a, 0, inputError(fmt.Errorf("--%s with --rate max: a closed loop has no schedule", flag), "name a rate, or leave --"+flag+" out")
		}
	}
	a.Total, a.Process = math.MaxUint32, "uniform"
	if s.connections == 0 {
		return a, closedConnections, nil
	}
	return a, s.connections, nil
}

// amount is the total and the time of two of --rate, --for and --total; the defaults stand in for what is not given.
func (s *shot) amount(rate float64) (int64, time.Duration, error) {
	if !s.given("total") {
		total := math.Round(rate * s.over.Seconds())
		if total < 1 || total > math.MaxUint32 {
			return 0, 0, inputError(fmt.Errorf("--rate %s for %s: %.4g arrivals, must be 1 to %d", s.rate, s.over, total, uint32(math.MaxUint32)), "")
		}
		return int64(total), s.over, nil
	}
	if s.total < 1 {
		return 0, 0, inputError(fmt.Errorf("--total %d: must be at least 1", s.total), "")
	}
	switch {
	case s.given("rate") && s.given("for"):
		return 0, 0, inputError(errors.New("--rate, --for and --total: two of them say it all"), "leave one of them out")
	case s.given("rate"):
		seconds := float64(s.total) / rate
		if seconds > 90*24*3600 {
			return 0, 0, inputError(fmt.Errorf("--total %d at --rate %s: takes longer than 90 days", s.total, s.rate), "")
		}
		return s.total, time.Duration(seconds * float64(time.Second)), nil
	}
	return s.total, s.over, nil
}

// parseRate reads "50", "0.5", "10k", "600/m", "36k/h" as arrivals a second, and "max".
func parseRate(text string) (perSecond float64, isMax bool, err error) {
	if text == "max" {
		return 0, true, nil
	}
	bad := func(what string) (float64, bool, error) {
		return 0, false, inputError(fmt.Errorf("--rate %s: %s", text, what), "write arrivals a second like 50, 0.5 or 10k, another unit like 600/m or 36k/h, or max")
	}
	number, unit, hasUnit := strings.Cut(text, "/")
	per, known := map[string]float64{"s": 1, "m": 60, "min": 60, "h": 3600}[unit]
	if hasUnit && !known {
		return bad(fmt.Sprintf("unknown unit %q", unit))
	}
	if !hasUnit {
		per = 1
	}
	factor := 1.0
	if thousands, ok := strings.CutSuffix(number, "k"); ok {
		number, factor = thousands, 1000
	}
	x, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || math.IsNaN(x):
		return bad("is no rate")
	case !(x > 0) || math.IsInf(x, 0):
		return bad("must be above 0")
	}
	return x * factor / per, false, nil
}

// flagOf names the flag that a field of the scenario comes from; the first that fits counts.
var flagOf = []struct{ field, flag string }{
	{"arrivals.total", "--total"},
	{"arrivals.over", "--for"},
	{"arrivals.process", "--process"},
	{"arrivals.curve", "--curve"},
	{"journeys[0].steps[0].url", "URL"},
	{"journeys[0].steps[0].method", "--method"},
	{"journeys[0].steps[0].headers", "--header"},
	{"journeys[0].steps[0].checks", "--expect"},
	{"journeys[0].steps[0].timeout", "--timeout"},
}

// inFlags says what is wrong with the scenario in the words of the command line.
func inFlags(err error) error {
	joined, many := err.(interface{ Unwrap() []error })
	if !many {
		return err
	}
	said := slices.Clone(joined.Unwrap())
	for i, one := range said {
		var p *scenarios.Problem
		if !errors.As(one, &p) {
			continue
		}
		for _, f := range flagOf {
			if strings.HasPrefix(p.Field, f.field) {
				inside := strings.TrimLeft(strings.TrimPrefix(p.Field, f.field), "[].0123456789")
				said[i] = fmt.Errorf("%s: %s", strings.TrimSpace(f.flag+" "+inside), p.Message)
				break
			}
		}
	}
	return errors.Join(said...)
}

// templateHint says what braces mean, where the engine could not make sense of them.
func templateHint(err error) error {
	var exit *exitError
	if errors.As(err, &exit) && exit.code == exitUsage && strings.Contains(exit.Error(), "{{") {
		exit.hint = "{{…}} is a placeholder; where two braces are meant, write %7B%7B in a URL, \\u007b\\u007b in JSON"
	}
	return err
}
