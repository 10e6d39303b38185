package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// trouble is something done to nginx when a share of the surge is over.
type trouble struct {
	at   float64 // share of the surge's length
	name string
	does func(context.Context, *duel, *server) error
}

// allTroubles brings about every outcome there is: failed (503), left (paused for longer than some are patient), lost
// (killed with requests unread), refused (down).
var allTroubles = []trouble{
	{0.1, "reload", func(_ context.Context, _ *duel, s *server) error { return s.reload() }},
	{0.2, "one in five refused with 503, by a reload", func(_ context.Context, _ *duel, s *server) error {
		s.refusing = true
		return s.reload()
	}},
	{0.3, "none refused, by a reload", func(_ context.Context, _ *duel, s *server) error {
		s.refusing = false
		return s.reload()
	}},
	{0.4, "worker stopped for 6 s, then going on", func(ctx context.Context, d *duel, s *server) error {
		s.signalWorkers(syscall.SIGSTOP)
		d.pause(ctx, 6*time.Second)
		s.signalWorkers(syscall.SIGCONT)
		return nil
	}},
	{0.65, "worker stopped for 1 s, then killed", func(ctx context.Context, d *duel, s *server) error {
		s.signalWorkers(syscall.SIGSTOP)
		d.pause(ctx, time.Second)
		d.killed += s.signalWorkers(syscall.SIGKILL)
		return nil
	}},
	{0.75, "worker killed", func(_ context.Context, d *duel, s *server) error {
		d.killed += s.signalWorkers(syscall.SIGKILL)
		return nil
	}},
	{0.85, "stopped, and started 1 s later", func(ctx context.Context, d *duel, s *server) error {
		if err := s.stop(syscall.SIGTERM); err != nil {
			return err
		}
		d.pause(ctx, time.Second)
		return s.start()
	}},
}

// pause waits as long as people in a hurry would call it.
func (d *duel) pause(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(float64(length) / d.hurry)):
	}
}

// makeTrouble does all troubles at their times, counted from the first line in the log, until ctx is over.
func (d *duel) makeTrouble(ctx context.Context, s *server) error {
	if len(d.troubles) == 0 || !waitForLine(ctx, s.accessLog()) {
		return nil
	}
	begin := time.Now()
	for _, t := range d.troubles {
		due := begin.Add(time.Duration(t.at * float64(d.over)))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(due)):
		}
		d.say("%s", t.name)
		if err := t.does(ctx, d, s); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

func waitForLine(ctx context.Context, path string) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}
