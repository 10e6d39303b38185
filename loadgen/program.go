package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
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
}

// defaultTimeout bounds a shot whose step says nothing.
const defaultTimeout = time.Minute

// compileSteps compiles the steps of all journeys; errors name journey, step and field.
func (e *Engine) compileSteps(s *scenarios.Scenario) error {
	feeders, err := openFeeders(s, e.cfg)
	if err != nil {
		return err
	}
	for j := range s.Journeys {
		known := &names{run: e.cfg.RunID, feeders: feeders, slots: map[string]int{}}
		for i := range s.Journeys[j].Steps {
			source := &s.Journeys[j].Steps[i]
			st, err := e.compileStep(source, known)
			if err != nil {
				return fmt.Errorf("journey %q, step %q, %w", s.Journeys[j].Name, source.Name, err)
			}
			st.index = int32(len(e.steps))
			e.steps = append(e.steps, st)
			e.impatient = append(e.impatient, s.Journeys[j].Impatience != nil)
		}
		e.slots = max(e.slots, len(known.slots))
	}
	return nil
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

func (e *Engine) compileStep(source *scenarios.Step, known *names) (*step, error) {
	st := &step{name: source.Name, timeout: source.Timeout, hasBody: source.Body != ""}
	if st.timeout <= 0 {
		st.timeout = defaultTimeout
	}
	method := source.Method
	if method == "" {
		method = "GET"
	}
	if !isToken(method) || method == "CONNECT" {
		return nil, fmt.Errorf("method: %q is none that can be sent", method)
	}
	st.head = method == "HEAD"
	st.idempotent = slices.Contains([]string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}, method)
	st.hasBody = st.hasBody || method == "POST" || method == "PUT" || method == "PATCH"
	if err := e.compileRequest(st, method, source, known); err != nil {
		return nil, err
	}
	if err := st.compileChecks(source); err != nil {
		return nil, err
	}
	return st, st.compileExtracts(source, known)
}

// compileRequest makes the request up to the header that says the body's length.
func (e *Engine) compileRequest(st *step, method string, source *scenarios.Step, known *names) error {
	url, err := e.compileURL(st, source.URL, known)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	t := &st.request
	t.escaping = forURL // the URL's values; the other parts need none
	t.literal(method + " ")
	for _, p := range url.parts {
		if p.source == literal {
			t.literal(string(p.text))
		} else {
			t.parts = append(t.parts, p)
		}
	}
	t.literal(" HTTP/1.1\r\n")
	headers := map[string]string{}
	for name, value := range source.Headers {
		if err := checkHeaderName(name); err != nil {
			return err
		}
		headers[strings.ToLower(name)] = name + ": " + value
	}
	if headers["host"] == "" {
		t.literal("Host: ")
		t.parts = append(t.parts, part{source: hostAddress})
		t.literal("\r\n")
	}
	if headers["user-agent"] == "" {
		t.literal("User-Agent: Ansturm\r\n")
	}
	t.literal("Ansturm-Run: " + string(appendEscaped(nil, []byte(known.run), forHeader)) + "\r\nAnsturm-Step: " + st.name + "\r\n")
	if err := st.compileHeaders(headers, known); err != nil {
		return err
	}
	if st.body, err = known.compile(source.Body, bodyEscaping(source)); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

func (st *step) compileHeaders(headers map[string]string, known *names) error {
	for _, key := range slices.Sorted(maps.Keys(headers)) {
		line := headers[key]
		if strings.ContainsAny(line, "\r\n\x00") {
			return fmt.Errorf("header %s: a value has no line breaks", key)
		}
		value, err := known.compile(line+"\r\n", forHeader)
		if err != nil {
			return fmt.Errorf("header %s: %w", key, err)
		}
		st.headers = append(st.headers, value)
	}
	return nil
}

func checkHeaderName(name string) error {
	switch lower := strings.ToLower(name); {
	case !isToken(name):
		return fmt.Errorf("header %q: not a header's name", name)
	case lower == "content-length" || lower == "transfer-encoding" || strings.HasPrefix(lower, "ansturm-"):
		return fmt.Errorf("header %s: it is set by the engine", name)
	}
	return nil
}

// compileURL takes a path, or an absolute URL whose authority is literal.
func (e *Engine) compileURL(st *step, url string, known *names) (template, error) {
	if strings.Contains(url, "://") && !strings.HasPrefix(url, "/") {
		scheme, rest, _ := strings.Cut(url, "://")
		authority, path, _ := strings.Cut(rest, "/")
		if strings.Contains(authority, "{{") {
			return template{}, errors.New("the address of an absolute URL cannot hold a placeholder")
		}
		address, err := TargetAddress(scheme + "://" + authority)
		if err != nil {
			return template{}, err
		}
		st.host = e.hostOf(address)
		url = "/" + path
	}
	if !strings.HasPrefix(url, "/") {
		return template{}, fmt.Errorf("%q is neither a path, which begins with /, nor an absolute URL", url)
	}
	if i := strings.IndexFunc(url, func(r rune) bool { return r < ' ' || r == 0x7f || r == '#' }); i >= 0 {
		return template{}, fmt.Errorf("%q: %q cannot be sent", url, url[i])
	}
	t, err := known.compile(url, forURL)
	for i := range t.parts { // what is not ASCII, or a space, is sent percent-encoded
		t.parts[i].text = encodeLiteral(t.parts[i].text)
	}
	return t, err
}

func encodeLiteral(text []byte) []byte {
	var out []byte
	for _, c := range text {
		if c > ' ' && c < 0x7f {
			out = append(out, c)
		} else {
			out = appendEscaped(out, []byte{c}, forURL)
		}
	}
	return out
}

// bodyEscaping guesses the body's language from its type, or its first character.
func bodyEscaping(source *scenarios.Step) escaping {
	for name, value := range source.Headers {
		if strings.EqualFold(name, "Content-Type") {
			switch {
			case strings.Contains(value, "json"):
				return forJSON
			case strings.HasPrefix(value, "application/x-www-form-urlencoded"):
				return forURL
			}
			return plain
		}
	}
	if trimmed := strings.TrimSpace(source.Body); strings.HasPrefix(trimmed, "{\"") || strings.HasPrefix(trimmed, "[") ||
		strings.HasPrefix(trimmed, "{\n") || strings.HasPrefix(trimmed, "{ ") {
		return forJSON
	}
	return plain
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
		compiled := extraction{slot: slot, header: strings.ToLower(x.Header), cookie: x.Cookie}
		sources := 0
		for _, s := range []string{x.JSON, x.Header, x.Cookie, x.Regexp} {
			if s != "" {
				sources++
			}
		}
		if _, taken := plainSources[x.Name]; taken || x.Name == "run" {
			return fmt.Errorf("extract %q: the name is a placeholder already", x.Name)
		}
		if x.Name == "" || sources != 1 {
			return fmt.Errorf("extract %q: a name and exactly one of json, header, cookie, regexp are needed", x.Name)
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
		st.keepBody = st.keepBody || x.JSON != "" || x.Regexp != ""
		st.keepHeader = st.keepHeader || x.Header != "" || x.Cookie != ""
		known.slots[x.Name] = slot
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
