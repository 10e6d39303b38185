package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ansturm/ansturm/loadgen/fleet/bus"
)

// takeAll takes what a journal still has to deliver.
func takeAll(t *testing.T, j *journal) (frames []string) {
	t.Helper()
	for {
		number, frame, _, err := j.first()
		if err != nil {
			t.Fatal(err)
		}
		if frame == nil {
			return frames
		}
		frames = append(frames, string(frame))
		j.taken(number)
	}
}

func frameOf(n int) []byte { return fmt.Appendf(nil, "frame %d", n) }

func journalOf(t *testing.T, dir string, of Life, frames int) *journal {
	t.Helper()
	j, err := newJournal(dir, of)
	for n := 1; n <= frames && err == nil; n++ {
		err = j.add(frameOf(n))
	}
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// A process that is cut off at any byte of its journal leaves all that it had written whole, and the next one delivers that, and no more than is
// not kept.
func TestAJournalIsReadToWhereItIsTorn(t *testing.T) {
	of := Life{Run: "r1", Worker: 2, Epoch: 1, Proof: "p"}
	source := t.TempDir()
	j := journalOf(t, source, of, 3)
	if err := j.close(false); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	entry := int(j.size-j.at[2]) + 0
	head := int(j.at[0])
	for cut := range len(whole) + 1 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(j.path)), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := relics(dir)
		if err != nil {
			t.Fatal(err)
		}
		if cut < head {
			if len(found) > 0 {
				t.Fatalf("cut at %d: a journal without a head is found", cut)
			}
			continue
		}
		if len(found) != 1 || found[0].of != of {
			t.Fatalf("cut at %d: found %+v", cut, found)
		}
		next := journalOf(t, dir, Life{Run: "r1", Worker: 2, Epoch: 2}, 0)
		if err := next.takeUp(found[0], 1); err != nil {
			t.Fatal(err)
		}
		var want []string
		for n := 2; n <= (cut-head)/entry; n++ {
			want = append(want, string(frameOf(n)))
		}
		if got := takeAll(t, next); !slices.Equal(got, want) {
			t.Fatalf("cut at %d: %q, want %q", cut, got, want)
		}
		if err := next.close(true); err != nil {
			t.Fatal(err)
		}
		if left, _ := relics(dir); len(left) > 0 {
			t.Fatalf("cut at %d: %+v is left", cut, left)
		}
	}
}

func TestADamagedEntryEndsAJournal(t *testing.T) {
	dir := t.TempDir()
	j := journalOf(t, dir, Life{Run: "r1", Worker: 1, Epoch: 1}, 3)
	if _, err := j.file.WriteAt([]byte("X"), j.at[1]+9); err != nil {
		t.Fatal(err)
	}
	found, err := relics(dir)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	n := 0
	if err := found[0].read(func(uint64, []byte) error { n++; return nil }); err != nil || n != 2 {
		t.Errorf("%d entries, %v", n, err)
	}
}

// What another coordinator's bus has lost is delivered again; what it has is not.
func TestAJournalGoesBack(t *testing.T) {
	j := journalOf(t, t.TempDir(), Life{Worker: 1, Epoch: 1}, 4)
	takeAll(t, j)
	j.back(9)
	j.back(2)
	if got, want := takeAll(t, j), []string{"frame 3", "frame 4"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, _, over, _ := j.first(); over {
		t.Error("it is over before its end")
	}
	j.end()
	if _, _, over, _ := j.first(); !over {
		t.Error("it is not over at its end")
	}
}

// A worker has its directory for itself, and shows itself by what it was in this run only.
func TestAStateIsOneWorkersOwn(t *testing.T) {
	dir := t.TempDir()
	for _, of := range []Life{{Run: "r1", Worker: 2, Epoch: 1}, {Run: "r0", Worker: 7, Epoch: 9}} {
		if err := journalOf(t, dir, of, 1).close(false); err != nil {
			t.Fatal(err)
		}
	}
	var said []string
	cfg := WorkerConfig{State: dir, Run: "r1", Say: func(line string) { said = append(said, line) }}
	var asked Hello
	cfg.Join = func(ctx context.Context, hello []byte) (bus.Link, []byte, error) {
		second := cfg
		if err := Work(ctx, second); !errors.Is(err, ErrShared) {
			t.Errorf("a second one in the same directory: %v", err)
		}
		var err error
		if asked, err = decode[Hello]("hello", hello); err != nil {
			t.Error(err)
		}
		return nil, nil, &bus.Refusal{Text: ErrOver.Error()}
	}
	if err := Work(t.Context(), cfg); err != nil || asked.Former == nil || asked.Former.Worker != 2 {
		t.Errorf("%v, asked with %+v", err, asked.Former)
	}
	if len(said) != 3 || !strings.Contains(said[0], "r0-w7-e9") || !strings.Contains(said[2], "r1-w2-e1") {
		t.Errorf("said %q", said)
	}
}

// A frame that could not be written is followed by none: an epoch's frames have no gap.
func TestAFullDiskEndsAJournal(t *testing.T) {
	j := journalOf(t, t.TempDir(), Life{Worker: 1, Epoch: 1}, 1)
	if err := j.file.Close(); err != nil {
		t.Fatal(err)
	}
	first := j.add(frameOf(2))
	if first == nil || !errors.Is(j.add(frameOf(3)), first) || j.waiting() != 1 {
		t.Errorf("%v, %d wait", first, j.waiting())
	}
}
