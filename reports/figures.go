package reports

import (
	"html/template"
	"math"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// figure is one chart, or one pair before and after, with what to see in it and its data as a table.
type figure struct {
	ID, Title, Say string
	Panels         []panel
	Table          table
	// Summary opens the table.
	Summary string
	// Open shows the table at once: a figure without a chart, or a table that is the point.
	Open bool
	// Wide asks for the whole width.
	Wide bool
}

// panel is one drawn chart.
type panel struct {
	ID, Caption, Label string
	Data               template.JS
}

// table is what a chart shows, in words and numbers.
type table struct {
	Caption  string
	Head     []string
	Text     int // how many leading columns are text; the others are numbers
	Rows     [][]cell
	Sortable bool
}

// cell is one cell: its text, a key to sort by where the text does not sort, and a bar from 0 to 100 (below 0: none).
type cell struct {
	Text  string
	Sort  string
	Bar   float64
	Grade string // "good", "bad", or empty
}

func words(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, s := range texts {
		cells[i] = cell{Text: s, Bar: -1}
	}
	return cells
}

// side is a run in a figure: before the plan, and on the plan where that was fired.
type side struct {
	*measured
	id, caption string
}

// figurist makes the figures of one language.
type figurist struct {
	tongue
	sides []side
	err   error
}

// timeFigure is a chart over time for each side, with the rows of all sides in one table.
func (f *figurist) timeFigure(key string, heads []string, chart func(*measured) timeChart, cells func(*measured, row) []string) figure {
	fig := figure{ID: key, Title: f.say(key + ".title"), Say: f.say(key + ".say")}
	fig.Table = table{Caption: f.say("table.caption", fig.Title, f.length(f.sides[0].rowBin)), Text: 1}
	fig.Table.Head = append([]string{f.say("axis.time.short")}, heads...)
	if len(f.sides) > 1 {
		fig.Table.Head = append([]string{f.say("table.run")}, fig.Table.Head...)
		fig.Table.Text = 2
	}
	for _, s := range f.sides {
		c := chart(s.measured)
		c.t, c.bin = f.tongue, s.bin
		caption := ""
		if len(f.sides) > 1 {
			caption = s.caption
		}
		fig.Panels = append(fig.Panels, f.panel(key+"-"+s.id, caption, fig.Title, c.draw()))
		for _, r := range s.rows {
			line := append([]string{scenarios.Clock(r.at)}, cells(s.measured, r)...)
			if len(f.sides) > 1 {
				line = append([]string{s.caption}, line...)
			}
			fig.Table.Rows = append(fig.Table.Rows, words(line...))
		}
	}
	fig.Wide = len(f.sides) > 1
	return fig
}

func (f *figurist) panel(id, caption, title string, d drawing) panel {
	data, err := d.script()
	if err != nil && f.err == nil {
		f.err = err
	}
	label := f.say("chart.label", title)
	if caption != "" {
		label = f.say("chart.label.side", title, caption)
	}
	return panel{ID: id, Caption: caption, Label: label, Data: data}
}

// over gathers one series of all sides, to give their panels one scale.
func (f *figurist) over(pick func(*measured) []float64) [][]float64 {
	all := make([][]float64, len(f.sides))
	for i, s := range f.sides {
		all[i] = pick(s.measured)
	}
	return all
}

func (f *figurist) load() figure {
	_, top := extent(append(f.over(func(m *measured) []float64 { return m.offered }), f.over(func(m *measured) []float64 { return m.served })...)...)
	return f.timeFigure("load", []string{f.say("load.offered"), f.say("load.served")}, func(m *measured) timeChart {
		c := timeChart{unit: "count", left: f.say("axis.rate"), max: niceTop(top), curves: []curve{
			{name: f.say("load.offered"), values: m.offered, colour: slate, dash: "solid", width: 1.5, area: true},
			{name: f.say("load.served"), values: m.served, colour: blue, dash: "solid", width: 2},
		}}
		f.markBreak(&c, m)
		return c
	}, func(_ *measured, r row) []string { return []string{f.number(r.offered), f.number(r.served)} })
}

// markBreak marks the first break of a run's promises.
func (f *figurist) markBreak(c *timeChart, m *measured) {
	if m.verdict == nil {
		return
	}
	if first := firstBreak(m.verdict); first != nil && *first >= 0 && int(*first/m.bin) < len(m.offered) {
		c.mark, c.markName = first, f.say("mark.break", scenarios.Clock(*first))
	}
}

func (f *figurist) response() figure {
	_, top := extent(f.over(func(m *measured) []float64 { return m.response[2] })...)
	low := lowest(f.over(func(m *measured) []float64 { return m.response[0] })...)
	fig := f.timeFigure("response", []string{f.say("response.p50"), f.say("response.p95"), f.say("response.p99")}, func(m *measured) timeChart {
		c := timeChart{unit: "seconds", left: f.say("axis.response"), log: true, curves: []curve{
			{name: f.say("response.p50"), values: positive(m.response[0]), colour: green, dash: "dotted", width: 2},
			{name: f.say("response.p95"), values: positive(m.response[1]), colour: blue, dash: "solid", width: 2},
			{name: f.say("response.p99"), values: positive(m.response[2]), colour: purple, dash: "dashed", width: 1.5},
		}}
		if m.slo != nil {
			c.limit, c.limitName = m.slo.Within.Seconds(), f.say("mark.slo", f.short(m.slo.Percentile), f.duration(m.slo.Within))
			low, top = min(low, c.limit), max(top, c.limit)
		}
		c.min, c.max = decade(low, math.Floor), decade(top, math.Ceil)
		f.markBreak(&c, m)
		return c
	}, func(_ *measured, r row) []string {
		return []string{f.seconds(r.response[0]), f.seconds(r.response[1]), f.seconds(r.response[2])}
	})
	fig.Say = f.say("response.say", f.sides[0].step)
	return fig
}

// lowest is the least of the values but for the lowest hundredth: one second of refusals must not stretch the axis.
func lowest(series ...[]float64) float64 {
	var all []float64
	for _, s := range series {
		for _, v := range s {
			if v > 0 {
				all = append(all, v)
			}
		}
	}
	if len(all) == 0 {
		return 0
	}
	return quantileOf(all, 0.01)
}

// decade is the power of ten that round leads to.
func decade(v float64, round func(float64) float64) float64 {
	if v <= 0 {
		v = 1
	}
	return math.Pow(10, round(math.Log10(v)))
}

// positive makes gaps of what a logarithmic axis cannot show.
func positive(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		if out[i] = v; v <= 0 {
			out[i] = math.NaN()
		}
	}
	return out
}

func (f *figurist) replicas() figure {
	_, top := extent(append(f.over(func(m *measured) []float64 { return m.desired }), f.over(func(m *measured) []float64 { return m.current })...)...)
	_, load := extent(f.over(func(m *measured) []float64 { return m.offered })...)
	return f.timeFigure("replicas", []string{f.say("replicas.desired"), f.say("replicas.current"), f.say("replicas.ready"), f.say("load.offered")}, func(m *measured) timeChart {
		n := len(m.offered)
		return timeChart{
			unit: "count", left: f.say("axis.replicas"), right: f.say("axis.rate"), max: niceTop(top), rightMax: niceTop(load),
			curves: []curve{
				{name: f.say("replicas.desired"), values: m.desired[:n], colour: orange, dash: "dashed", width: 2, step: true},
				{name: f.say("replicas.current"), values: m.current[:n], colour: purple, dash: "dotted", width: 2, step: true},
				{name: f.say("replicas.ready"), values: m.ready[:n], colour: green, dash: "solid", width: 2.5, step: true},
				{name: f.say("load.offered"), values: m.offered, colour: slate, dash: "solid", width: 1, area: true, right: true},
			},
		}
	}, func(_ *measured, r row) []string {
		return []string{f.number(r.desired), f.number(r.current), f.number(r.ready), f.number(r.offered)}
	})
}

func (f *figurist) lateness() figure {
	_, top := extent(append(f.over(func(m *measured) []float64 { return m.lateness }), f.over(func(m *measured) []float64 { return m.labLateness })...)...)
	fig := f.timeFigure("lateness", []string{f.say("lateness.generator")}, func(m *measured) timeChart {
		c := timeChart{unit: "seconds", left: f.say("axis.lateness"), curves: []curve{
			{name: f.say("lateness.generator"), values: m.lateness, colour: blue, dash: "solid", width: 2},
		}}
		if _, high := extent(m.labLateness); high > 0 {
			c.curves = append(c.curves, curve{name: f.say("lateness.lab"), values: m.labLateness, colour: orange, dash: "dashed", width: 1.5})
		}
		if limit := m.run.Validity.LatenessLimit; limit > 0 {
			c.limit, c.limitName = limit.Seconds(), f.say("mark.limit", f.duration(limit))
			top = max(top, limit.Seconds())
		}
		c.max = niceTop(top * 1.1)
		return c
	}, func(_ *measured, r row) []string { return []string{f.seconds(r.lateness)} })
	v := f.sides[0].run.Validity
	key := "lateness.valid"
	if !v.Valid {
		key = "lateness.invalid"
	}
	fig.Say = f.say(key, f.duration(v.LatenessP99.Round(10*time.Microsecond)), f.duration(v.LatenessLimit))
	return fig
}
