package controlplane

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// statePrefix begins the names of state folders, and stateMark is in each: a folder that is only called like one is not ours
// to remove.
const (
	statePrefix = "ansturm-lab-"
	stateMark   = ".state-of-ansturm-lab"
)

// State is the folder of everything temporary: certificates, tokens, the store, logs. It is locked while its owner lives.
type State struct {
	Dir  string
	lock *os.File
}

// NewState makes a state folder in parent, and removes those whose owners are gone (killed, or without power). It says
// which it removed.
func NewState(parent string) (*State, []string, error) {
	removed, err := sweep(parent)
	if err != nil {
		return nil, nil, fmt.Errorf("state folder: %w", err)
	}
	// Locked before it gets the name by which others would find and remove it.
	young, err := os.MkdirTemp(parent, ".new-"+statePrefix)
	if err != nil {
		return nil, nil, fmt.Errorf("state folder: %w", err)
	}
	lock, err := lockDir(young)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("state folder: %w", err), os.RemoveAll(young))
	}
	dir := filepath.Join(parent, strings.TrimPrefix(filepath.Base(young), ".new-"))
	err = os.WriteFile(filepath.Join(young, stateMark), nil, 0o600)
	if err == nil {
		err = os.Rename(young, dir)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("state folder: %w", err), lock.Close(), os.RemoveAll(young))
	}
	return &State{Dir: dir, lock: lock}, removed, nil
}

// Path is a file's path in the folder.
func (s *State) Path(name string) string { return filepath.Join(s.Dir, name) }

// Close removes the folder.
func (s *State) Close() error {
	return errors.Join(os.RemoveAll(s.Dir), s.lock.Close())
}

// sweep removes the state folders in parent that nobody holds; others' folders are left alone.
func sweep(parent string) ([]string, error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		if !strings.HasPrefix(e.Name(), statePrefix) || !ours(dir, e) {
			continue
		}
		lock, err := lockDir(dir)
		if err != nil {
			continue // in use, or just removed by another start
		}
		err = os.RemoveAll(dir)
		_ = lock.Close() // it is the folder itself
		if err != nil {
			return removed, err
		}
		removed = append(removed, dir)
	}
	return removed, nil
}

// ours: a state folder, no link, of this user.
func ours(dir string, e fs.DirEntry) bool {
	info, err := e.Info()
	if err != nil || !info.IsDir() {
		return false
	}
	if _, err := os.Lstat(filepath.Join(dir, stateMark)); err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

// lockDir takes the folder's lock, which ends with the process that holds it, however that ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
