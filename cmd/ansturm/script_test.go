package main

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ansturm/ansturm/planner/gate"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ansturm": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                scriptCommands,
	})
}

// exits runs a command that must end with the given exit code: exits 2 ansturm run nowhere.yaml. A run that was invalid
// because this machine was busy is fired again, twice at most: it says nothing about what is tested.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := exitCode(ts, args[1:])
	for again := 0; got == gate.Invalid.ExitCode() && want != got && again < 2; again++ {
		out := slices.Index(args, "-o")
		if args[2] != "fire" && (args[2] != "run" && args[2] != "verify" || out < 0) {
			break
		}
		if out >= 0 {
			ts.Check(os.RemoveAll(ts.MkAbs(args[out+1])))
		}
		got = exitCode(ts, args[1:])
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitCode(ts *testscript.TestScript, command []string) int {
	err := ts.Exec(command[0], command[1:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

// scriptCommands are the words that scripts know beside testscript's own.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"exits": exits, "serve": serve, "await": await,
	"apiserver": apiserver, "agree": agree, "refuse": refuse, "recants": recants, "serves": serves, "platform": platform, "recorded": recorded, "virtual": virtual,
	"scales": scales, "scaled": scaled, "planned": planned,
}
