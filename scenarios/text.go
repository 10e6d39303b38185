package scenarios

import (
	"encoding/json"
	"strings"
)

// Text is one text in several languages, keyed by language ("de", "en").
type Text map[string]string

// In gives the text in lang, else in English, else any.
func (t Text) In(lang string) string {
	if s, ok := t[lang]; ok {
		return s
	}
	if s, ok := t["en"]; ok {
		return s
	}
	for _, s := range t {
		return s
	}
	return ""
}

// UnmarshalJSON also takes a mere string, which is English: as such, older records hold what is a Text now.
func (t *Text) UnmarshalJSON(data []byte) error {
	var english string
	if json.Unmarshal(data, &english) == nil && string(data) != "null" {
		*t = Text{"en": english}
		return nil
	}
	return json.Unmarshal(data, (*map[string]string)(t))
}

// AllIn gives each text in lang, as Text.In does; never nil.
func AllIn(texts []Text, lang string) []string {
	out := make([]string, 0, len(texts))
	for _, t := range texts {
		out = append(out, t.In(lang))
	}
	return out
}

// Decimal is a figure such as 2.5 as a language writes it: German has a comma for the point.
func Decimal(figure, lang string) string {
	if lang == "de" {
		return strings.Replace(figure, ".", ",", 1)
	}
	return figure
}
