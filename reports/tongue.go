package reports

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// catalogues are the words, one catalogue a language; a test holds their keys and verbs against each other.
var catalogues = map[string]map[string]string{"de": german, "en": english}

// tongue speaks one language: its words and its numbers.
type tongue struct {
	lang string
	numbers
}

func speak(lang string) tongue {
	lang = spoken(lang)
	return tongue{lang: lang, numbers: numbersOf[lang]}
}

// say gives the text of key with args put in. An unknown key shows itself in brackets; tests look for them.
func (t tongue) say(key string, args ...any) string {
	text, known := catalogues[t.lang][key]
	if !known {
		return "⟦" + key + "⟧"
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// text gives a text of many languages in this one, its numbers written as the language writes them.
func (t tongue) text(s scenarios.Text) string { return t.humane(s.In(t.lang)) }

// length writes a span as a person would say it: "18 Minuten", "4 hours".
func (t tongue) length(d time.Duration) string { return bound(scenarios.Span(d, t.lang)) }

// tenants writes how many tenants.
func (t tongue) tenants(n int) string {
	if n == 1 {
		return t.say("tenants.one")
	}
	return t.say("tenants.many", t.count(int64(n)))
}

func (t tongue) stamp(at time.Time) string { return at.Format(t.numbers.stamp) }
