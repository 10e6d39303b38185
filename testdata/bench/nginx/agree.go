package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/loadgen/record"
)

// ledger is what the record says.
type ledger struct {
	problems []string // the record's own, see record.Account
	total    int64
	fates    [4]*roaring.Bitmap // by record.Fate
	shots    map[string]map[record.Outcome]int64
	totals   record.Totals
	// created are the arrivals whose application the record lists with the id that nginx gave; miscreated is one with another.
	created    *roaring.Bitmap
	miscreated string
	again      int64 // listed more than once
	// done counts shots with outcome OK by the second in which their answer was whole.
	done map[int64]int64
}

// readRecord reads a record for what can be held against a server's log.
func readRecord(r *record.Record) (*ledger, error) {
	account, err := r.Account()
	if err != nil {
		return nil, err
	}
	sets, err := r.Ledger()
	if err != nil {
		return nil, err
	}
	l := &ledger{
		problems: account.Problems, total: sets.Total, totals: r.Run.Totals, created: roaring.New(),
		shots: map[string]map[record.Outcome]int64{}, done: map[int64]int64{},
	}
	for f := range l.fates {
		l.fates[f] = sets.Sets[f]
	}
	if err := l.readWindows(r); err != nil {
		return nil, err
	}
	for c, err := range r.Created() {
		if err != nil {
			return nil, err
		}
		if c.Step != submitStep || c.Name != created || c.Value != "A-"+strconv.FormatUint(uint64(c.Seq), 10) {
			l.miscreated = fmt.Sprintf("%+v", c)
		} else if !l.created.CheckedAdd(c.Seq) {
			l.again++
		}
	}
	return l, nil
}

func (l *ledger) readWindows(r *record.Record) error {
	windows, err := r.Windows(func(k record.Key, _ time.Duration) bool {
		return k.Tenant == "" && (k.Measure == record.Response || k.Measure == record.Service)
	})
	for _, w := range windows {
		n := w.Histogram.Count()
		switch {
		case w.Length != time.Second:
		case w.Measure == record.Response:
			if l.shots[w.Step] == nil {
				l.shots[w.Step] = map[record.Outcome]int64{}
			}
			l.shots[w.Step][w.Outcome] += n
		case w.Outcome == record.OK:
			l.done[int64(w.Start/time.Second)] += n
		}
	}
	return err
}

func (l *ledger) fate(f record.Fate) *roaring.Bitmap { return l.fates[f] }

// unanswered are the shots of a step of which the client cannot know what became.
func (l *ledger) unanswered(step string) int64 {
	n := l.shots[step]
	return n[record.TimedOut] + n[record.Lost] + n[record.Left]
}

// verdict collects what does not agree.
type verdict struct{ differences []string }

func (v *verdict) want(holds bool, format string, args ...any) {
	if !holds {
		v.differences = append(v.differences, fmt.Sprintf(format, args...))
	}
}

// between holds a count of the log against what the record allows.
func (v *verdict) between(what string, got, least, most int64) {
	v.want(got >= least && got <= most, "%s: the log has %d, the record allows %d to %d", what, got, least, most)
}

// inHand is how many answers a worker that is killed may not have written down. One would be thought; in one of some fifty
// runs, on a machine that was busy, five were missing of two workers.
const inHand = 4

// disagree says where ledger and log differ; nothing where they agree. Only shots that were sent and never answered leave
// room: each of them is in the log or is not. Everything else must be the same to the last one, except that a worker
// that is killed may have answered requests which it had not yet written down: workers is how many were killed. That such
// requests were answered is certain all the same, for the record has the ids that only the server can have given.
func disagree(l *ledger, b *logbook, workers int64) []string {
	v, killed := &verdict{differences: slices.Clone(l.problems)}, workers*inHand
	v.fates(l, b, killed)
	v.counts(l, b, killed)
	v.created(l)
	v.times(l, b, killed)
	v.want(b.strange == 0, "%d lines of the log are of no shot of this run, the first is %s", b.strange, b.example)
	return v.differences
}

// fates: who completed was accepted, who was accepted completed or does not know.
func (v *verdict) fates(l *ledger, b *logbook, killed int64) {
	unknown := roaring.AndNot(l.fate(record.Completed), b.accepted)
	v.want(int64(unknown.GetCardinality()) <= killed, "%d arrivals completed that the server did not accept: %s", unknown.GetCardinality(), some(unknown))
	may := roaring.Or(l.fate(record.Completed), l.fate(record.Indeterminate))
	denied := roaring.AndNot(b.accepted, may)
	v.want(denied.IsEmpty(), "%d arrivals were accepted that the ledger has as failed, unsent or not at all: %s", denied.GetCardinality(), some(denied))
}

// counts: by step and status, and of those accepted more than once, and of connections.
func (v *verdict) counts(l *ledger, b *logbook, killed int64) {
	inLog := int64(0)
	for _, want := range []answer{formShown, accepted} {
		refused := refusals[want.step]
		n, open := l.shots[want.step], l.unanswered(want.step)
		v.between(want.step+" answered "+want.status, b.answers[want], n[record.OK]-killed, n[record.OK]+open)
		v.between(want.step+" answered "+refused.status, b.answers[refused], n[record.Failed]-killed, n[record.Failed]+open)
		both := b.answers[want] + b.answers[refused]
		v.between(want.step+" in all", both, n[record.OK]+n[record.Failed]-killed, n[record.OK]+n[record.Failed]+open)
		inLog += both
	}
	v.want(inLog+b.strange == b.lines, "%d of %d lines have a status that nginx was not told to give: %v", b.lines-inLog, b.lines, b.answers)
	completed := int64(l.fate(record.Completed).GetCardinality())
	v.want(l.shots[submitStep][record.OK] == completed, "%d submits are ok, %d arrivals completed", l.shots[submitStep][record.OK], completed)
	most := min(l.totals.Reloads+l.totals.ComeBacks, l.unanswered(submitStep))
	v.between("submits accepted again", b.again, 0, most)
	v.between("connections", b.connections, 0, l.totals.Connections)
}

// created: what the record lists as made at the target is what was accepted, each once and under its own id.
func (v *verdict) created(l *ledger) {
	v.want(l.miscreated == "", "the record lists an id that nginx did not give: %s", l.miscreated)
	v.want(l.again == 0, "the record lists %d applications more than once", l.again)
	differ := roaring.Xor(l.created, l.fate(record.Completed))
	v.want(differ.IsEmpty(), "%d arrivals completed or are listed as created, but not both: %s", differ.GetCardinality(), some(differ))
}

// times: nginx stamps a line before the client can have read the answer, so that at the end of every second its log holds
// at least as many answers as the record.
func (v *verdict) times(l *ledger, b *logbook, killed int64) {
	last := int64(0)
	for second := range l.done {
		last = max(last, second)
	}
	ahead, inLog, inRecord := int64(0), b.answered[-1], int64(0)
	for second := range last + 1 {
		inLog += b.answered[second]
		inRecord += l.done[second]
		ahead = max(ahead, inRecord-inLog)
	}
	v.want(ahead <= killed, "by the end of some second the record has %d answers more than the log", ahead)
}

// some lists the first of a set.
func some(set *roaring.Bitmap) string {
	const most = 5
	first := set.ToArray()
	if len(first) > most {
		return fmt.Sprintf("%v …", first[:most])
	}
	return fmt.Sprint(first)
}
