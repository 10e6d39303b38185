package reports

import (
	"math"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// addThrottling spreads what a quota did to a pod over the time it is told of.
func (m *measured) addThrottling(e *record.Event) {
	window := time.Duration(e.Values["window_seconds"] * float64(time.Second))
	if window <= 0 || e.At <= 0 {
		return
	}
	from := max(0, e.At-window)
	for i := int(from / m.bin); i < most && time.Duration(i)*m.bin < e.At; i++ {
		begin := time.Duration(i) * m.bin
		overlap := min(e.At, begin+m.bin) - max(from, begin)
		share := overlap.Seconds() / (e.At - from).Seconds()
		add(&m.periods, i, e.Values["periods"]*share)
		add(&m.throttled, i, e.Values["throttled_periods"]*share)
		add(&m.held, i, overlap.Seconds()/m.bin.Seconds())
	}
}

// throttling shows how far CPU quotas held pods back, where they did.
func (f *figurist) throttling() (figure, bool) {
	told := false
	for _, s := range f.sides {
		told = told || s.account != nil && len(s.account.Throttling) > 0
	}
	if !told {
		return figure{}, false
	}
	_, pods := extent(f.over(func(m *measured) []float64 { return m.held })...)
	fig := f.timeFigure("throttling", []string{f.say("throttling.share"), f.say("throttling.pods")}, func(m *measured) timeChart {
		n := len(m.offered)
		return timeChart{
			unit: "percent", left: f.say("throttling.share"), right: f.say("throttling.pods"), max: 100, rightMax: niceTop(pods),
			curves: []curve{
				{name: f.say("throttling.share"), values: heldBack(m.throttled[:n], m.periods[:n]), colour: red, dash: "solid", width: 2, area: true},
				{name: f.say("throttling.pods"), values: m.held[:n], colour: slate, dash: "dashed", width: 1.5, step: true, right: true},
			},
		}
	}, func(_ *measured, r row) []string { return []string{f.share(r.throttled), f.number(r.held)} })
	if a := f.sides[0].account; a != nil && len(a.Throttling) > 0 {
		worst := &a.Throttling[0]
		fig.Say += " " + f.say("throttling.worst", worst.Workload, worst.Tenant, f.count(int64(worst.Pods)), f.share(worst.Share()), f.seconds(worst.Seconds))
	}
	return fig, true
}

// heldBack is the share of the periods in percent; a gap where no pod was held back.
func heldBack(throttled, periods []float64) []float64 {
	out := make([]float64, len(periods))
	for i, p := range periods {
		if out[i] = math.NaN(); p > 0 {
			out[i] = 100 * throttled[i] / p
		}
	}
	return out
}
