package main

import (
	"testing"
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
