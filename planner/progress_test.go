package planner

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
)

// told counts what a search tells of its progress and may be ended from there.
type told struct {
	mu     sync.Mutex
	stages map[string]int
	wrong  int
	at     string // the stage whose first world ends the search; empty: none
	end    func()
	after  int // worlds that were told of after that
	ended  bool
}

func (p *told) tell(stage string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stages[stage]++
	if done < 1 || total > 0 && done > total {
		p.wrong++
	}
	if p.ended {
		p.after++
	}
	if stage == p.at && !p.ended {
		p.ended = true
		p.end()
	}
}

// Each world simulated moves the bar: a stage never tells of more than it said there are. And whatever the stage, a search that
// is to end does not begin another world: those in hand are all that may still be told of.
func TestProgressMovesAndASearchEnds(t *testing.T) {
	search := func(at string) (*told, error) {
		sc, pf := little(t, 3000)
		sc.Tenants.List = sc.Tenants.List[:1]
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		p := &told{stages: map[string]int{}, at: at, end: cancel}
		_, err := Search(ctx, modelOf(sc, pf), sc, pf, Options{Delta: 0.05, Worlds: 64, Progress: p.tell})
		return p, err
	}
	all, err := search("")
	if err != nil || all.wrong > 0 {
		t.Fatalf("%d of %v told wrongly, %v", all.wrong, all.stages, err)
	}
	for _, stage := range []string{StageStands, StageSearch, StageCertify, StageNotch, StageSensitivity, StageFrontier, StagePredict} {
		if all.stages[stage] == 0 {
			t.Errorf("%s told nothing; all told: %v", stage, maps.Clone(all.stages))
			continue
		}
		p, err := search(stage)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("ended in %s: %v", stage, err)
		}
		if p.after > workers {
			t.Errorf("ended in %s: %d worlds more", stage, p.after)
		}
	}
}
