package published

import (
	"os"
	"path/filepath"
	"testing"
)

// told is a test that remembers whether it was told to fail.
type told struct {
	testing.TB
	failed bool
}

func (t *told) Errorf(string, ...any) { t.failed = true }

func TestCurrent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.schema.json")
	old, now := map[string]any{"title": "a < b"}, map[string]any{"title": "a > b"}
	Current(t, file, old, " ", true)
	if text, err := os.ReadFile(file); err != nil || string(text) != "{\n \"title\": \"a < b\"\n}\n" {
		t.Errorf("written %q, %v", text, err)
	}
	Current(t, file, old, " ", false)
	stale := &told{TB: t}
	if Current(stale, file, now, " ", false); !stale.failed {
		t.Error("another schema passes")
	}
	Current(t, file, now, " ", true)
}

func TestCompiledJudges(t *testing.T) {
	schema := Compiled(t, []byte(`{"type": "object", "required": ["name"]}`))
	if err := schema.Validate(Value(t, []byte(`{"name": 7}`))); err != nil {
		t.Error(err)
	}
	if schema.Validate(Value(t, []byte(`{}`))) == nil {
		t.Error("an object without what is required passes")
	}
}
