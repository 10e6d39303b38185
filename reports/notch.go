package reports

import (
	"strings"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// world words a possible course: "Nachfrage 117 % der Erwartung, Knoten vm-18 fällt in Minute 13:04 aus".
func (t tongue) world(w planner.World) string {
	parts := []string{t.say("world.whole")}
	if w.Lost != "" {
		parts[0] = t.say("world.lost", w.Lost, scenarios.Clock(w.At))
	}
	if w.Demand > 0 {
		parts = append([]string{t.say("world.demand", t.decimal(100*w.Demand, 0)+nbsp+"%")}, parts...)
	}
	return strings.Join(parts, ", ")
}

// firedLine says what came of firing the binding world with the plan and with one notch less.
func firedLine(n *planner.NotchFired, t tongue) string {
	return t.say("basis.notch.fired", t.world(n.World), t.result(n.Plan), t.result(n.Notch), t.say(notchMeans(n)))
}

// notchMeans is the key of what the pair proves.
func notchMeans(n *planner.NotchFired) string {
	plan, less := resultOf(n.Plan), resultOf(n.Notch)
	switch {
	case plan == gate.Fail:
		return "notch.plan.fails"
	case plan != gate.Pass || less == gate.Invalid || less == gate.Inconclusive:
		return "notch.open"
	case less == gate.Fail:
		return "notch.proves"
	default:
		return "notch.less.holds"
	}
}

func resultOf(v *gate.Verdict) gate.Result {
	if v == nil {
		return gate.Inconclusive
	}
	return known(v.Result)
}

func (t tongue) result(v *gate.Verdict) string { return t.say("result." + string(resultOf(v))) }

// worstShare is the share of slow or failed shots in a verdict's worst window.
func (t tongue) worstShare(v *gate.Verdict) string {
	if v == nil {
		return "–"
	}
	worst, _ := worstWindow(v)
	if worst == nil {
		return "–"
	}
	return t.share(slowShare(worst))
}

// notch is the pair, as computed and as fired.
func (f *figurist) notch(in *Input) (figure, bool) {
	fired := &planner.NotchFired{}
	has := in.Verify != nil && in.Verify.Notch != nil
	if has {
		fired = in.Verify.Notch
	}
	computed := in.Plan != nil && notchLine(in.Plan, f.tongue) != ""
	if !has && !computed {
		return figure{}, false
	}
	world, simulated := fired.World, [2]string{"–", "–"}
	less := f.say("notch.less")
	if computed {
		n := &in.Plan.Notch
		simulated = [2]string{f.share(n.PlanSlow), f.share(n.NotchSlow)}
		less += " (" + f.text(n.What) + ")"
		if !has {
			world = n.World
		}
	}
	fig := figure{ID: "notch", Title: f.say("notch.title"), Say: f.say("notch.say", f.world(world)), Open: true}
	fig.Table = table{Caption: fig.Title, Text: 1, Head: []string{
		f.say("notch.stand"), f.say("notch.simulated"), f.say("notch.fired"), f.say("notch.fired.slow"),
	}}
	fig.Table.Rows = [][]cell{
		f.notchRow(f.say("notch.plan"), simulated[0], has, fired.Plan),
		f.notchRow(less, simulated[1], has, fired.Notch),
	}
	return fig, true
}

func (f *figurist) notchRow(stand, simulated string, fired bool, v *gate.Verdict) []cell {
	if !fired {
		return words(stand, simulated, f.say("notch.unfired"), "–")
	}
	row := words(stand, simulated, f.result(v), f.worstShare(v))
	switch resultOf(v) {
	case gate.Pass:
		row[2].Grade = "good"
	case gate.Fail:
		row[2].Grade = "bad"
	}
	return row
}
