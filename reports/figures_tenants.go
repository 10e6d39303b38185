package reports

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// tenantLine is all that is known of one tenant.
type tenantLine struct {
	name, title    string
	shots, failed  int64
	p95            time.Duration
	broken, judged int
	first          time.Duration
	worst          float64 // share of slow or failed shots in the worst window
	after          int     // broken windows on the plan
	afterP95       time.Duration
	plan           *planner.TenantPlan
}

// tenantLines joins record, verdict and plan by tenant; the most broken first.
func (f *figurist) tenantLines(p *planner.Plan) []tenantLine {
	before := f.sides[0]
	lines := make([]tenantLine, 0, len(before.run.Scenario.Tenants.List))
	at := map[string]int{}
	for _, tenant := range before.run.Scenario.Tenants.List {
		line := tenantLine{name: tenant.Name, title: cmp.Or(tenant.Title, tenant.Name)}
		if m := before.tenants[tenant.Name]; m != nil {
			line.shots, line.failed, line.p95 = m.shots, m.failed, m.p95
		}
		if len(f.sides) > 1 && f.sides[1].tenants[tenant.Name] != nil {
			line.afterP95 = f.sides[1].tenants[tenant.Name].p95
		}
		at[tenant.Name] = len(lines)
		lines = append(lines, line)
	}
	eachBreak(before.verdict, func(b gate.TenantBreak) {
		if i, known := at[b.Tenant]; known {
			line := &lines[i]
			if line.broken == 0 || b.First < line.first {
				line.first = b.First
			}
			line.broken, line.judged = line.broken+b.Broken, line.judged+b.Judged
			line.worst = max(line.worst, slowShare(&b.Worst))
		}
	})
	if len(f.sides) > 1 {
		eachBreak(f.sides[1].verdict, func(b gate.TenantBreak) {
			if i, known := at[b.Tenant]; known {
				lines[i].after += b.Broken
			}
		})
	}
	if p != nil {
		for i := range p.Tenants {
			if j, known := at[p.Tenants[i].Tenant]; known && lines[j].plan == nil {
				lines[j].plan = &p.Tenants[i]
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b tenantLine) int {
		return cmp.Or(cmp.Compare(b.broken, a.broken), cmp.Compare(b.worst, a.worst), cmp.Compare(b.shots, a.shots))
	})
	return lines
}

func eachBreak(v *gate.Verdict, do func(gate.TenantBreak)) {
	if v == nil {
		return
	}
	for _, s := range v.SLOs {
		for _, b := range s.BrokenTenants {
			do(b)
		}
	}
}

func (f *figurist) tenantTable(p *planner.Plan) figure {
	lines := f.tenantLines(p)
	fig := figure{ID: "tenants", Title: f.say("tenants.title"), Say: f.say("tenants.say", f.step()), Open: true, Wide: true}
	fig.Table = table{Caption: fig.Title, Text: 1, Sortable: true, Head: []string{
		f.say("tenants.tenant"), f.say("tenants.shots"), f.say("tenants.failed"), f.say("tenants.p95"),
		f.say("tenants.broken"), f.say("tenants.first"), f.say("tenants.worst"),
	}}
	if len(f.sides) > 1 {
		fig.Table.Head = append(fig.Table.Head, f.say("tenants.after"), f.say("tenants.afterP95"))
	}
	if p != nil {
		fig.Table.Head = append(fig.Table.Head, f.say("tenants.target"), f.say("tenants.min"), f.say("tenants.max"), f.say("tenants.peak"))
	}
	most := int64(1)
	for _, l := range lines {
		most = max(most, l.shots)
	}
	for _, l := range lines {
		cells := f.tenantCells(l, most)
		if len(f.sides) > 1 {
			cells = append(cells, brokenCell(f.count(int64(l.after)), l.after), f.secondsCell(l.afterP95))
		}
		if p != nil {
			cells = append(cells, f.planCells(l.plan)...)
		}
		fig.Table.Rows = append(fig.Table.Rows, cells)
	}
	return fig
}

func (f *figurist) step() string { return f.sides[0].measured.step }

func (f *figurist) tenantCells(l tenantLine, most int64) []cell {
	first := cell{Text: "–", Sort: "1e12", Bar: -1}
	if l.broken > 0 {
		first = cell{Text: scenarios.Clock(l.first), Sort: key(l.first.Seconds()), Bar: -1}
	}
	failed := float64(l.failed) / float64(max(l.shots, 1))
	worst := cell{Text: "–", Sort: "0", Bar: -1}
	if l.worst > 0 {
		worst = cell{Text: f.share(l.worst), Sort: key(l.worst), Bar: l.worst * 100}
	}
	return []cell{
		{Text: l.title, Sort: l.title, Bar: -1},
		{Text: f.count(l.shots), Sort: key(float64(l.shots)), Bar: math.Round(1000*float64(l.shots)/float64(most)) / 10},
		{Text: f.share(failed), Sort: key(failed), Bar: -1},
		f.secondsCell(l.p95), brokenCell(f.count(int64(l.broken)), l.broken), first, worst,
	}
}

func (f *figurist) planCells(p *planner.TenantPlan) []cell {
	if p == nil {
		return []cell{{Text: "–", Sort: "0", Bar: -1}, {Text: "–", Sort: "0", Bar: -1}, {Text: "–", Sort: "0", Bar: -1}, {Text: "–", Sort: "0", Bar: -1}}
	}
	cells := words(f.settings(p)...)
	for i, v := range []float64{float64(p.Target), float64(p.Min), float64(p.Max), p.Peak.Value} {
		cells[i].Sort = key(v)
	}
	return cells
}

func (f *figurist) secondsCell(d time.Duration) cell {
	if d == 0 {
		return cell{Text: "–", Sort: "0", Bar: -1}
	}
	return cell{Text: f.duration(d), Sort: key(d.Seconds()), Bar: -1}
}

func brokenCell(text string, broken int) cell {
	c := cell{Text: text, Sort: strconv.Itoa(broken), Bar: -1}
	if broken > 0 {
		c.Grade = "bad"
	}
	return c
}

// key is a number the page's script sorts by.
func key(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }
