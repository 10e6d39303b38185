package fleet

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

func TestMessagesAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"another version":  {`{"v":2,"n":1}`, "speaks version 2, this is 1"},
		"no version":       {`{"n":1}`, "version 0"},
		"an unknown field": {`{"v":1,"shape":1}`, "unknown field"},
		"something more":   {`{"v":1}{"v":1}`, "after top-level value"},
		"no JSON":          {`beat`, "invalid character"},
		"another type":     {`{"v":1,"n":"one"}`, "cannot unmarshal"},
		"nothing":          {``, "unexpected end"},
	} {
		if _, err := decode[Beat]("beat", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(encode(Beat{versioned: versioned{Version}, N: 3, State: Firing, Yield: "stood still"}))
	f.Add(encode(Reply{versioned: versioned{Version}, Holding: &loadgen.Holding{Grants: []loadgen.Grant{{Lo: 0, Hi: 64, To: time.Hour}}}}))
	f.Add(encode(Hello{versioned: versioned{Version}, Name: "w", Former: &Life{Run: "r", Worker: 1, Epoch: 2}}))
	f.Add(encode(told{versioned: versioned{Version}, Begins: "here", Events: &eventsTold{Lines: lineOf(record.Event{Kind: "x"})}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		same(t, "beat", b, func(b []byte) (Beat, error) { return decode[Beat]("beat", b) })
		same(t, "reply", b, func(b []byte) (Reply, error) { return decode[Reply]("reply", b) })
		same(t, "hello", b, func(b []byte) (Hello, error) { return decode[Hello]("hello", b) })
		same(t, "told", b, func(b []byte) (told, error) { return decode[told]("told", b) })
	})
}

// same says whether what is read from a message is what is read from it once it is written again.
func same[T any](t *testing.T, what string, b []byte, read func([]byte) (T, error)) {
	t.Helper()
	m, err := read(b)
	if err != nil {
		return
	}
	text := encode(m)
	again, err := read(text)
	if err != nil || !bytes.Equal(encode(again), text) {
		t.Fatalf("%s: %q is read as %s, and that as %s: %v", what, b, text, encode(again), err)
	}
}

// What a worker is told of a run makes the same engine as one process would have.
func TestASpecTellsEverything(t *testing.T) {
	s := surge()
	s.Feeders = map[string]scenarios.Feeder{"names": {CSV: "names.csv"}}
	s.Journeys[0].Steps[0].Form = &scenarios.Form{Files: []scenarios.File{{Field: "f", File: "scan.pdf"}}}
	schedule, err := arrivals.New(s)
	if err != nil {
		t.Fatal(err)
	}
	cfg := loadgen.Config{
		Scenario: s, Schedule: schedule, Speed: 4, HTTP2: true, MaxConnections: 7, PodHeader: "X-Pod", WaitingRoom: "place",
		LatenessLimit: time.Second, Address: func(tenant int) string { return "127.0.0.1:" + []string{"81", "82", "83"}[tenant] },
		Files: fstest.MapFS{"names.csv": {Data: []byte("a\nb\n")}, "scan.pdf": {Data: []byte("%PDF")}, "other": {}},
	}
	spec, err := newSpec(record.Run{ID: "r1", Scenario: s, Platform: &scenarios.Platform{}}, cfg, nil, 256)
	if err != nil {
		t.Fatal(err)
	}
	read, err := decode[Welcome]("welcome", encode(Welcome{versioned: versioned{Version}, Spec: *spec}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := read.Spec.config()
	if err != nil {
		t.Fatal(err)
	}
	if got.RunID != "r1" || got.Speed != 4 || !got.HTTP2 || got.MaxConnections != 7 || got.PodHeader != "X-Pod" ||
		got.WaitingRoom != "place" || got.LatenessLimit != time.Second || got.Address(2) != "127.0.0.1:83" || read.Spec.Run.Platform != nil {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{"names.csv": "a\nb\n", "scan.pdf": "%PDF"} {
		f, err := got.Files.(fstest.MapFS).ReadFile(name)
		if err != nil || string(f) != want {
			t.Errorf("%s: %q, %v", name, f, err)
		}
	}
	if len(read.Spec.Files) != 2 {
		t.Errorf("%d files", len(read.Spec.Files))
	}
	if fingerprint(got.Schedule) != fingerprint(schedule) {
		t.Error("the schedule is another one")
	}
	other := read.Spec
	other.Run.Scenario = s.Clone()
	other.Run.Scenario.Arrivals.Seed++
	if _, err := other.config(); err == nil || !strings.Contains(err.Error(), "another schedule") {
		t.Errorf("another schedule is taken: %v", err)
	}
}
