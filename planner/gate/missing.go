package gate

import (
	"fmt"
	"strings"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// generatorText takes a validity reason over.
func generatorText(reason scenarios.Text, advice []scenarios.Text) scenarios.Text {
	in := func(lang string) string {
		if len(advice) == 0 {
			return reason.In(lang)
		}
		return reason.In(lang) + " → " + strings.Join(scenarios.AllIn(advice, lang), "; ")
	}
	return both(
		"Ungültig, der Lauf sagt nichts über die Plattform: "+in("de"),
		"Invalid, the run says nothing about the platform: "+in("en"))
}

// latenessText is for a run marked invalid without a reason.
func latenessText(v record.Validity) scenarios.Text {
	return both(
		fmt.Sprintf("Ungültig: der Lastgenerator war die Grenze (p99 der Verspätung %s, Grenze %s, %s der Sekunden darüber, %d nicht gesendet).",
			scenarios.Span(v.LatenessP99, "de"), scenarios.Span(v.LatenessLimit, "de"), percent(v.SecondsOver, "de"), v.Unsent),
		fmt.Sprintf("Invalid: the generator was the limit (lateness p99 %s, limit %s, %s of the seconds above it, %d unsent).",
			scenarios.Span(v.LatenessP99, "en"), scenarios.Span(v.LatenessLimit, "en"), percent(v.SecondsOver, "en"), v.Unsent))
}

// labText is for a lab whose own timers were late.
func labText(v record.Validity) scenarios.Text {
	return both(
		fmt.Sprintf("Ungültig: die eingebettete Plattform war die Grenze (p99 der Verspätung ihrer Uhren %s, Grenze %s).",
			scenarios.Span(v.LabLatenessP99, "de"), scenarios.Span(v.LabLimit, "de")),
		fmt.Sprintf("Invalid: the embedded platform was the limit (p99 of its timers' lateness %s, limit %s).",
			scenarios.Span(v.LabLatenessP99, "en"), scenarios.Span(v.LabLimit, "en")))
}

func unfinishedText() scenarios.Text {
	return both("Der Lauf wurde nicht ordentlich beendet; was danach gekommen wäre, fehlt.",
		"The run was not closed in order; what would have followed is missing.")
}

func interruptedText() scenarios.Text {
	return both("Der Lauf wurde abgebrochen; die Welle ist nicht vollständig gefahren.",
		"The run was interrupted; the surge was not fired in full.")
}

func noEvidenceText() scenarios.Text {
	return both("Es fehlt der Nachweis, dass der Lastgenerator mitgekommen ist.",
		"The evidence that the generator kept up is missing.")
}

func noWindowsText() scenarios.Text {
	return both("Die Aufzeichnung enthält keine Antwortzeiten.", "The record holds no response times.")
}

// minutesText names missing minutes as ranges, counted from 0 as in the record.
func minutesText(minutes []int) scenarios.Text {
	list := ranges(minutes)
	return both(
		fmt.Sprintf("Daten fehlen ganz oder zum Teil in %d Minuten des Laufs (gezählt ab 0): %s.", len(minutes), list),
		fmt.Sprintf("Data is missing, wholly or in part, in %d minutes of the run (counted from 0): %s.", len(minutes), list))
}

// ranges writes sorted numbers as "3, 7–9", at most a handful.
func ranges(sorted []int) string {
	var parts []string
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		if len(parts) == most {
			return strings.Join(parts, ", ") + ", …"
		}
		if i == j {
			parts = append(parts, fmt.Sprint(sorted[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d–%d", sorted[i], sorted[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// gapsText says how long the watching was interrupted.
func gapsText(gaps []record.Event) scenarios.Text {
	var total float64
	for _, g := range gaps {
		total += g.Values["seconds"]
	}
	length := time.Duration(total * float64(time.Second))
	return both(
		fmt.Sprintf("Die Beobachtung hatte %d Lücken, zusammen %s, die erste ab %s.", len(gaps), scenarios.Span(length, "de"), scenarios.Clock(gaps[0].At)),
		fmt.Sprintf("The watching had %d gaps, %s together, the first from %s.", len(gaps), scenarios.Span(length, "en"), scenarios.Clock(gaps[0].At)))
}

// ledgerTexts says which arrivals the record has no end of.
func ledgerTexts(a *record.Account) []scenarios.Text {
	if a == nil {
		return nil
	}
	var out []scenarios.Text
	if n := a.Ledger.Unsent; n > 0 {
		out = append(out, both(
			fmt.Sprintf("%d von %d Ankünften wurden nie gesendet.", n, a.Ledger.Total),
			fmt.Sprintf("%d of %d arrivals were never sent.", n, a.Ledger.Total)))
	}
	if n := a.Ledger.Missing; n > 0 {
		out = append(out, both(
			fmt.Sprintf("Von %d von %d Ankünften ist kein Ende verzeichnet.", n, a.Ledger.Total),
			fmt.Sprintf("Of %d of %d arrivals no end is recorded.", n, a.Ledger.Total)))
	}
	return out
}

// problemTexts says what of the record does not add up. It is asked only where nothing plainer explains it: a missing
// minute also makes the sums differ.
func problemTexts(problems []string) []scenarios.Text {
	var out []scenarios.Text
	for _, p := range problems {
		out = append(out, both("Die Aufzeichnung geht nicht auf: "+p, "The record does not add up: "+p))
	}
	return few(out)
}
