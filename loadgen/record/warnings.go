package record

import (
	"fmt"

	"github.com/ansturm/ansturm/scenarios"
)

// The codes of the warnings that a record itself gives.
const (
	WarnClamped     = "durations-clamped"
	WarnNegative    = "durations-negative"
	WarnUnknown     = "samples-unknown"
	WarnValues      = "values-not-finite"
	WarnWriteFailed = "write-failed"
	WarnRepaired    = "record-repaired"
	WarnFolded      = "tenants-folded"
	WarnCreated     = "created-left-out"
)

func (o oddities) warnings() []Warning {
	var out []Warning
	add := func(n int64, code, de, en string) {
		if n > 0 {
			out = append(out, Warning{code, scenarios.Text{"de": fmt.Sprintf(de, n), "en": fmt.Sprintf(en, n)}})
		}
	}
	add(o.long, WarnClamped,
		"%d Zeiten über einer Stunde sind als eine Stunde gezählt.",
		"%d durations over an hour are counted as an hour.")
	add(o.negative, WarnNegative,
		"%d negative Zeiten sind als null gezählt; die Uhren der Lasterzeugung passen nicht zusammen.",
		"%d negative durations are counted as zero; the generator's clocks do not agree.")
	add(o.unknown, WarnUnknown,
		"%d Messungen nennen einen Schritt, Mandanten oder Ausgang, den das Szenario nicht hat; sie fehlen.",
		"%d samples name a step, tenant or outcome that the scenario does not have; they are left out.")
	add(o.values, WarnValues,
		"%d Messwerte der Zeitleiste sind keine endlichen Zahlen; sie fehlen.",
		"%d values of the timeline are not finite numbers; they are left out.")
	add(o.ids, WarnCreated,
		"%d Kennungen von Angelegtem sind über 64 KiB lang; sie fehlen.",
		"%d ids of created things are longer than 64 KiB; they are left out.")
	return out
}

func warnFolded(folded, tenants int) Warning {
	return Warning{WarnFolded, scenarios.Text{
		"de": fmt.Sprintf("%d der %d Mandanten, die mit dem geringsten Gewicht, sind gemeinsam als „%s“ gezählt; "+
			"was je Mandant gilt, ist für sie nur in der Summe geprüft.", folded, tenants, Others),
		"en": fmt.Sprintf("%d of %d tenants, those of least weight, are counted together as %q; "+
			"what holds for each tenant is checked for their sum only.", folded, tenants, Others),
	}}
}

func warnWriteFailed(err error) Warning {
	return Warning{WarnWriteFailed, scenarios.Text{
		"de": "Die Aufzeichnung konnte nicht vollständig geschrieben werden: " + err.Error(),
		"en": "The record could not be written in full: " + err.Error(),
	}}
}
