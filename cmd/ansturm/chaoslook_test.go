package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
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

// clockwork measures how far a time on this machine can be trusted: how late its own ticks come, and what the hypervisor took.
type clockwork struct {
	mu    sync.Mutex
	ticks []tick
	sync.WaitGroup
}

type tick struct {
	at     time.Time
	late   time.Duration
	stolen time.Duration // since the machine began, of all processors
}

func (k *clockwork) wait() { k.Wait() }

const tickEvery = 20 * time.Millisecond

// within is what is allowed beyond a limit between two times: what was stolen, and the longest that a tick was late.
func (k *clockwork) within(from, to time.Time) (allowed time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var first, last *tick
	for i, x := range k.ticks {
		if x.at.Before(from) || x.at.Add(-x.late).After(to) {
			continue
		}
		if first == nil {
			first = &k.ticks[i]
		}
		last, allowed = &k.ticks[i], max(allowed, x.late)
	}
	if first != nil {
		allowed += last.stolen - first.stolen
	}
	return allowed
}

func stolen() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	words := strings.Fields(strings.SplitN(string(text), "\n", 2)[0])
	if len(words) < 9 {
		return 0
	}
	n, _ := strconv.ParseInt(words[8], 10, 64)
	return time.Duration(n) * 10 * time.Millisecond // hundredths of a second
}

// watch goes beside a run: it measures time, keeps the fleet's directory (by hard links, which outlive its removal), and looks for
// secrets where everybody can read.
func (c *chaos) watch(end <-chan struct{}) {
	c.late.Go(func() {
		for before := time.Now(); ; {
			select {
			case <-end:
				return
			case <-time.After(tickEvery):
			}
			now := time.Now()
			c.late.mu.Lock()
			c.late.ticks = append(c.late.ticks, tick{now, max(0, now.Sub(before)-tickEvery), stolen()})
			c.late.mu.Unlock()
			before = now
		}
	})
	c.late.Go(func() {
		for {
			c.keep(fleetDir(c.dir), fleetDir(c.again()))
			c.peek()
			select {
			case <-end:
				return
			case <-time.After(250 * time.Millisecond):
			}
		}
	})
}

// again is where the record is folded again.
func (c *chaos) again() string { return filepath.Join(filepath.Dir(c.dir), "again") }

// keep links the files of a directory into another.
func (c *chaos) keep(from, to string) {
	_ = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(from, path)
		if err != nil || d.IsDir() {
			_ = os.MkdirAll(filepath.Join(to, name), 0o700)
			return nil
		}
		is, err := os.Stat(path)
		was, none := os.Stat(filepath.Join(to, name))
		if err == nil && (none != nil || !os.SameFile(is, was)) {
			_ = os.Remove(filepath.Join(to, name))
			_ = os.Link(path, filepath.Join(to, name)) // gone meanwhile: what was kept before is gone too, and folding says so
		}
		return nil
	})
}

// peek reads the run's secrets, and looks for them in what processes show of themselves.
func (c *chaos) peek() {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir := fleetDir(c.dir)
	if token, err := os.ReadFile(filepath.Join(dir, "token")); err == nil && len(c.secrets) == 0 {
		c.secrets = append(c.secrets, []byte(strings.Split(strings.TrimSpace(string(token)), ".")[3]))
		if secret, err := os.ReadFile(filepath.Join(dir, "secret")); err == nil {
			c.secrets = append(c.secrets, secret, []byte(hex.EncodeToString(secret)), []byte(base64.StdEncoding.EncodeToString(secret)),
				[]byte(base64.RawURLEncoding.EncodeToString(secret)))
		}
		text, _ := os.ReadFile(filepath.Join(dir, "server.key"))
		if block, _ := pem.Decode(text); block != nil {
			c.secrets = append(c.secrets, block.Bytes, []byte(base64.StdEncoding.EncodeToString(block.Bytes)[:60]))
		}
	}
	for _, joined := range chaosJoined.FindAllSubmatch(c.said.Bytes(), -1) {
		pid, _ := strconv.Atoi(string(joined[3]))
		c.known[pid] = true
	}
	for pid := range c.known {
		for _, file := range []string{"cmdline", "environ"} {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
			if c.tells(text) {
				c.exposed = fmt.Sprintf("process %d has a secret in its %s", pid, file)
			}
		}
	}
}

func (c *chaos) tells(text []byte) bool {
	for _, s := range c.secrets {
		if bytes.Contains(text, s) {
			return true
		}
	}
	return false
}

// found is what came of a run.
type found struct {
	fates         [4]int64
	detected      time.Duration // after the fault; negative: it was not
	leased        time.Duration // after that
	allowed       [2]time.Duration
	falselyLost   int // of whom starvedLost on a machine that starved
	starvedLost   int
	before        bool // the fault came: the victim was lost already
	epochs        int
	valid, folded bool
}

// look holds the record against what is known otherwise; all that is wrong is an error of the test.
func (c *chaos) look(code int) (f found) {
	rec, err := record.Open(c.dir)
	if err != nil {
		c.t.Errorf("%s: %v", c, err)
		return f
	}
	f.valid = rec.Run.Validity.Valid
	if code != 0 && (code != 4 || f.valid) {
		c.t.Errorf("%s: exit code %d, valid %v", c, code, f.valid)
	}
	if starved := c.late.within(c.began, c.began.Add(chaosOver)); c.kind == chaosNone && !f.valid && starved < starving {
		c.t.Errorf("%s: nothing happened, yet the run is invalid: %v", c, rec.Run.Validity.Reasons)
	}
	account, err := rec.Account()
	if err != nil || len(account.Problems) > 0 {
		c.t.Errorf("%s: the record: %v %v", c, err, account.Problems)
	}
	ledger, err := rec.Ledger()
	if err != nil {
		c.t.Errorf("%s: %v", c, err)
		return f
	}
	c.lookAtFates(ledger, &f)
	c.lookAtTimes(rec, &f)
	c.lookBehind()
	f.folded = c.fold(rec)
	if c.t.Failed() {
		c.t.Logf("%s: struck %s at %s of %s; what was said:\n%s", c, c.hit, c.struck.Sub(c.began), c.began.Format(time.StampMicro), c.text())
		events, _ := os.ReadFile(filepath.Join(c.dir, "timeline.jsonl"))
		c.t.Logf("%s", events)
	}
	return f
}

// lookAtFates holds the ledger against the target's own count.
func (c *chaos) lookAtFates(l *record.Ledger, f *found) {
	for fate, set := range l.Sets {
		f.fates[fate] = int64(set.GetCardinality())
	}
	if all := f.fates[0] + f.fates[1] + f.fates[2] + f.fates[3]; all != chaosTotal || l.Overlaps().GetCardinality() != 0 || l.Missing().GetCardinality() != 0 {
		c.t.Errorf("%s: the ledger does not add up: %v of %d", c, f.fates, chaosTotal)
	}
	asked, refused := roaring.New(), roaring.New()
	c.target.mu.Lock()
	for seq, n := range c.target.asked {
		if asked.Add(seq); n != 1 {
			c.t.Errorf("%s: arrival %d asked %d times", c, seq, n)
		}
		if c.target.refuses(seq) {
			refused.Add(seq)
		}
	}
	c.target.mu.Unlock()
	for what, wrong := range map[string]*roaring.Bitmap{
		"completed and never there":       roaring.AndNot(l.Sets[record.Completed], asked),
		"completed and refused":           roaring.And(l.Sets[record.Completed], refused),
		"failed and not refused":          roaring.AndNot(l.Sets[record.FailedArrival], refused),
		"unsent and yet there":            roaring.And(l.Sets[record.Unsent], asked),
		"there, and of none of the fates": roaring.AndNot(asked, roaring.FastOr(l.Sets[:]...)),
	} {
		if n := wrong.GetCardinality(); n > 0 {
			c.t.Errorf("%s: %d arrivals are %s, the first is %d", c, n, what, wrong.Minimum())
		}
	}
}

// lookAtTimes finds in the timeline when the loss was seen, when its parts were dealt to others, and who was taken for lost though
// nothing was done to it.
func (c *chaos) lookAtTimes(rec *record.Record, f *found) {
	events, err := rec.Timeline()
	if err != nil {
		c.t.Errorf("%s: %v", c, err)
		return
	}
	f.detected, f.leased = -1, -1
	slices.SortStableFunc(events, func(a, b record.Event) int { return a.Wall.Compare(b.Wall) })
	var seen record.Event
	names := map[string]string{}
	for _, e := range events {
		switch {
		case e.Kind != record.KindWorker:
		case e.Phase == "joined":
			names[e.Object], _, _ = strings.Cut(e.Message, ",")
			f.epochs++
		case e.Phase == "leased" && seen.Object != "" && f.leased < 0 && strings.Contains(e.Message, seen.Object+" is"):
			f.leased, f.allowed[1] = e.Wall.Sub(seen.Wall), c.late.within(seen.Wall, e.Wall)
		case e.Phase != "lost" && e.Phase != "dead" && e.Phase != "fenced":
		case c.hit == "" || names[e.Object] != c.hit || e.Wall.Before(c.struck):
			f.falselyLost++
			f.before = f.before || names[e.Object] == c.hit
			starved := c.late.within(e.Wall.Add(-time.Second), e.Wall)
			if starved > starving {
				f.starvedLost++
			}
			c.t.Logf("%s: %s (%s) is %s though nothing was done to it: %s (allowed: %s)", c, e.Object, names[e.Object], e.Phase, e.Message, starved)
		case seen.Object == "":
			seen = e
			f.detected, f.allowed[0] = e.Wall.Sub(c.struck), c.late.within(c.struck, e.Wall)
		}
	}
	c.judgeTimes(f)
}

// starving is a machine on which a process waited that long for a processor, or was robbed of it.
const starving = 200 * time.Millisecond

// judgeTimes: a loss is seen within a second, and what is still to come is dealt to others within a quarter of one.
func (c *chaos) judgeTimes(f *found) {
	if c.hit == "" || f.before {
		return
	}
	const soon, again = time.Second, 250 * time.Millisecond
	if f.detected > soon+f.allowed[0] || f.detected < 0 && (c.kind == chaosKill || c.length > soon+starving) {
		c.t.Errorf("%s: the loss was seen after %s, allowed is %s and %s", c, f.detected, soon, f.allowed[0])
	}
	left := chaosOver - c.at - max(c.hold, soon) - starving // of what the lost one was not promised
	if f.leased > again+f.allowed[1] || f.leased < 0 && f.detected >= 0 && left > 0 {
		c.t.Errorf("%s: its parts were dealt after another %s, allowed is %s and %s", c, f.leased, again, f.allowed[1])
	}
}

// lookBehind looks for what a run leaves.
func (c *chaos) lookBehind() {
	if _, err := os.Lstat(fleetDir(c.dir)); err == nil {
		c.t.Errorf("%s: %s is still there", c, fleetDir(c.dir))
	}
	if c.exposed != "" {
		c.t.Errorf("%s: %s", c, c.exposed)
	}
	if len(c.secrets) < 6 {
		c.t.Errorf("%s: only %d secrets were found to look for", c, len(c.secrets))
	}
	running, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range running {
		if text, _ := os.ReadFile(file); bytes.Contains(text, []byte(c.dir)) {
			c.t.Errorf("%s: %s still runs: %q", c, file, text)
		}
	}
	said := c.text()
	logs, _ := filepath.Glob(filepath.Join(fleetDir(c.again()), "*.log"))
	for _, log := range logs {
		text, _ := os.ReadFile(log)
		said += string(text)
	}
	if c.tells([]byte(said)) || strings.Contains(said, "DATA RACE") || strings.Contains(said, "panic:") {
		c.t.Errorf("%s: a secret, a race or a panic in what was said:\n%s", c, said)
	}
	for _, dir := range []string{c.dir, c.dir + ".j0", c.dir + ".j1", c.dir + ".j2"} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				if text, _ := os.ReadFile(path); c.tells(text) {
					c.t.Errorf("%s: a secret in %s", c, path)
				}
			}
			return nil
		})
	}
}

// fold makes the record again from the bus' own files, and compares.
func (c *chaos) fold(rec *record.Record) bool {
	err := func() error {
		var run record.Run
		if err := json.Unmarshal(c.first, &run); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		store, err := bus.Start(ctx, bus.Options{Dir: fleetDir(c.again())})
		if err != nil {
			return err
		}
		defer store.Close()
		schedule, err := arrivals.New(run.Scenario)
		if err != nil {
			return err
		}
		again, err := fleet.New(fleet.Config{
			Store: store, Dir: c.again(), Run: run, Workers: chaosWorkers, Hold: c.hold, Await: time.Second, Finish: judgeLab,
			Engine: loadgen.Config{Scenario: run.Scenario, Schedule: schedule, Address: func(int) string { return c.target.url }},
		})
		if err != nil {
			return err
		}
		if _, err = again.Run(ctx); err != nil {
			return err
		}
		return sameFiles(c.dir, c.again())
	}()
	if err != nil {
		c.t.Errorf("%s: folded again: %v", c, err)
	}
	return err == nil
}

// sameFiles compares two directories byte by byte.
func sameFiles(a, b string) error {
	return filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(a, path)
		is, err := os.ReadFile(path)
		other, otherErr := os.ReadFile(filepath.Join(b, name))
		if err := firstOf(err, otherErr); err != nil {
			return err
		}
		if !bytes.Equal(is, other) {
			return fmt.Errorf("%s has %d bytes, and again %d others", name, len(is), len(other))
		}
		return nil
	})
}
