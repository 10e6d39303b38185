package proofs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAppendAndRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "figures.jsonl")
	type line struct{ Seed int }
	if got, err := Read[line](file); err != nil || got != nil {
		t.Errorf("a file that is not there: %v, %v", got, err)
	}
	for seed := range 3 {
		if err := Append(file, line{seed}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Read[line](file); err != nil || !slices.Equal(got, []line{{0}, {1}, {2}}) {
		t.Errorf("read %v, %v", got, err)
	}
	if err := os.WriteFile(file, []byte("{\"Seed\":1}\n{\"Se"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read[line](file); err == nil || !strings.Contains(err.Error(), "figures.jsonl:2:") {
		t.Errorf("half a line: %v", err)
	}
}
