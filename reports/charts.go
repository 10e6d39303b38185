package reports

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"time"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"

	"github.com/ansturm/ansturm/scenarios"
)

// The palette keeps at least 4.5:1 against white; lines also differ in dash, points in shape, so that no chart needs colour.
const (
	blue   = "#0b57a4"
	orange = "#b45309"
	green  = "#146c2e"
	purple = "#6d28d9"
	red    = "#b3261e"
	slate  = "#475569"
	ink    = "#1f2933"
)

// drawing is what the page's script hands to echarts, and how to write the axes' numbers.
type drawing struct {
	Option map[string]any `json:"option"`
	// X and Y name the units of the axes ("count", "seconds", "percent"), "" for categories.
	X string   `json:"x"`
	Y []string `json:"y"`
	// Every is how many points lie between two labels of a category axis; 0 leaves it to echarts.
	Every int `json:"every"`
}

// script is the drawing as JSON that may stand inside a script element.
func (d drawing) script() (template.JS, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("reports: chart: %w", err)
	}
	return template.JS(raw), nil
}

// curve is one line over time.
type curve struct {
	name   string
	values []float64
	colour string
	dash   string // "solid", "dashed", "dotted"
	width  float32
	step   bool
	area   bool
	right  bool // on the right axis
	stack  string
	hidden bool // no line: the edge of a band
}

// timeChart is curves over the run's time.
type timeChart struct {
	t           tongue
	bin         time.Duration
	curves      []curve
	unit        string // of the left axis
	left, right string // names of the axes; no right axis where empty
	log         bool
	min, max    float64 // of the left axis; 0 leaves it to echarts
	rightMax    float64
	limit       float64 // a horizontal line, 0 for none
	limitName   string
	mark        *time.Duration // a vertical line
	markName    string
}

func (c timeChart) draw() drawing {
	line := charts.NewLine()
	n := 0
	for _, s := range c.curves {
		n = max(n, len(s.values))
	}
	frame(&line.BaseConfiguration, c.t)
	line.XAxisList[0] = opts.XAxis{
		Type: "category", Data: clocks(n, c.bin), Name: c.t.say("axis.time"), NameLocation: "middle", NameGap: 30,
		AxisLabel: labels(), AxisLine: &opts.AxisLine{OnZero: opts.Bool(false)},
	}
	line.YAxisList[0] = valueAxis(c.left, c.log, c.min, c.max)
	units := []string{c.unit}
	if c.right != "" {
		right := valueAxis(c.right, false, 0, c.rightMax)
		right.SplitLine = &opts.SplitLine{Show: opts.Bool(false)}
		line.YAxisList = append(line.YAxisList, right)
		units = append(units, "count")
	}
	for i, s := range c.curves {
		series := s.series()
		if i == 0 {
			c.marks(&series)
		}
		line.MultiSeries = append(line.MultiSeries, series)
	}
	return drawing{Option: line.JSON(), Y: units, Every: labelEvery(n, c.bin)}
}

func (s curve) series() charts.SingleSeries {
	series := charts.SingleSeries{
		Name: s.name, Type: "line", Data: rounded(s.values), ShowSymbol: opts.Bool(false), ConnectNulls: opts.Bool(false),
		LineStyle: &opts.LineStyle{Color: s.colour, Width: s.width, Type: s.dash}, ItemStyle: &opts.ItemStyle{Color: s.colour},
		Emphasis: &opts.Emphasis{Focus: "none"},
	}
	if s.step {
		series.Step = "end"
	}
	if s.area {
		series.AreaStyle = &opts.AreaStyle{Color: s.colour, Opacity: opts.Float(0.14)}
	}
	if s.right {
		series.YAxisIndex = 1
	}
	series.Stack = s.stack
	if s.hidden {
		series.LineStyle.Opacity = opts.Float(0)
	}
	return series
}

// marks hangs the limit and the first break on a series.
func (c timeChart) marks(series *charts.SingleSeries) {
	var data []any
	if c.limit > 0 {
		data = append(data, mark{Name: c.limitName, YAxis: c.limit, Label: markLabel("insideStartTop", red), LineStyle: &opts.LineStyle{Color: red, Type: "dashed", Width: 1.5}})
	}
	if c.mark != nil {
		label := markLabel("end", ink)
		label.Align = "left" // away from the nearer edge
		if int(*c.mark/c.bin) > len(c.curves[0].values)/2 {
			label.Align = "right"
		}
		data = append(data, mark{Name: c.markName, XAxis: scenarios.Clock((*c.mark).Truncate(c.bin)), Label: label, LineStyle: &opts.LineStyle{Color: ink, Type: "dotted", Width: 1.5}})
	}
	if len(data) > 0 {
		series.MarkLines = &opts.MarkLines{Data: data, MarkLineStyle: opts.MarkLineStyle{Symbol: []string{"none", "none"}}}
	}
}

// mark is one line across a chart. go-echarts' own items carry no label and no style of one line.
type mark struct {
	Name      string          `json:"name"`
	XAxis     any             `json:"xAxis,omitempty"`
	YAxis     any             `json:"yAxis,omitempty"`
	Label     *opts.Label     `json:"label,omitempty"`
	LineStyle *opts.LineStyle `json:"lineStyle,omitempty"`
}

func markLabel(position, colour string) *opts.Label {
	return &opts.Label{
		Show: opts.Bool(true), Formatter: "{b}", Position: position, Color: colour, FontSize: 12, BackgroundColor: "rgba(255,255,255,0.85)",
	}
}

// frame sets what all charts have in common.
func frame(bc *charts.BaseConfiguration, t tongue) {
	bc.Animation = opts.Bool(false)
	bc.Legend = opts.Legend{Show: opts.Bool(true), Top: "0", Left: "0", ItemWidth: 26, TextStyle: &opts.TextStyle{Color: ink, FontSize: 13}}
	bc.Tooltip = opts.Tooltip{Show: opts.Bool(true), Trigger: "axis"}
	bc.GridList = []opts.Grid{{Left: "8", Right: "12", Top: "70", Bottom: "34", ContainLabel: opts.Bool(true)}}
	bc.Title = opts.Title{Show: opts.Bool(false)}
	bc.Toolbox = opts.Toolbox{Show: opts.Bool(false)}
}

func valueAxis(name string, log bool, low, high float64) opts.YAxis {
	axis := opts.YAxis{
		Type: "value", Name: name, AxisLabel: labels(),
		SplitLine: &opts.SplitLine{Show: opts.Bool(true), LineStyle: &opts.LineStyle{Color: "#e2e6ea"}},
	}
	if log {
		axis.Type = "log"
	}
	if low != 0 {
		axis.Min = low
	}
	if high != 0 {
		axis.Max = high
	}
	return axis
}

func labels() *opts.AxisLabel {
	return &opts.AxisLabel{Show: opts.Bool(true), Color: slate, FontSize: 12, HideOverlap: opts.Bool(true)}
}

// clocks are the categories of a time axis.
func clocks(n int, bin time.Duration) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = scenarios.Clock(time.Duration(i) * bin)
	}
	return out
}

// labelEvery spaces the labels of a time axis: about nine, on spans people count in.
func labelEvery(n int, bin time.Duration) int {
	return max(int(niceSpan(time.Duration(n)*bin/10)/bin), 1)
}

// rounded keeps four significant digits and makes nulls of what is no number: the file is mailed about.
func rounded(values []float64) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = tidy(v)
	}
	return out
}

func tidy(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return nil
	}
	return short
}

// niceTop is the least round number at least v whose quarters are round too: axes of one chart and panels side by side
// share their grid lines.
func niceTop(v float64) float64 {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8} {
		if f*power >= v {
			return f * power
		}
	}
	return 10 * power
}

// extent gives the least positive and the largest number of some series; 0, 0 where there is none.
func extent(series ...[]float64) (low, high float64) {
	for _, s := range series {
		for _, v := range s {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			high = max(high, v)
			if v > 0 && (low == 0 || v < low) {
				low = v
			}
		}
	}
	return low, high
}
