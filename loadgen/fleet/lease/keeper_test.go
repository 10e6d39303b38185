package lease

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

// keeping is a Keeper whose list is its own alone, and every promise that it has given.
type keeping struct {
	*Keeper
	told  map[Owner]time.Duration
	final map[Owner]string // what they have for good
}

func keep(t interface{ Fatal(...any) }, parts int, terms Terms, now time.Duration) *keeping {
	table := newTable(t, parts)
	k, err := NewKeeper(terms, table.Successor(0), table, now)
	if err != nil {
		t.Fatal(err)
	}
	return &keeping{Keeper: k, told: map[Owner]time.Duration{}, final: map[Owner]string{}}
}

// settle appends what is to be appended.
func (k *keeping) settle(t interface{ Fatal(...any) }, now time.Duration) (deals []Entry) {
	for range 100 {
		e, some := k.Next(now)
		if !some {
			return deals
		}
		if err := k.Appended(k.Table().Len()+1, e); err != nil {
			t.Fatal(err)
		}
		if len(e.Moves) > 0 {
			deals = append(deals, e)
		}
	}
	t.Fatal("it never ends")
	return nil
}

func (k *keeping) heard(o Owner, f Facts, now time.Duration) Promise {
	p := k.Heard(o, f, now)
	k.told[o] = max(k.told[o], p.Until)
	return p
}

// TestTheFirstDeal: by capacity, in one range each, from the first Due on.
func TestTheFirstDeal(t *testing.T) {
	k := keep(t, 64, Terms{End: time.Hour}, -2*time.Second)
	for i, capacity := range []float64{3000, 1000, 1000} {
		if err := k.Joined(Owner{uint32(i + 1), 1}, capacity, -2*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	deals := k.settle(t, -2*time.Second)
	want := []Move{{0, 38, 0, Forever, Owner{1, 1}}, {38, 51, 0, Forever, Owner{2, 1}}, {51, 64, 0, Forever, Owner{3, 1}}}
	if len(deals) != 1 || fmt.Sprint(deals[0].Moves) != fmt.Sprint(want) || deals[0].Why != "parts are nobody's" {
		t.Errorf("%+v", deals)
	}
	for _, o := range []Owner{{}, {1, 1}} {
		if k.Joined(o, 1, 0) == nil {
			t.Errorf("%s joins", o)
		}
	}
	for _, capacity := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if k.Joined(Owner{4, 1}, capacity, 0) == nil {
			t.Errorf("with a capacity of %g one joins", capacity)
		}
	}
}

// TestWhatIsTakenFromWhom is the moments from which on others have what one had: the lost from where its promises ended, the dead
// and the fenced at once, as far as their clocks are known.
func TestWhatIsTakenFromWhom(t *testing.T) {
	const now = 10 * time.Second
	a, b := Owner{1, 1}, Owner{2, 1}
	apart := Facts{Apart: 20 * ms, Measured: true}
	for name, test := range map[string]struct {
		facts Facts
		told  func(*keeping)
		from  time.Duration // on the wall
		final bool
	}{
		"lost":                {apart, func(k *keeping) { k.Lost(a, now) }, now + DefaultHold, false},
		"dead":                {apart, func(k *keeping) { k.Dead(a, now) }, now + lead + 20*ms, false},
		"dead, of what clock": {Facts{}, func(k *keeping) { k.Dead(a, now) }, now + DefaultHold, false},
		"fenced":              {apart, func(k *keeping) { k.Yielded(a, now) }, now + lead + 20*ms, true},
		"fenced, then of a better clock": {apart, func(k *keeping) {
			k.Yielded(a, now)
			k.settle(t, now)
			k.heard(a, Facts{Measured: true}, now)
			k.Lost(Owner{3, 1}, now)
			k.heard(Owner{3, 1}, Facts{}, now)
		}, now + lead + 20*ms, true},
		"fenced, in a beat":     {apart, func(k *keeping) { k.heard(a, Facts{Fenced: true, Measured: true}, now) }, now + lead, true},
		"done":                  {apart, func(k *keeping) { k.heard(a, Facts{Done: true}, now) }, now + DefaultHold, false},
		"lost, then dead":       {apart, func(k *keeping) { k.Lost(a, now); k.settle(t, now); k.Dead(a, now) }, now + lead + 20*ms, false},
		"lost, then heard":      {apart, func(k *keeping) { k.Lost(a, now); k.heard(a, apart, now) }, now + DefaultHold, false},
		"nothing, and it stays": {apart, func(*keeping) {}, math.MaxInt64 / 4, false},
	} {
		k := keep(t, 64, Terms{End: time.Hour, Speed: 2}, -time.Second)
		k.heard(a, test.facts, -time.Second)
		k.heard(b, test.facts, -time.Second)
		k.settle(t, -time.Second)
		for at := -time.Second; at <= now; at += LookEvery {
			k.heard(a, test.facts, at)
			k.heard(b, test.facts, at)
			k.settle(t, at)
		}
		test.told(k)
		k.settle(t, now)
		if got := k.Table().Owner(0, 2*test.from-1); got != a {
			t.Errorf("%s: before %s it is %s's", name, test.from, got)
		}
		if got := k.Table().Owner(0, 2*test.from); (got == b) == strings.HasPrefix(name, "nothing") {
			t.Errorf("%s: from %s on it is %s's", name, test.from, got)
		}
		p := k.Heard(a, Facts{}, now)
		if lost := !strings.HasPrefix(name, "nothing"); p.Final != test.final || p.Lost != (lost && name != "done") {
			t.Errorf("%s: final %v, lost %v", name, p.Final, p.Lost)
		}
		if p.Until != 2*(now+DefaultHold) || p.Expires != now+DefaultHold {
			t.Errorf("%s: promised until %s, %s on the wall", name, p.Until, p.Expires)
		}
	}
}

// TestSilence: 800 ms of it are a loss, unless the coordinator itself stood still.
func TestSilence(t *testing.T) {
	a := Owner{1, 1}
	for name, test := range map[string]struct {
		looks []time.Duration
		lost  bool
	}{
		"short": {[]time.Duration{200 * ms, 400 * ms, 600 * ms, 800 * ms}, false},
		"long":  {[]time.Duration{200 * ms, 400 * ms, 600 * ms, 801 * ms}, true},
		"own":   {[]time.Duration{200 * ms, 400 * ms, 2400 * ms, 2700 * ms}, false},
		"both":  {[]time.Duration{200 * ms, 400 * ms, 2400 * ms, 2600 * ms, 2800 * ms}, true},
	} {
		k := keep(t, 64, Terms{End: time.Hour}, 0)
		k.heard(a, Facts{}, 0)
		for _, at := range test.looks {
			k.settle(t, at)
		}
		if state := k.Members()[0].State; (state == Lost) != test.lost {
			t.Errorf("%s: %s", name, state)
		}
	}
}

// TestDeafness: who does not hear what it is answered is silent so long, whatever it says itself.
func TestDeafness(t *testing.T) {
	a := Owner{1, 1}
	k := keep(t, 64, Terms{End: time.Hour}, 0)
	for at := time.Duration(0); at <= 900*ms; at += 100 * ms {
		k.heard(a, Facts{Deaf: at}, at)
		k.settle(t, at)
		if state := k.Members()[0].State; (state == Lost) != (at > LostAfter) {
			t.Errorf("after %s: %s", at, state)
		}
	}
}

// TestAnotherCoordinator: no promise before an entry of its own, none after another's.
func TestAnotherCoordinator(t *testing.T) {
	a, table := Owner{1, 1}, newTable(t, 64)
	first := Entry{Coordinator: 7, Ceiling: 20 * time.Second}
	if err := table.Add(1, first); err != nil {
		t.Fatal(err)
	}
	if _, err := NewKeeper(Terms{End: time.Hour}, 7, table, 0); err == nil {
		t.Error("it has the number of one before")
	}
	k, err := NewKeeper(Terms{End: time.Hour}, 9, table, 0)
	if err != nil {
		t.Fatal(err)
	}
	if p := k.Heard(a, Facts{}, 0); p.Coordinator != 0 || p.Until != 0 || p.Deals != 0 {
		t.Errorf("promised before it began: %+v", p)
	}
	if _, some := k.Next(0); !some || k.Promised() != Forever {
		t.Fatal("it does not begin, or knows what others promise")
	}
	if err := k.Appended(2, Entry{Coordinator: 7, Ceiling: 30 * time.Second}); err != nil { // whom it replaces was faster
		t.Fatal(err)
	}
	e, _ := k.Next(0)
	if e.Coordinator != 9 || e.Ceiling != 30*time.Second {
		t.Errorf("it begins with %+v", e)
	}
	if err := k.Appended(3, e); err != nil {
		t.Fatal(err)
	}
	if p := k.Heard(a, Facts{}, 0); p.Coordinator != 9 || p.Until != DefaultHold || p.Deals != 3 {
		t.Errorf("promised: %+v", p)
	}
	if k.Promised() != 30*time.Second {
		t.Errorf("others can have promised up to %s", k.Promised())
	}
	if err := k.Appended(4, Entry{Coordinator: 10, Ceiling: time.Minute}); !errors.Is(err, ErrReplaced) {
		t.Errorf("replaced: %v", err)
	}
	if _, some := k.Next(0); some || k.Heard(a, Facts{}, 0).Coordinator != 0 || k.Appended(5, Entry{Coordinator: 10, Ceiling: time.Minute}) == nil {
		t.Error("it goes on though it was replaced")
	}
	if ok, _ := k.Closable(2 * time.Hour); ok || k.Promised() != Forever {
		t.Error("it closes though it was replaced")
	}
}

// TestPromisedAll: who has been promised all that is due may begin it by whatever clock.
func TestPromisedAll(t *testing.T) {
	a, end := Owner{1, 1}, 10*time.Second
	k := keep(t, 64, Terms{End: end}, 0)
	for at := time.Duration(0); at <= end; at += LookEvery {
		k.settle(t, at)
		if p := k.heard(a, Facts{}, at); (p.Expires == Forever) != (p.Until >= end) {
			t.Fatalf("at %s: until %s, %s on the wall", at, p.Until, p.Expires)
		}
	}
}

// TestClosable: not before the last Due, nor before everybody is done, dead, or has had the time to come back.
func TestClosable(t *testing.T) {
	a, b, end := Owner{1, 1}, Owner{2, 1}, 10*time.Second
	for _, test := range []struct {
		told func(*keeping)
		at   time.Duration
		why  string
	}{
		{func(*keeping) {}, end - 1, "arrivals are due"},
		{func(*keeping) {}, end, "w1:1 is not done"},
		{func(k *keeping) { k.heard(a, Facts{Done: true}, end) }, end, ""},
		{func(k *keeping) { k.Dead(a, end) }, end, ""},
		{func(k *keeping) { k.Yielded(a, end) }, end, "w1:1 is fenced, and may come back"},
		{func(k *keeping) { k.Lost(a, end) }, end + LostAfter + DefaultHold + comeBack - 1, "w1:1 is lost, and may come back"},
		{func(k *keeping) { k.Lost(a, end) }, end + LostAfter + DefaultHold + comeBack, ""},
		{func(k *keeping) { k.Stop(); k.Lost(a, 0) }, end - 1, "w1:1 is lost, and was promised more"},
	} {
		k := keep(t, 64, Terms{End: end}, 0)
		k.heard(a, Facts{}, 0)
		k.heard(b, Facts{}, 0)
		for at := time.Duration(0); at <= end; at += LookEvery {
			k.settle(t, at)
			k.heard(a, Facts{}, at)
			k.heard(b, Facts{}, at)
		}
		k.heard(b, Facts{Done: true}, end)
		test.told(k)
		if ok, why := k.Closable(test.at); ok != (why == "") || why != test.why {
			t.Errorf("at %s: %v, %q, want %q", test.at, ok, why, test.why)
		}
	}
}

// TestStop: who is stopped before it began becomes the last in the list, so that it can close, and deals and promises nothing.
func TestStop(t *testing.T) {
	k := keep(t, 64, Terms{End: time.Hour}, 0)
	k.Stop()
	if err := k.Joined(Owner{1, 1}, 1, 0); err != nil {
		t.Fatal(err)
	}
	if ok, _ := k.Closable(0); ok {
		t.Error("closed before it began")
	}
	deals := k.settle(t, 0)
	if p := k.heard(Owner{1, 1}, Facts{Done: true}, 0); p.Until != 0 || !p.Final || len(deals) > 0 {
		t.Errorf("promised %+v, dealt %+v", p, deals)
	}
	if ok, why := k.Closable(0); !ok {
		t.Error(why)
	}
}

// TestTheRulesOfDealing walks one coordinator through whatever its workers do. Each deal is held against the rules, at each part and Due:
// what it takes was never promised to who had it, or not by its Due, and then that one is dead or fenced. The ceiling is
// always far enough ahead, and all parts are of the living in the end.
func TestTheRulesOfDealing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := keep(t, 64, Terms{End: time.Hour, Speed: 2}, -time.Second)
		now, workers := -time.Second, uint32(0)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			now += LookEvery * time.Duration(rapid.IntRange(0, 12).Draw(t, "for"))
			if o := (Owner{uint32(rapid.IntRange(1, 6).Draw(t, "worker")), 1}); o.Worker > workers {
				workers++
				if err := k.Joined(Owner{workers, 1}, rapid.Float64Range(1, 9).Draw(t, "capacity"), now); err != nil {
					t.Fatal(err)
				}
			} else {
				switch rapid.IntRange(0, 5).Draw(t, "what") {
				case 0:
					k.Lost(o, now)
				case 1:
					k.Dead(o, now)
				case 2:
					k.Yielded(o, now)
				}
			}
			silent := uint32(rapid.IntRange(0, 6).Draw(t, "silent"))
			apart := time.Duration(rapid.IntRange(0, 300).Draw(t, "apart")) * ms
			for _, m := range k.Members() {
				if m.Worker != silent && m.State != Dead {
					k.checkHeard(t, m.Owner, Facts{Apart: apart, Measured: true, Rate: 9, Busy: float64(m.Worker) / 6}, now)
				}
			}
			k.checkNext(t, now)
		}
		k.checkEnds(t, now)
	})
}

// checkHeard says that no promise goes beyond the ceiling, and that what is final stays.
func (k *keeping) checkHeard(t *rapid.T, o Owner, f Facts, now time.Duration) {
	p := k.heard(o, f, now)
	if p.Until > k.Table().Ceiling() {
		t.Fatalf("promised %s, the ceiling is %s", p.Until, k.Table().Ceiling())
	}
	if was, is := k.final[o], fmt.Sprint(p.Grants); was != "" && was != is {
		t.Fatalf("%s had %s for good, now it has %s", o, was, is)
	} else if p.Final {
		k.final[o] = is
	}
}

// checkNext appends what is to be appended, and holds each deal against the rules.
func (k *keeping) checkNext(t *rapid.T, now time.Duration) {
	for e, some := k.Next(now); some; e, some = k.Next(now) {
		state := map[Owner]Member{}
		for _, m := range k.Members() {
			state[m.Owner] = m
		}
		for _, m := range e.Moves {
			for _, s := range k.Table().estates() {
				for i, spell := range s.spells {
					lo, hi, from := max(m.Lo, s.lo), min(m.Hi, s.hi), max(m.From, spell.from)
					if lo >= hi || from >= min(m.To, s.to(i)) || spell.Owner == (Owner{}) {
						continue
					}
					had := state[spell.Owner]
					keeps := had.State == Joined && from < k.Table().Ceiling()
					gone := had.State >= Yielded && from >= k.terms.at(now+lead+had.Facts.Apart)
					if keeps || from < k.told[spell.Owner] && !gone {
						t.Fatalf("at %s %+v takes from %+v, who was told %s", now, m, had, k.told[spell.Owner])
					}
				}
			}
		}
		if err := k.Appended(k.Table().Len()+1, e); err != nil {
			t.Fatal(err)
		}
	}
	if c := k.Table().Ceiling(); c < k.terms.at(now+k.terms.Hold) {
		t.Fatalf("at %s the ceiling is %s", now, c)
	}
}

// checkEnds says that in the end all parts are of the living, if there are any, and each has at least one.
func (k *keeping) checkEnds(t *rapid.T, now time.Duration) {
	k.checkNext(t, now)
	living, all := 0, 0
	for _, m := range k.Members() {
		if m.State == Joined {
			living++
		} else if m.Parts > 0 {
			t.Fatalf("%+v has parts in the end", m)
		}
		all += m.Parts
	}
	if all != 64 && living > 0 {
		t.Fatalf("%d living have %d parts", living, all)
	}
}

// TestApportion: the shares make the whole, and each is within one of its part.
func TestApportion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 10), rapid.Float64Range(0, math.MaxFloat64)), 1, 20).Draw(t, "weights")
		n, sum, largest := rapid.IntRange(0, 16384).Draw(t, "n"), 0.0, 0.0
		for _, w := range weights {
			largest = max(largest, w)
		}
		for _, w := range weights {
			sum += w / largest
		}
		all := 0
		for i, share := range apportion(n, weights) {
			if want := float64(n) * (weights[i] / largest) / sum; largest > 0 && math.Abs(float64(share)-want) >= 1+1e-6 {
				t.Fatalf("%d gets %d of %d, want %g", i, share, n, want)
			}
			all += share
		}
		if largest > 0 && all != n {
			t.Fatalf("%d of %d", all, n)
		}
	})
}

// TestBalance: who has too much to do for three seconds gives an eighth of its parts to who has little, by their capacity, at the
// ceiling, and not before five seconds again.
func TestBalance(t *testing.T) {
	k := keep(t, 1024, Terms{End: time.Hour}, 0)
	busy := map[Owner]float64{{1, 1}: 0.9, {2, 1}: 0.4, {3, 1}: 0.7}
	var at []time.Duration
	parts := [3]int{}
	for now := time.Duration(0); now <= 10*time.Second; now += LookEvery {
		for o, b := range busy {
			k.heard(o, Facts{Rate: 1000, Busy: b, Capacity: 1000}, now)
		}
		for _, e := range k.settle(t, now) {
			if now == 0 {
				continue
			}
			at = append(at, now)
			if len(e.Moves) != 1 || e.Moves[0].Owner != (Owner{2, 1}) || e.Moves[0].From < k.terms.at(now+DefaultHold) || e.Why != "w1:1 has too much to do" {
				t.Errorf("at %s: %+v", now, e)
			}
		}
	}
	for i, m := range k.Members() {
		parts[i] = m.Parts
	}
	if fmt.Sprint(at) != "[3.05s 8.05s]" || parts[2] != 341 || parts[0] != 342-42-37 || parts[0]+parts[1]+parts[2] != 1024 {
		t.Errorf("deals at %s, then %v", at, parts)
	}
}
