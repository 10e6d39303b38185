package loadgen

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// anyEvidence draws what a generator may attest.
func anyEvidence(t *rapid.T, name string) Evidence {
	e := Evidence{
		Worker: name, Door: rapid.Bool().Draw(t, "door"), Insecure: rapid.Bool().Draw(t, "insecure"),
		Lateness:    rapid.SliceOfN(rapid.Int64Range(0, 9), 0, latenessBuckets).Draw(t, "lateness"),
		LatenessMax: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "latest")), LatenessLimit: leastLatenessLimit,
	}
	for _, n := range e.counts()[:len(e.counts())-len(e.Lateness)] {
		*n = rapid.Int64Range(0, mostCount).Draw(t, "count")
	}
	for range rapid.IntRange(0, 3).Draw(t, "mishaps") {
		e.addMishap(Mishap{rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "mishap"), 3})
	}
	return e
}

// TestEvidenceAddsUp: in whatever groups the evidence of generators is added up, the run's totals and figures are the same, and
// what is written down is read as it was.
func TestEvidenceAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Evidence
		for i := range rapid.IntRange(1, 5).Draw(t, "generators") {
			all = append(all, anyEvidence(t, fmt.Sprint("w", i)))
		}
		at := rapid.IntRange(0, len(all)).Draw(t, "cut")
		grouped := []Evidence{sum(all[at:]), sum(all[:at])}
		if a, b := Totals(all), Totals(grouped); !reflect.DeepEqual(a, b) {
			t.Fatalf("totals %+v, in groups %+v", a, b)
		}
		a, _ := Judge(all, false)
		b, _ := Judge(grouped, false)
		a.Reasons, a.Advice, b.Reasons, b.Advice = nil, nil, nil, nil // which name single generators
		if a.Valid = b.Valid; !reflect.DeepEqual(a, b) {
			t.Fatalf("figures %+v, in groups %+v", a, b)
		}
		for _, e := range all {
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseEvidence(text)
			if again.Worker = e.Worker; err != nil || !reflect.DeepEqual(again, e) {
				t.Fatalf("%v: read again %+v, was %+v", err, again, e)
			}
		}
	})
}

// shots is evidence of n shots that were all that late.
func shots(worker string, n int64, late time.Duration) Evidence {
	e := Evidence{Worker: worker, Lateness: make([]int64, latenessBuckets), LatenessLimit: leastLatenessLimit}
	e.Lateness[latenessBucket(late)] = n
	return e
}

// TestOneWorkerThatIsLateIsNamed, though its shots go under among those of the others; where one process fires alone it is not.
func TestOneWorkerThatIsLateIsNamed(t *testing.T) {
	const late = 40 * time.Millisecond
	good := shots("w1", 1_000_000, 0)
	for _, test := range []struct {
		name  string
		all   []Evidence
		valid bool
		named string
	}{
		{"all in time", []Evidence{good, shots("w2", 1000, 0)}, true, ""},
		{"one late", []Evidence{good, shots("w2", 1000, late)}, false, "w2;"},
		{"the latest first", []Evidence{shots("w3", 500, late), good, shots("w2", 500, 2*late)}, false, "w2, w3;"},
		{"seven late", []Evidence{
			good, shots("a", 100, late), shots("b", 100, late), shots("c", 100, late), shots("d", 100, late), shots("e", 100, late), shots("f", 100, late), shots("g", 100, late),
		}, false, "a, b, c, d, e, …;"},
		{"too few to say", []Evidence{good, shots("w2", fewShots-1, late)}, true, ""},
		{"by itself", []Evidence{shots("w2", 1000, late)}, false, ""},
		{"unsent by another's word", []Evidence{good, {Unsent: 3}}, false, ""},
	} {
		v, warnings := Judge(test.all, false)
		named := slices.ContainsFunc(v.Reasons, func(r scenarios.Text) bool {
			return strings.Contains(r["en"], "by themselves: "+test.named) && strings.Contains(r["de"], "zu spät: "+test.named)
		})
		if v.Valid != test.valid || named != (test.named != "") || len(warnings) > 0 || len(v.Reasons) > 1 {
			t.Errorf("%s: %+v, %v", test.name, v, warnings)
		}
	}
}

// TestAFleetIsJudgedByItsDeltas: what a worker's deltas attest is what its engine's own result is of.
func TestAFleetIsJudgedByItsDeltas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := config(t, uniform(1000, 10*time.Second, scenarios.Step{}), "127.0.0.1:1")
		network := &memNet{handle: answering(okAnswer)}
		run := record.Run{ID: "run-1", Scenario: cfg.Scenario}
		keeper, err := record.Fold(filepath.Join(t.TempDir(), "run"), run)
		if err != nil {
			t.Fatal(err)
		}
		collector, err := record.NewCollector(run, 3, 2, func(_ record.FrameID, frame []byte) error {
			var d record.Delta
			if err := keeper.Parse(frame, &d); err != nil {
				return err
			}
			_, err := keeper.Merge(&d)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Transport, cfg.Recorder, cfg.Samples = network, collector, func(int) Samples { return collector.Shard() }
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		e.testSleeper = &heldSleeper{timerSleeper: newTimerSleeper()}
		want, err := e.Run(t.Context())
		if err != nil || collector.Close(0) != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		told, err := ParseEvidence(keeper.Attested(3, 2))
		if err != nil {
			t.Fatal(err)
		}
		got := Result{Totals: Totals([]Evidence{told})}
		if got.Validity, got.Warnings = Judge([]Evidence{told}, false); !reflect.DeepEqual(got, want) || got.Validity.Valid || got.Totals.Shots != 1000 {
			t.Errorf("by its deltas %+v, by itself %+v", got, want)
		}
		if err := keeper.Close(time.Now(), nil); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseEvidence(f *testing.F) {
	text, err := json.Marshal(shots("", 3, time.Millisecond))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, hostile := range []string{
		``, `{}`, `{"late":-1}`, `{"late":9007199254740993}`, `{"later":1}`, `{"outcomes":[1,2,3,4,5,6,7]}`, `{"fewer":-3}`,
		`{"lateness":[` + strings.Repeat("0,", latenessBuckets) + `0]}`, `{"mishaps":[{"times":-1}]}`, `{"latenessMax":-1}`,
	} {
		f.Add([]byte(hostile))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ParseEvidence(text)
		if err != nil {
			if !reflect.DeepEqual(e, Evidence{}) {
				t.Error("refused evidence says something")
			}
			return
		}
		Judge([]Evidence{e, e, {Unsent: 1}}, false)
		for _, n := range e.counts() {
			if *n < 0 || *n > mostCount {
				t.Errorf("a count of %d", *n)
			}
		}
	})
}
