package gate

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// most is the largest number of reasons of one kind that are spelt out.
const most = 4

// few keeps the first reasons and counts the others.
func few(texts []scenarios.Text) []scenarios.Text {
	if len(texts) <= most+1 {
		return texts
	}
	rest := len(texts) - most
	return append(texts[:most:most], both(
		fmt.Sprintf("… und %d weitere gleicher Art.", rest),
		fmt.Sprintf("… and %d more of the kind.", rest)))
}

// both is a text in both languages.
func both(de, en string) scenarios.Text { return scenarios.Text{"de": de, "en": en} }

// label names a promise: its name, or what it says.
func label(slo scenarios.SLO, lang string) string {
	return cmp.Or(slo.Name, fmt.Sprintf("%s: %s ≤ %s", cmp.Or(slo.Step, "*"), percentileOf(slo, lang), scenarios.Span(slo.Within, lang)))
}

// percentileOf is the one that a promise is about: p99.5.
func percentileOf(slo scenarios.SLO, lang string) string {
	return "p" + scenarios.Decimal(strconv.FormatFloat(slo.Percentile, 'f', -1, 64), lang)
}

// breakText tells one broken promise: how far, since when, and its worst window.
func breakText(j sloJudged) scenarios.Text {
	w, slo := j.Worst, j.SLO
	deWho, enWho := who(w.Tenant)
	budget := 1 - slo.Percentile/100
	de := fmt.Sprintf("Zusage „%s“ gebrochen: in %d von %d Zeitfenstern%s, zuerst ab %s. Am schlimmsten: %s, Schritt %s, %s bis %s: %s von %d Anfragen zu langsam oder gescheitert (erlaubt %s), %s gescheitert (erlaubt %s), %s %s (zugesagt %s).",
		label(slo, "de"), j.Broken, j.Judged, brokenTenants(j, "; %d von %d Mandanten"), scenarios.Clock(*j.FirstBreak),
		deWho, w.Step, scenarios.Clock(w.Start), scenarios.Clock(w.Start+w.Length),
		percent(share(w.Slow, w.Shots), "de"), w.Shots, percent(budget, "de"),
		percent(share(w.Failed, w.Shots), "de"), percent(slo.Errors, "de"),
		percentileOf(slo, "de"), scenarios.Span(w.Percentile, "de"), scenarios.Span(slo.Within, "de"))
	en := fmt.Sprintf("Promise %q broken: in %d of %d windows%s, first from %s. Worst: %s, step %s, %s to %s: %s of %d requests too slow or failed (allowed %s), %s failed (allowed %s), %s %s (promised %s).",
		label(slo, "en"), j.Broken, j.Judged, brokenTenants(j, "; %d of %d tenants"), scenarios.Clock(*j.FirstBreak),
		enWho, w.Step, scenarios.Clock(w.Start), scenarios.Clock(w.Start+w.Length),
		percent(share(w.Slow, w.Shots), "en"), w.Shots, percent(budget, "en"),
		percent(share(w.Failed, w.Shots), "en"), percent(slo.Errors, "en"),
		percentileOf(slo, "en"), scenarios.Span(w.Percentile, "en"), scenarios.Span(slo.Within, "en"))
	return both(de, en)
}

// brokenTenants counts tenants, where the promise is about tenants at all.
func brokenTenants(j sloJudged, format string) string {
	if j.Tenants == 0 {
		return ""
	}
	return fmt.Sprintf(format, len(j.BrokenTenants), j.Tenants)
}

// who names a tenant, or all of them.
func who(tenant string) (de, en string) {
	if tenant == "" {
		return "alle Mandanten zusammen", "all tenants together"
	}
	return "Mandant " + tenant, "tenant " + tenant
}

// passText says what was held and how close it came.
func passText(judged []sloJudged) scenarios.Text {
	windows := 0
	for _, j := range judged {
		windows += j.Judged
	}
	near := worstFirst(judged)[0]
	w := near.Worst
	deWho, enWho := who(w.Tenant)
	return both(
		fmt.Sprintf("Alle Zusagen gehalten: %d, in %d Zeitfenstern. Am knappsten „%s“: %s, Schritt %s, ab %s: %s von %d Anfragen zu langsam oder gescheitert (erlaubt %s).",
			len(judged), windows, label(near.SLO, "de"), deWho, w.Step, scenarios.Clock(w.Start),
			percent(share(w.Slow, w.Shots), "de"), w.Shots, percent(1-near.SLO.Percentile/100, "de")),
		fmt.Sprintf("All promises held: %d, in %d windows. Closest %q: %s, step %s, from %s: %s of %d requests too slow or failed (allowed %s).",
			len(judged), windows, label(near.SLO, "en"), enWho, w.Step, scenarios.Clock(w.Start),
			percent(share(w.Slow, w.Shots), "en"), w.Shots, percent(1-near.SLO.Percentile/100, "en")))
}

// unjudgedText says that a promise found too few shots everywhere.
func unjudgedText(slo scenarios.SLO) scenarios.Text {
	least := slo.Least
	if least <= 0 {
		least = defaultLeast
	}
	return both(
		fmt.Sprintf("Zusage „%s“ nicht beurteilbar: nirgends die nötigen %d Anfragen.", label(slo, "de"), least),
		fmt.Sprintf("Promise %q cannot be judged: nowhere the %d requests it needs.", label(slo, "en"), least))
}

// thinWarning says which tenants had too few shots to be judged.
func thinWarning(j sloJudged) record.Warning {
	names := make([]string, 0, most+1)
	for _, g := range j.thin {
		if len(names) == most {
			names = append(names, "…")
			break
		}
		names = append(names, g.tenant+"/"+g.step)
	}
	list := strings.Join(names, ", ")
	return record.Warning{Code: "too-few-shots", Text: both(
		fmt.Sprintf("Zusage „%s“: für %d Mandanten und Schritte zu wenige Anfragen, um sie zu beurteilen (%s).", label(j.SLO, "de"), len(j.thin), list),
		fmt.Sprintf("Promise %q: too few requests to judge %d tenants and steps (%s).", label(j.SLO, "en"), len(j.thin), list))}
}

func noPromise() scenarios.Text {
	return both("Das Szenario enthält keine Zusage (slos): es gibt nichts zu beurteilen.",
		"The scenario makes no promise (slos): there is nothing to judge.")
}

// percent writes a share; more digits where it is small, so that 0.05 % does not read as 0.
func percent(x float64, lang string) string {
	digits := 1
	if x > 0 && x < 0.01 {
		digits = 2
	}
	return decimal(100*x, digits, lang) + " %"
}

// decimal writes x with at most digits places, no trailing zeros.
func decimal(x float64, digits int, lang string) string {
	scale := math.Pow10(digits)
	s := strconv.FormatFloat(math.Round(x*scale)/scale, 'f', -1, 64)
	return scenarios.Decimal(s, lang)
}
