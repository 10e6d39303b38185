package loadgen

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ansturm/ansturm/scenarios"
)

// judged is a step with two checks and two extractions of a JSON answer of 1 kB.
func judged(t testing.TB) func() bool {
	e, v, s := sessionOf(t, func(s *scenarios.Scenario) {
		step := &s.Journeys[0].Steps[0]
		step.Checks = []scenarios.Check{{Status: []int{201}}, {JSON: "application.status", Equals: "accepted"}}
		step.Extract = []scenarios.Extract{{Name: "id", JSON: "application.id", Created: true}, {Name: "tag", Header: "ETag"}}
	})
	body := `{"meta":{"note":"` + strings.Repeat("x y ", 200) + `","list":[1,2,3,{"a":null}]},"application":{"status":"accepted","id":"a-4711"}}`
	p := parsed(t, "HTTP/1.1 201 Created\r\nETag: \"v1\"\r\nContent-Length: "+string(appendPadded(nil, uint64(len(body)), 3))+"\r\n\r\n"+body)
	return func() bool { return e.steps[0].judge(p, v, s) }
}

// TestJudgingAllocatesNothing: checks and extractions, in steady state.
func TestJudgingAllocatesNothing(t *testing.T) {
	judge := judged(t)
	if n := testing.AllocsPerRun(100, func() {
		if !judge() {
			t.Fatal("not taken")
		}
	}); n != 0 {
		t.Errorf("%g allocations an answer, want none", n)
	}
}

func BenchmarkJudge(b *testing.B) {
	judge := judged(b)
	b.ReportAllocs()
	for b.Loop() {
		judge()
	}
}

func BenchmarkRegexp(b *testing.B) {
	x := extraction{regexp: regexp.MustCompile(`no=(\d+)`)}
	body := []byte(strings.Repeat("lorem ipsum ", 100) + "no=4711")
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = x.match(dst[:0], body)
	}
}
