package planner

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// fitsSomewhere refuses a platform with a tenant whose pod is larger than any node: no number of nodes would help.
func fitsSomewhere(sc *scenarios.Scenario, pf *scenarios.Platform) error {
	var cores float64
	var memory int64
	for i := range pf.Pools {
		c, m, pods := pf.Pools[i].Allocatable()
		if pods > 0 {
			cores, memory = math.Max(cores, c), max(memory, m)
		}
	}
	of := servers(pf)
	for _, t := range sc.Tenants.List {
		w := of(t.Name)
		if w == nil {
			continue // said elsewhere
		}
		fits := false
		for i := range pf.Pools {
			c, m, pods := pf.Pools[i].Allocatable()
			fits = fits || pods > 0 && w.CPURequest() <= c+1e-9 && w.MemoryRequest() <= m
		}
		if !fits {
			return fmt.Errorf("plan: tenant %q: a pod of workload %q requests %.3g cores and %d MiB, and no node has that: the largest give %.3g cores, %d MiB; "+
				"lower the request or add a pool of larger nodes", t.Name, w.Name, w.CPURequest(), w.MemoryRequest()>>20, cores, memory>>20)
		}
	}
	return nil
}

// contradictions warns of promises that cannot all mean what they say.
func contradictions(sc *scenarios.Scenario) []record.Warning {
	var out []record.Warning
	warn := func(de, en string) {
		out = append(out, record.Warning{Code: "slo-contradiction", Text: scenarios.Text{"de": de, "en": en}})
	}
	for i := range sc.SLOs {
		a := &sc.SLOs[i]
		if slow := 1 - a.Percentile/100; a.Errors > slow+1e-9 {
			warn(fmt.Sprintf("Zusage %s widerspricht sich: %s %% dürfen fehlschlagen, aber nur %s %% zu langsam oder fehlgeschlagen sein. Es gilt das Strengere.", named(a, "de"), percent(a.Errors, "de"), percent(slow, "de")),
				fmt.Sprintf("Promise %s contradicts itself: %s %% may fail, but only %s %% may be slow or failed. The stricter one holds.", named(a, "en"), percent(a.Errors, "en"), percent(slow, "en")))
		}
		for _, step := range sc.AllSteps() {
			patience := cmp.Or(step.Timeout, time.Minute)
			if (a.Step == "" || a.Step == step.Name) && a.Within >= patience {
				warn(fmt.Sprintf("Zusage %s erlaubt %s, aber der Schritt „%s“ wird nach %s abgebrochen; zu langsam ist dann nie etwas, nur fehlgeschlagen.",
					named(a, "de"), scenarios.Span(a.Within, "de"), step.Name, scenarios.Span(patience, "de")),
					fmt.Sprintf("Promise %s allows %s, but step %q is given up after %s; nothing is ever slow then, only failed.",
						named(a, "en"), scenarios.Span(a.Within, "en"), step.Name, scenarios.Span(patience, "en")))
			}
		}
		for k := range sc.SLOs {
			if b := &sc.SLOs[k]; k != i && outdone(a, b) {
				warn(fmt.Sprintf("Zusage %s widerspricht %s: Diese verlangt in allem mehr, jene gilt nie.", inFull(a, "de"), inFull(b, "de")),
					fmt.Sprintf("Promise %s contradicts %s: the latter asks more in everything, the former never counts.", inFull(a, "en"), inFull(b, "en")))
			}
		}
	}
	return out
}

// outdone says whether b asks the same of the same, and more of it in everything.
func outdone(a, b *scenarios.SLO) bool {
	who := func(o *scenarios.SLO) string { return cmp.Or(o.Tenant, "each") }
	same := a.Step == b.Step && who(a) == who(b) && a.Window == b.Window
	stricter := b.Percentile >= a.Percentile && b.Within <= a.Within && b.Errors <= a.Errors
	return same && stricter && (b.Percentile > a.Percentile || b.Within < a.Within)
}

// named is what a promise is called, or the step it is about.
func named(o *scenarios.SLO, lang string) string {
	name := cmp.Or(o.Name, o.Step, "*")
	if lang == "de" {
		return "„" + name + "“"
	}
	return "“" + name + "”"
}

// inFull is a promise's name with what it says: “a” (95 % within 2 s).
func inFull(o *scenarios.SLO, lang string) string {
	within := "within"
	if lang == "de" {
		within = "in"
	}
	return fmt.Sprintf("%s (%s %% %s %s)", named(o, lang), scenarios.Decimal(strconv.FormatFloat(o.Percentile, 'f', -1, 64), lang), within, scenarios.Span(o.Within, lang))
}

func percent(share float64, lang string) string {
	return scenarios.Decimal(fmt.Sprintf("%.3g", 100*share), lang)
}
