package reports

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
)

// figureColumn is how wide the names of compared figures are in a terminal; longer ones go on in the next row.
const figureColumn = 36

// VerificationText writes what came of firing again on a plan for a terminal: the run's verdict, predicted against
// measured, and the notch pair where it was fired.
func VerificationText(w io.Writer, v *planner.Verification, lang string) error {
	s := newSheet(w, lang)
	if v == nil {
		s.line("", s.say("basis.verify.none"))
		return s.write(w)
	}
	s.verdict(v.Verdict)
	if len(v.Comparisons) > 0 {
		s.head(s.say("compared.title"))
		s.comparisons(v.Comparisons)
	}
	if v.Notch != nil {
		s.head(s.say("notch.title"))
		s.notch(v.Notch)
	}
	return s.write(w)
}

// comparisons writes a row a figure, the sign before it telling whether the measured value lies in the range.
func (s *sheet) comparisons(all []planner.Comparison) {
	rows := [][]string{{"  " + s.say("compared.figure"), s.say("compared.predicted"), s.say("compared.interval"), s.say("compared.measured")}}
	for _, c := range all {
		mark := "✕ "
		if inRange(c) {
			mark = "✓ "
		}
		for i, part := range folded(s.text(c.Figure), figureColumn) {
			if i > 0 {
				rows = append(rows, []string{"  " + part})
				continue
			}
			rows = append(rows, []string{mark + part, s.quantity(c.Predicted, c), s.interval(c), s.quantity(c.Measured, c)})
		}
	}
	s.grid(rows)
	s.line("  ", s.say("text.compared.marks"))
}

// notch writes the fired pair and what it proves.
func (s *sheet) notch(n *planner.NotchFired) {
	s.line("  ", s.say("notch.say", s.world(n.World)))
	s.notchRun("notch.plan", n.Plan)
	s.notchRun("notch.less", n.Notch)
	s.line("  ", s.say(notchMeans(n)))
}

// notchRun writes one run of the pair, with the first reason where it says nothing about the platform.
func (s *sheet) notchRun(key string, v *gate.Verdict) {
	result := resultOf(v)
	line := s.say(key) + ": " + s.result(v)
	if worst := s.worstShare(v); worst != "–" {
		line = s.say("text.notch", s.say(key), s.result(v), worst)
	}
	s.line("  "+sign(result)+" ", line)
	if v != nil && len(v.Reasons) > 0 && result != gate.Pass && result != gate.Fail {
		s.line("      ", s.text(v.Reasons[0]))
	}
}

// folded cuts a text at words into parts of at most width runes; a longer word stays whole.
func folded(text string, width int) []string {
	parts := []string{""}
	for _, word := range strings.Fields(text) {
		last := &parts[len(parts)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= width:
			*last += " " + word
		default:
			parts = append(parts, word)
		}
	}
	return parts
}
