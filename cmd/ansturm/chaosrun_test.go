package main

import (
	"bytes"
	"encoding/json"
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

// What happens to a fleet in a run of chaos.
const (
	chaosNone        = "nothing"
	chaosKill        = "kill a worker"
	chaosStop        = "stop a worker for 3 s"
	chaosCoordinator = "kill the coordinator"
	chaosEarly       = "kill the coordinator before the start"
	chaosEnd         = "kill the coordinator after the record's close"
	chaosCut         = "cut: " // and how
)

var chaosKinds = []string{
	chaosKill, chaosCoordinator, chaosCut + cutReset, chaosStop, chaosNone, chaosCut + cutSilence, chaosKill, chaosCoordinator, chaosCut + cutUp, chaosCut + cutDown,
	chaosEarly, chaosEnd,
}

const (
	chaosWorkers = 3
	chaosTotal   = 600
	chaosOver    = 4 * time.Second
)

const chaosScenario = `name: chaos
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

// chaos is one run, as a seed has drawn it.
type chaos struct {
	t    *testing.T
	seed int64
	kind string
	// joiners of the workers are started by the test, each with a relay before it.
	joiners int
	victim  int           // of those that can be one
	at      time.Duration // after the start
	length  time.Duration // of what ends again: the cut, the stop, the coordinator's absence
	hold    time.Duration

	dir    string
	began  time.Time // offset 0
	first  []byte    // run.json at the beginning
	target *tally
	relays map[string]*relay // by the worker's name

	mu       sync.Mutex
	said     bytes.Buffer // by all
	known    map[int]bool // processes
	secrets  [][]byte
	exposed  string // a secret in a command line or an environment
	struck   time.Time
	hit      string // the name of the worker that something was done to
	late     clockwork
	coord    *exec.Cmd
	ended    []*exec.Cmd // that were waited for
	children sync.WaitGroup
}

func newChaos(t *testing.T, seed int64) *chaos {
	draw := rand.New(rand.NewPCG(uint64(seed), 6))
	between := func(a, b time.Duration) time.Duration { return a + time.Duration(draw.Int64N(int64(b-a))) }
	c := &chaos{
		t: t, seed: seed, kind: chaosKinds[seed%int64(len(chaosKinds))], joiners: draw.IntN(chaosWorkers + 1), victim: draw.IntN(chaosWorkers),
		at: between(-500*time.Millisecond, chaosOver-500*time.Millisecond), length: between(200*time.Millisecond, 4*time.Second),
		hold: between(1200*time.Millisecond, 2*time.Second), relays: map[string]*relay{}, known: map[int]bool{},
	}
	if draw.IntN(4) == 0 {
		c.hold = 3 * time.Second
	}
	switch {
	case c.kind == chaosStop:
		c.length = 3 * time.Second
	case strings.HasPrefix(c.kind, chaosCut):
		c.joiners = max(c.joiners, 1)
		c.victim %= c.joiners
	}
	return c
}

func (c *chaos) String() string {
	return fmt.Sprintf("seed %d: %s at %s for %s, %d of %d joined, hold %s", c.seed, c.kind, c.at.Round(time.Millisecond),
		c.length.Round(time.Millisecond), c.joiners, chaosWorkers, c.hold.Round(time.Millisecond))
}

// Write takes what a process says.
func (c *chaos) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.Write(b)
}

func (c *chaos) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.String()
}

// start starts an ansturm.
func (c *chaos) start(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0], cmd.Stdout, cmd.Stderr, cmd.WaitDelay = "ansturm", c, c, time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.known[cmd.Process.Pid] = true
	c.mu.Unlock()
	return cmd, nil
}

// wait waits for a process' end; one that does not end is killed.
func (c *chaos) wait(cmd *exec.Cmd, most time.Duration) (code int, err error) {
	kill := time.AfterFunc(most, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	_ = cmd.Wait()
	if !kill.Stop() {
		return 0, fmt.Errorf("process %v did not end within %s", cmd.Args[1:], most)
	}
	return cmd.ProcessState.ExitCode(), nil
}

// await waits until something is so.
func (c *chaos) await(what string, most time.Duration, is func() bool) error {
	for end := time.Now().Add(most); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("no %s within %s", what, most)
		}
	}
	return nil
}

var (
	chaosJoin   = regexp.MustCompile(`join with: ansturm worker --join (\S+) --token-file (\S+)`)
	chaosJoined = regexp.MustCompile(`worker (w\d+:\d+) joined: (\S+), process (\d+) on`)
)

// run is the whole run, up to the end of the last process.
func (c *chaos) run() (code int, err error) {
	c.dir = filepath.Join(c.t.TempDir(), "run")
	scenario := filepath.Join(filepath.Dir(c.dir), "chaos.yaml")
	if err := os.WriteFile(scenario, fmt.Appendf(nil, chaosScenario, c.seed), 0o600); err != nil {
		return 0, err
	}
	c.target = newTally(c.t)
	if c.coord, err = c.start("run", scenario, "--target", c.target.url, "-o", c.dir, "--workers", strconv.Itoa(chaosWorkers-c.joiners),
		"--joiners", strconv.Itoa(c.joiners), "--hold", c.hold.String()); err != nil {
		return 0, err
	}
	watched := make(chan struct{})
	go c.watch(watched)
	defer func() { close(watched); c.late.wait() }()
	joiners, err := c.join()
	if err == nil {
		err = c.disturb()
	}
	if err != nil {
		_ = c.coord.Process.Kill()
	}
	code, waited := c.coord.ProcessState.ExitCode(), error(nil) // -1 while it runs
	if c.coord.ProcessState == nil {
		code, waited = c.wait(c.coord, time.Minute)
	}
	for _, j := range joiners {
		if own, late := c.wait(j, 25*time.Second); late != nil || own > 0 && own != 4 {
			err = firstOf(err, late, fmt.Errorf("worker %v ended with %d", j.Args[1:], own))
		}
	}
	return code, firstOf(err, waited)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// join starts those that join, each by a relay of its own.
func (c *chaos) join() (joiners []*exec.Cmd, err error) {
	if c.joiners == 0 {
		return nil, nil
	}
	if err := c.await("address to join", time.Minute, func() bool { return chaosJoin.MatchString(c.text()) }); err != nil {
		return nil, err
	}
	at := chaosJoin.FindStringSubmatch(c.text())
	u, err := url.Parse(at[1])
	if err != nil {
		return nil, err
	}
	for i := range c.joiners {
		name := fmt.Sprintf("j%d", i)
		c.relays[name] = newRelay(c.t, u.Host)
		j, err := c.start("worker", "--join", "tls://"+c.relays[name].Addr().String(), "--token-file", at[2], "--name", name,
			"--state", c.dir+"."+name, "--patience", "12s")
		if err != nil {
			return joiners, err
		}
		joiners = append(joiners, j)
	}
	return joiners, nil
}

// disturb does to the fleet what was drawn, at its time.
func (c *chaos) disturb() error {
	if c.kind == chaosEarly {
		err := c.await("worker", time.Minute, func() bool { return chaosJoined.MatchString(c.text()) })
		if err = firstOf(err, c.replace()); err != nil {
			return err
		}
	}
	if err := c.await("start", time.Minute, c.hasBegun); err != nil {
		return err
	}
	time.Sleep(time.Until(c.began.Add(c.at)))
	switch c.kind {
	case chaosNone, chaosEarly:
		return nil
	case chaosCoordinator:
		return c.replace()
	case chaosEnd:
		if err := c.await("end", time.Minute, c.hasEnded); err != nil {
			return err
		}
		return c.replace()
	}
	workers := chaosJoined.FindAllStringSubmatch(c.text(), -1)
	if strings.HasPrefix(c.kind, chaosCut) {
		workers = slices.DeleteFunc(workers, func(w []string) bool { return c.relays[w[2]] == nil })
	}
	if len(workers) <= c.victim {
		return fmt.Errorf("only %d workers have joined", len(workers))
	}
	victim := workers[c.victim]
	pid, _ := strconv.Atoi(victim[3])
	c.hit, c.struck = victim[2], time.Now()
	switch c.kind {
	case chaosKill:
		return syscall.Kill(pid, syscall.SIGKILL)
	case chaosStop:
		err := syscall.Kill(pid, syscall.SIGSTOP)
		time.Sleep(c.length)
		return firstOf(err, syscall.Kill(pid, syscall.SIGCONT))
	}
	c.relays[c.hit].cut(strings.TrimPrefix(c.kind, chaosCut))
	time.Sleep(c.length)
	c.relays[c.hit].mend()
	return nil
}

// replace kills the coordinator and has another one go on; one that was quicker and ended well needs none.
func (c *chaos) replace() (err error) {
	c.struck = time.Now()
	if err := c.coord.Process.Kill(); err != nil {
		return err
	}
	if code, _ := c.wait(c.coord, time.Minute); code >= 0 {
		return nil
	}
	time.Sleep(time.Until(c.struck.Add(c.length)))
	c.coord, err = c.start("run", "--resume", c.dir)
	return err
}

// hasBegun finds the run's start, hasEnded its end.
func (c *chaos) hasBegun() bool {
	text, run := c.runFile()
	c.first, c.began = text, run.StartedAt
	return !run.StartedAt.IsZero()
}

func (c *chaos) hasEnded() bool {
	_, run := c.runFile()
	return run.Complete()
}

func (c *chaos) runFile() (text []byte, run record.Run) {
	text, _ = os.ReadFile(filepath.Join(c.dir, "run.json"))
	_ = json.Unmarshal(text, &run) // there is none yet
	return text, run
}
