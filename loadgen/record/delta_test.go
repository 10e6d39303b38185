package record

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// reframed is a frame with this payload whose checksum holds.
func reframed(id FrameID, payload []byte) []byte {
	frame, _ := appendFrame(nil, deltaMagic, id, func(b []byte) ([]byte, error) { return append(b, payload...), nil })
	return frame
}

// whole says what a delta tells, in a form that can be compared.
func whole(d *Delta) any {
	sets := [fates]string{}
	for f, set := range d.Fates {
		sets[f] = set.String()
	}
	return []any{
		d.FrameID, d.At, d.latest, d.Final, sets, d.counted, d.oddity, string(d.made), string(d.events), string(d.attested),
		slices.Clip(append([]cellID{}, d.windows...)), slices.Clip(append([]hits{}, d.hits...)),
	}
}

func TestADeltaIsReadAsItWasWritten(t *testing.T) {
	run := testRun(200)
	w, err := Fold(filepath.Join(t.TempDir(), "run"), run)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(started, nil)
	final := 0
	for _, frame := range fleetFrames(t, run) {
		var d, again Delta
		if err := w.Parse(frame, &d); err != nil {
			t.Fatal(err)
		}
		b, err := d.appendTo(nil, w.mark)
		if err != nil || !slices.Equal(b, frame) {
			t.Fatalf("written again it is another: %v", err)
		}
		if err := w.Parse(b, &again); err != nil || !reflect.DeepEqual(whole(&d), whole(&again)) {
			t.Fatalf("read again it is another: %v", err)
		}
		if d.Final {
			final++
		}
	}
	if final != 2 {
		t.Errorf("%d of 2 epochs have an end", final)
	}
}

// Whatever happens to a frame on its way is an error, and nothing of it is merged.
func TestADamagedDeltaIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Fold(dir, testRun(200))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(started, nil)
	before := snapshot(t, dir)
	frame := fleetFrames(t, testRun(200))[3]
	var d Delta
	refused := func(what string, b []byte, want string) {
		t.Helper()
		if err := w.Parse(b, &d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
		if news, err := w.Merge(&d); err == nil || news {
			t.Errorf("%s: merged", what)
		}
	}
	for n := range frame {
		refused("cut to "+itoa(n), frame[:n], "cut off")
		flipped := slices.Clone(frame)
		flipped[n] ^= 1 << (n % 8)
		refused("flipped in "+itoa(n), flipped, "not a delta of this run")
	}
	other, renamed := testRun(200), testRun(200)
	other.ID, renamed.Scenario.Tenants.List[0].Name = "other", "z"
	id, payload, _, err := parseFrame(frame, deltaMagic)
	if err != nil {
		t.Fatal(err)
	}
	newer := slices.Clone(payload)
	newer[0]++
	refused("of another run", fleetFrames(t, other)[3], "of another run")
	refused("of other tenants", fleetFrames(t, renamed)[3], "other steps or tenants")
	refused("of a newer program", reframed(id, newer), "version 3, this program reads version 2")
	refused("a ledger's", frameOf(t, id, nil), "no frame")
	refused("two at once", append(slices.Clone(frame), frame...), "bytes follow the frame")
	refused("nothing", nil, "cut off")
	for n := range payload { // the checksum holds, the contents end early
		if err := w.Parse(reframed(id, payload[:n]), &d); err == nil {
			t.Errorf("a payload cut to %d of %d bytes is read", n, len(payload))
		}
	}
	refused("with something after its end", reframed(id, append(slices.Clone(payload), 0)), "1 bytes too many")
	if err := w.Flush(time.Hour); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(snapshot(t, dir), before, slices.Equal[[]byte]) {
		t.Error("something of it was merged")
	}
	if err := w.Parse(frame, &d); err != nil {
		t.Errorf("the frame itself: %v", err)
	}
}

// Payloads that only a hostile or broken worker sends.
func TestADeltaThatNoCollectorMakesIsRefused(t *testing.T) {
	w, err := Fold(filepath.Join(t.TempDir(), "run"), testRun(10))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(started, nil)
	last := w.names.count() - 1
	for want, change := range map[string]func(*Delta){
		"series":                        func(d *Delta) { d.windows[1].series = last + 1 },
		"counter 23552 of":              func(d *Delta) { d.hits[0].counter = uint32(secondLayout.counts) },
		"windows do not ascend":         func(d *Delta) { d.windows[1] = d.windows[0] },
		"a window without a counter":    func(d *Delta) { d.hits = d.hits[:1] },
		"a counter's count is 0":        func(d *Delta) { d.hits[1].n = 0 },
		"a window's number":             func(d *Delta) { d.windows[1].slot = mostSlots + 1 },
		"a window begins at 62 s":       func(d *Delta) { d.windows[0].slot = 62 }, // the delta reaches up to the first
		"a window begins at 120 s":      func(d *Delta) { d.windows[1].slot = 2 },
		"a window begins at 1288490184": func(d *Delta) { d.windows[1].slot = mostSlots / 5 }, // more nanoseconds than there are
		"a counter's count is 2684354":  func(d *Delta) { d.hits[1].n = mostHits + 1 },
		"a count of shots is 42949672":  func(d *Delta) { d.counted[TimedOut] = mostCount + 1 },
		"a count of oddities is 42949":  func(d *Delta) { d.oddity.long = mostCount + 1 },
		"the time is 604980000000001":   func(d *Delta) { d.At = 3*time.Minute + overtime + 1 },
		"a frame of ":                   func(d *Delta) { d.events = []byte(strings.Repeat("{}\n", mostFrame/3)) },
		"the time is":                   func(d *Delta) { d.At = -1 },
		"the time of the latest shot":   func(d *Delta) { d.latest = d.At + 1 },
		"a count of shots":              func(d *Delta) { d.counted[OK] = -1 },
		"do not end with a line":        func(d *Delta) { d.made = []byte("{}\n{") },
		"the timeline do not end with":  func(d *Delta) { d.events = []byte("{") },
		"created: unexpected end":       func(d *Delta) { d.made = []byte("{}\n{\n") },
		"created: json: cannot":         func(d *Delta) { d.made = []byte(`{"seq":-1}` + "\n") },
		"created: arrival 10, the run":  func(d *Delta) { d.made = []byte(`{"seq":9}` + "\n" + `{"seq":10}` + "\n") },
		"timeline: invalid character":   func(d *Delta) { d.events = []byte("{}\nx\n") },
		"65537 bytes of evidence":       func(d *Delta) { d.attested = make([]byte, mostAttested+1) },
		"timeline: json: cannot":        func(d *Delta) { d.events = []byte(`{"at":"soon"}` + "\n") },
	} {
		d := &Delta{
			FrameID: FrameID{1, 1, 0}, At: time.Second,
			windows: []cellID{{0, 0}, {last, 1}}, hits: []hits{{0, 5, 1}, {1, 7, 9}},
		}
		d.seal()
		change(d)
		frame, err := d.appendTo(nil, w.mark)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Parse(frame, d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzDelta(f *testing.F) {
	run := testRun(200)
	dir := filepath.Join(f.TempDir(), "run")
	w, err := Fold(dir, run)
	if err != nil {
		f.Fatal(err)
	}
	defer w.Close(started, nil)
	for _, frame := range fleetFrames(f, run) {
		f.Add(frame)
		f.Add(frame[frameHead+9 : len(frame)-frameFoot])
	}
	var mark [9]byte
	mark[0] = deltaVersion
	binary.LittleEndian.PutUint64(mark[1:], w.mark)
	f.Fuzz(func(t *testing.T, b []byte) {
		// As it comes, and as what a hostile worker would send: a sound frame of this run.
		for _, frame := range [][]byte{b, reframed(FrameID{1, 1, uint64(crc32.ChecksumIEEE(b))}, append(mark[:], b...))} {
			var d, again Delta
			if err := w.Parse(frame, &d); err != nil {
				if !reflect.DeepEqual(d, Delta{}) {
					t.Error("a refused delta holds something")
				}
				continue
			}
			written, err := d.appendTo(nil, w.mark)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Parse(written, &again); err != nil || !reflect.DeepEqual(whole(&d), whole(&again)) {
				t.Fatalf("written and read again it is another: %v", err)
			}
			mergeAlone(t, run, &again)
		}
	})
}

// mergeAlone merges a delta into a new record: that is refused, or the record is one that is read whole.
func mergeAlone(t *testing.T, run Run, d *Delta) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := begin(dir, run, unsynced)
	if err != nil {
		t.Fatal(err)
	}
	news, err := w.Merge(d)
	if news != (err == nil) {
		t.Errorf("news: %v, with %v", news, err)
	}
	if err := w.Flush(d.At); err != nil {
		t.Fatal(err)
	}
	contentsOf(t, dir)
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	if r := contentsOf(t, dir); (len(r.windows) > 0) != (news && len(d.windows) > 0) {
		t.Errorf("%d windows of %d", len(r.windows), len(d.windows))
	}
}
