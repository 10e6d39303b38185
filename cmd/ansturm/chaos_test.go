package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// What befalls a fleet in a run of chaos.
const (
	chaosNone        = "nothing"
	chaosKill        = "kill a worker"
	chaosStop        = "stop a worker"
	chaosCut         = "cut: " // and how
	chaosCoordinator = "kill the coordinator"
	chaosEarly       = "kill the coordinator before the start"
	chaosEnd         = "kill the coordinator after the record's close"
)

var chaosKinds = []string{
	chaosKill, chaosCoordinator, chaosCut + cutReset, chaosStop, chaosNone, chaosCut + cutSilence,
	chaosKill, chaosCoordinator, chaosCut + cutUp, chaosCut + cutDown, chaosEarly, chaosEnd,
}

const (
	chaosWorkers  = 3
	chaosTotal    = 600
	chaosOver     = 4 * time.Second
	chaosScenario = `name: chaos
title: {en: Chaos}
description: {en: A small surge that somebody disturbs.}
arrivals: {total: 600, over: 4s, process: poisson, seed: %d, curve: [{kind: constant, weight: 1}]}
tenants: {list: [{name: adorf, title: Adorf, weight: 2}, {name: bstadt, title: Bstadt}]}
journeys:
  - name: antrag
    steps:
      - {name: submit, method: POST, url: /antrag, headers: {Idempotency-Key: "{{seq}}"}, body: "{}", timeout: 5s, checks: [{status: [201]}]}
slos: [{name: submit, step: submit, percentile: 95, within: 5s, errors: 0.1}]
`
)

// chaos is one run, as a seed has drawn it.
type chaos struct {
	t      *testing.T
	seed   int64
	kind   string
	joined int           // of the workers are started by the test, and join
	victim int           // of those that can be one
	at     time.Duration // after the start
	length time.Duration // of what ends again: the cut, the stop, the coordinator's absence
	hold   time.Duration

	dir, again string // of the record, and of the one that is folded again
	target     *tally
	relays     map[string]*relay // by the worker's name
	coord      *exec.Cmd
	first      []byte    // run.json at the start
	began      time.Time // offset 0
	hit        string    // the name of the worker that something was done to
	struck     time.Time
	onlooker

	saying sync.Mutex
	said   bytes.Buffer // by all
}

func newChaos(t *testing.T, seed int64) *chaos {
	draw := rand.New(rand.NewPCG(uint64(seed), 6))
	between := func(a, b time.Duration) time.Duration { return a + time.Duration(draw.Int64N(int64(b-a))) }
	c := &chaos{
		t: t, seed: seed, kind: chaosKinds[seed%int64(len(chaosKinds))], joined: draw.IntN(chaosWorkers + 1), victim: draw.IntN(chaosWorkers),
		at: between(-500*time.Millisecond, chaosOver-500*time.Millisecond), length: between(200*time.Millisecond, 4*time.Second),
		hold: between(1200*time.Millisecond, 2*time.Second), relays: map[string]*relay{}, dir: filepath.Join(t.TempDir(), "run"), onlooker: onlooker{exposed: map[string]bool{}},
	}
	c.again = filepath.Join(filepath.Dir(c.dir), "again")
	if draw.IntN(4) == 0 {
		c.hold = 3 * time.Second
	}
	switch {
	case c.kind == chaosStop:
		c.length = 3 * time.Second
	case strings.HasPrefix(c.kind, chaosCut):
		c.joined = max(c.joined, 1)
		c.victim %= c.joined
	}
	return c
}

func (c *chaos) String() string {
	return fmt.Sprintf("seed %d: %s at %s for %s, %d of %d joined, hold %s", c.seed, c.kind, c.at.Round(time.Millisecond),
		c.length.Round(time.Millisecond), c.joined, chaosWorkers, c.hold.Round(time.Millisecond))
}

// Write takes what a process says.
func (c *chaos) Write(b []byte) (int, error) {
	c.saying.Lock()
	defer c.saying.Unlock()
	return c.said.Write(b)
}

func (c *chaos) text() string {
	c.saying.Lock()
	defer c.saying.Unlock()
	return c.said.String()
}

// start starts an ansturm.
func (c *chaos) start(args ...string) *exec.Cmd {
	self, err := os.Executable()
	cmd := exec.Command(self, args...)
	cmd.Args[0], cmd.Stdout, cmd.Stderr, cmd.WaitDelay = "ansturm", c, c, time.Second
	if err = errors.Join(err, cmd.Start()); err != nil {
		c.t.Fatal(err)
	}
	return cmd
}

// wait waits for a process' end; one that does not end is killed, and that is an error. -1: by a signal.
func (c *chaos) wait(cmd *exec.Cmd, most time.Duration) (code int) {
	kill := time.AfterFunc(most, func() { _ = cmd.Process.Kill() })
	if _ = cmd.Wait(); !kill.Stop() {
		c.t.Errorf("%s: process %q did not end within %s", c, cmd.Args[1:], most)
	}
	return cmd.ProcessState.ExitCode()
}

// await waits until something is so.
func (c *chaos) await(what string, is func() bool) {
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			_ = c.coord.Process.Kill()
			c.t.Fatalf("%s: no %s\n%s", c, what, c.text())
		}
	}
}

var (
	chaosJoin   = regexp.MustCompile(`join with: ansturm worker --join tls://(\S+) --token-file (\S+)`)
	chaosJoined = regexp.MustCompile(`worker (w\d+:\d+) joined: (\S+), process (\d+) on`)
)

// run is the whole run, up to the end of the last process.
func (c *chaos) run() (code int) {
	scenario := filepath.Join(filepath.Dir(c.dir), "chaos.yaml")
	if err := os.WriteFile(scenario, fmt.Appendf(nil, chaosScenario, c.seed), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.target = newTally(c.t)
	c.t.Cleanup(func() { // of a run that broke off
		for _, process := range processesOf(c.dir) {
			pid, _ := strconv.Atoi(filepath.Base(process))
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	c.coord = c.start("run", scenario, "--target", c.target.url, "-o", c.dir, "--hold", c.hold.String(),
		"--workers", strconv.Itoa(chaosWorkers-c.joined), "--joiners", strconv.Itoa(c.joined))
	defer c.look(c)()
	workers := c.join()
	c.disturb()
	if code = -1; c.coord.ProcessState == nil {
		code = c.wait(c.coord, time.Minute)
	} else {
		code = c.coord.ProcessState.ExitCode() // it had ended before it could be killed
	}
	for _, w := range workers {
		if own := c.wait(w, 25*time.Second); own > 0 && own != 4 {
			c.t.Errorf("%s: worker %q ended with %d", c, w.Args[1:], own)
		}
	}
	return code
}

// join starts the workers that join.
func (c *chaos) join() (workers []*exec.Cmd) {
	if c.joined > 0 {
		c.await("address to join", func() bool { return chaosJoin.MatchString(c.text()) })
	}
	for i := range c.joined {
		at, name := chaosJoin.FindStringSubmatch(c.text()), fmt.Sprintf("j%d", i)
		join := url.URL{Scheme: "tls", Host: at[1]}
		if strings.HasPrefix(c.kind, chaosCut) && i == c.victim { // no other: a relay of a busy test is slow
			c.relays[name] = newRelay(c.t, at[1])
			join.Host = c.relays[name].Addr().String()
		}
		workers = append(workers, c.start("worker", "--join", join.String(), "--token-file", at[2], "--name", name,
			"--state", c.dir+"."+name, "--patience", "12s"))
	}
	return workers
}

// disturb does to the fleet what was drawn, at its time.
func (c *chaos) disturb() {
	if c.kind == chaosEarly {
		c.await("worker", func() bool { return chaosJoined.MatchString(c.text()) })
		c.replace()
	}
	c.await("start", func() bool {
		run := c.runFile()
		c.began = run.StartedAt
		return !c.began.IsZero()
	})
	time.Sleep(time.Until(c.began.Add(c.at)))
	switch c.kind {
	case chaosNone, chaosEarly:
	case chaosCoordinator:
		c.replace()
	case chaosEnd:
		c.await("end", func() bool {
			run := c.runFile()
			return run.Complete()
		})
		c.replace()
	default:
		c.strike()
	}
}

// replace kills the coordinator and has another one go on; one that was quicker and has ended needs none.
func (c *chaos) replace() {
	_ = c.coord.Process.Kill()
	if c.wait(c.coord, time.Minute) < 0 {
		time.Sleep(c.length)
		c.coord = c.start("run", "--resume", c.dir)
	}
}

// strike does something to a worker.
func (c *chaos) strike() {
	workers := chaosJoined.FindAllStringSubmatch(c.text(), -1)
	if strings.HasPrefix(c.kind, chaosCut) {
		workers = slices.DeleteFunc(workers, func(w []string) bool { return c.relays[w[2]] == nil })
	}
	victim := workers[c.victim%len(workers)]
	pid, err := strconv.Atoi(victim[3])
	c.hit, c.struck = victim[2], time.Now()
	switch c.kind {
	case chaosKill:
		err = errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
	case chaosStop:
		err = errors.Join(err, syscall.Kill(pid, syscall.SIGSTOP))
		time.Sleep(c.length)
		err = errors.Join(err, syscall.Kill(pid, syscall.SIGCONT))
	default:
		c.relays[c.hit].cut(strings.TrimPrefix(c.kind, chaosCut))
		time.Sleep(c.length)
		c.relays[c.hit].cut("")
	}
	if err != nil {
		c.t.Errorf("%s: %v", c, err)
	}
}

// runFile is run.json as it stands; the first is kept.
func (c *chaos) runFile() (run record.Run) {
	text, _ := os.ReadFile(filepath.Join(c.dir, "run.json"))
	if json.Unmarshal(text, &run) == nil && c.first == nil {
		c.first = text
	}
	return run
}
