package reports

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// mostEpochs is how many lives of workers a report lists; the worst, where there are more.
const mostEpochs = 16

// fleetLine says by whom a run was fired; empty where one process fired it by itself.
func fleetLine(f *record.Fleet, t tongue) string {
	if f == nil {
		return ""
	}
	line := t.say("fleet.one")
	if n := f.Workers(); n != 1 {
		line = t.say("fleet.many", t.count(int64(n)))
	}
	parts := []string{t.say("fleet.whole")}
	if n := f.Broken(); n > 0 {
		parts[0] = t.say("fleet.broken", t.count(int64(n)), t.count(int64(len(f.Epochs))))
	}
	if skew, known := f.Skew(); known {
		parts = append(parts, t.say("fleet.skew", t.within(skew)))
	}
	if c := f.Farthest(); c != nil {
		parts = append(parts, t.say("fleet.clock", t.moment(c.Offset), t.within(c.Uncertainty)))
	}
	return line + ": " + strings.Join(parts, "; ") + "."
}

// fleetRows are the lives of a fleet's workers under their head.
func (t tongue) fleetRows(f *record.Fleet) [][]string {
	rows := [][]string{{
		t.say("fleet.worker"), t.say("fleet.host"), t.say("fleet.ended"), t.say("fleet.processors"), t.say("fleet.lost"),
		t.say("fleet.offset"), t.say("fleet.drift"), t.say("fleet.apart"), t.say("fleet.began"),
	}}
	all := f.Epochs
	if len(all) > mostEpochs {
		all = slices.SortedStableFunc(slices.Values(all), worseEpoch)[:mostEpochs]
	}
	for i := range all {
		rows = append(rows, t.epochRow(&all[i]))
	}
	if more := len(f.Epochs) - len(all); more > 0 {
		rest := make([]string, len(rows[0]))
		rest[0] = t.say("fleet.more", t.count(int64(more)))
		rows = append(rows, rest)
	}
	return rows
}

// worseEpoch puts first what did not end as it should, then who lost most, then the clock that was farthest off.
func worseEpoch(a, b record.FleetEpoch) int {
	apart := func(e record.FleetEpoch) time.Duration {
		if e.Clock == nil {
			return math.MaxInt64
		}
		return e.Clock.Apart
	}
	whole := func(e record.FleetEpoch) int {
		if e.Ended == record.EpochDone {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(whole(a), whole(b)), cmp.Compare(b.Lost, a.Lost), cmp.Compare(apart(b), apart(a)))
}

func (t tongue) epochRow(e *record.FleetEpoch) []string {
	name, ended := e.String(), "–"
	if e.Name != "" && !strings.HasPrefix(name, e.Name+":") {
		name += " (" + e.Name + ")"
	}
	switch e.Ended {
	case record.EpochDone, record.EpochLost, record.EpochFenced, record.EpochDead:
		ended = t.say("fleet.ended." + e.Ended)
	}
	row := []string{name, cmp.Or(e.Host, "–"), ended, t.count(int64(e.Processors)), t.count(e.Lost), "–", "–", "–", "–"}
	if c := e.Clock; c != nil {
		row[5] = t.moment(c.Offset) + nbsp + "±" + nbsp + t.within(c.Uncertainty)
		row[6] = t.decimal(c.Drift, 0) + nbsp + "±" + nbsp + t.decimal(math.Ceil(c.DriftUncertainty), 0)
		row[7] = t.within(c.Apart)
		if c.Skew != nil {
			row[8] = t.within(*c.Skew)
		}
	}
	return row
}

// fleet lists the workers of the runs that had some.
func (f *figurist) fleet() (figure, bool) {
	fig := figure{ID: "fleet", Title: f.say("fleet.title"), Say: f.say("fleet.say"), Open: true, Wide: true}
	fig.Table = table{Caption: fig.Title, Text: 3}
	var with []side
	for _, s := range f.sides {
		if s.run.Fleet != nil {
			with = append(with, s)
		}
	}
	for _, s := range with {
		rows := f.fleetRows(s.run.Fleet)
		if len(with) > 1 {
			for i := range rows {
				rows[i] = append([]string{s.caption}, rows[i]...)
			}
			rows[0][0], fig.Table.Text = f.say("table.run"), 4
		}
		fig.Table.Head = rows[0]
		for _, row := range rows[1:] {
			fig.Table.Rows = append(fig.Table.Rows, words(row...))
		}
	}
	return fig, len(fig.Table.Rows) > 0
}

// fleets lists them in a document, each run by itself.
func (d *document) fleets(in *Input) {
	for _, fired := range []*Fired{in.Surge, in.VerifyRun} {
		if fired == nil || fired.Record == nil || fired.Record.Run.Fleet == nil {
			continue
		}
		title := d.say("fleet.title")
		if fired == in.VerifyRun {
			title = d.say("subject", title, d.say("side.after"))
		}
		d.head(2, title)
		d.line(d.say("fleet.say"))
		d.table(d.fleetRows(fired.Record.Run.Fleet))
	}
}

// moment writes how far a clock is off: finer than any response time is read.
func (n numbers) moment(d time.Duration) string {
	if d.Abs() < time.Second {
		return n.decimal(float64(d)/float64(time.Millisecond), 2) + nbsp + "ms"
	}
	return n.decimal(d.Seconds(), 4) + nbsp + "s"
}

// within writes a bound, which is never made tighter than it is.
func (n numbers) within(d time.Duration) string {
	const fine = 10 * time.Microsecond
	return n.moment((d + fine - 1).Truncate(fine))
}
