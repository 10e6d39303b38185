package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/lease"
)

// TestDeafness: a reply that was not heard is known by the beats after it, and one that is heard ends it.
func TestDeafness(t *testing.T) {
	var d deafness
	now, half := time.Now(), lease.BeatEvery/2
	for i, x := range []struct {
		n, heard uint64
		after    time.Duration
		want     time.Duration
	}{
		{1, 0, 0, 0},
		{2, 1, 200, 0},
		{3, 2, 400, 0},
		{4, 2, 600, 200*time.Millisecond + half},
		{5, 2, 800, 400*time.Millisecond + half},
		{6, 5, 1000, 0},
		{7, 6, 1200, 0},
	} {
		at := now.Add(x.after * time.Millisecond)
		if got := d.at(&Beat{N: x.n, Heard: x.heard}, at); got != x.want {
			t.Errorf("beat %d: deaf for %s, want %s", i+1, got, x.want)
		}
	}
}

// TestPrintable: a worker's name writes nothing to the terminal but itself.
func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"":                            "",
		"höst-1 a":                    "höst-1 a",
		"a\x1b[2Jb\nworker w1\xff":    "a�[2Jb�worker w1�",
		"\u202ea":                     "�a",
		strings.Repeat("ä", 65) + "b": strings.Repeat("ä", 64),
	} {
		if got := printable(name); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
}
