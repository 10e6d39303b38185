package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// plainEvery is how often a stage says how far it is where bars cannot be drawn.
const plainEvery = 10 * time.Second

// progress shows how far the work is: bars on a terminal, a line now and then elsewhere, nothing when quiet.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil: plain lines
	mute bool
}

func (a *app) progress() *progress {
	p := &progress{out: a.stderr, mute: a.quiet}
	if file := terminal(a.stderr); file != nil && !a.quiet {
		p.bars = mpb.New(mpb.WithOutput(file), mpb.WithWidth(64), mpb.WithRefreshRate(200*time.Millisecond))
	}
	return p
}

// wait lets the last bars be drawn.
func (p *progress) wait() {
	if p.bars != nil {
		p.bars.Wait()
	}
}

// say writes a line, above the bars where there are some.
func (p *progress) say(line string) {
	out := p.out
	if p.bars != nil {
		out = p.bars
	}
	fmt.Fprintln(out, line)
}

// stage is one bar.
type stage struct {
	p     *progress
	name  string
	total int64
	bar   *mpb.Bar
	note  atomic.Pointer[string]

	mu   sync.Mutex
	last time.Time
}

// stage opens a bar of total units.
func (p *progress) stage(name string, total int64) *stage {
	s := &stage{p: p, name: name, total: max(total, 1), last: time.Now()}
	empty := ""
	s.note.Store(&empty)
	if p.bars != nil {
		// The bar is redrawn from where the cursor stands, and a terminal echoes ^C: so each line returns to its beginning.
		s.bar = p.bars.AddBar(0, // no total yet: a bar that has one ends itself when it is full, and what is full may begin anew
			mpb.PrependDecorators(decor.Name(fmt.Sprintf("\r%-14s", name)), decor.Percentage(decor.WC{W: 5})),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return *s.note.Load() })),
		)
		s.bar.SetTotal(s.total, false)
	} else if !p.mute {
		fmt.Fprintf(p.out, "%s …\n", name)
	}
	return s
}

// set says that n units are done; note stands beside the bar.
func (s *stage) set(n int64, note string) {
	s.note.Store(&note)
	if s.bar != nil {
		s.bar.SetCurrent(min(n, s.total))
		return
	}
	n = min(n, s.total)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.p.mute || time.Since(s.last) < plainEvery {
		return
	}
	s.last = time.Now()
	fmt.Fprintf(s.p.out, "%s %3d %%  %s\n", s.name, 100*n/s.total, note)
}

// done ends the stage with a closing note.
func (s *stage) done(note string) {
	s.note.Store(&note)
	if s.bar != nil {
		s.bar.SetCurrent(s.total)
		s.bar.SetTotal(s.total, true)
		return
	}
	if !s.p.mute {
		fmt.Fprintf(s.p.out, "%s done  %s\n", s.name, note)
	}
}

// abort ends the stage where it stands.
func (s *stage) abort(note string) {
	s.note.Store(&note)
	if s.bar != nil {
		s.bar.Abort(false)
	} else if !s.p.mute {
		fmt.Fprintf(s.p.out, "%s ended  %s\n", s.name, note)
	}
}
