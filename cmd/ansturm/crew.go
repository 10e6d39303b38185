package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/ansturm/ansturm/loadgen/fleet"
)

// mostLines is how many workers have a line of their own on the terminal.
const mostLines = 16

// crew shows a fleet's workers, a line each below the run's bar; nothing where bars cannot be drawn.
type crew struct {
	p     *progress
	lines []*crewLine
	last  map[fleetOwner]shotsAt
}

// fleetOwner names an epoch of a worker.
type fleetOwner struct{ worker, epoch uint32 }

// shotsAt is how many shots there were at a moment.
type shotsAt struct {
	shots int64
	at    time.Time
}

// crewLine is one line.
type crewLine struct {
	bar  *mpb.Bar
	text atomic.Pointer[string]
}

func (p *progress) crew() *crew { return &crew{p: p, last: map[fleetOwner]shotsAt{}} }

// now shows the workers as they are: of each its last epoch, those with the most trouble where there are too many.
func (c *crew) now(workers []fleet.Worker) {
	if c.p.bars == nil {
		return
	}
	now := time.Now()
	for i, w := range troubled(lastEpochs(workers)) {
		if i == mostLines {
			break
		}
		c.line(i).set(c.describe(w, now))
	}
}

// lastEpochs leaves out what a worker was before.
func lastEpochs(workers []fleet.Worker) (last []fleet.Worker) {
	for _, w := range workers { // in order of worker and epoch
		if n := len(last); n > 0 && last[n-1].Worker == w.Worker {
			last[n-1] = w
			continue
		}
		last = append(last, w)
	}
	return last
}

// troubled are all of them where each has a line, else those that are the latest.
func troubled(workers []fleet.Worker) []fleet.Worker {
	if len(workers) <= mostLines {
		return workers
	}
	// The order among those that are shown stays that of their numbers: a line that jumps about cannot be read.
	limit := nthLateness(workers, mostLines)
	var worst []fleet.Worker
	for _, w := range workers {
		if w.Beat.Progress.LatenessP99 >= limit && len(worst) < mostLines {
			worst = append(worst, w)
		}
	}
	return worst
}
