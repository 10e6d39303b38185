package record

import "time"

// DoorAccount is what a waiting room cost those who had to wait in it.
type DoorAccount struct {
	Door
	// LetIn are the persons whom the platform's own waiting room let in; 0 where the platform does not tell.
	LetIn int64 `json:"letIn,omitempty"`
	// Mean, P95 and Longest are of those who had to wait, in platform time; a wait above an hour counts as an hour.
	Mean    time.Duration `json:"mean"`
	P95     time.Duration `json:"p95"`
	Longest time.Duration `json:"longest"`
}

// addDoor sums the waits up and holds both sides' counts against each other.
func (a *Account) addDoor(r *Record, waits *Histogram) {
	if r.Run.WaitingRoom == "" {
		return
	}
	a.Door = &DoorAccount{}
	if t := r.Run.Totals.Door; t != nil {
		a.Door.Door = *t
	}
	if waits != nil {
		a.Door.Mean, a.Door.P95, a.Door.Longest = waits.Mean(), waits.Quantile(0.95), waits.Max()
	}
	if !a.Complete {
		return
	}
	if n := waits.count(); n != a.Door.Waited {
		a.problem("%s: windows count %d shots that waited, %s counts %d", latencyFile, n, runFile, a.Door.Waited)
	}
	if l := r.Run.Lab; l != nil {
		a.Door.LetIn = l.LetIn
		// An answer may be lost on its way to who had no patience; none can come that was not given.
		if a.Door.Told > l.ToldToWait {
			a.problem("door: %d answers told to wait, the platform gave %d", a.Door.Told, l.ToldToWait)
		}
	}
}

func (h *Histogram) count() int64 {
	if h == nil {
		return 0
	}
	return h.Count()
}

// add merges a log's line into a sum, nil for none yet.
func add(sum *Histogram, decode *decoder, payload []byte) (*Histogram, error) {
	h, err := decode.decode(payload)
	if err != nil || sum == nil {
		return h, err
	}
	return sum, sum.Merge(h)
}
