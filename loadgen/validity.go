package loadgen

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// leastLatenessLimit is the lateness that a shared machine shows at the 99th percentile anyway.
const leastLatenessLimit = 5 * time.Millisecond

// mostSecondsOver is the share of seconds that may be over the limit; a single one always may.
const mostSecondsOver = 0.05

// mostStolen is the share of processor time taken by the hypervisor from which on it is named as a cause.
const mostStolen = 0.02

// mostQueued is the share of time spent waiting for a processor from which on it is named as a cause.
const mostQueued = 0.05

// latenessLimit is the wall lateness that p99 is held against: lateness adds to the response time, so that it must
// stay small against the smallest promise.
func latenessLimit(cfg Config) time.Duration {
	if cfg.LatenessLimit > 0 {
		return cfg.LatenessLimit
	}
	limit := time.Duration(0)
	for _, slo := range cfg.Scenario.SLOs {
		tenth := time.Duration(float64(slo.Within) / 10 / cfg.Speed)
		if slo.Within > 0 && (limit == 0 || tenth < limit) {
			limit = tenth
		}
	}
	return max(limit, leastLatenessLimit)
}

func (e *Engine) result(interrupted bool) Result {
	return Result{
		Totals:      e.totals(),
		Validity:    e.validity(interrupted),
		Warnings:    e.warnings(),
		Interrupted: interrupted,
	}
}

func (e *Engine) totals() record.Totals {
	all := e.tally()
	t := record.Totals{
		Shots: all.shots(), Late: all.late, Reloads: all.reloads, ComeBacks: all.comeBacks, GaveUp: all.gaveUp,
		ByOutcome: map[string]int64{}, Connections: e.connections.opened.Load(), ConnectionsPeak: e.connections.peak.Load(),
	}
	if e.cfg.WaitingRoom != "" {
		t.Door = &record.Door{Told: all.knocks, Waited: all.waited}
	}
	for o, n := range all.outcomes {
		t.ByOutcome[record.Outcome(o).String()] = n
	}
	return t
}

// validity judges the generator itself.
func (e *Engine) validity(interrupted bool) record.Validity {
	all, highest := e.lateness()
	v := record.Validity{
		LatenessP50: all.quantile(0.5), LatenessP99: all.quantile(0.99), LatenessMax: highest,
		LatenessLimit: e.limit, Unsent: e.tally().fates[record.Unsent],
	}
	if e.watching.seconds > 0 {
		v.SecondsOver = float64(e.watching.over) / float64(e.watching.seconds)
	}
	v.Reasons, v.Advice = e.shortcomings(v, interrupted)
	if v.Valid = len(v.Reasons) == 0; !v.Valid {
		v.Advice = append(v.Advice, e.advice()...)
	}
	return v
}

// shortcomings are the reasons why a run is not valid, and what would help against those that have a remedy of their own.
func (e *Engine) shortcomings(v record.Validity, interrupted bool) (reasons, advice []scenarios.Text) {
	if v.LatenessP99 > e.limit {
		reasons = append(reasons, scenarios.Text{
			"de": fmt.Sprintf("eine von hundert Anfragen ging mehr als %s zu spät ab (Grenze %s, in wirklicher Zeit)", scenarios.Span(v.LatenessP99, "de"), scenarios.Span(e.limit, "de")),
			"en": fmt.Sprintf("one shot in a hundred went out more than %s late (limit %s on the wall)", scenarios.Span(v.LatenessP99, "en"), scenarios.Span(e.limit, "en")),
		})
	}
	if v.SecondsOver > mostSecondsOver && e.watching.over > 1 {
		reasons = append(reasons, scenarios.Text{
			"de": fmt.Sprintf("in %.0f %% der Sekunden ging eine von hundert Anfragen mehr als %s zu spät ab (Grenze %.0f %%)", 100*v.SecondsOver, scenarios.Span(e.limit, "de"), 100*mostSecondsOver),
			"en": fmt.Sprintf("in %.0f %% of the seconds one shot in a hundred was later than %s (limit %.0f %%)", 100*v.SecondsOver, scenarios.Span(e.limit, "en"), 100*mostSecondsOver),
		})
	}
	t := e.tally()
	if v.Unsent > 0 && !interrupted {
		reasons = append(reasons, both("%d Ankünfte wurden nie gesendet", "%d arrivals were never sent", v.Unsent))
	}
	if n := t.portless; n > 0 {
		reasons = append(reasons, both("%d-mal ließ sich keine Verbindung öffnen, weil kein lokaler Port frei war",
			"%d times no connection could be opened for want of a local port", n))
		advice = append(advice, e.portAdvice())
	}
	if n := t.starved - t.portless; n > 0 {
		reasons = append(reasons, both("%d-mal ließ sich keine Verbindung öffnen, weil die Grenze offener Dateien erreicht war",
			"%d times no connection could be opened for want of descriptors", n))
		advice = append(advice, both("die Grenze offener Dateien anheben (ulimit -n) oder den Lauf auf mehr Prozesse verteilen",
			"raise the limit of open files (ulimit -n), or share the run among more workers"))
	}
	return reasons, advice
}

// both is a text with the same figures in both languages.
func both(de, en string, figures ...any) scenarios.Text {
	return scenarios.Text{"de": fmt.Sprintf(de, figures...), "en": fmt.Sprintf(en, figures...)}
}

// portRange is where Linux keeps the first and the last of the ports that connections come from.
const portRange = "/proc/sys/net/ipv4/ip_local_port_range"

// portAdvice says how more ports are to be had. A port serves one connection from one address to one target, and stays taken
// for up to a minute after this side has closed it.
func (e *Engine) portAdvice() scenarios.Text {
	const howDe = "von mehr Absenderadressen senden (--source 127.0.0.1,127.0.0.2) oder Verbindungen offen halten"
	const howEn = "fire from more source addresses (--source 127.0.0.1,127.0.0.2), or keep connections open"
	text, err := os.ReadFile(portRange)
	if bounds := strings.Fields(string(text)); err == nil && len(bounds) == 2 {
		return both("die Ports %s bis %s waren von jeder Absenderadresse aus alle belegt: den Bereich in %s erweitern, "+howDe,
			"the ports %s to %s were all taken, from each source address: widen the range in %s, "+howEn, bounds[0], bounds[1], portRange)
	}
	return both("alle lokalen Ports waren belegt: ihren Bereich im Betriebssystem erweitern, "+howDe,
		"all local ports were taken: widen the system's range of them, "+howEn)
}

// advice says what would help a generator that was too slow, by what held it back.
func (e *Engine) advice() (advice []scenarios.Text) {
	most := 0
	for _, s := range e.shards {
		most += s.pool.max
	}
	if e.connections.peak.Load() >= int64(most) {
		advice = append(advice, both("alle %d Verbindungen waren in Gebrauch, und Anfragen mussten warten: mehr Verbindungen zulassen",
			"all %d connections were in use and shots had to wait: allow more connections", most))
	}
	if e.watching.throttled > 0 {
		advice = append(advice, both("eine CPU-Quote hielt den Lastgenerator auf: die Quote seiner Kontrollgruppe anheben",
			"a CPU quota held the generator back: raise the quota of its control group"))
	}
	if share := e.watching.stolen(); share > mostStolen {
		advice = append(advice, both("der Hypervisor gab %.0f %% der Prozessorzeit dieses Rechners anderen: zu einer ruhigeren Zeit noch einmal fahren",
			"the hypervisor gave %.0f %% of this machine's processor time to others: fire again at a quieter time", 100*share))
	}
	if share := e.watching.queued(); share > mostQueued && len(advice) == 0 {
		advice = append(advice, both("der Lastgenerator wartete %.0f %% der Zeit auf einen Prozessor: andere Programme dieses Rechners oder zu viele Shards belegten ihn",
			"the generator waited %.0f %% of the time for a processor: other programs of this machine, or too many shards, took it", 100*share))
	}
	return append(advice, both("dem Lastgenerator mehr Prozessorzeit geben (keine andere Arbeit auf seinem Rechner), die Geschwindigkeit senken oder den Lauf auf mehr Prozesse verteilen",
		"give the generator more processor time (no other work on its machine), lower the speed, or share the run among more workers"))
}

func (e *Engine) warnings() []record.Warning {
	var warnings []record.Warning
	if n := e.tally().late; n > 0 {
		warnings = append(warnings, record.Warning{Code: "generator-late", Text: scenarios.Text{
			"de": fmt.Sprintf("%d Anfragen gingen mehr als %s zu spät ab. Die Verspätung ist in ihren Antwortzeiten enthalten.", n, scenarios.Span(LateAfter, "de")),
			"en": fmt.Sprintf("%d shots went out more than %s late. Their response times include the lateness.", n, scenarios.Span(LateAfter, "en")),
		}})
	}
	if e.watching.throttled > 0 {
		warnings = append(warnings, record.Warning{Code: "generator-throttled", Text: scenarios.Text{
			"de": fmt.Sprintf("Eine CPU-Quote hielt den Lastgenerator insgesamt %s lang auf.", scenarios.Span(e.watching.throttledTime, "de")),
			"en": fmt.Sprintf("A CPU quota held the generator back for %s in all.", scenarios.Span(e.watching.throttledTime, "en")),
		}})
	}
	for _, text := range e.mishaps.texts {
		warnings = append(warnings, record.Warning{Code: "mishap", Text: scenarios.Text{
			"de": fmt.Sprintf("Anfragen kamen nicht zustande (%d-mal): %s", e.mishaps.seen[text], text),
			"en": fmt.Sprintf("Shots came to nothing (%d times): %s", e.mishaps.seen[text], text),
		}})
	}
	if t := e.tally(); t.knocks > 0 {
		warnings = append(warnings, record.Warning{Code: "waiting-room", Text: scenarios.Text{
			"de": fmt.Sprintf("%d Anfragen warteten im Warteraum vor der Plattform. Die Antwortzeiten enthalten diese Wartezeit; Zusagen sind ab dem Einlass geprüft.", t.waited),
			"en": fmt.Sprintf("%d shots waited in the waiting room before the platform. Response times include that wait; promises are held against the time from being let in.", t.waited),
		}})
	}
	if e.cfg.TLS != nil && e.cfg.TLS.InsecureSkipVerify {
		warnings = append(warnings, record.Warning{Code: "insecure-tls", Text: scenarios.Text{
			"de": "Die Zertifikate der Server wurden nicht geprüft: Wer geantwortet hat, steht nicht fest.",
			"en": "The servers' certificates were not verified: who answered is not certain.",
		}})
	}
	if e.fewer > 0 {
		warnings = append(warnings, record.Warning{Code: "few-descriptors", Text: scenarios.Text{
			"de": fmt.Sprintf("Die Grenze offener Dateien ließ nur %d gleichzeitige Verbindungen zu.", e.fewer),
			"en": fmt.Sprintf("The limit of open files allowed only %d connections at a time.", e.fewer),
		}})
	}
	return warnings
}
