package lab

import (
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// TestVirtualAnswersAsTheCore: what is handed in from outside is answered at the moments and in the ways in which the core
// answers it, however finely its time is cut; and the account adds up.
func TestVirtualAnswersAsTheCore(t *testing.T) {
	p, s := smallWorld(1)
	p.Workloads[0].Replicas, p.Workloads[0].Threads, p.Workloads[0].Backlog = 1, 2, 2
	w := newWorld(t, p, s)
	sent := w.stream(0, 20*time.Second, 5, 0, "submit", 0) // of 3.3 a second that the pod can do
	w.advance(time.Minute)

	v, err := NewVirtual(Config{Platform: p, Scenario: s, Seed: 1}, func(record.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	told := map[uint32]time.Duration{}
	ok := 0
	for i := range sent {
		for at := time.Duration(float64(i) / 5 * 1e9); v.Now() < at; {
			v.Advance(min(at, v.Next()))
		}
		if err := v.Submit(0, 1, uint32(i), true, func(o record.Outcome) {
			told[uint32(i)] = v.Now()
			if o == record.OK {
				ok++
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	v.Advance(time.Minute)
	for i, r := range sent {
		if told[uint32(i)] != r.doneAt {
			t.Errorf("request %d is answered at %v, by the core at %v", i, told[uint32(i)], r.doneAt)
		}
	}
	account := v.Finish()
	if got := int(account.Accepted.GetCardinality()); got != ok || ok == len(sent) || ok+int(account.Refused) != len(sent) {
		t.Errorf("%d of %d answered well, %d accepted, %d refused", ok, len(sent), got, account.Refused)
	}
	if err := v.Submit(0, 7, 0, true, nil); err == nil {
		t.Error("a step that nobody knows is taken")
	}
}
