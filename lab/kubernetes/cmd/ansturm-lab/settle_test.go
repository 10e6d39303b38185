package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSettlingWaitsForRoom: a pod that has no room is given up only when nothing has changed for a time; it may have been
// looked at before the nodes were there.
func TestSettlingWaitsForRoom(t *testing.T) {
	var s settling
	begun := time.Unix(0, 0)
	for _, look := range []struct {
		after           time.Duration
		ready, homeless int
		over            bool
	}{
		{0, 0, 10, false}, // the nodes are not there yet
		{roomless - 1, 0, 10, false},
		{roomless, 4, 6, false}, // now they are
		{2*roomless - 1, 4, 6, false},
		{2 * roomless, 4, 6, true},
		{2 * roomless, 4, 5, false}, // one has not been looked at
		{9 * roomless, 4, 5, false},
		{9 * roomless, 10, 0, true},
	} {
		if over := s.note(look.ready, look.homeless, 10, begun.Add(look.after)); over != look.over {
			t.Errorf("after %s with %d ready and %d without room: over is %v", look.after, look.ready, look.homeless, over)
		}
	}
}

// TestWaitingIsTold: how far it is is said now and then, and what never comes is not waited for without end.
func TestWaitingIsTold(t *testing.T) {
	p := patience{look: time.Second, tell: 2 * time.Second, longest: 5 * time.Second}
	away := errors.New("away")
	for _, c := range []struct {
		name string
		look func(n int) (bool, error)
		said string
		err  error
	}{
		{"at once", func(int) (bool, error) { return true, nil }, "", nil},
		{"soon", func(n int) (bool, error) { return n == 5, nil }, "   3.0 s  far\n", nil},
		{"never", func(int) (bool, error) { return false, nil }, "   3.0 s  far\n   6.0 s  after 5s: far; going on\n", nil},
		{"an error", func(n int) (bool, error) { return false, map[int]error{2: away}[n] }, "", away},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said strings.Builder
				l, n := &lab{stderr: &said, begun: time.Now()}, 0
				err := l.wait(context.Background(), p, func() (bool, string, error) {
					over, err := c.look(n)
					n++
					return over, "far", err
				})
				if !errors.Is(err, c.err) || said.String() != c.said {
					t.Errorf("%v, said %q", err, said.String())
				}
			})
		})
	}
}
