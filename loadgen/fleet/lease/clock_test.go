package lease

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestOffsetHoldsTheTruth: whatever the delays on both ways, however the clocks go apart within 50 ppm, in whatever order the
// exchanges come, the truth is within the bounds, at once and later; and no exchange makes them wider than it is itself.
func TestOffsetHoldsTheTruth(t *testing.T) {
	const ms = time.Millisecond
	rapid.Check(t, func(t *rapid.T) {
		first := time.Duration(rapid.Int64Range(int64(-5*time.Second), int64(5*time.Second)).Draw(t, "offset"))
		ppm := rapid.Int64Range(-drift, drift).Draw(t, "ppm")
		truth := func(now time.Duration) time.Duration { return first + now*time.Duration(ppm)/1_000_000 }
		delay := rapid.Map(rapid.Int64Range(0, int64(100*ms)), func(n int64) time.Duration { return time.Duration(n) })
		var all []Exchange
		now := time.Duration(0)
		for range rapid.IntRange(1, 20).Draw(t, "exchanges") {
			t1 := now + delay.Draw(t, "pause")
			at2 := t1 + delay.Draw(t, "way")
			at3 := at2 + delay.Draw(t, "thought")
			now = at3 + delay.Draw(t, "way back")
			all = append(all, Exchange{t1, at2 + truth(at2), at3 + truth(at3), now})
		}
		var o Offset
		for _, x := range rapid.Permutation(all).Draw(t, "order") {
			if err := o.Add(x); err != nil {
				t.Fatal(err)
			}
			_, uncertainty, _ := o.At(x.T4)
			if own := ((x.T4 - x.T1) - (x.T3 - x.T2) + 1) / 2; uncertainty > own+2*now*drift/1_000_000+20 {
				t.Fatalf("± %s, the exchange itself says ± %s", uncertainty, own)
			}
		}
		later := now + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "later"))
		offset, uncertainty, known := o.At(later)
		if real := truth(later); !known || real < offset-uncertainty-2 || real > offset+uncertainty+2 {
			t.Fatalf("%s ± %s; the truth is %s", offset, uncertainty, real)
		}
		if o.Steps() != 0 {
			t.Fatalf("%d steps", o.Steps())
		}
	})
}

// TestOffsetAfterAStep: a clock that is set makes the bounds begin anew, and what was asked before does not bring them back.
func TestOffsetAfterAStep(t *testing.T) {
	const ms = time.Millisecond
	exchange := func(at, offset time.Duration) Exchange {
		return Exchange{at, at + ms + offset, at + ms + offset, at + 2*ms}
	}
	var o Offset
	if _, _, known := o.At(0); known {
		t.Error("the zero Offset knows something")
	}
	for _, x := range []Exchange{exchange(0, 0), exchange(200*ms, 0), exchange(400*ms, 5*time.Second), exchange(100*ms, 0)} {
		if err := o.Add(x); err != nil {
			t.Fatal(err)
		}
	}
	if offset, uncertainty, _ := o.At(402 * ms); offset != 5*time.Second || uncertainty != ms+100 || o.Steps() != 1 {
		t.Errorf("%s ± %s after %d steps", offset, uncertainty, o.Steps())
	}
	if _, uncertainty, _ := o.At(100*time.Second + 402*ms); uncertainty != 6*ms+100 { // 50 ppm of 100 s are 5 ms
		t.Errorf("after 100 s ± %s, want 6.0001ms", uncertainty)
	}
	for _, x := range []Exchange{{5, 0, 0, 4}, {0, 5, 4, 9}, {0, 5 * ms, 9 * ms, 3 * ms}} {
		if err := o.Add(x); err == nil {
			t.Errorf("%+v is an exchange", x)
		}
	}
}
