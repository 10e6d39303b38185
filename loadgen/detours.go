package loadgen

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// mostDetours bounds how many kinds are told apart; the target chooses where it sends people.
const mostDetours = 16

// detours counts the shots that an answer led where they could not go, by step and reason. The zero value is ready.
type detours struct {
	counts map[detour]int64
	others int64
}

// detour is one kind of them.
type detour struct{ step, reason, where string }

// the reasons, see detours.warnings.
const (
	toElsewhere = "elsewhere"
	toNowhere   = "nowhere"
	inCircles   = "circle"
)

// add notes an error of session.begin or session.answer.
func (d *detours) add(st *step, err error) {
	key := detour{step: st.name, reason: toNowhere, where: err.Error()}
	var elsewhere *elsewhereError
	switch {
	case errors.As(err, &elsewhere):
		key.reason, key.where = toElsewhere, elsewhere.origin
	case errors.Is(err, errCircle):
		key.reason, key.where = inCircles, ""
	}
	d.put(key, 1)
}

func (d *detours) put(key detour, n int64) {
	if _, known := d.counts[key]; !known && len(d.counts) >= mostDetours {
		d.others += n
		return
	}
	if d.counts == nil {
		d.counts = map[detour]int64{}
	}
	d.counts[key] += n
}

// merge adds another shard's.
func (d *detours) merge(other *detours) {
	for _, key := range other.keys() {
		d.put(key, other.counts[key])
	}
	d.others += other.others
}

func (d *detours) keys() []detour {
	return slices.SortedFunc(maps.Keys(d.counts), func(a, b detour) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.reason, b.reason), cmp.Compare(a.where, b.where))
	})
}

// warnings say what a reader must know of them.
func (d *detours) warnings() (list []record.Warning) {
	for _, key := range d.keys() {
		list = append(list, key.warning(d.counts[key]))
	}
	if d.others > 0 {
		list = append(list, record.Warning{Code: "redirect-others", Text: scenarios.Text{
			"en": fmt.Sprintf("%d more shots were led where they could not go, for further reasons.", d.others),
			"de": fmt.Sprintf("%d weitere Anfragen konnten aus weiteren Gründen nicht dorthin, wohin die Antwort sie schickte.", d.others),
		}})
	}
	return list
}

func (k detour) warning(n int64) record.Warning {
	switch k.reason {
	case toElsewhere:
		return record.Warning{Code: "redirect-elsewhere", Text: scenarios.Text{
			"en": fmt.Sprintf("%d shots of the step %s were led to %s, which is no address of this run. They count as failed; nothing was sent there. If it belongs to the target, name it under hosts.", n, k.step, k.where),
			"de": fmt.Sprintf("%d Anfragen des Schritts %s wurden auf %s gelenkt, das keine Adresse dieses Laufs ist. Sie gelten als gescheitert, dorthin wurde nichts gesendet. Gehört die Adresse zum Ziel, so ist sie unter hosts zu nennen.", n, k.step, k.where),
		}}
	case inCircles:
		return record.Warning{Code: "redirect-circle", Text: scenarios.Text{
			"en": fmt.Sprintf("%d shots of the step %s were redirected more often than the step follows (follow). They count as failed.", n, k.step),
			"de": fmt.Sprintf("%d Anfragen des Schritts %s wurden öfter weitergeleitet, als der Schritt folgt (follow). Sie gelten als gescheitert.", n, k.step),
		}}
	}
	return record.Warning{Code: "redirect-nowhere", Text: scenarios.Text{
		"en": fmt.Sprintf("%d shots of the step %s were led to a URL that is none (%s). They count as failed.", n, k.step, k.where),
		"de": fmt.Sprintf("%d Anfragen des Schritts %s wurden auf eine ungültige Adresse gelenkt (%s). Sie gelten als gescheitert.", n, k.step, k.where),
	}}
}

// elsewhereError says that a URL leads out of the run. It wraps errElsewhere.
type elsewhereError struct{ origin string }

func (e *elsewhereError) Error() string { return fmt.Sprintf("%v: %s", errElsewhere, e.origin) }

func (e *elsewhereError) Unwrap() error { return errElsewhere }
