package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// tourBlock is a fenced block of the README whose commands are run: ```console tour, or ```console tour exit=1.
var tourBlock = regexp.MustCompile("(?ms)^```console tour(?: exit=([0-9]+))?\n(.*?)^```")

// TestReadmeTour runs the README's tour, command by command, in one folder, and looks at what comes of it: it is the whole
// way from a run to a report.
func TestReadmeTour(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	commands, looks, end := 0, tourLooks(t), ""
	if last := len(looks) - 1; looks[last].after == "" {
		end, looks = looks[last].lines, looks[:last]
	}
	for _, block := range tourBlock.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[2]) {
			command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			if !ok {
				t.Fatalf("a tour block holds commands only, not %q", line)
			}
			code := block[1]
			if code == "" {
				code = "0"
			}
			command, file, redirected := strings.Cut(command, " > ")
			fmt.Fprintf(&script, "exits %s %s\n", code, command)
			if redirected {
				fmt.Fprintf(&script, "cp stdout %s\n", file)
			}
			if len(looks) > 0 && strings.HasPrefix(command, looks[0].after) {
				script.WriteString(looks[0].lines)
				looks = looks[1:]
			}
			commands++
		}
	}
	if commands < 8 {
		t.Fatalf("found only %d commands of the tour", commands)
	}
	if len(looks) > 0 {
		t.Fatalf("the tour has no command %q, or not in this order", looks[0].after)
	}
	script.WriteString(end)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tour.txtar"), []byte(script.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: dir, Cmds: scriptCommands})
}

// look is what is looked for after the tour's command that begins so; at the end where it has none.
type look struct{ after, lines string }

func tourLooks(t *testing.T) []look {
	t.Helper()
	text, err := os.ReadFile("testdata/tour.txt")
	if err != nil {
		t.Fatal(err)
	}
	var looks []look
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "$"); ok {
			looks = append(looks, look{after: strings.TrimSpace(command)})
		} else if len(looks) > 0 {
			looks[len(looks)-1].lines += line
		}
	}
	return looks
}
