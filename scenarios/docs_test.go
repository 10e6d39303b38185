package scenarios

import (
	"os"
	"strings"
	"testing"

	"github.com/ansturm/ansturm/testdata/published"
)

// TestDocumentedJourneysAreValid: what docs/journeys.md shows can be run, and says what it says.
func TestDocumentedJourneysAreValid(t *testing.T) {
	page, err := os.ReadFile("../docs/journeys.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```yaml\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the page shows nothing")
	}
	for _, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		s, err := Parse("journeys.md", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := published.Compiled(t, Schema()).Validate(asJSON(t, []byte(text))); err != nil {
			t.Error(err)
		}
		if j := s.Journeys[0]; !j.Cookies || j.Steps[0].Follow != DefaultFollow || j.Steps[2].Form.Files[0].Size.Value() != 5<<20 {
			t.Errorf("read as %+v", j)
		}
	}
}
