package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// The payload of a delta's frame; numbers are varints, texts and sets have their length before them:
//
//	version 2 · mark of the run 8 · at · latest shot · flags · shots by outcome · oddities
//	· fates: Roaring bitmaps, nothing for an empty one · lines of created.jsonl · lines of timeline.jsonl
//	· evidence
//	· number of windows · windows
//	window: series, less the one before · slot · number of counters · counters
//	counter: 2·(steps from the one before, less 1), + 1 and followed by the count where that is not 1
//
// Windows and counters ascend: each is told once.
const deltaVersion = 2

const flagFinal = 1

// What no worker tells, and what would overflow once it is summed up.
const (
	mostFrame    = 2*frameRoom + 4<<10 // bytes; a line that is longer than a frame should be takes twice the room
	mostAttested = 64 << 10            // bytes of evidence
	mostCount    = 1 << 32             // shots, or oddities, of one delta
	mostHits     = 1 << 28             // shots of one counter
	ahead        = time.Minute         // of the delta's time, in which a window may begin
	overtime     = 7 * 24 * time.Hour  // on the wall, after the last arrival is due
)

// latestOf bounds the times of a run's deltas.
func latestOf(run *Run) time.Duration {
	const latest = latestSecond * time.Second
	more := min(float64(overtime)*max(speedOf(run), 1), float64(latest))
	return min(min(max(run.Scenario.Arrivals.Over, 0), latest)+time.Duration(more), latest)
}

// appendTo adds the frame of a delta that is sealed and tidy.
func (d *Delta) appendTo(buf []byte, mark uint64) ([]byte, error) {
	from := len(buf)
	buf, err := appendFrame(buf, deltaMagic, d.FrameID, func(buf []byte) ([]byte, error) { return d.appendPayload(buf, mark) })
	if err == nil {
		d.sum = sumOf(buf[from:])
	}
	return buf, err
}

// sumOf is the checksum of a sound frame.
func sumOf(frame []byte) uint32 { return binary.LittleEndian.Uint32(frame[len(frame)-frameFoot:]) }

func (d *Delta) appendPayload(buf []byte, mark uint64) ([]byte, error) {
	buf = binary.LittleEndian.AppendUint64(append(buf, deltaVersion), mark)
	buf = binary.AppendUvarint(binary.AppendUvarint(buf, uint64(d.At)), uint64(d.latest))
	flags := byte(0)
	if d.Final {
		flags = flagFinal
	}
	buf = append(buf, flags)
	for _, n := range d.counted {
		buf = binary.AppendUvarint(buf, uint64(n))
	}
	for _, n := range d.oddity.all() {
		buf = binary.AppendUvarint(buf, uint64(*n))
	}
	for _, set := range d.Fates {
		var b []byte
		if !set.IsEmpty() {
			var err error
			if b, err = set.ToBytes(); err != nil {
				return buf, fmt.Errorf("record: encode a delta: %w", err)
			}
		}
		buf = appendText(buf, b)
	}
	return d.appendWindows(appendText(appendText(appendText(buf, d.made), d.events), d.attested)), nil
}

func appendText(buf, text []byte) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(text))), text...)
}

func (d *Delta) appendWindows(buf []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(d.windows)))
	series, rest := uint32(0), d.hits
	for at, w := range d.windows {
		n := 0
		for n < len(rest) && rest[n].window == uint32(at) {
			n++
		}
		buf = binary.AppendUvarint(buf, uint64(w.series-series))
		buf = binary.AppendUvarint(buf, uint64(w.slot))
		buf = appendHits(binary.AppendUvarint(buf, uint64(n)), rest[:n])
		series, rest = w.series, rest[n:]
	}
	return buf
}

func appendHits(buf []byte, list []hits) []byte {
	next := uint32(0)
	for _, h := range list {
		step := uint64(h.counter-next) << 1
		if next = h.counter + 1; h.n == 1 {
			buf = binary.AppendUvarint(buf, step)
			continue
		}
		buf = binary.AppendUvarint(binary.AppendUvarint(buf, step|1), uint64(h.n))
	}
	return buf
}

// Parse reads the frame of a delta of this record's run into d, whose memory it uses again. What it gives an error for is
// cut off, damaged, or of another run or version, and d then holds nothing. d keeps none of frame's memory.
func (w *Writer) Parse(frame []byte, d *Delta) error {
	d.reset()
	err := d.parse(frame, &w.hub)
	if err != nil {
		*d = Delta{}
		return fmt.Errorf("record: not a delta of this run: %w", err)
	}
	return nil
}

func (d *Delta) parse(frame []byte, of *hub) error {
	if len(frame) > mostFrame {
		return fmt.Errorf("a frame of %d bytes, more than %d", len(frame), mostFrame)
	}
	id, payload, size, err := parseFrame(frame, deltaMagic)
	if err != nil {
		return err
	}
	if size != len(frame) {
		return fmt.Errorf("%d bytes follow the frame", len(frame)-size)
	}
	d.FrameID, d.sum = id, sumOf(frame)
	in := &deltaReader{rest: payload, total: of.total, latest: of.latest}
	in.check(of.mark)
	in.head(d)
	in.windows(d, of.names)
	if len(in.rest) > 0 {
		in.fail("%d bytes too many", len(in.rest))
	}
	if in.err != nil {
		return fmt.Errorf("worker %d, epoch %d, sequence %d: %w", id.Worker, id.Epoch, id.Sequence, in.err)
	}
	return nil
}

// deltaReader reads a payload from its head on; after its first error it gives zeros.
type deltaReader struct {
	total  int64         // of the run's arrivals
	latest time.Duration // that a delta of the run may reach
	rest   []byte
	err    error
}

func (in *deltaReader) fail(format string, args ...any) {
	if in.err == nil {
		in.err = fmt.Errorf(format, args...)
	}
	in.rest = nil
}

// check reads what says whether the rest can be read.
func (in *deltaReader) check(mark uint64) {
	const size = 9
	if len(in.rest) < size {
		in.fail("the payload is cut off")
		return
	}
	if v := in.rest[0]; v != deltaVersion {
		in.fail("version %d, this program reads version %d", v, deltaVersion)
		return
	}
	if binary.LittleEndian.Uint64(in.rest[1:]) != mark {
		in.fail("it is of another run, or of a scenario with other steps or tenants")
		return
	}
	in.rest = in.rest[size:]
}

// number reads a varint of at most most.
func (in *deltaReader) number(what string, most uint64) uint64 {
	v, n := binary.Uvarint(in.rest)
	if n <= 0 {
		in.fail("%s is cut off", what)
		return 0
	}
	if in.rest = in.rest[n:]; v > most {
		in.fail("%s is %d, more than %d", what, v, most)
		return 0
	}
	return v
}

// text reads a text, which holds until the frame's memory is used again.
func (in *deltaReader) text(what string) []byte {
	n := in.number("a length", math.MaxUint32)
	if n > uint64(len(in.rest)) {
		in.fail("%s: %d bytes, %d are left", what, n, len(in.rest))
		return nil
	}
	text := in.rest[:n]
	in.rest = in.rest[n:]
	return text
}

// lines adds whole lines to a text, each of which the reader of its file can read.
func (in *deltaReader) lines(to []byte, what string, read func(line []byte) error) []byte {
	text := in.text(what)
	if n := len(text); n > 0 && text[n-1] != '\n' {
		in.fail("%s do not end with a line", what)
		return to
	}
	for line := range bytes.Lines(text) {
		if err := read(line[:len(line)-1]); err != nil {
			in.fail("%s: %w", what, err)
			return to
		}
	}
	return append(to, text...)
}

// created reads a line of what was created.
func (in *deltaReader) created(line []byte) error {
	c, err := parseCreated(line)
	if err == nil && int64(c.Seq) >= in.total {
		err = fmt.Errorf("arrival %d, the run has %d", c.Seq, in.total)
	}
	return err
}

// event reads a line of the timeline.
func (in *deltaReader) event(line []byte) error {
	_, err := parseEvent(line)
	return err
}

// head reads all but the windows.
func (in *deltaReader) head(d *Delta) {
	d.At = time.Duration(in.number("the time", uint64(in.latest)))
	d.latest = time.Duration(in.number("the time of the latest shot", uint64(d.At)))
	d.Final = in.number("the byte of flags", flagFinal)&flagFinal != 0
	for o := range d.counted {
		d.counted[o] = int64(in.number("a count of shots", mostCount))
	}
	for _, n := range d.oddity.all() {
		*n = int64(in.number("a count of oddities", mostCount))
	}
	for f := range d.Fates {
		d.Fates[f] = in.set()
	}
	d.made = in.lines(d.made, "the lines of what was created", in.created)
	d.events = in.lines(d.events, "the lines of the timeline", in.event)
	if d.attested = append(d.attested, in.text("the evidence")...); len(d.attested) > mostAttested {
		in.fail("%d bytes of evidence, more than %d", len(d.attested), mostAttested)
	}
}

// set reads a set of Seqs.
func (in *deltaReader) set() *roaring.Bitmap {
	b := in.text("a set of arrivals")
	if len(b) == 0 {
		return roaring.New()
	}
	set, err := parseBitmap(b)
	if err != nil {
		in.fail("a set of arrivals: %w", err)
		return roaring.New()
	}
	return set
}

func (in *deltaReader) windows(d *Delta, names *numbering) {
	series := uint32(0)
	for range in.number("the number of windows", uint64(len(in.rest))) {
		step := in.number("a series", math.MaxUint32)
		slot := in.number("a window's number", mostSlots)
		if step > uint64(names.count()-1-series) {
			in.fail("series %d, the run has %d", uint64(series)+step, names.count())
		}
		series += uint32(step)
		if begin := slot * uint64(names.length(series)/time.Second); begin > uint64((d.At+ahead)/time.Second) || begin >= latestSecond {
			in.fail("a window begins at %d s, the delta reaches up to %s", begin, d.At)
		}
		id := cellID{series, uint32(slot)}
		if n := len(d.windows); n > 0 && d.windows[n-1].rank() >= id.rank() {
			in.fail("windows do not ascend")
		}
		d.windows = append(d.windows, id)
		if in.hits(d, names.layout(series)); in.err != nil {
			return
		}
	}
}

// hits reads the counters of the last window.
func (in *deltaReader) hits(d *Delta, l *layout) {
	next, many := uint64(0), in.number("the number of counters", uint64(len(in.rest)))
	if many == 0 {
		in.fail("a window without a counter")
	}
	for range many {
		step, n := in.number("a counter", math.MaxUint32), uint64(1)
		if step&1 != 0 {
			n = in.number("a counter's count", mostHits)
		}
		if step&1 != 0 && n < 2 {
			in.fail("a counter's count is %d, which has no count", n)
		}
		next += step >> 1
		if next >= uint64(l.counts) {
			in.fail("counter %d of %d", next, l.counts)
		}
		if in.err != nil {
			return
		}
		d.hits = append(d.hits, hits{uint32(len(d.windows) - 1), uint32(next), uint32(n)})
		next++
	}
}
