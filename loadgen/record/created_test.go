package record

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// createdOf reads what a record says was created.
func createdOf(t testing.TB, dir string) ([]Creation, error) {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []Creation
	for c, err := range r.Created() {
		if err != nil {
			return out, err
		}
		out = append(out, c)
	}
	return out, nil
}

func TestWhatWasCreatedIsReadBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	rapid.Check(t, func(rt *rapid.T) {
		if err := os.RemoveAll(dir); err != nil {
			rt.Fatal(err)
		}
		w, err := Create(dir, testRun(1))
		if err != nil {
			rt.Fatal(err)
		}
		shards := []*Shard{w.Shard(), w.Shard()}
		var want [2][]Creation
		value := []byte(nil)
		for range rapid.IntRange(0, 20).Draw(rt, "things") {
			k := rapid.IntRange(0, 1).Draw(rt, "shard")
			seq, tenant, step := rapid.Uint32().Draw(rt, "seq"), rapid.IntRange(0, 2).Draw(rt, "tenant"), rapid.IntRange(0, 1).Draw(rt, "step")
			id := rapid.SliceOf(rapid.Byte()).Draw(rt, "id")
			if rapid.Bool().Draw(rt, "text") {
				id = []byte(rapid.String().Draw(rt, "id"))
			}
			value = append(value[:0], id...) // one buffer for all: it must be copied
			shards[k].Created(Created{Seq: seq, Tenant: int32(tenant), Step: int32(step), Name: itoa(k), Value: value})
			want[k] = append(want[k], Creation{seq, []string{"a", "b", "c"}[tenant], []string{"form", "submit"}[step], itoa(k), string(id)})
			if rapid.IntRange(0, 5).Draw(rt, "flush") == 0 {
				if err := w.Flush(0); err != nil {
					rt.Fatal(err)
				}
			}
		}
		if err := w.Close(started, nil); err != nil {
			rt.Fatal(err)
		}
		got, err := createdOf(t, dir)
		if err != nil {
			rt.Fatal(err)
		}
		for _, c := range got { // each shard's in its order
			k := slices.IndexFunc(want[:], func(w []Creation) bool { return len(w) > 0 && w[0] == c })
			if k < 0 {
				rt.Fatalf("%+v was not created, or not in this order", c)
			}
			want[k] = want[k][1:]
		}
		if len(want[0])+len(want[1]) > 0 {
			rt.Fatalf("not read: %+v", want)
		}
	})
}

func TestCreatedThingsThatCannotBeNamedAreLeftOutAndSaid(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, testRun(1))
	if err != nil {
		t.Fatal(err)
	}
	sh := w.Shard()
	sh.Created(Created{Value: bytes.Repeat([]byte("x"), longestID+1)})
	sh.Created(Created{Tenant: 3})
	sh.Created(Created{Step: -1})
	sh.Created(Created{Value: bytes.Repeat([]byte("x"), longestID)})
	if err := w.Close(started, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := createdOf(t, dir); err != nil || len(got) != 1 || len(got[0].Value) != longestID {
		t.Errorf("%d things, %v", len(got), err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, w := range r.Run.Warnings {
		codes = append(codes, w.Code+" "+w.Text["en"][:2])
	}
	if want := []string{WarnUnknown + " 2 ", WarnCreated + " 1 "}; !slices.Equal(codes, want) {
		t.Errorf("warnings %q, want %q", codes, want)
	}
}

func TestBrokenLinesOfCreatedThingsAreNamedAfterTheOthers(t *testing.T) {
	dir := t.TempDir()
	writeRecord(t, dir, 50)
	edit(t, dir, createdFile, func(b []byte) []byte { return append([]byte("{\"seq\":-1}\n"), b...) })
	got, err := createdOf(t, dir)
	if len(got) != 10 || err == nil || !strings.Contains(err.Error(), "created.jsonl:1: not a created thing") {
		t.Errorf("%d things, %v", len(got), err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range r.Created() { // who has enough is not asked again
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d things", n)
	}
}

// A record of before there were created things and first bytes is as sound as it was.
func TestARecordWithoutCreatedThingsIsSound(t *testing.T) {
	dir := t.TempDir()
	writeRecord(t, dir, 50)
	if err := os.Remove(filepath.Join(dir, createdFile)); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	if err := Repair(dir, started); err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, dir); len(after) != len(before) {
		t.Error("the repair made a file")
	}
	if got, err := createdOf(t, dir); len(got) != 0 || err != nil {
		t.Errorf("%d things, %v", len(got), err)
	}
	if a := account(t, dir); len(a.Problems) > 0 {
		t.Errorf("problems %q", a.Problems)
	}
}

func FuzzCreated(f *testing.F) {
	f.Add([]byte("{\"seq\":1,\"tenant\":\"a\",\"step\":\"submit\",\"name\":\"id\",\"value\":\"x\"}\n{\"seq\":2,\"valueBase64\":\"/w==\"}\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		d, err := readCreated(bytes.NewReader(b), createdFile, func(Creation) { n++ })
		if err == nil && n+len(d.broken)+len(d.torn) > bytes.Count(b, []byte("\n"))+1 {
			t.Errorf("%d things and %d broken of %d bytes", n, len(d.broken)+len(d.torn), len(b))
		}
	})
}
