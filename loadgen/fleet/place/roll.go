package place

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// rollFile is the roll of a fleet of local workers.
const rollFile = "workers.json"

// roll is who was started here: what a coordinator that comes back knows the workers by.
type roll struct {
	// Here is where their numbers mean something, see [here].
	Here    string  `json:"here"`
	Workers []entry `json:"workers"`

	path string
}

// entry is one worker. Its number and when it began, by the machine's clock, are no other process'.
type entry struct {
	Name  string `json:"name"`
	State string `json:"state"` // its folder: another one's, whose end it follows
	Pid   int    `json:"pid"`
	Began uint64 `json:"began"`
}

// readRoll reads the roll. One that was written elsewhere (another machine, another container, before a restart of this one) says nothing here: who
// is on it is neither watched nor taken for dead.
func readRoll(path string) (*roll, error) {
	place, err := here()
	if err != nil {
		return nil, err
	}
	r := &roll{path: path}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		if err := json.Unmarshal(text, r); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if r.Here != place {
		r.Here, r.Workers = place, nil
	}
	return r, nil
}

// add puts a worker on the roll.
func (r *roll) add(e entry) error {
	r.Workers = append(r.Workers, e)
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(r.path, text)
}

// had is how many workers have had a state.
func (r *roll) had(state string) (n int) {
	for _, e := range r.Workers {
		if e.State == state {
			n++
		}
	}
	return n
}

// writeFile replaces a file that only its owner may read; whoever reads it finds the old or the new one.
func writeFile(path string, text []byte) error {
	young := path + ".new"
	if err := remove(young); err != nil { // its mode may be another
		return err
	}
	if err := os.WriteFile(young, text, 0o600); err != nil {
		return err
	}
	return os.Rename(young, path)
}

// remove removes a file that may be gone already.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
