package reports

import (
	"math"
	"time"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
)

// prediction is the planned platform as the model foresees it, with the proof run laid over it where there is one.
func (f *figurist) prediction(p *planner.Prediction) (figure, bool) {
	if p.Step <= 0 || len(p.Served) < 2 || len(p.Served) > most {
		return figure{}, false
	}
	fig := figure{ID: "prediction", Title: f.say("prediction.title"), Say: f.say("prediction.say"), Wide: true}
	proof := &measured{bin: time.Second}
	if len(f.sides) > 1 {
		proof = f.sides[1].measured
		fig.Say += " " + f.say("prediction.proof")
	}
	charts := []struct {
		key   string
		chart timeChart
	}{
		{"prediction.served", timeChart{unit: "count", left: f.say("axis.rate"), curves: f.overlaid(p, p.Served, proof.served, proof.bin)}},
		{"prediction.replicas", timeChart{unit: "count", left: f.say("axis.replicas"), curves: f.overlaid(p, p.Ready, proof.ready, proof.bin)}},
		{"prediction.p95", f.predictedP95(p)},
	}
	for _, c := range charts {
		c.chart.t, c.chart.bin = f.tongue, p.Step
		fig.Panels = append(fig.Panels, f.panel(fig.ID+"-"+safeID(c.key), f.say(c.key), fig.Title, c.chart.draw()))
	}
	fig.Table = f.predictionTable(p, fig.Title)
	return fig, true
}

// overlaid is a predicted series and, dashed over it, the measured one.
func (f *figurist) overlaid(p *planner.Prediction, predicted, series []float64, bin time.Duration) []curve {
	curves := []curve{{name: f.say("compared.predicted"), values: predicted, colour: blue, dash: "solid", width: 2.5}}
	if len(series) > 0 {
		curves = append(curves, curve{name: f.say("compared.measured"), values: resampled(series, bin, p.Step, len(predicted)), colour: orange, dash: "dashed", width: 1.5})
	}
	return curves
}

// resampled gives a series of one bin width in steps of another: the mean over each step, or the value held.
func resampled(series []float64, bin, step time.Duration, n int) []float64 {
	out := make([]float64, 0, n)
	for i := range n {
		from := int(time.Duration(i) * step / bin)
		to := min(max(int(time.Duration(i+1)*step/bin), from+1), len(series))
		if from >= to {
			out = append(out, math.NaN())
			continue
		}
		out = append(out, mean(series[from:to]))
	}
	return out
}

// predictedP95 is the predicted percentile in its band over the worlds, and the promise.
func (f *figurist) predictedP95(p *planner.Prediction) timeChart {
	c := timeChart{unit: "seconds", left: f.say("axis.p95")}
	if n := len(p.P95); n > 0 && len(p.P95Low) == n && len(p.P95High) == n {
		height := make([]float64, n)
		for i := range height {
			height[i] = p.P95High[i] - p.P95Low[i]
		}
		c.curves = []curve{
			{name: f.say("capacity.low"), values: p.P95Low, colour: blue, stack: "band", hidden: true},
			{name: f.say("prediction.band"), values: height, colour: blue, stack: "band", hidden: true, area: true},
		}
	}
	c.curves = append(c.curves, curve{name: f.say("compared.predicted"), values: p.P95, colour: blue, dash: "solid", width: 2.5})
	_, top := extent(p.P95, p.P95High)
	if slo := f.sides[0].slo; slo != nil {
		c.limit, c.limitName = slo.Within.Seconds(), f.say("mark.slo", f.short(slo.Percentile), f.duration(slo.Within))
		top = max(top, c.limit)
	}
	c.max = niceTop(top * 1.05)
	return c
}

func (f *figurist) predictionTable(p *planner.Prediction, title string) table {
	n := len(p.Served)
	every := max(int(niceSpan(time.Duration(n)*p.Step/rows)/p.Step), 1)
	t := table{
		Caption: f.say("table.caption", title, f.length(time.Duration(every)*p.Step)), Text: 1,
		Head: []string{f.say("axis.time.short"), f.say("prediction.served"), f.say("prediction.replicas"), f.say("prediction.p95"), f.say("compared.interval")},
	}
	at := func(series []float64, i int) float64 {
		if i < len(series) {
			return series[i]
		}
		return math.NaN()
	}
	for i := 0; i < n; i += every {
		t.Rows = append(t.Rows, words(scenarios.Clock(time.Duration(i)*p.Step), f.number(at(p.Served, i)), f.number(at(p.Ready, i)),
			f.seconds(at(p.P95, i)), f.seconds(at(p.P95Low, i))+" – "+f.seconds(at(p.P95High, i))))
	}
	return t
}
