// Package proofs keeps what slow proofs found: beside it lie files of JSON lines, one a proof, appended to piece by piece.
// A proof that was ended goes on after the pieces that its file holds, and the tables of docs are made from these files.
package proofs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// Append writes a line of JSON at the end of a file, which it makes if it is not there; the empty name writes nothing.
func Append(file string, line any) error {
	if file == "" {
		return nil
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Close())
}

// Read gives a file's lines, in order; none if the file is not there.
func Read[T any](file string) ([]T, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []T
	for n := 1; len(text) > 0 && err == nil; n++ {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		var one T
		if err = json.Unmarshal(line, &one); err != nil {
			err = fmt.Errorf("%s:%d: %w", file, n, err)
		}
		all = append(all, one)
	}
	return all, err
}

// Commit names what is checked out; empty outside of a repository.
func Commit() string {
	out, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	return strings.TrimSpace(string(out))
}
