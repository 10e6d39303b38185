package loadgen

import (
	"cmp"
	"fmt"
	"slices"
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
	own := []Evidence{e.evidence()}
	r := Result{Totals: Totals(own), Interrupted: interrupted}
	r.Validity, r.Warnings = Judge(own, interrupted)
	return r
}

// Judge says whether the generators of a run were fit for it, and what is to be known of them. The lateness is that of all
// shots together; among several generators none may be too late alone, either. Arrivals that are unsent by somebody else's
// word are the Unsent of an evidence with nothing else in it. Interrupted is a run that was ended before its time by will.
func Judge(all []Evidence, interrupted bool) (record.Validity, []record.Warning) {
	s := sum(all)
	v := record.Validity{
		LatenessP50: s.lateBy(0.5), LatenessP99: s.lateBy(0.99), LatenessMax: s.LatenessMax,
		LatenessLimit: s.LatenessLimit, Unsent: s.Unsent,
	}
	if s.Seconds > 0 {
		v.SecondsOver = float64(s.SecondsOver) / float64(s.Seconds)
	}
	v.Reasons = append(s.tardiness(v), lateAlone(all)...)
	if v.Unsent > 0 && !interrupted {
		v.Reasons = append(v.Reasons, both("%d Ankünfte wurden nie gesendet", "%d arrivals were never sent", v.Unsent))
	}
	wants, advice := s.wants()
	v.Reasons, v.Advice = append(v.Reasons, wants...), advice
	if v.Valid = len(v.Reasons) == 0; !v.Valid {
		v.Advice = append(v.Advice, remedies(all)...)
	}
	return v, append(s.warnings(), ofEach(all)...)
}

// tardiness is the reasons for which a run is not valid that lie in the lateness of all shots.
func (e *Evidence) tardiness(v record.Validity) (reasons []scenarios.Text) {
	if v.LatenessP99 > v.LatenessLimit {
		reasons = append(reasons, scenarios.Text{
			"de": fmt.Sprintf("eine von hundert Anfragen ging mehr als %s zu spät ab (Grenze %s, in wirklicher Zeit)", scenarios.Span(v.LatenessP99, "de"), scenarios.Span(v.LatenessLimit, "de")),
			"en": fmt.Sprintf("one shot in a hundred went out more than %s late (limit %s on the wall)", scenarios.Span(v.LatenessP99, "en"), scenarios.Span(v.LatenessLimit, "en")),
		})
	}
	if v.SecondsOver > mostSecondsOver && e.SecondsOver > 1 {
		reasons = append(reasons, scenarios.Text{
			"de": fmt.Sprintf("in %.0f %% der Sekunden ging eine von hundert Anfragen mehr als %s zu spät ab (Grenze %.0f %%)", 100*v.SecondsOver, scenarios.Span(v.LatenessLimit, "de"), 100*mostSecondsOver),
			"en": fmt.Sprintf("in %.0f %% of the seconds one shot in a hundred was later than %s (limit %.0f %%)", 100*v.SecondsOver, scenarios.Span(v.LatenessLimit, "en"), 100*mostSecondsOver),
		})
	}
	return reasons
}

// fewShots is how many a generator must have sent before one in a hundred of its own says something.
const fewShots = 100

// lateAlone names those of several generators that are over the limit by themselves, the latest first: among the shots of all
// the others theirs would go under.
func lateAlone(all []Evidence) []scenarios.Text {
	if len(all) < 2 {
		return nil
	}
	late := slices.DeleteFunc(slices.Clone(all), func(e Evidence) bool {
		return latenessCounts(e.Lateness).total() < fewShots || e.lateBy(0.99) <= e.LatenessLimit
	})
	if len(late) == 0 {
		return nil
	}
	slices.SortStableFunc(late, func(a, b Evidence) int { return cmp.Compare(b.lateBy(0.99), a.lateBy(0.99)) })
	worst, limit := late[0].lateBy(0.99), late[0].LatenessLimit
	return []scenarios.Text{{
		"de": fmt.Sprintf("einzelne Worker waren für sich genommen zu spät: %s; dort ging eine von hundert Anfragen mehr als %s zu spät ab (Grenze %s)", workersOf(late), scenarios.Span(worst, "de"), scenarios.Span(limit, "de")),
		"en": fmt.Sprintf("single workers were too late by themselves: %s; there one shot in a hundred went out more than %s late (limit %s)", workersOf(late), scenarios.Span(worst, "en"), scenarios.Span(limit, "en")),
	}}
}

// mostNames is how many generators are named.
const mostNames = 5

func workersOf(list []Evidence) string {
	var names []string
	for _, e := range list[:min(len(list), mostNames)] {
		names = append(names, e.Worker)
	}
	if len(list) > mostNames {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

// wants is the reasons for which a run is not valid that have a remedy of their own, and what that is.
func (e *Evidence) wants() (reasons, advice []scenarios.Text) {
	if n := e.Portless; n > 0 {
		reasons = append(reasons, both("%d-mal ließ sich keine Verbindung öffnen, weil kein lokaler Port frei war",
			"%d times no connection could be opened for want of a local port", n))
		advice = append(advice, portAdvice(e.Ports))
	}
	if n := e.Starved - e.Portless; n > 0 {
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
func portAdvice(ports string) scenarios.Text {
	const howDe = "von mehr Absenderadressen senden (--source 127.0.0.1,127.0.0.2) oder Verbindungen offen halten"
	const howEn = "fire from more source addresses (--source 127.0.0.1,127.0.0.2), or keep connections open"
	if first, last, known := strings.Cut(ports, " "); known {
		return both("die Ports %s bis %s waren von jeder Absenderadresse aus alle belegt: den Bereich in %s erweitern, "+howDe,
			"the ports %s to %s were all taken, from each source address: widen the range in %s, "+howEn, first, last, portRange)
	}
	return both("alle lokalen Ports waren belegt: ihren Bereich im Betriebssystem erweitern, "+howDe,
		"all local ports were taken: widen the system's range of them, "+howEn)
}

// remedies is what would help generators that were too slow, by what held them back.
func remedies(all []Evidence) (advice []scenarios.Text) {
	full, stolen, queued := int64(0), 0.0, 0.0
	for _, e := range all {
		if e.ConnectionsPeak >= e.ConnectionsMost {
			full += e.ConnectionsMost
		}
		stolen, queued = max(stolen, share(e.Stolen, e.Processors)), max(queued, share(e.Queued, e.Watched))
	}
	if full > 0 {
		advice = append(advice, both("alle %d Verbindungen waren in Gebrauch, und Anfragen mussten warten: mehr Verbindungen zulassen",
			"all %d connections were in use and shots had to wait: allow more connections", full))
	}
	if slices.ContainsFunc(all, func(e Evidence) bool { return e.Throttled > 0 }) {
		advice = append(advice, both("eine CPU-Quote hielt den Lastgenerator auf: die Quote seiner Kontrollgruppe anheben",
			"a CPU quota held the generator back: raise the quota of its control group"))
	}
	if stolen > mostStolen {
		advice = append(advice, both("der Hypervisor gab %.0f %% der Prozessorzeit dieses Rechners anderen: zu einer ruhigeren Zeit noch einmal fahren",
			"the hypervisor gave %.0f %% of this machine's processor time to others: fire again at a quieter time", 100*stolen))
	}
	if queued > mostQueued && len(advice) == 0 {
		advice = append(advice, both("der Lastgenerator wartete %.0f %% der Zeit auf einen Prozessor: andere Programme dieses Rechners oder zu viele Shards belegten ihn",
			"the generator waited %.0f %% of the time for a processor: other programs of this machine, or too many shards, took it", 100*queued))
	}
	return append(advice, both("dem Lastgenerator mehr Prozessorzeit geben (keine andere Arbeit auf seinem Rechner), die Geschwindigkeit senken oder den Lauf auf mehr Prozesse verteilen",
		"give the generator more processor time (no other work on its machine), lower the speed, or share the run among more workers"))
}

// share is one time's of another; 0 of none.
func share(of, all time.Duration) float64 {
	if all <= 0 {
		return 0
	}
	return of.Seconds() / all.Seconds()
}
