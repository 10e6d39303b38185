package reports

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var verb = regexp.MustCompile(`%[^%]`)

func TestCataloguesAgree(t *testing.T) {
	for _, lang := range languages {
		if catalogues[lang] == nil || numbersOf[lang].point == "" {
			t.Fatalf("language %s lacks its words or numbers", lang)
		}
	}
	for key, text := range german {
		other, known := english[key]
		if !known {
			t.Errorf("English lacks %q", key)
			continue
		}
		plain := func(s string) []string { return verb.FindAllString(strings.ReplaceAll(s, "%%", ""), -1) }
		if a, b := plain(text), plain(other); !slices.Equal(a, b) {
			t.Errorf("%q takes %v in German and %v in English", key, a, b)
		}
	}
	for key := range english {
		if _, known := german[key]; !known {
			t.Errorf("German lacks %q", key)
		}
	}
}

// TestEveryWordIsUsed finds words no one says any more: each key stands in the code or the template, whole or as the
// start of a key that is put together.
func TestEveryWordIsUsed(t *testing.T) {
	var code strings.Builder
	files, err := filepath.Glob("*.go*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasPrefix(file, "messages_") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(raw)
	}
	figures := []string{"load", "response", "replicas", "lateness", "throttling"} // timeFigure adds .title and .say
	for key := range german {
		stem, last, _ := strings.Cut(key, ".")
		if i := strings.LastIndex(key, "."); i >= 0 {
			stem, last = key[:i], key[i+1:]
		}
		made := slices.Contains(figures, stem) && (last == "title" || last == "say")
		if !made && !strings.Contains(code.String(), `"`+key+`"`) && !strings.Contains(code.String(), `"`+stem+`."`) {
			t.Errorf("no one says %q", key)
		}
	}
}

func TestUnknownWordShowsItself(t *testing.T) {
	if got := speak("de").say("no.such"); got != "⟦no.such⟧" {
		t.Errorf("an unknown key reads %q", got)
	}
	if got := speak("fr").lang; got != "de" {
		t.Errorf("French is answered in %q, want German", got)
	}
}
