package main

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/ansturm/ansturm/loadgen/fleet"
)

// mostLines is how many workers have a line of their own on the terminal: of more, those that are the latest.
const mostLines = 16

// crew shows a fleet's workers, a line each below the run's bar; nothing where bars cannot be drawn.
type crew struct {
	p     *progress
	lines []*crewLine
	seen  map[string]*shotRate
}

// crewLine is one line.
type crewLine struct {
	bar  *mpb.Bar
	text atomic.Pointer[string]
}

// shotRate is how many shots a second an epoch fires, over the last second and more.
type shotRate struct {
	shots int64
	at    time.Time
	rate  float64
}

func (p *progress) crew() *crew { return &crew{p: p, seen: map[string]*shotRate{}} }

// now shows the workers as they are, of each its last epoch.
func (c *crew) now(epochs []fleet.Worker) {
	if c.p.bars == nil {
		return
	}
	workers := lastEpochs(epochs)
	if len(workers) > mostLines {
		slices.SortStableFunc(workers, func(a, b fleet.Worker) int {
			return cmp.Compare(b.Beat.Progress.LatenessP99, a.Beat.Progress.LatenessP99)
		})
		workers = workers[:mostLines]
	}
	for i, w := range workers {
		text := c.describe(w, time.Now())
		c.line(i).text.Store(&text)
	}
}

// lastEpochs are the last epoch of each worker; they come in order.
func lastEpochs(epochs []fleet.Worker) (workers []fleet.Worker) {
	for _, w := range epochs {
		if n := len(workers); n > 0 && workers[n-1].Worker == w.Worker {
			workers = workers[:n-1]
		}
		workers = append(workers, w)
	}
	return workers
}

// line is line i, made where there is none yet.
func (c *crew) line(i int) *crewLine {
	for len(c.lines) <= i {
		l := &crewLine{}
		l.text.Store(new(string))
		l.bar = c.p.bars.MustAdd(0, nil, mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return "\r" + *l.text.Load() })))
		c.lines = append(c.lines, l)
	}
	return c.lines[i]
}

// end takes the lines away.
func (c *crew) end() {
	for _, l := range c.lines {
		l.bar.Abort(true)
	}
}

// describe is a worker's line.
func (c *crew) describe(w fleet.Worker, now time.Time) string {
	p := &w.Beat.Progress
	text := fmt.Sprintf("  w%-3d %-16.16s %7.0f/s  late %-8s", w.Worker, w.Name, c.rate(w, now), brief(p.LatenessP99))
	if w.Heard > time.Second {
		return text + fmt.Sprintf("  not heard for %s", w.Heard.Round(time.Second))
	}
	text += fmt.Sprintf("  cpu %3.0f %%", 100*p.CPU)
	if w.Beat.Waiting > 1 {
		text += fmt.Sprintf("  %d to deliver", w.Beat.Waiting)
	}
	return text
}

// rate is how many shots a second a worker fires.
func (c *crew) rate(w fleet.Worker, now time.Time) float64 {
	r := c.seen[w.Owner.String()]
	if r == nil {
		r = &shotRate{at: now}
		c.seen[w.Owner.String()] = r
	}
	if passed := now.Sub(r.at); passed >= time.Second {
		r.rate = float64(w.Beat.Progress.Shots-r.shots) / passed.Seconds()
		r.shots, r.at = w.Beat.Progress.Shots, now
	}
	return r.rate
}
