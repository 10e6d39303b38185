package loadgen

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// step is a compiled step: everything that a shot of it needs, without a lookup by name.
type step struct {
	index      int32
	name       string
	method     string
	head       bool // method HEAD
	idempotent bool // RFC 9110, 9.2.2: may be sent twice
	// host of an absolute URL; nil: the tenant's.
	host    *host
	request template   // request line and the engine's own headers
	headers []template // a line each
	body    template
	hasBody bool
	timeout time.Duration // platform time
	checks  []check
	extract []extraction

	keepHeader, keepBody bool
	creates              bool // some extraction is of something that the run made
	// ownConnections: the journey's persons use connections that are theirs alone.
	ownConnections bool

	// The rest is for journeys with a session, whose requests are put together by it.
	session    bool
	cookies    bool // the person has a jar
	follow     int  // redirects at most
	reach      directory
	goal       template // of a dynamic URL: the placeholder that it begins with
	dynamic    bool
	target     template // the path and query
	scheme     string   // of an absolute URL
	authority  string   // … as it is written
	hostHeader *template
	common     template // the engine's own headers but Host
	kinds      []headerKind
	upload     *multipart // in place of body
	inPage     []inPage   // what is extracted out of an HTML page
	inPageSlot []int
}

// check is a compiled scenarios.Check.
type check struct {
	status   []int
	contains []byte
	path     jsonPath
	equals   string
}

// extraction is a compiled scenarios.Extract.
type extraction struct {
	slot   int
	path   jsonPath
	header string // in lower case
	cookie string
	regexp *regexp.Regexp
	inPage bool // read with the step's others in one pass, see step.inPage
	// created: the value is the id of something that the run made, under this name.
	created bool
	name    string
}

// defaultTimeout bounds a shot whose step says nothing.
const defaultTimeout = time.Minute

// compileSteps compiles the steps of all journeys; errors name journey, step and field.
func (e *Engine) compileSteps(s *scenarios.Scenario) error {
	feeders, err := openFeeders(s, e.cfg)
	if err != nil {
		return err
	}
	reach, err := e.newDirectory(s)
	if err != nil {
		return err
	}
	for j := range s.Journeys {
		known := &names{run: e.cfg.RunID, feeders: feeders, slots: map[string]int{}}
		first := len(e.steps)
		for i := range s.Journeys[j].Steps {
			source := &s.Journeys[j].Steps[i]
			st, err := e.compileStep(source, &s.Journeys[j], known, reach)
			if err != nil {
				return fmt.Errorf("journey %q, step %q, %w", s.Journeys[j].Name, source.Name, err)
			}
			st.index = int32(len(e.steps))
			e.steps = append(e.steps, st)
			e.impatient = append(e.impatient, s.Journeys[j].Impatience != nil)
		}
		shareSession(e.steps[first:])
		e.slots = max(e.slots, len(known.slots))
	}
	return nil
}

// shareSession gives all steps of a journey a session where one of them needs it: it goes through the whole.
func shareSession(journey []*step) {
	needed := slices.ContainsFunc(journey, func(st *step) bool {
		return st.cookies || st.follow > 0 || st.dynamic || st.upload != nil || len(st.inPage) > 0
	})
	for _, st := range journey {
		st.session = needed
		st.keepHeader = st.keepHeader || st.cookies || st.follow > 0
	}
}

func openFeeders(s *scenarios.Scenario, cfg Config) (map[string]feeder, error) {
	feeders := map[string]feeder{}
	for name, source := range s.Feeders {
		f, err := newFeeder(source, cfg.Files)
		if err != nil {
			return nil, fmt.Errorf("feeder %q: %w", name, err)
		}
		feeders[name] = f
	}
	return feeders, nil
}

func (e *Engine) compileStep(source *scenarios.Step, j *scenarios.Journey, known *names, reach directory) (*step, error) {
	st := &step{
		name: source.Name, timeout: source.Timeout, method: source.Method, reach: reach,
		cookies: j.Cookies, ownConnections: j.Connections == "session", follow: int(source.Follow),
		hasBody: source.Body != "" || source.Form != nil,
	}
	if st.timeout <= 0 {
		st.timeout = defaultTimeout
	}
	switch {
	case st.method == "" && source.Form != nil:
		st.method = scenarios.DefaultFormMethod
	case st.method == "":
		st.method = scenarios.DefaultMethod
	}
	if !isToken(st.method) || st.method == "CONNECT" {
		return nil, fmt.Errorf("method: %q is none that can be sent", st.method)
	}
	st.head = st.method == "HEAD"
	st.idempotent = slices.Contains([]string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}, st.method)
	st.hasBody = st.hasBody || st.method == "POST" || st.method == "PUT" || st.method == "PATCH"
	st.keepHeader = e.cfg.WaitingRoom != ""
	if err := e.compileRequest(st, source, known); err != nil {
		return nil, err
	}
	if err := st.compileChecks(source); err != nil {
		return nil, err
	}
	if err := st.compileExtracts(source, known); err != nil {
		return nil, err
	}
	for name, value := range source.Headers {
		if strings.EqualFold(name, "Accept-Encoding") && st.keepBody && value != "identity" {
			return nil, fmt.Errorf("header %s: the answer may come compressed then, and the step's checks and extractions read it as it comes", name)
		}
	}
	return st, nil
}

func (st *step) compileChecks(source *scenarios.Step) error {
	hasStatus := false
	for i, c := range source.Checks {
		compiled := check{status: c.Status, contains: []byte(c.Contains), equals: c.Equals}
		hasStatus = hasStatus || len(c.Status) > 0
		if c.JSON != "" {
			compiled.path = newJSONPath(c.JSON)
		} else if c.Equals != "" {
			return fmt.Errorf("check %d: equals without json", i+1)
		}
		st.keepBody = st.keepBody || c.JSON != "" || c.Contains != ""
		st.checks = append(st.checks, compiled)
	}
	if !hasStatus {
		st.checks = append(st.checks, check{})
	}
	return nil
}

func (st *step) compileExtracts(source *scenarios.Step, known *names) error {
	for _, x := range source.Extract {
		slot, again := known.slots[x.Name]
		if !again {
			slot = len(known.slots)
		}
		compiled := extraction{slot: slot, header: strings.ToLower(x.Header), cookie: x.Cookie, created: x.Created, name: x.Name}
		sources := 0
		for _, s := range []string{x.JSON, x.Header, x.Cookie, x.Regexp, x.Field, x.Action, x.Link} {
			if s != "" {
				sources++
			}
		}
		if _, taken := plainSources[x.Name]; taken || x.Name == "run" {
			return fmt.Errorf("extract %q: the name is a placeholder already", x.Name)
		}
		if x.Name == "" || sources != 1 {
			return fmt.Errorf("extract %q: a name and exactly one of json, header, cookie, regexp, field, action, link are needed", x.Name)
		}
		if x.JSON != "" {
			compiled.path = newJSONPath(x.JSON)
		}
		if x.Regexp != "" {
			re, err := regexp.Compile(x.Regexp)
			if err != nil {
				return fmt.Errorf("extract %q: %w", x.Name, err)
			}
			compiled.regexp = re
		}
		if x.Field != "" || x.Action != "" || x.Link != "" {
			compiled.inPage = true
			st.inPage = append(st.inPage, inPage{x.Field, x.Action, x.Link})
			st.inPageSlot = append(st.inPageSlot, slot)
		}
		st.keepBody = st.keepBody || x.Header == "" && x.Cookie == ""
		st.keepHeader = st.keepHeader || x.Header != "" || x.Cookie != ""
		known.slots[x.Name] = slot
		st.creates = st.creates || x.Created
		st.extract = append(st.extract, compiled)
	}
	return nil
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"(),/:;<=>?@[\]{}`), c) >= 0 {
			return false
		}
	}
	return s != ""
}
