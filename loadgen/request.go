package loadgen

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ansturm/ansturm/scenarios"
)

// headerKind says what a redirect does to a header of a step.
type headerKind uint8

const (
	everywhere headerKind = iota
	withHost              // the line Host: a session writes its own
	withOrigin            // credentials: they do not go to another origin
	withBody              // goes with the body
)

func kindOfHeader(lower string) headerKind {
	switch {
	case lower == "host":
		return withHost
	case lower == "cookie" || lower == "authorization" || lower == "proxy-authorization" || lower == "origin" || lower == "referer":
		return withOrigin
	case strings.HasPrefix(lower, "content-"):
		return withBody
	}
	return everywhere
}

// compileRequest makes the request up to the header that says the body's length: once whole, for shots that need
// nothing but their templates, and once in pieces, for a session.
func (e *Engine) compileRequest(st *step, source *scenarios.Step, known *names) error {
	if err := e.compileURL(st, source.URL, known); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	headers := map[string]string{}
	for name, value := range source.Headers {
		if err := checkHeaderName(name); err != nil {
			return err
		}
		headers[strings.ToLower(name)] = name + ": " + value
	}
	if st.cookies && headers["cookie"] != "" {
		return errors.New("header cookie: it is written by the cookie jar of the journey")
	}
	if err := e.compileBody(st, source, headers, known); err != nil {
		return err
	}
	if headers["user-agent"] == "" {
		st.common.literal("User-Agent: Ansturm\r\n")
	}
	st.common.literal("Ansturm-Run: " + string(appendEscaped(nil, []byte(known.run), forHeader)) + "\r\nAnsturm-Step: " + st.name + "\r\n")
	st.compileLine(headers)
	return st.compileHeaders(headers, known)
}

// compileLine makes the request line and the engine's own headers, for shots without a session.
func (st *step) compileLine(headers map[string]string) {
	t := &st.request
	t.escaping = forURL // the URL's values; the other parts need none
	t.literal(st.method + " ")
	t.join(&st.target)
	t.literal(" HTTP/1.1\r\n")
	switch {
	case headers["host"] != "":
	case st.host != nil:
		t.literal("Host: " + st.authority + "\r\n")
	default:
		t.literal("Host: ")
		t.parts = append(t.parts, part{source: hostAddress})
		t.literal("\r\n")
	}
	t.join(&st.common)
}

// join appends the parts of another template.
func (t *template) join(other *template) {
	for _, p := range other.parts {
		if p.source == literal {
			t.literal(string(p.text))
		} else {
			t.parts = append(t.parts, p)
		}
	}
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
		if kind := kindOfHeader(key); kind == withHost {
			_, name, _ := strings.Cut(line, ":")
			alone, _ := known.compile(strings.TrimSpace(name), forHeader) // it has just been compiled with its name
			st.hostHeader = &alone
		}
		st.headers = append(st.headers, value)
		st.kinds = append(st.kinds, kindOfHeader(key))
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

// compileBody compiles a body or form, and says its type where the step does not.
func (e *Engine) compileBody(st *step, source *scenarios.Step, headers map[string]string, known *names) (err error) {
	if source.Form != nil {
		return e.compileForm(st, source, headers, known)
	}
	esc := bodyEscaping(source)
	if st.body, err = known.compile(source.Body, esc); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	switch {
	case source.Body == "" || headers["content-type"] != "":
	case esc == forJSON:
		headers["content-type"] = "Content-Type: application/json"
	default:
		headers["content-type"] = "Content-Type: text/plain; charset=utf-8"
	}
	return nil
}

func (e *Engine) compileForm(st *step, source *scenarios.Step, headers map[string]string, known *names) (err error) {
	switch {
	case source.Body != "":
		return errors.New("form: there is a body, too")
	case headers["content-type"] != "":
		return errors.New("header content-type: it is set by the form")
	}
	if len(source.Form.Files) > 0 {
		if st.upload, err = compileMultipart(source.Form, known, e.cfg.Files); err != nil {
			return err
		}
		st.boundaryHeader()
		return nil
	}
	st.body.escaping = forURL
	for i, name := range slices.Sorted(maps.Keys(source.Form.Fields)) {
		if i > 0 {
			st.body.literal("&")
		}
		st.body.literal(string(appendEscaped(nil, []byte(name), forURL)) + "=")
		value, err := known.compileEscaped(source.Form.Fields[name], forURL)
		if err != nil {
			return fmt.Errorf("form: field %q: %w", name, err)
		}
		st.body.join(&value)
	}
	headers["content-type"] = "Content-Type: application/x-www-form-urlencoded"
	return nil
}

// boundaryHeader adds the header that says the boundary of a form with files.
func (st *step) boundaryHeader() {
	t := template{}
	t.literal("Content-Type: multipart/form-data; boundary=")
	t.parts = append(t.parts, part{source: boundary})
	t.literal("\r\n")
	st.headers, st.kinds = append(st.headers, t), append(st.kinds, withBody)
}

// compileURL takes a path, an absolute URL whose authority is literal, or one that begins with an extracted value.
func (e *Engine) compileURL(st *step, url string, known *names) error {
	if strings.HasPrefix(url, "{{") {
		return st.compileDynamic(url, known)
	}
	if strings.Contains(url, "://") && !strings.HasPrefix(url, "/") {
		scheme, rest, _ := strings.Cut(url, "://")
		authority, path, _ := strings.Cut(rest, "/")
		if strings.Contains(authority, "{{") {
			return errors.New("the address of an absolute URL cannot hold a placeholder")
		}
		if err := e.compileAuthority(st, strings.ToLower(scheme), authority); err != nil {
			return err
		}
		url = "/" + path
	}
	if !strings.HasPrefix(url, "/") {
		return fmt.Errorf("%q is neither a path, which begins with /, nor an absolute URL", url)
	}
	return st.compileTarget(url, known)
}

// compileAuthority finds the host of an absolute URL: one of the scenario's hosts by its name, else an address.
func (e *Engine) compileAuthority(st *step, scheme, authority string) error {
	if p := originPage(scheme, authority); p != nil {
		if st.host = st.reach.known(p); st.host != nil {
			st.scheme, st.authority = scheme, string(p.authority())
			return nil
		}
	}
	address, err := TargetAddress(scheme + "://" + authority)
	if err != nil {
		return err
	}
	if st.host, err = e.hostOf(address, ""); err != nil {
		return err
	}
	st.scheme, st.authority = scheme, st.host.authority
	st.reach.add(st.host)
	return nil
}

// compileTarget compiles a path and query.
func (st *step) compileTarget(target string, known *names) (err error) {
	if i := strings.IndexFunc(target, func(r rune) bool { return r < ' ' || r == 0x7f || r == '#' }); i >= 0 {
		return fmt.Errorf("%q: %q cannot be sent", target, target[i])
	}
	st.target, err = known.compile(target, forURL)
	for i := range st.target.parts { // what is not ASCII, or a space, is sent percent-encoded
		st.target.parts[i].text = encodeLiteral(st.target.parts[i].text)
	}
	return err
}

// compileDynamic compiles a URL that begins with a value which an earlier step extracts: it goes in as it is, and what
// follows it as in every URL.
func (st *step) compileDynamic(url string, known *names) (err error) {
	end := strings.Index(url, "}}")
	if end < 0 {
		return fmt.Errorf("{{ without }} at %.20q", url)
	}
	if st.goal, err = known.compile(url[:end+2], plain); err != nil {
		return err
	}
	if len(st.goal.parts) != 1 || st.goal.parts[0].source != extracted {
		return fmt.Errorf("a URL that begins with %s: only an extracted value can be a URL", url[:end+2])
	}
	st.dynamic = true
	return st.compileTarget(url[end+2:], known)
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
