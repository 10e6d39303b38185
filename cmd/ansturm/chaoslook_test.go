package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/ansturm/ansturm/loadgen"
	"github.com/ansturm/ansturm/loadgen/fleet"
	"github.com/ansturm/ansturm/loadgen/fleet/bus"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// onlooker goes beside a run: it measures how far times on this machine can be trusted, keeps the fleet's directory, and looks for
// secrets where everybody can read.
type onlooker struct {
	mu      sync.Mutex
	ticks   []tick
	secrets [][]byte
	exposed map[string]bool // files in which one was
}

type tick struct {
	at           time.Time
	late, stolen time.Duration // by the hypervisor, from all processors, since the machine began
}

const tickEvery = 20 * time.Millisecond

// look looks on until the function that it gives is called.
func (o *onlooker) look(c *chaos) (stop func()) {
	var both sync.WaitGroup
	end := make(chan struct{})
	every := func(d time.Duration, do func()) {
		both.Go(func() {
			for ; ; do() {
				select {
				case <-end:
					return
				case <-time.After(d):
				}
			}
		})
	}
	before := time.Now()
	every(tickEvery, func() {
		now := time.Now()
		o.mu.Lock()
		o.ticks = append(o.ticks, tick{now, max(0, now.Sub(before)-tickEvery), stolen()})
		o.mu.Unlock()
		before = now
	})
	every(250*time.Millisecond, func() {
		keep(fleetDir(c.dir), fleetDir(c.again))
		o.peek(c.dir)
	})
	return func() { close(end); both.Wait() }
}

// allowed is by how much a time between two others may be too long: what was stolen, and the longest that a tick was late.
func (o *onlooker) allowed(from, to time.Time) (d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var first, last time.Duration
	for _, x := range o.ticks {
		if x.at.Before(from) || x.at.Add(-x.late).After(to) {
			continue
		}
		if first == 0 {
			first = x.stolen
		}
		last, d = x.stolen, max(d, x.late)
	}
	return d + last - first
}

func stolen() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	words := append(strings.Fields(string(text[:min(len(text), 200)])), make([]string, 9)...)
	n, _ := strconv.ParseInt(words[8], 10, 64)
	return time.Duration(n) * 10 * time.Millisecond // it is in hundredths of a second
}

// keep links a directory's files into another, where they outlive their removal.
func keep(from, to string) {
	_ = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(from, path)
		copied := filepath.Join(to, name)
		if err != nil || d.IsDir() {
			_ = os.MkdirAll(copied, 0o700)
			return nil
		}
		is, gone := os.Stat(path)
		if was, none := os.Stat(copied); gone == nil && (none != nil || !os.SameFile(is, was)) {
			if os.Link(path, copied+".new") == nil { // not gone meanwhile
				_ = os.Rename(copied+".new", copied)
			}
		}
		return nil
	})
}

// peek reads the run's secrets, and looks for them in what processes show of themselves.
func (o *onlooker) peek(dir string) {
	for _, name := range []string{"token", "secret", "server.key"} {
		if secret, err := os.ReadFile(filepath.Join(fleetDir(dir), name)); err == nil && len(o.secrets) < 12 {
			if name == "token" { // its last word is secret
				secret = bytes.TrimSpace(secret[bytes.LastIndexByte(secret, '.')+1:])
			}
			o.secrets = append(o.secrets, secret, []byte(hex.EncodeToString(secret)), []byte(base64.StdEncoding.EncodeToString(secret)),
				[]byte(base64.RawURLEncoding.EncodeToString(secret)))
		}
	}
	for _, process := range processesOf(dir) {
		for _, name := range []string{"cmdline", "environ"} {
			o.seek(filepath.Join(process, name))
		}
	}
}

// seek looks for a secret in a file.
func (o *onlooker) seek(path string) {
	text, _ := os.ReadFile(path)
	if slices.ContainsFunc(o.secrets, func(s []byte) bool { return bytes.Contains(text, s) }) {
		o.exposed[path] = true
	}
}

// processesOf are those whose command line names a directory.
func processesOf(dir string) (processes []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	return slices.DeleteFunc(all, func(process string) bool {
		text, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		return !bytes.Contains(text, []byte(dir))
	})
}

// found is what came of a run.
type found struct {
	fates    [4]int64
	detected time.Duration // after the fault; negative: it was not
	leased   time.Duration // after that
	allowed  time.Duration // for the detection
	late     bool          // one of these took longer than it may
	epochs   int
	falsely  int  // lost, of whom starved on a machine that starved
	starved  int  //
	before   bool // the fault came: the victim was lost
	folded   bool
}

// judge holds the record against what is known otherwise; all that is wrong is an error of the test.
func (c *chaos) judge(code int) (f found) {
	rec, err := record.Open(c.dir)
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", c, err, c.text())
	}
	account, err := rec.Account()
	if valid := rec.Run.Validity.Valid; err != nil || len(account.Problems) > 0 || code != 0 && (code != 4 || valid) {
		c.t.Errorf("%s: exit code %d, valid %v, %v %v", c, code, valid, err, account.Problems)
	} else if !valid && c.kind == chaosNone && c.allowed(c.began, c.began.Add(chaosOver)) < starving {
		c.t.Errorf("%s: nothing happened, yet the run is invalid: %v", c, rec.Run.Validity.Reasons)
	}
	c.judgeFates(rec, &f)
	c.judgeTimes(rec, &f)
	c.judgeLeft()
	if err = c.fold(); err != nil {
		c.t.Errorf("%s: folded again: %v", c, err)
	}
	if f.folded = err == nil; c.t.Failed() {
		c.t.Logf("%s: struck %s at %s; what was said:\n%s", c, c.hit, c.struck.Sub(c.began), c.text())
	}
	return f
}

// judgeFates holds the ledger against the target's own count.
func (c *chaos) judgeFates(rec *record.Record, f *found) {
	l, err := rec.Ledger()
	if err != nil {
		c.t.Fatalf("%s: %v", c, err)
	}
	for fate, set := range l.Sets {
		f.fates[fate] = int64(set.GetCardinality())
	}
	if f.fates[0]+f.fates[1]+f.fates[2]+f.fates[3] != chaosTotal || !l.Overlaps().IsEmpty() || !l.Missing().IsEmpty() {
		c.t.Errorf("%s: the ledger does not add up: %v of %d", c, f.fates, chaosTotal)
	}
	asked, twice, refused := roaring.New(), roaring.New(), roaring.New()
	c.target.mu.Lock()
	for seq, n := range c.target.asked {
		if asked.Add(seq); n > 1 {
			twice.Add(seq)
		}
		if c.target.refuses(seq) {
			refused.Add(seq)
		}
	}
	c.target.mu.Unlock()
	for what, wrong := range map[string]*roaring.Bitmap{
		"asked twice":                     twice,
		"completed and never there":       roaring.AndNot(l.Sets[record.Completed], asked),
		"completed and refused":           roaring.And(l.Sets[record.Completed], refused),
		"failed and not refused":          roaring.AndNot(l.Sets[record.FailedArrival], refused),
		"unsent and yet there":            roaring.And(l.Sets[record.Unsent], asked),
		"there, and of none of the fates": roaring.AndNot(asked, l.All()),
	} {
		if n := wrong.GetCardinality(); n > 0 {
			c.t.Errorf("%s: %d arrivals are %s, the first is %d", c, n, what, wrong.Minimum())
		}
	}
}

// starving is a machine on which somebody waited that long for a processor, or was robbed of it.
const starving = 200 * time.Millisecond

// judgeTimes finds in the timeline when the loss was seen (within a second), when its parts were dealt to others (a quarter of one
// later), and who was taken for lost though nothing was done to it.
func (c *chaos) judgeTimes(rec *record.Record, f *found) {
	events, err := rec.Timeline()
	if err != nil {
		c.t.Fatalf("%s: %v", c, err)
	}
	slices.SortStableFunc(events, func(a, b record.Event) int { return a.Wall.Compare(b.Wall) })
	var seen record.Event
	var later time.Duration // allowed for what came after that
	f.detected, f.leased = -1, -1
	names := map[string]string{}
	for _, e := range events {
		switch {
		case e.Kind != record.KindWorker:
		case e.Phase == "joined":
			names[e.Object], _, _ = strings.Cut(e.Message, ",")
			f.epochs++
		case e.Phase == "leased" && seen.Object != "" && f.leased < 0 && strings.Contains(e.Message, seen.Object+" is"):
			f.leased, later = e.Wall.Sub(seen.Wall), c.allowed(seen.Wall, e.Wall)
		case !slices.Contains([]string{"lost", "dead", "fenced"}, e.Phase):
		case names[e.Object] != c.hit || e.Wall.Before(c.struck):
			allowed := c.allowed(e.Wall.Add(-time.Second), e.Wall)
			if f.falsely++; allowed > starving {
				f.starved++
			}
			f.before = f.before || names[e.Object] == c.hit
			c.t.Logf("%s: %s (%s) is %s though nothing was done to it: %s (at %s, allowed %s)", c, e.Object, names[e.Object], e.Phase, e.Message, e.At, allowed)
		case seen.Object == "":
			seen = e
			f.detected, f.allowed = e.Wall.Sub(c.struck), c.allowed(c.struck, e.Wall)
		}
	}
	const soon, again = time.Second, 250 * time.Millisecond
	if c.hit == "" || f.before {
		return
	}
	if f.detected > soon+f.allowed || f.detected < 0 && (c.kind == chaosKill || c.length > soon+starving) {
		f.late = true
		c.t.Logf("%s: LATE: the loss was seen after %s, %s and %s are allowed", c, f.detected, soon, f.allowed)
	}
	left := chaosOver - c.at - soon - c.hold - starving // of what the lost one was not promised
	if f.leased > again+later || f.leased < 0 && f.detected >= 0 && left > 0 {
		f.late = true
		c.t.Logf("%s: LATE: its parts were dealt after another %s, %s and %s are allowed", c, f.leased, again, later)
	}
}

// judgeLeft looks at what a run leaves behind.
func (c *chaos) judgeLeft() {
	if _, err := os.Lstat(fleetDir(c.dir)); err == nil {
		c.t.Errorf("%s: %s is still there", c, fleetDir(c.dir))
	}
	if running := processesOf(c.dir); len(running) > 0 {
		c.t.Errorf("%s: still running: %v", c, running)
	}
	logs, err := filepath.Glob(filepath.Join(fleetDir(c.again), "*.log"))
	said := filepath.Join(filepath.Dir(c.dir), "said.log")
	for _, log := range append(logs, said) {
		text, _ := os.ReadFile(log)
		if log == said {
			text = []byte(c.text())
			err = errors.Join(err, os.WriteFile(said, text, 0o600))
		}
		if bytes.Contains(text, []byte("DATA RACE")) || bytes.Contains(text, []byte("panic:")) {
			c.t.Errorf("%s: %s", c, text)
		}
		c.seek(log)
	}
	for _, dir := range append([]string{c.dir}, c.dir+".j0", c.dir+".j1", c.dir+".j2") {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { c.seek(path); return nil })
	}
	if len(c.exposed) > 0 || len(c.secrets) != 12 || err != nil {
		c.t.Errorf("%s: %d secrets, of which there are some in %v; %v", c, len(c.secrets)/4, c.exposed, err)
	}
}

// fold makes the record again from what the bus had kept, and compares.
func (c *chaos) fold() error {
	var run record.Run
	if err := json.Unmarshal(c.first, &run); err != nil {
		return err
	}
	schedule, err := arrivals.New(run.Scenario)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	store, err := bus.Start(ctx, bus.Options{Dir: fleetDir(c.again)})
	if err != nil {
		return err
	}
	defer store.Close()
	again, err := fleet.New(fleet.Config{
		Store: store, Dir: c.again, Run: run, Workers: chaosWorkers, Hold: c.hold, Await: time.Second, Finish: judgeLab,
		Engine: loadgen.Config{Scenario: run.Scenario, Schedule: schedule, Address: func(int) string { return c.target.url }},
	})
	if err == nil {
		_, err = again.Run(ctx)
	}
	if err != nil {
		return err
	}
	if out, err := exec.Command("diff", "-r", "-q", c.dir, c.again).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
