package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/ansturm/ansturm/scenarios"
)

// mostBody bounds a body, in bytes: it is held in memory once, and sent with every shot.
const mostBody = 16 << 20

// step is the one request.
func (s *shot) step(where target, stdin io.Reader) (scenarios.Step, error) {
	step := scenarios.Step{Name: "shot", URL: where.origin + where.path, Method: strings.ToUpper(s.method), Timeout: s.timeout}
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
