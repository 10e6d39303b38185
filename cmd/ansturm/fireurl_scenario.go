package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// closedConnections of a closed loop that names none.
const closedConnections = 64

// shot is what the flags of ansturm fire say, as given.
type shot struct {
	url, rate, curve, process, method, body, out string
	over, timeout, late                          time.Duration
	total                                        int64
	seed                                         uint64
	headers                                      []string
	connections, shards                          int
	expect                                       []int
	client                                       client
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
	if err := s.checkNumbers(); err != nil {
		return f, err
	}
	if f.way, err = s.client.way(where.address); err != nil {
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

// checkNumbers looks at those that the scenario does not hold.
func (s *shot) checkNumbers() error {
	switch {
	case s.connections < 0:
		return inputError(fmt.Errorf("--connections %d: must be at least 1", s.connections), "")
	case s.given("shards") && (s.shards < 1 || s.shards > arrivals.Strands):
		return inputError(fmt.Errorf("--shards %d: must be 1 to %d", s.shards, arrivals.Strands), "")
	case s.given("lateness-limit") && s.late <= 0:
		return inputError(fmt.Errorf("--lateness-limit %s: must be above 0", s.late), "")
	case s.given("timeout") && s.timeout <= 0:
		return inputError(fmt.Errorf("--timeout %s: must be above 0", s.timeout), "")
	}
	return nil
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
