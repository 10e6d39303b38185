package reports

import (
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// seen is what page one takes from the records themselves: where the persons ended, and what became of the pods.
type seen struct {
	before, after *record.LedgerAccount // nil where a record is missing or its books cannot be read
	pods          podCount              // of the run before the plan
	// doors are what waiting rooms cost, before and after; nil where there was none.
	doors [2]*record.DoorAccount
}

// seenIn takes it from runs that were summed already.
func seenIn(runs []*measured) seen {
	s := seen{pods: runs[0].pods}
	s.take(0, runs[0].account)
	if len(runs) > 1 {
		s.take(1, runs[1].account)
	}
	return s
}

// seeIn reads just this much of the records.
func seeIn(in *Input) seen {
	s := seen{}
	s.take(0, accountOf(in.Surge))
	s.take(1, accountOf(in.VerifyRun))
	if events, err := in.Surge.Record.Timeline(); err == nil {
		_, s.pods = reactionChain(events)
	}
	return s
}

// take takes what an account says of the run before the plan (0) or on it (1).
func (s *seen) take(side int, a *record.Account) {
	if a == nil {
		return
	}
	s.doors[side] = a.Door
	if side == 0 {
		s.before = &a.Ledger
	} else {
		s.after = &a.Ledger
	}
}

func accountOf(f *Fired) *record.Account {
	if f == nil || f.Record == nil {
		return nil
	}
	account, err := f.Record.Account()
	if err != nil {
		return nil
	}
	return account
}

// doorLines say what waiting rooms cost.
func doorLines(at seen, t tongue) (lines []string) {
	for side, d := range at.doors {
		if d == nil {
			continue
		}
		key := [2]string{"door.before", "door.after"}[side]
		if d.Waited == 0 {
			lines = append(lines, t.say(key, t.say("door.nobody")))
			continue
		}
		lines = append(lines, t.say(key, t.say("door.waited", t.count(d.Waited), t.wait(d.Mean), t.wait(d.P95), t.wait(d.Longest))))
	}
	return lines
}

// wait writes a wait to the second: nobody counts less of it.
func (t tongue) wait(d time.Duration) string { return t.length(d.Round(time.Second)) }

// fates says how many persons got through, and nothing where that is not known.
func (t tongue) fates(l *record.LedgerAccount) string {
	if l == nil || l.Total <= 0 {
		return ""
	}
	return t.say("answer.fates", t.count(l.Completed), t.count(l.Total), t.share(float64(l.Completed)/float64(l.Total)))
}

// add adds a sentence to what the card says.
func (c *verdictCard) add(sentence string) {
	if sentence != "" {
		c.Say += " " + sentence
	}
}
