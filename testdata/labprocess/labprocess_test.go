package labprocess

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type readyLine struct{ Arguments, Kubeconfig string }

// script is a lab of shell.
func script(t *testing.T, lines string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lab")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+lines), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestStartAndStop(t *testing.T) {
	var said strings.Builder
	var ready readyLine
	l, err := Start(t.Context(), &said, &ready, script(t, `
echo starting >&2
trap 'echo ending >&2; echo bye; exit 0' TERM
echo "{\"arguments\": \"$*\", \"kubeconfig\": \"k\"}"
while :; do sleep 0.02; done
`), "p.yaml", "--state", "s")
	if err != nil {
		t.Fatal(err)
	}
	if want := (readyLine{"p.yaml --state s --json", "k"}); ready != want {
		t.Errorf("ready line %+v, want %+v", ready, want)
	}
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
	if said.String() != "starting\nending\n" {
		t.Errorf("it said %q", said.String())
	}
}

func TestStopTellsHowTheLabEnded(t *testing.T) {
	l, err := Start(t.Context(), nil, new(readyLine), script(t, "trap 'exit 3' TERM; echo {}; while :; do sleep 0.02; done"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("stopped with %v, want exit status 3", err)
	}
}

func TestALabThatDoesNotEndIsKilled(t *testing.T) {
	l, err := Start(t.Context(), nil, new(readyLine), script(t, "trap '' TERM; echo {}; while :; do sleep 0.02; done"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.stop(time.Millisecond); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("stopped with %v, want that it was killed", err)
	}
}

func TestALabThatDoesNotStand(t *testing.T) {
	if _, err := Start(t.Context(), nil, new(readyLine), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a program: %v", err)
	}
	_, err := Start(t.Context(), nil, new(readyLine), script(t, "exit 5"))
	if err == nil || !strings.Contains(err.Error(), "no ready line") || !strings.Contains(err.Error(), "exit status 5") {
		t.Errorf("one that ends: %v", err)
	}
	if _, err := Start(t.Context(), nil, new(readyLine), script(t, "echo ready; exec sleep 600")); err == nil || !strings.Contains(err.Error(), "no ready line") {
		t.Errorf("one that says no JSON: %v", err)
	}
}

// The wait for the ready line ends with its context, and the lab with it.
func TestStartIsGivenUp(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	stop(late)
	if _, err := Start(ctx, nil, new(readyLine), script(t, "exec sleep 600")); !errors.Is(err, late) {
		t.Errorf("given up: %v", err)
	}
}
