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

// TestReadmeTour runs the README's tour, command by command, in one folder.
func TestReadmeTour(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	commands := 0
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
			commands++
		}
	}
	if commands < 8 {
		t.Fatalf("found only %d commands of the tour", commands)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tour.txtar"), []byte(script.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: dir, Cmds: scriptCommands})
}
