package reports

import (
	"maps"
	"math"
	"path/filepath"
	"slices"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/ansturm/ansturm/planner/fit"
)

// mebibyte is what memory is shown in.
const mebibyte = 1 << 20

// parameters say of everything the plan needs how much is known of it.
func (f *figurist) parameters(all []fit.Parameter) figure {
	fig := figure{ID: "parameters", Title: f.say("known.title"), Say: f.say("known.say"), Open: true}
	fig.Table = table{Caption: fig.Title, Text: 3, Head: []string{
		f.say("known.parameter"), f.say("known.status"), f.say("known.settles"), f.say("table.value"), f.say("table.low"), f.say("table.high"),
	}}
	for i := range all {
		p := &all[i]
		value, low, high := "–", "–", "–"
		if p.Value != 0 || p.High != 0 {
			value, low, high = f.amount(p.Value, p.Unit), f.amount(p.Low, p.Unit), f.amount(p.High, p.Unit)
		} else if p.Low != 0 { // a limit that was not reached
			low = f.amount(p.Low, p.Unit)
		}
		settles := p.Settles
		switch {
		case p.Needless:
			settles = f.say("known.needless")
		case settles == "":
			settles = "–"
		}
		line := words(f.text(p.Name), f.say("known."+p.Status), settles, value, low, high)
		if p.Status == fit.Known {
			line[1].Grade = "good"
		}
		fig.Table.Rows = append(fig.Table.Rows, line)
	}
	return fig
}

// amount writes a figure with its unit.
func (t tongue) amount(v float64, unit string) string {
	switch unit {
	case "bytes":
		return t.number(v/mebibyte) + nbsp + "MiB"
	case "", "1":
		return t.fine(v)
	case "cores", "replicas":
		return t.fine(v) + nbsp + t.say("unit."+unit)
	}
	return t.fine(v) + nbsp + unit
}

// cloud is a fit's residuals in the unit they are shown in.
type cloud struct {
	id, title, unit string // unit is the axis' name
	scale           float64
	residuals       []fit.Residual
	dirs            map[string]string // names of the runs' directories, by their IDs
}

// residuals are charts of what each fit leaves: over time and over the fitted value, where a good fit leaves no pattern.
func (f *figurist) residuals(m *fit.Model) []figure {
	var figs []figure
	dirs := map[string]string{}
	for _, r := range m.Runs {
		dirs[r.ID] = filepath.Base(r.Dir)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Workloads)) {
		w := m.Workloads[name]
		if w == nil {
			continue
		}
		clouds := []cloud{{"residuals-" + safeID(name), f.say("residuals.title", name), f.say("unit.cores"), 1, w.Residuals, dirs}}
		if w.Memory != nil && w.Memory.Known {
			clouds = append(clouds, cloud{"memory-" + safeID(name), f.say("residuals.memory", name), "MiB", 1. / mebibyte, w.Memory.Residuals, dirs})
		}
		for _, c := range clouds {
			if len(c.residuals) > 0 {
				figs = append(figs, f.residual(c))
			}
		}
	}
	return figs
}

func (f *figurist) residual(c cloud) figure {
	fig := figure{ID: c.id, Title: c.title, Say: f.say("residuals.say"), Wide: true}
	over := func(r fit.Residual) float64 { return r.At.Minutes() }
	fig.Panels = []panel{
		f.panel(c.id+"-time", f.say("residuals.time"), c.title, c.chart(over, f.say("axis.minutes"), f.tongue)),
		f.panel(c.id+"-fitted", f.say("residuals.fitted"), c.title,
			c.chart(func(r fit.Residual) float64 { return r.Predicted * c.scale }, f.say("residuals.axis", c.unit), f.tongue)),
	}
	fig.Table = table{Caption: c.title, Text: 1, Head: []string{
		f.say("table.run"), f.say("residuals.count"), f.say("residuals.mean", c.unit), f.say("residuals.deviation", c.unit), f.say("residuals.most", c.unit), f.say("residuals.neighbour"),
	}}
	for _, run := range c.runs() {
		d := diagnose(run.residuals, c.scale)
		fig.Table.Rows = append(fig.Table.Rows, words(run.id, f.count(int64(d.n)), f.fine(d.mean), f.fine(d.deviation), f.fine(d.most), f.decimal(d.neighbour, 2)))
	}
	return fig
}

// runs are the residuals by run, in the order of the runs.
func (c *cloud) runs() []cloud {
	var out []cloud
	for _, r := range c.residuals {
		run := r.Run
		if dir := c.dirs[run]; dir != "" && dir != "." {
			run = dir
		}
		at := slices.IndexFunc(out, func(o cloud) bool { return o.id == run })
		if at < 0 {
			out, at = append(out, cloud{id: run}), len(out)
		}
		out[at].residuals = append(out[at].residuals, r)
	}
	return out
}

// diagnosis sums up a run's residuals; neighbour is the correlation of each with the one before it.
type diagnosis struct {
	n                                int
	mean, deviation, most, neighbour float64
}

func diagnose(all []fit.Residual, scale float64) diagnosis {
	d := diagnosis{n: len(all)}
	off := make([]float64, len(all))
	for i, r := range all {
		off[i] = (r.Observed - r.Predicted) * scale
		if math.Abs(off[i]) > math.Abs(d.most) {
			d.most = off[i]
		}
	}
	d.mean = mean(off)
	var square, product float64
	for i, x := range off {
		square += (x - d.mean) * (x - d.mean)
		if i > 0 {
			product += (x - d.mean) * (off[i-1] - d.mean)
		}
	}
	d.deviation = math.Sqrt(square / float64(max(1, d.n-1)))
	if square > 0 {
		d.neighbour = product / square
	}
	return d
}

// chart shows the residuals over something, each run with a mark of its own.
func (c *cloud) chart(over func(fit.Residual) float64, axis string, t tongue) drawing {
	scatter := charts.NewScatter()
	frame(&scatter.BaseConfiguration, t)
	scatter.Tooltip.Trigger = "item"
	scatter.Legend.ItemWidth = 15
	scatter.XAxisList[0] = opts.XAxis{
		Type: "value", Name: axis, NameLocation: "middle", NameGap: 30, AxisLabel: labels(), Scale: opts.Bool(true),
		AxisLine: &opts.AxisLine{OnZero: opts.Bool(false)}, SplitLine: &opts.SplitLine{Show: opts.Bool(false)},
	}
	scatter.YAxisList[0] = valueAxis(t.say("residuals.left", c.unit), false, 0, 0)
	symbols, colours := []string{"circle", "triangle", "diamond", "rect"}, []string{blue, orange, green, purple}
	for i, run := range c.runs() {
		var dots []any
		for _, r := range run.residuals {
			dots = append(dots, []any{tidy(over(r)), tidy((r.Observed - r.Predicted) * c.scale)})
		}
		series := spots(run.id, dots, symbols[i%len(symbols)], 7, colours[i%len(colours)])
		if i == 0 {
			series.MarkLines = &opts.MarkLines{Data: []any{mark{
				Name: "", YAxis: 0, Label: &opts.Label{Show: opts.Bool(false)}, LineStyle: &opts.LineStyle{Color: ink, Type: "solid", Width: 1},
			}}, MarkLineStyle: opts.MarkLineStyle{Symbol: []string{"none", "none"}}}
		}
		scatter.MultiSeries = append(scatter.MultiSeries, series)
	}
	return drawing{Option: scatter.JSON(), X: "count", Y: []string{"count"}}
}
