package record

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// keeper is the worker that keeps the record: the one process of a run that fires alone, the coordinator of a fleet.
const keeper = 0

// epochID names one life of one engine in a worker.
type epochID struct{ worker, epoch uint32 }

// epoch is what a writer knows of one: its ledger file, and which deltas of it are merged.
type epoch struct {
	ledger tail
	sums   []uint32          // of the frames from 0 on, without a gap
	ahead  map[uint64]uint32 // of those after a gap
	final  uint64            // one past the last; 0 while it is not known
	// attested is the latest evidence, that of the merged delta of this number.
	attested   []byte
	attestedBy uint64
}

func newEpoch() *epoch { return &epoch{ahead: map[uint64]uint32{}} }

// sum is that of the frame of a merged delta.
func (e *epoch) sum(sequence uint64) (sum uint32, merged bool) {
	if sequence < uint64(len(e.sums)) {
		return e.sums[sequence], true
	}
	sum, merged = e.ahead[sequence]
	return sum, merged
}

// tell remembers that a delta is merged.
func (e *epoch) tell(d *Delta) {
	if d.Final {
		e.final = d.Sequence + 1
	}
	if len(d.attested) > 0 && d.Sequence >= e.attestedBy {
		e.attested, e.attestedBy = slices.Clone(d.attested), d.Sequence
	}
	if d.Sequence != uint64(len(e.sums)) {
		e.ahead[d.Sequence] = d.sum
		return
	}
	for sum, there := d.sum, true; there; sum, there = e.ahead[uint64(len(e.sums))] {
		delete(e.ahead, uint64(len(e.sums)))
		e.sums = append(e.sums, sum)
	}
}

// Told says up to which sequence the deltas of a worker's epoch are merged without a gap, and whether these are all.
func (w *Writer) Told(worker, epoch uint32) (next uint64, all bool) {
	w.disk.Lock()
	defer w.disk.Unlock()
	e := w.epochs[epochID{worker, epoch}]
	if e == nil {
		return 0, false
	}
	next = uint64(len(e.sums))
	return next, next > 0 && next == e.final
}

// Attested is the evidence of the latest merged delta of a worker's epoch that has any; nil where none has.
func (w *Writer) Attested(worker, epoch uint32) []byte {
	w.disk.Lock()
	defer w.disk.Unlock()
	if e := w.epochs[epochID{worker, epoch}]; e != nil {
		return slices.Clone(e.attested)
	}
	return nil
}

// Merge adds a delta of a worker, as Parse gives it, to the record, once: news is false for one that was merged before. A
// delta that contradicts what is merged (other contents under its name, one after the last of its epoch, an arrival that has
// a fate already or that the run does not have) is an error, and nothing of it is merged. The writer keeps none of d's memory.
//
// What is read from a record that is filled by Merge alone is a function of the set of its deltas. Its files' bytes are
// one of which deltas came between which two calls of [Writer.Flush].
func (w *Writer) Merge(d *Delta) (news bool, err error) {
	w.disk.Lock()
	defer w.disk.Unlock()
	e, err := w.admit(d)
	if err == nil && e != nil {
		err = w.add(d)
	}
	if err != nil {
		return false, fmt.Errorf("record: worker %d, epoch %d, delta %d: %w", d.Worker, d.Epoch, d.Sequence, err)
	}
	if e == nil {
		return false, nil
	}
	e.tell(d)
	w.epochs[epochID{d.Worker, d.Epoch}] = e
	w.reach(d.At)
	return true, nil
}

// admit gives the epoch of a delta that is to be added, nil for one that was merged before. The caller holds disk.
func (w *Writer) admit(d *Delta) (*epoch, error) {
	switch {
	case w.ended():
		return nil, errors.New("it comes after the record was closed")
	case d.Worker == keeper || d.Fates[0] == nil:
		return nil, errors.New("it is not a worker's")
	}
	e := w.epochs[epochID{d.Worker, d.Epoch}]
	if e == nil {
		e = newEpoch()
	}
	if sum, merged := e.sum(d.Sequence); merged && sum != d.sum {
		return nil, errors.New("it was told before with other contents")
	} else if merged {
		return nil, nil
	}
	if err := e.place(d); err != nil {
		return nil, err
	}
	return e, firstOf(w.fateless(d), w.countable(d))
}

// countable says whether no counter of an open window can overflow by the delta. The caller holds disk.
func (w *Writer) countable(d *Delta) error {
	k := 0
	for at, id := range d.windows {
		sum := uint64(0)
		if c := w.cells[id]; c != nil {
			sum = c.sum
		}
		for ; k < len(d.hits) && d.hits[k].window == uint32(at); k++ {
			sum += uint64(d.hits[k].n)
		}
		if sum > math.MaxUint32 {
			return fmt.Errorf("it makes one window count %d shots", sum)
		}
	}
	return nil
}

// place says why a delta that is not merged has no place in its epoch: there is nothing after the last one.
func (e *epoch) place(d *Delta) error {
	switch {
	case d.Sequence == math.MaxUint64:
		return errors.New("its number is the largest there is, which none may have")
	case e.final > 0 && d.Sequence >= e.final:
		return fmt.Errorf("delta %d was the last of its epoch", e.final-1)
	case d.Final && d.Sequence < e.next():
		return fmt.Errorf("it is the last of its epoch, of which delta %d is merged", e.next()-1)
	}
	return nil
}

// next is one past the last delta that is merged.
func (e *epoch) next() uint64 {
	next := uint64(len(e.sums))
	for sequence := range e.ahead {
		next = max(next, sequence+1)
	}
	return next
}

// fateless says whether none of those of whom a delta tells has a fate yet. The caller holds disk.
func (w *Writer) fateless(d *Delta) error {
	total, told := w.run.Scenario.Arrivals.Total, roaring.New()
	for _, set := range d.Fates {
		if seq, is := both(set, told); is {
			return fmt.Errorf("it gives arrival %d two fates", seq)
		}
		if !set.IsEmpty() && int64(set.Maximum()) >= total {
			return fmt.Errorf("it tells of arrival %d, the run has %d", set.Maximum(), total)
		}
		told.Or(set)
	}
	if seq, is := both(told, w.fated); is {
		return fmt.Errorf("it tells of arrival %d, which has a fate already", seq)
	}
	return nil
}

// both is the first Seq that two sets have, if there is one.
func both(a, b *roaring.Bitmap) (seq uint32, is bool) {
	if !a.Intersects(b) {
		return 0, false
	}
	return roaring.And(a, b).Minimum(), true
}

// Missing are the arrivals without a fate so far.
func (w *Writer) Missing() *roaring.Bitmap {
	w.disk.Lock()
	defer w.disk.Unlock()
	missing := roaring.New()
	missing.AddRange(0, uint64(w.run.Scenario.Arrivals.Total))
	missing.AndNot(w.fated)
	return missing
}

// Settle gives a fate to arrivals of which no worker told any, by the word of the record's keeper.
func (w *Writer) Settle(f Fate, seqs *roaring.Bitmap) error {
	if f >= fates {
		return fmt.Errorf("record: settle: there is no %v", f)
	}
	w.disk.Lock()
	defer w.disk.Unlock()
	if w.ended() {
		return errors.New("record: settle: the record is closed")
	}
	d := &Delta{}
	d.seal()
	d.Fates[f] = seqs.Clone()
	d.Fates[f].RunOptimize()
	if err := w.fateless(d); err != nil {
		return fmt.Errorf("record: settle: %w", err)
	}
	return w.addOwn(d)
}

// told is a merged delta whose text is not written yet: the writer's text from the end of the one before it up to fates
// is its frame of the ledger, up to made what was created, up to events its events.
type told struct {
	FrameID
	from, fates, made, events int
}

// addOwn adds a delta of the keeper's own. The caller holds disk.
func (w *Writer) addOwn(d *Delta) error {
	d.FrameID = w.own
	err := w.add(d)
	w.own.Sequence++
	return err
}

// add adds a delta to the windows that are open and to the text that waits to be written. The caller holds disk.
func (w *Writer) add(d *Delta) error {
	text, err := appendFates(w.text, d.FrameID, &d.Fates)
	if err != nil {
		return err
	}
	t := told{FrameID: d.FrameID, from: len(w.text), fates: len(text)}
	text = append(text, d.made...)
	t.made = len(text)
	w.text = append(text, d.events...)
	t.events = len(w.text)
	w.told = append(w.told, t)
	w.count(d)
	for o, n := range d.counted {
		w.counted[o] += n
	}
	for _, set := range d.Fates {
		w.fated.Or(set)
	}
	w.oddity.add(d.oddity)
	return nil
}

// count adds a delta's windows to those that are open: its own, and those that its shards' buffers still hold, for nobody
// else needs them as a list.
func (w *Writer) count(d *Delta) {
	open := func(series, slot uint32) { w.into = append(w.into, w.cell(cellID{series, slot}, d.latest)) }
	w.into = w.into[:0]
	for _, id := range d.windows {
		open(id.series, id.slot)
	}
	for _, h := range d.hits {
		w.into[h.window].add(h.counter, h.n, &w.shelf)
	}
	for _, b := range d.full {
		w.into = w.into[:0]
		b.eachWindow(open)
		b.eachPage(func(window, first uint32, page *counters) { w.into[window].merge(first, page, &w.shelf) })
		b.eachCarry(func(window, i uint32) { w.into[window].add(i, laneMax+1, &w.shelf) })
	}
}

// writeTold writes the text of what was merged, in the order of its frames.
func (w *Writer) writeTold() (err error) {
	slices.SortFunc(w.told, func(a, b told) int {
		return cmp.Or(cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Sequence, b.Sequence))
	})
	for _, t := range w.told {
		ledger := w.ledger(epochID{t.Worker, t.Epoch})
		for _, cause := range [...]error{
			w.timeline.write(w.text[t.made:t.events]),
			w.created.write(w.text[t.fates:t.made]),
			ledger.write(w.text[t.from:t.fates]),
		} {
			err = firstOf(err, cause)
		}
	}
	w.told, w.text = w.told[:0], w.text[:0]
	return err
}

func firstOf(err, next error) error {
	if err != nil {
		return err
	}
	return next
}

// ledger is the file of an epoch, opened when it is first written to.
func (w *Writer) ledger(id epochID) *tail {
	t := &w.epochs[id].ledger
	if t.file == nil {
		t.open(w.create, filepath.Join(w.dir, ledgerDir, ledgerName(id.worker, id.epoch)))
	}
	return t
}
