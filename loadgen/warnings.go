package loadgen

import (
	"fmt"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// warnings is what is to be known of all generators together.
func (e *Evidence) warnings() []record.Warning {
	var warnings []record.Warning
	warn := func(code, de, en string, figures ...any) {
		warnings = append(warnings, record.Warning{Code: code, Text: both(de, en, figures...)})
	}
	if e.Late > 0 {
		warnings = append(warnings, record.Warning{Code: "generator-late", Text: scenarios.Text{
			"de": fmt.Sprintf("%d Anfragen gingen mehr als %s zu spät ab. Die Verspätung ist in ihren Antwortzeiten enthalten.", e.Late, scenarios.Span(LateAfter, "de")),
			"en": fmt.Sprintf("%d shots went out more than %s late. Their response times include the lateness.", e.Late, scenarios.Span(LateAfter, "en")),
		}})
	}
	if e.Throttled > 0 {
		warnings = append(warnings, record.Warning{Code: "generator-throttled", Text: scenarios.Text{
			"de": fmt.Sprintf("Eine CPU-Quote hielt den Lastgenerator insgesamt %s lang auf.", scenarios.Span(e.ThrottledTime, "de")),
			"en": fmt.Sprintf("A CPU quota held the generator back for %s in all.", scenarios.Span(e.ThrottledTime, "en")),
		}})
	}
	for _, m := range e.Mishaps {
		warn("mishap", "Anfragen kamen nicht zustande (%d-mal): %s", "Shots came to nothing (%d times): %s", m.Times, m.Text)
	}
	if e.Told > 0 {
		warn("waiting-room", "%d Anfragen warteten im Warteraum vor der Plattform. Die Antwortzeiten enthalten diese Wartezeit; Zusagen sind ab dem Einlass geprüft.",
			"%d shots waited in the waiting room before the platform. Response times include that wait; promises are held against the time from being let in.", e.Waited)
	}
	if e.Insecure {
		warn("insecure-tls", "Die Zertifikate der Server wurden nicht geprüft: Wer geantwortet hat, steht nicht fest.",
			"The servers' certificates were not verified: who answered is not certain.")
	}
	if e.Forgone > 0 {
		warn("lease-late", "%d Ankünfte begannen nicht, weil ihre Zuteilung an einen Worker zu spät kam oder unterbrochen war.",
			"%d arrivals did not begin because their lease to a worker came late or was interrupted.", e.Forgone)
	}
	return warnings
}

// ofEach is what is to be known of single generators.
func ofEach(all []Evidence) []record.Warning {
	var warnings []record.Warning
	for _, e := range all {
		if e.Fewer > 0 {
			warnings = append(warnings, record.Warning{Code: "few-descriptors", Text: both(
				"Die Grenze offener Dateien ließ nur %d gleichzeitige Verbindungen zu.",
				"The limit of open files allowed only %d connections at a time.", e.Fewer)})
		}
		if e.Fenced != "" {
			warnings = append(warnings, record.Warning{Code: "worker-fenced", Text: both(
				"Der Worker %s begann vor dem Ende des Laufs nichts mehr: %s.", "Worker %s began nothing more before the end of the run: %s.", e.Worker, e.Fenced)})
		}
	}
	return warnings
}
