package lab

import (
	"context"
	"sync"

	"github.com/ansturm/ansturm/loadgen/record"
)

// timeline keeps a run's events for whoever comes to read them, from the first on. A run of 18 minutes with 150
// tenants makes some 30,000.
type timeline struct {
	mu     sync.Mutex
	events []record.Event
	over   bool
	// more is closed and replaced when there is news.
	more chan struct{}
}

func newTimeline() *timeline { return &timeline{more: make(chan struct{})} }

func (t *timeline) add(e record.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.events = append(t.events, e)
	close(t.more)
	t.more = make(chan struct{})
}

func (t *timeline) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.over = true
		close(t.more)
	}
}

// from gives the events from index i on, waiting for some; none and no error mean that the timeline is over.
func (t *timeline) from(ctx context.Context, i int) ([]record.Event, error) {
	for {
		t.mu.Lock()
		events, over, more := t.events[i:len(t.events):len(t.events)], t.over, t.more
		t.mu.Unlock()
		if len(events) > 0 || over {
			return events, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
