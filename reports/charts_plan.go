package reports

import (
	"math"
	"slices"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
)

// chainChart is the reaction chain's stages as bars, the first stage on top.
func chainChart(chain []stage, t tongue) drawing {
	bar := charts.NewBar()
	frame(&bar.BaseConfiguration, t)
	var names []string
	var medians, p95s []float64
	for _, s := range slices.Backward(chain) {
		names = append(names, t.say("chain."+s.phase))
		medians, p95s = append(medians, s.median), append(p95s, s.p95)
	}
	bar.XAxisList[0] = opts.XAxis{
		Type: "value", Name: t.say("axis.seconds"), NameLocation: "middle", NameGap: 30, AxisLabel: labels(),
		SplitLine: &opts.SplitLine{Show: opts.Bool(true), LineStyle: &opts.LineStyle{Color: "#e2e6ea"}},
	}
	bar.YAxisList[0] = opts.YAxis{Type: "category", Data: names, AxisLabel: labels()}
	// echarts draws the first series at the bottom of a group and lists it first in the legend: p95 first looks right.
	bar.MultiSeries = append(bar.MultiSeries, bars(t.say("chain.p95"), p95s, orange), bars(t.say("chain.median"), medians, blue))
	return drawing{Option: bar.JSON(), X: "seconds", Y: []string{""}}
}

func bars(name string, values []float64, colour string) charts.SingleSeries {
	return charts.SingleSeries{Name: name, Type: "bar", Data: rounded(values), BarMaxWidth: "16", ItemStyle: &opts.ItemStyle{Color: colour}}
}

// capacityChart is throughput over replicas: what was seen, the fitted law, and its band.
func capacityChart(c *fit.Capacity, level float64, t tongue) drawing {
	scatter := charts.NewScatter()
	frame(&scatter.BaseConfiguration, t)
	scatter.Tooltip.Trigger = "item"
	scatter.Legend.ItemWidth = 15
	high := 1.0
	seen := make([]any, 0, len(c.Points))
	for _, p := range c.Points {
		high = max(high, p.Replicas)
		seen = append(seen, []any{tidy(p.Replicas), tidy(p.Throughput)})
	}
	end := math.Ceil(high * 1.15)
	if len(c.Points) == 0 {
		end = 20
	}
	curve, low, band := uslBand(c, level, end)
	scatter.XAxisList[0] = opts.XAxis{
		Type: "value", Name: t.say("axis.replicas.tenant"), NameLocation: "middle", NameGap: 30, AxisLabel: labels(), Max: end,
		SplitLine: &opts.SplitLine{Show: opts.Bool(false)},
	}
	// echarts stacks only over categories: the curves lie on a hidden axis of their own that spans the same width.
	scatter.XAxisList = append(scatter.XAxisList, opts.XAxis{Type: "category", Data: make([]string, len(curve)), Show: opts.Bool(false)})
	scatter.YAxisList[0] = valueAxis(t.say("axis.throughput"), false, 0, 0)
	lower := overReplicas(t.say("capacity.low"), low, 0)
	lower.Stack = "band"
	upper := overReplicas(t.say("capacity.band", t.share(level)), band, 0)
	upper.Stack, upper.AreaStyle = "band", &opts.AreaStyle{Color: blue, Opacity: opts.Float(0.2)}
	law := overReplicas(t.say("capacity.law"), curve, 2.5)
	dots := charts.SingleSeries{Name: t.say("capacity.points"), Type: "scatter", Data: seen, SymbolSize: 6, ItemStyle: &opts.ItemStyle{Color: orange, Opacity: opts.Float(0.8)}}
	scatter.MultiSeries = append(scatter.MultiSeries, lower, upper, law, dots)
	scatter.Legend.Data = []string{dots.Name, law.Name, upper.Name}
	return drawing{Option: scatter.JSON(), X: "count", Y: []string{"count"}}
}

// overReplicas is a curve on the hidden axis; without a width it is only the edge of the band.
func overReplicas(name string, values []float64, width float32) charts.SingleSeries {
	style := &opts.LineStyle{Color: blue, Width: width}
	if width == 0 {
		style.Opacity = opts.Float(0)
	}
	return charts.SingleSeries{
		Name: name, Type: "line", XAxisIndex: 1, Data: rounded(values), ShowSymbol: opts.Bool(false), Symbol: "none", LineStyle: style, ItemStyle: &opts.ItemStyle{Color: blue},
	}
}

// usl is the universal scalability law (Gunther 2007, eq. 4.31).
func usl(gamma, alpha, beta, n float64) float64 {
	return gamma * n / (1 + alpha*(n-1) + beta*n*(n-1))
}

// uslBand draws the law from 0 to end, with the band its parameters' draws span at each point; where there are no
// draws, the band of the intervals' corners, which is wider. The band is given as its lower edge and its height.
func uslBand(c *fit.Capacity, level, end float64) (curve, low, band []float64) {
	if level <= 0 || level >= 1 {
		level = 0.9
	}
	const steps = 60
	draws := min(len(c.Gamma.Draws), len(c.Alpha.Draws), len(c.Beta.Draws))
	for i := range steps + 1 {
		n := end * float64(i) / steps
		bottom, top := usl(c.Gamma.Low, c.Alpha.High, c.Beta.High, n), usl(c.Gamma.High, c.Alpha.Low, c.Beta.Low, n)
		if draws > 1 {
			at := make([]float64, draws)
			for d := range at {
				at[d] = usl(c.Gamma.Draws[d], c.Alpha.Draws[d], c.Beta.Draws[d], n)
			}
			bottom, top = quantileOf(at, (1-level)/2), quantileOf(at, (1+level)/2)
		}
		curve = append(curve, usl(c.Gamma.Value, c.Alpha.Value, c.Beta.Value, n))
		low, band = append(low, bottom), append(band, top-bottom)
	}
	return curve, low, band
}

// frontierChart is cost against risk.
func frontierChart(p *planner.Plan, t tongue) drawing {
	scatter := charts.NewScatter()
	frame(&scatter.BaseConfiguration, t)
	scatter.Tooltip.Trigger = "item"
	scatter.Legend.ItemWidth = 15
	scatter.XAxisList[0] = opts.XAxis{
		Type: "value", Name: t.say("axis.cost"), NameLocation: "middle", NameGap: 30, AxisLabel: labels(), Scale: opts.Bool(true),
		SplitLine: &opts.SplitLine{Show: opts.Bool(false)},
	}
	var estimate, upper, chosen []any
	low := 1.0
	for _, c := range p.Frontier {
		if c.Risk > 0 { // a logarithmic axis has no place for nothing; the bound is always more
			estimate = append(estimate, []any{tidy(c.Cost), tidy(c.Risk * 100)})
			low = min(low, c.Risk*100)
		}
		upper = append(upper, []any{tidy(c.Cost), tidy(c.RiskUpper * 100)})
		if c.RiskUpper > 0 {
			low = min(low, c.RiskUpper*100)
		}
		if c.Chosen {
			chosen = append(chosen, []any{tidy(c.Cost), tidy(c.RiskUpper * 100)})
		}
	}
	scatter.YAxisList[0] = valueAxis(t.say("axis.risk"), true, max(decade(low, math.Floor), 0.001), 100)
	first := spots(t.say("frontier.upper"), upper, "triangle", 10, blue)
	if p.Risk.Delta > 0 {
		first.MarkLines = &opts.MarkLines{Data: []any{mark{
			Name: t.say("frontier.delta", t.share(p.Risk.Delta)), YAxis: p.Risk.Delta * 100, Label: markLabel("insideEndTop", red),
			LineStyle: &opts.LineStyle{Color: red, Type: "dashed", Width: 1.5},
		}}, MarkLineStyle: opts.MarkLineStyle{Symbol: []string{"none", "none"}}}
	}
	scatter.MultiSeries = append(scatter.MultiSeries, spots(t.say("frontier.chosen"), chosen, "diamond", 24, green), first,
		spots(t.say("frontier.estimate"), estimate, "circle", 7, slate))
	return drawing{Option: scatter.JSON(), X: "count", Y: []string{"percent"}}
}

func spots(name string, data []any, symbol string, size int, colour string) charts.SingleSeries {
	return charts.SingleSeries{Name: name, Type: "scatter", Data: data, Symbol: symbol, SymbolSize: size, ItemStyle: &opts.ItemStyle{Color: colour}}
}
