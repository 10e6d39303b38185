package lease

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const testParts = 64

func newTable(t interface{ Fatal(...any) }, parts int) *Table {
	table, err := NewTable(parts)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// anyMove draws a move on a small grid, so that moves meet.
func anyMove(parts int) *rapid.Generator[Move] {
	return rapid.Custom(func(t *rapid.T) Move {
		lo, from := rapid.IntRange(0, parts-1).Draw(t, "lo"), rapid.IntRange(0, 9).Draw(t, "from")
		m := Move{
			Lo: lo, Hi: rapid.IntRange(lo+1, parts).Draw(t, "hi"), From: time.Duration(from), To: Forever,
			Owner: Owner{Worker: uint32(rapid.IntRange(0, 3).Draw(t, "worker"))},
		}
		if to := rapid.IntRange(from+1, 12).Draw(t, "to"); to < 11 {
			m.To = time.Duration(to)
		}
		return m
	})
}

// TestOwnerIsAFunction: whatever the list, each part and Due has the owner that the last move gave it which covers it, and just one
// owner's grants, once.
func TestOwnerIsAFunction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := newTable(t, testParts)
		var all []Move
		for k := range uint64(rapid.IntRange(0, 8).Draw(t, "deals")) {
			e := Entry{Moves: rapid.SliceOfN(anyMove(testParts), 1, 6).Draw(t, "moves")}
			if err := table.Add(k+1, e); err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Moves...)
		}
		for part := range testParts {
			for due := range time.Duration(12) {
				var want Owner
				for _, m := range all {
					if m.Lo <= part && part < m.Hi && m.From <= due && due < m.To {
						want = m.Owner
					}
				}
				if got := table.Owner(part, due); got != want {
					t.Fatalf("part %d at %d is %s's, want %s", part, due, got, want)
				}
				for worker := range uint32(4) {
					o, n := Owner{Worker: worker}, 0
					for _, g := range table.Grants(o) {
						if g.Lo <= part && part < g.Hi && g.From <= due && due < g.To {
							n++
						}
					}
					if is := o == want && o != (Owner{}); n > 1 || (n == 1) != is {
						t.Fatalf("part %d at %d, which is %s's: granted %d times to %s", part, due, want, n, o)
					}
				}
			}
		}
	})
}

// TestEntriesThatAreNone: a table refuses them, and stays as it was.
func TestEntriesThatAreNone(t *testing.T) {
	w1 := Owner{1, 1}
	table := newTable(t, testParts)
	for k, e := range []Entry{
		{Coordinator: 5, Ceiling: 100},
		{Coordinator: 5, Moves: []Move{{0, 64, 0, Forever, w1}}},
	} {
		if err := table.Add(uint64(k+1), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		k    uint64
		e    Entry
		want string
	}{
		{2, Entry{Coordinator: 5, Ceiling: 200}, "lease: entry 2: comes after 2"},
		{4, Entry{Coordinator: 5, Ceiling: 200}, "lease: entry 4: comes after 2"},
		{3, Entry{Coordinator: 4, Ceiling: 200}, "lease: entry 3: coordinator 4 comes after 5"},
		{3, Entry{Coordinator: 5, Ceiling: 99}, "lease: entry 3: the ceiling falls"},
		{3, Entry{Coordinator: 5, Ceiling: 200, Moves: []Move{{0, 1, 0, 1, Owner{}}}}, "lease: entry 3: a deal with a ceiling"},
		{3, Entry{Coordinator: 5, Moves: []Move{{0, 1, 0, 1, Owner{}}, {0, 65, 0, 1, w1}}}, "lease: entry 3: move "},
		{3, Entry{Coordinator: 5, Moves: []Move{{-1, 1, 0, 1, w1}}}, "lease: entry 3: move "},
		{3, Entry{Coordinator: 5, Moves: []Move{{1, 1, 0, 1, w1}}}, "lease: entry 3: move "},
		{3, Entry{Coordinator: 5, Moves: []Move{{0, 1, 1, 1, w1}}}, "lease: entry 3: move "},
		{3, Entry{Coordinator: 5, Moves: []Move{{0, 1, -1, 1, w1}}}, "lease: entry 3: move "},
	} {
		if err := table.Add(test.k, test.e); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%d %+v: %v, want %s…", test.k, test.e, err, test.want)
		}
	}
	if table.Len() != 2 || table.Ceiling() != 100 || table.Owner(0, 0) != w1 {
		t.Errorf("after refusals: %+v", table)
	}
	if _, err := NewTable(65); err == nil || !strings.HasPrefix(err.Error(), "lease: parts: 65") {
		t.Errorf("65 parts: %v", err)
	}
	for _, o := range []Owner{table.Owner(-1, 0), table.Owner(64, 0), table.Owner(0, -1)} {
		if o != (Owner{}) {
			t.Errorf("what there is not is %s's", o)
		}
	}
	if n := table.Successor(7); n>>32 != 1 || n&(1<<32-1) != 7 {
		t.Errorf("successor of 5: %x", n)
	}
}

func TestEntryLine(t *testing.T) {
	e := Entry{Coordinator: 3, Moves: []Move{{0, 4, 5, Forever, Owner{1, 2}}}, Final: []Owner{{2, 1}}, Why: "w2:1 is fenced"}
	const line = `{"coordinator":3,"moves":[{"lo":0,"hi":4,"from":5,"to":9223372036854775807,"worker":1,"epoch":2}],` +
		`"final":[{"worker":2,"epoch":1}],"why":"w2:1 is fenced"}`
	if got := string(e.Line()); got != line {
		t.Errorf("%s\nwant %s", got, line)
	}
	for name, line := range map[string]string{
		"unknown": `{"coordinator":3,"color":1}`, "of a move": `{"moves":[{"part":1}]}`, "two": `{}{}`, "none": ``, "other": `[]`,
		"negative": `{"coordinator":-1}`, "large": `{"moves":[{"worker":4294967296}]}`, "tail": `{} x`,
	} {
		if e, err := ParseEntry([]byte(line)); err == nil || !strings.HasPrefix(err.Error(), "lease: entry: ") {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

// FuzzEntry: an entry that is read is written and read again as the same, and a table takes it or stays as it was.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"coordinator":3,"moves":[{"lo":0,"hi":4,"from":5,"to":9,"worker":1,"epoch":2}],"why":"first"}`))
	f.Add([]byte(`{"coordinator":18446744073709551615,"ceiling":4000000000}`))
	f.Add([]byte(`{"final":[{"worker":1,"epoch":1}]}`))
	f.Add([]byte(`{"moves":[{"lo":-1,"hi":1e3}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseEntry(line)
		if err != nil {
			return
		}
		again, err := ParseEntry(e.Line())
		if err != nil || !bytes.Equal(again.Line(), e.Line()) {
			t.Fatalf("%s: %+v, then %+v, %v", line, e, again, err)
		}
		table := newTable(t, testParts)
		if table.Add(1, e) != nil && !reflect.DeepEqual(table, newTable(t, testParts)) {
			t.Fatalf("%s is refused and changes the table", line)
		}
	})
}
