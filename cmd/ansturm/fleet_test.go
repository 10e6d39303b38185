package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestBrokenRunSaysWhy: a run that is not ended says what broke it, and how it goes on, whatever else has gone wrong.
func TestBrokenRunSaysWhy(t *testing.T) {
	x := &expedition{aimed: aimed{firing: firing{dir: "out"}}}
	for _, c := range []struct {
		broken error
		code   int
		says   string
	}{
		{
			errors.New("no space left"), exitInternal,
			"ansturm: error: no space left; the run is not ended\n  hint: ansturm run --resume out goes on with it\n",
		},
		{
			fmt.Errorf("start: %w", inputError(errors.New("no worker"), "start some")), exitUsage,
			"ansturm: error: start: no worker; the run is not ended\n  hint: ansturm run --resume out goes on with it; start some\n",
		},
	} {
		var said bytes.Buffer
		a := &app{stderr: &said}
		if code := a.exitCode(context.Background(), fmt.Errorf("run out: %w", x.notEnded(c.broken))); code != c.code || said.String() != c.says {
			t.Errorf("%v: exit code %d, it says\n%s", c.broken, code, &said)
		}
	}
}
