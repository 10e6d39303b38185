package loadgen

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// anyGrant draws a grant, perhaps an empty one.
func anyGrant(parts int, last time.Duration) *rapid.Generator[Grant] {
	return rapid.Custom(func(t *rapid.T) Grant {
		lo, from := rapid.IntRange(0, parts).Draw(t, "lo"), rapid.Int64Range(0, int64(last)).Draw(t, "from")
		hi, to := rapid.IntRange(lo, parts).Draw(t, "hi"), rapid.Int64Range(from, int64(last)).Draw(t, "to")
		return Grant{lo, hi, time.Duration(from), time.Duration(to)}
	})
}

// has says whether a grant has the part at that Due, the plain way.
func (h *Holding) has(part int, due time.Duration) bool {
	return slices.ContainsFunc(h.Grants, func(g Grant) bool { return !g.and(Grant{part, part + 1, due, due + 1}).empty() })
}

// TestHeldByPart: what is found by part is what the grants say, and grants that overlap are refused.
func TestHeldByPart(t *testing.T) {
	const parts, dues = 64, 9
	rapid.Check(t, func(t *rapid.T) {
		l, err := NewLease(parts)
		if err != nil {
			t.Fatal(err)
		}
		h := Holding{}
		for _, g := range rapid.SliceOfN(anyGrant(parts, dues), 0, 6).Draw(t, "grants") {
			if rapid.Bool().Draw(t, "whole") {
				h.Grants = append(h.Grants, g)
			} else {
				h.Grants = append(h.Grants, beyond([]Grant{g}, h.Grants)...)
			}
		}
		err = l.Hold(h)
		if (err != nil) != pairwise(h.Grants) {
			t.Fatalf("%v: %v", h.Grants, err)
		}
		for part := range parts {
			for due := range time.Duration(dues) {
				if got := l.held.Load().has(part, due); got != (err == nil && h.has(part, due)) {
					t.Fatalf("%v has part %d at %d: %v", h.Grants, part, due, got)
				}
			}
		}
	})
}

// pairwise says whether any two of them overlap.
func pairwise(grants []Grant) bool {
	for i, g := range grants {
		if slices.ContainsFunc(grants[:i], func(o Grant) bool { return !g.and(o).empty() }) {
			return true
		}
	}
	return false
}

// TestBeyond: what a holding grants beyond another is, at every part and Due, what it grants and the other does not, and
// nothing of it twice.
func TestBeyond(t *testing.T) {
	const parts, dues = 7, 9
	grants := rapid.SliceOfN(anyGrant(parts, dues), 0, 6)
	rapid.Check(t, func(t *rapid.T) {
		other, h := Holding{Grants: grants.Draw(t, "other")}, Holding{}
		for _, g := range grants.Draw(t, "grants") { // that do not overlap
			h.Grants = append(h.Grants, beyond([]Grant{g}, h.Grants)...)
		}
		rest := beyond(h.Grants, other.Grants)
		for part := range parts {
			for due := range time.Duration(dues) {
				n := 0
				for _, g := range rest {
					if (&Holding{Grants: []Grant{g}}).has(part, due) {
						n++
					}
				}
				if want := h.has(part, due) && !other.has(part, due); n > 1 || (n == 1) != want {
					t.Fatalf("%v beyond %v: %v has part %d at %d %d times", h.Grants, other.Grants, rest, part, due, n)
				}
			}
		}
	})
}

// TestRules is the rules of a holding, an arrival at a time (docs/decisions/0009).
func TestRules(t *testing.T) {
	const s = time.Second
	l, err := NewLease(64)
	if err != nil {
		t.Fatal(err)
	}
	none := l.held.Load()
	if err := l.Hold(Holding{Grants: []Grant{{3, 5, 10 * s, 20 * s}, {5, 6, 0, 30 * s}}, Until: 18 * s, Expires: 1800 * time.Millisecond}); err != nil { // at speed 10
		t.Fatal(err)
	}
	h := l.held.Load()
	for _, test := range []struct {
		part              uint16
		due, clock, stale time.Duration
		want              ruling
	}{
		{3, 12 * s, 1200 * time.Millisecond, 0, begins},
		{3, 10 * s, 1000 * time.Millisecond, 0, begins},
		{3, 10*s - 1, 1000 * time.Millisecond, 0, foreign},
		{2, 12 * s, 1200 * time.Millisecond, 0, foreign},
		{6, 12 * s, 1200 * time.Millisecond, 0, foreign},
		{4, 20 * s, 1200 * time.Millisecond, 0, foreign},
		{5, 18*s - 1, 1800 * time.Millisecond, 0, begins},
		{5, 18 * s, 1800 * time.Millisecond, 0, waits},
		{5, 17 * s, 1800*time.Millisecond + 1, 0, waits}, // the lease has lapsed
		{5, 17 * s, 1800*time.Millisecond + 1, 18 * s, waits},
		{5, 12 * s, 1700 * time.Millisecond, 14 * s, forgone},
		{5, 14 * s, 1700 * time.Millisecond, 14 * s, begins},
		{4, 9 * s, 1700 * time.Millisecond, 14 * s, foreign},
	} {
		a := arrivals.Arrival{Part: test.part, Due: test.due}
		if got := h.rule(a, test.clock, test.stale); got != test.want {
			t.Errorf("part %d due at %s, at %s, stale before %s: %d, want %d", test.part, test.due, test.clock, test.stale, got, test.want)
		}
	}
	if got := none.rule(arrivals.Arrival{}, 0, 0); got != foreign {
		t.Errorf("with nothing held: %d", got)
	}
}

// TestLateWord: whatever order holdings come in, however often, what has fewer deals or a lower coordinator than what has come
// is ignored, and what was promised stays so.
func TestLateWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, err := NewLease(64)
		if err != nil {
			t.Fatal(err)
		}
		var told []Holding // as a fleet makes them: neither numbers nor deals ever fall
		deals, number := 1, 1
		for range rapid.IntRange(1, 20).Draw(t, "told") {
			deals, number = deals+rapid.IntRange(0, 2).Draw(t, "deals"), number+rapid.IntRange(0, 1).Draw(t, "number")
			until := time.Duration(rapid.IntRange(0, 99).Draw(t, "until"))
			told = append(told, Holding{uint64(number), uint64(deals), []Grant{{deals, deals + 1, 0, never}}, until, until / 10})
		}
		var want Holding
		for _, i := range rapid.SliceOf(rapid.IntRange(0, len(told)-1)).Draw(t, "heard") {
			h := told[i]
			if err := l.Hold(h); err != nil {
				t.Fatal(err)
			}
			if h.Coordinator >= want.Coordinator && h.Deals >= want.Deals {
				h.Until, h.Expires = max(h.Until, want.Until), max(h.Expires, want.Expires)
				want = h
			}
			if got := l.held.Load().Holding; !reflect.DeepEqual(got, want) {
				t.Fatalf("holds %+v, want %+v", got, want)
			}
		}
	})
}

func TestHoldingsThatAreNone(t *testing.T) {
	if _, err := NewLease(65); err == nil || !strings.HasPrefix(err.Error(), "lease: parts: 65, must be") {
		t.Errorf("a lease of 65 parts: %v", err)
	}
	l, err := NewLease(128)
	if err != nil {
		t.Fatal(err)
	}
	for want, grants := range map[string][]Grant{
		"lease: grant {Lo:-1 ":        {{-1, 3, 0, 1}},
		"lease: grant {Lo:0 Hi:129 ":  {{0, 129, 0, 1}},
		"lease: grant {Lo:4 Hi:3 ":    {{4, 3, 0, 1}},
		"lease: grant {Lo:0 Hi:3 Fro": {{0, 3, 2, 1}},
		"lease: grants {Lo:0 Hi:3 ":   {{0, 3, 0, 9}, {3, 4, 0, 9}, {2, 5, 8, 9}},
	} {
		if err := l.Hold(Holding{Grants: grants, Until: never}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v, want %s…", grants, err, want)
		}
	}
	if h := l.held.Load(); h.Until != 0 || len(h.Grants) != 0 {
		t.Errorf("a refused holding is held: %+v", h)
	}
	if _, fenced := l.Fenced(); fenced {
		t.Error("a new lease is fenced")
	}
	l.Fence("stood still")
	l.Fence("again")
	if why, fenced := l.Fenced(); !fenced || why != "stood still" {
		t.Errorf("fenced: %v, %q", fenced, why)
	}
}

func TestPulse(t *testing.T) {
	const ms = time.Millisecond
	type look struct{ run, wall time.Duration }
	for name, test := range map[string]struct {
		looks []look
		why   string // of the last look
	}{
		"the first look":               {[]look{{time.Hour, 9 * time.Hour}}, ""},
		"a sleep":                      {[]look{{0, 0}, {250 * ms, 250 * ms}}, ""},
		"a second":                     {[]look{{0, 0}, {1000 * ms, 1000 * ms}}, ""},
		"more":                         {[]look{{0, 0}, {1001 * ms, 1001 * ms}}, "stood still for 1.001s"},
		"a suspended machine":          {[]look{{0, 0}, {10 * ms, 3010 * ms}}, "the clock of the wall went 3s further"},
		"a wall clock that is set":     {[]look{{0, 0}, {10 * ms, -300 * ms}}, "the clock of the wall went -310ms further"},
		"a wall clock that is slewed":  {[]look{{0, 0}, {500 * ms, 700 * ms}, {1000 * ms, 1400 * ms}, {1500 * ms, 2100 * ms}}, ""},
		"what was long ago is no more": {[]look{{0, 0}, {5000 * ms, 5000 * ms}, {5001 * ms, 5001 * ms}}, ""},
	} {
		var p pulse
		why := ""
		for _, l := range test.looks {
			why = p.look(l.run, l.wall)
		}
		if !strings.HasPrefix(why, test.why) || (why == "") != (test.why == "") {
			t.Errorf("%s: %q, want %q", name, why, test.why)
		}
	}
}
