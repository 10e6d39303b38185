package reports

import "github.com/ansturm/ansturm/loadgen/record"

// seen is what page one takes from the records themselves: where the persons ended, and what became of the pods.
type seen struct {
	before, after *record.LedgerAccount // nil where a record is missing or its books cannot be read
	pods          podCount              // of the run before the plan
}

// seenIn takes it from runs that were summed already.
func seenIn(runs []*measured) seen {
	s := seen{pods: runs[0].pods}
	if runs[0].account != nil {
		s.before = &runs[0].account.Ledger
	}
	if len(runs) > 1 && runs[1].account != nil {
		s.after = &runs[1].account.Ledger
	}
	return s
}

// seeIn reads just this much of the records.
func seeIn(in *Input) seen {
	s := seen{before: ledgerOf(in.Surge), after: ledgerOf(in.VerifyRun)}
	if events, err := in.Surge.Record.Timeline(); err == nil {
		_, s.pods = reactionChain(events)
	}
	return s
}

func ledgerOf(f *Fired) *record.LedgerAccount {
	if f == nil || f.Record == nil {
		return nil
	}
	account, err := f.Record.Account()
	if err != nil {
		return nil
	}
	return &account.Ledger
}

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
