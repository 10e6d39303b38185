package metricsapi

import (
	"context"
	"time"
)

// Scrape fills the store from source every resolution until ctx ends, at once first; what a scrape saw is served lag later.
func (s *Store) Scrape(ctx context.Context, source func() []Usage, lag time.Duration) {
	lag = max(0, min(lag, s.resolution))
	for next := time.Now(); ; next = next.Add(s.resolution) {
		if !sleepUntil(ctx, next) {
			return
		}
		batch := source()
		if !sleepUntil(ctx, time.Now().Add(lag)) {
			return
		}
		s.Put(batch)
	}
}

// sleepUntil is false when ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
