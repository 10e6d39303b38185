package controlplane

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestStateSweepsOnlyWhatNobodyHolds(t *testing.T) {
	parent := t.TempDir()
	held, removed, err := NewState(parent)
	if err != nil || len(removed) > 0 {
		t.Fatalf("%v %v", removed, err)
	}
	stale, foreign, target := filepath.Join(parent, "ansturm-lab-1"), filepath.Join(parent, "something"), filepath.Join(parent, "target")
	link, notes := filepath.Join(parent, "ansturm-lab-2"), filepath.Join(parent, "ansturm-lab-notes")
	err = errors.Join(os.Mkdir(stale, 0o700), os.WriteFile(filepath.Join(stale, stateMark), nil, 0o600), os.Mkdir(foreign, 0o700),
		os.Mkdir(target, 0o700), os.WriteFile(filepath.Join(target, stateMark), nil, 0o600), os.Symlink(target, link),
		os.Mkdir(notes, 0o700), os.WriteFile(filepath.Join(notes, "file"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	second, removed, err := NewState(parent)
	if err != nil {
		t.Fatal(err)
	}
	if len(removed) != 1 || removed[0] != stale {
		t.Errorf("removed %v, wanted %s alone", removed, stale)
	}
	for _, path := range []string{held.Dir, second.Dir, foreign, target, link, notes} {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s should still be there: %v", path, err)
		}
	}
	if err := errors.Join(held.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*State{held, second} {
		if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there after Close: %v", s.Dir, err)
		}
	}
}

func TestStateIsPrivate(t *testing.T) {
	s, _, err := NewState(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder with all tokens has mode %v (%v), wanted 0700", info.Mode(), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestNewStateNeedsItsParent(t *testing.T) {
	if _, _, err := NewState(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v, wanted that the folder does not exist", err)
	}
}
