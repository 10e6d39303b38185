package observe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// An API server that restarts cuts every watch, at nearly the same moment: some may be whole again before others notice.
// That is one gap in the record: those of single lines are kept until all lines have been whole for a while, and told
// together where they overlap.

// watched are the lines there are.
func (o *Observer) watched() []*named {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.lines)
}

// noteGap takes in a gap that is over. No line's lock is held.
func (o *Observer) noteGap(resource string, g gap) {
	g.resource = resource
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gaps = append(o.gaps, g)
	if o.still != nil {
		o.still.Stop()
	}
	o.still = time.AfterFunc(nearby, o.settle)
}

// settle tells the gaps that are kept, unless a line is cut: its own gap will bring this about again.
func (o *Observer) settle() {
	for _, l := range o.watched() {
		if !l.whole() {
			return
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sayGaps()
}

// sayGaps tells the gaps that are kept, those together that overlap. The lock is held.
func (o *Observer) sayGaps() {
	slices.SortStableFunc(o.gaps, func(a, b gap) int { return a.from.Compare(b.from) })
	for i := 0; i < len(o.gaps); {
		end, k := o.gaps[i].to, i+1
		for k < len(o.gaps) && !o.gaps[k].from.After(end.Add(nearby)) {
			if o.gaps[k].to.After(end) {
				end = o.gaps[k].to
			}
			k++
		}
		o.sayGap(o.gaps[i:k])
		i = k
	}
	o.gaps = nil
}

// sayGap tells gaps that overlap as one.
func (o *Observer) sayGap(gaps []gap) {
	from, to, silent, relisted := gaps[0].from, gaps[0].to, 0.0, 0
	var names []string
	for _, g := range gaps {
		if g.to.After(to) {
			to = g.to
		}
		if !g.heard.IsZero() {
			silent = max(silent, g.from.Sub(g.heard).Seconds())
		}
		if g.relisted {
			relisted++
		}
		name, _, _ := strings.Cut(g.resource, " in ")
		names = append(names, name)
	}
	if !to.After(o.start) {
		return // before the run
	}
	slices.Sort(names)
	names = slices.Compact(names)
	e := record.Event{
		Kind: record.KindGap, Object: strings.Join(names, ", "),
		Values: map[string]float64{
			"seconds": min(to.Sub(from), to.Sub(o.start)).Seconds(), "silent_seconds": silent, // before it was noticed
			"watches": float64(len(gaps)), "relisted": float64(min(relisted, 1)),
		},
		Message: fmt.Sprintf("%s; %d of %d watches listed anew, the others taken up where they ended",
			cmp.Or(gaps[0].reason, "listed anew"), relisted, len(gaps)),
	}
	o.say(e, moment{at: from, from: from, to: from, evidence: record.EvidenceArrival}, seen{at: to})
}
