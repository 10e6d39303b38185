package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/ansturm/ansturm/testdata/proofs"
)

// fillPage replaces what a page holds of the measurements that were just made, and leaves the others as they are.
func fillPage(file string, shown map[string]*strings.Builder) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	page := string(raw)
	for name, text := range shown {
		if page, err = proofs.Fill(page, name, text.String()); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return os.WriteFile(file, []byte(page), 0o644)
}
