package lab

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// visitor goes through the form and the submission, coming again whenever the waiting room says so.
type visitor struct {
	came   time.Duration
	in     time.Duration // when the first step was let in
	place  uint32
	placed bool
	step   int
	due    time.Duration
}

// knock hands the visitor's next request in and says whether it was let in.
func (w *world) knock(v *visitor) bool {
	w.advance(v.due)
	r := &request{step: v.step, place: v.place, placed: v.placed}
	w.submit(r)
	v.place, v.placed = r.place, r.placed || r.given
	if w.outcomes[r] == waits {
		v.due += (r.wait + time.Second - 1).Truncate(time.Second)
		return false
	}
	return true
}

// through lets visitors go on in order of time until all had both steps.
func (w *world) through(visitors []*visitor) (letIn []time.Duration) {
	open := slices.Clone(visitors)
	for len(open) > 0 {
		v := slices.MinFunc(open, func(a, b *visitor) int { return int(a.due - b.due) })
		if !w.knock(v) {
			continue
		}
		if v.step == 0 {
			v.in, v.step, v.due = v.due, 1, v.due+2*time.Second
			letIn = append(letIn, v.in)
			continue
		}
		open = slices.DeleteFunc(open, func(o *visitor) bool { return o == v })
	}
	return letIn
}

// Three times as many come as are let in: everybody is, in the order they came to the second, at the rate, once a
// person, and nobody waits longer than the line takes.
func TestWaitingRoomLetsInInOrderAtItsRate(t *testing.T) {
	const rate, n = 20, 600
	p, s := smallWorld(1)
	p.Admission = &scenarios.Admission{Rate: rate}
	w := newWorld(t, p, s)
	random := rand.New(rand.NewPCG(1, 2))
	var all []*visitor
	for range n {
		came := time.Duration(random.Int64N(int64(10 * time.Second)))
		all = append(all, &visitor{came: came, due: came})
	}
	slices.SortFunc(all, func(a, b *visitor) int { return int(a.came - b.came) })
	letIn := w.through(all)
	if len(letIn) != n || w.door.in != n || len(w.door.places) != n || w.door.waiting() != 0 {
		t.Errorf("%d let in, by the room's count %d on %d places, %d waiting; want %d", len(letIn), w.door.in, len(w.door.places), w.door.waiting(), n)
	}
	for i := range letIn { // a second at once, and another for the whole seconds of the waits
		for _, span := range []time.Duration{time.Second, 5 * time.Second, 20 * time.Second} {
			k := i
			for k < n && letIn[k] < letIn[i]+span {
				k++
			}
			if most := rate*(span.Seconds()+2) + 1; float64(k-i) > most {
				t.Fatalf("%d let in within %v from %v on, more than %g", k-i, span, letIn[i], most)
			}
		}
	}
	for i, v := range all {
		slot := v.came
		if behind := time.Duration(float64(i)/rate*1e9) - time.Second; behind > slot {
			slot = behind
		}
		if v.in < slot-time.Second || v.in > slot+2*time.Second {
			t.Errorf("person %d came at %v and was let in at %v, want about %v", i, v.came, v.in, slot)
		}
	}
}

// Who has been let in goes through the journey, but for nothing twice: who reloads takes the last place.
func TestWhoReloadsTakesTheLastPlace(t *testing.T) {
	p, s := smallWorld(1)
	p.Admission = &scenarios.Admission{Rate: 1}
	w := newWorld(t, p, s)
	first := &visitor{}
	if !w.knock(first) {
		t.Fatal("the first has to wait before an empty room")
	}
	first.step = 1
	if !w.knock(first) {
		t.Error("the second step has to wait")
	}
	for range 5 {
		w.knock(&visitor{})
	}
	old := first.place
	if w.knock(first) || first.place == old || w.door.places[first.place].at < 5*time.Second {
		t.Errorf("who submits again has place %d, before %d, let in from %v on", first.place, old, w.door.places[first.place].at)
	}
	forged := &visitor{place: 1 << 30, placed: true}
	if w.knock(forged) || int(forged.place) != len(w.door.places)-1 {
		t.Errorf("a place that was never given became place %d of %d", forged.place, len(w.door.places))
	}
}

// A room that is put up later lets everybody in until then; its line begins empty.
func TestWaitingRoomFromLaterOn(t *testing.T) {
	p, s := smallWorld(1)
	p.Admission = &scenarios.Admission{Rate: 1, From: 30 * time.Second}
	w := newWorld(t, p, s)
	for i := range 100 {
		if v := (&visitor{due: time.Duration(i) * 100 * time.Millisecond}); !w.knock(v) {
			t.Fatalf("person %d has to wait at %v", i, v.due)
		}
	}
	let := 0
	for range 10 {
		if w.knock(&visitor{due: 30 * time.Second}) {
			let++
		}
	}
	if let < 1 || let > 2 {
		t.Errorf("%d of 10 let in when the room is put up, want a second's worth", let)
	}
}

// The timeline tells every second who waits and who was let in, and the sum is the account.
func TestTimelineTellsOfTheWaitingRoom(t *testing.T) {
	p, s := smallWorld(1)
	p.Admission = &scenarios.Admission{Rate: 5}
	w := newWorld(t, p, s)
	var all []*visitor
	for i := range 50 {
		due := time.Duration(i) * 20 * time.Millisecond
		all = append(all, &visitor{came: due, due: due})
	}
	w.through(all)
	w.advance(20 * time.Second)
	in, told, most := 0.0, 0.0, 0.0
	for _, e := range w.of(record.KindDoor) {
		in, told, most = in+e.Values["let_in"], told+e.Values["told_to_wait"], max(most, e.Values["waiting"])
	}
	if in != 50 || told != float64(w.door.turned) || most < 40 {
		t.Errorf("the timeline has %g let in, %g told to wait, at most %g waiting; the room %d and %d", in, told, most, w.door.in, w.door.turned)
	}
	if st := w.stats(); st.Refused != 0 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}

func TestWaitingRoomThatCannotBe(t *testing.T) {
	p, s := smallWorld(1)
	for _, a := range []scenarios.Admission{{}, {Rate: -1}, {Rate: 1, From: -time.Second}} {
		p.Admission = &a
		if _, err := newCore(p, s, 1); err == nil {
			t.Errorf("%+v was taken", a)
		}
	}
	p.Admission = &scenarios.Admission{Rate: 1}
	if _, err := NewGround(Config{Platform: p, Scenario: s}, nil); err == nil {
		t.Error("a ground was given a waiting room")
	}
}
