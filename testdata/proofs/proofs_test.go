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

func TestPagesAreFilled(t *testing.T) {
	page := "a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\nkept\n<!-- /y -->\n"
	got, err := Fill(page, "x", "\nnew\n\n")
	if want := strings.Replace(page, "old", "new", 1); err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := Fill(page, "z", "new"); err != nil || got != page {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Fill("<!-- x -->\nold\n", "x", "new"); err == nil {
		t.Error("a section without an end is filled without complaint")
	}
}
