//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/netlab"
	"github.com/ansturm/ansturm/loadgen/record"
)

// A fleet over a network with delay and loss, each worker in a network of its own, one of them cut off for a while or for
// good: no arrival is fired twice, and the account is exact.
func TestFleetOverANetwork(t *testing.T) {
	far := netlab.Path{Delay: 40 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.02}
	for name, x := range map[string]struct {
		path netlab.Path
		cut  time.Duration // of the first worker, from the second second on; 0: none
	}{
		"far":               {path: far},
		"far and cut":       {path: far, cut: 2 * time.Second},
		"near and cut away": {cut: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c := newNetworked(t, x.path)
			c.run(x.cut)
			rec, err := record.Open(c.dir)
			if err != nil {
				t.Fatalf("%v\n%s", err, c.text())
			}
			account, err := rec.Account()
			if err != nil || len(account.Problems) > 0 {
				t.Errorf("%v %v", err, account)
			}
			var f found
			if c.judgeFates(rec, &f); rec.Run.Workers != chaosWorkers || f.fates[record.Completed] == 0 {
				t.Errorf("%d workers, fates %v", rec.Run.Workers, f.fates)
			}
			if x.cut == 0 && !strings.Contains(c.text(), " is lost") && f.fates[record.Unsent]+f.fates[record.Indeterminate] > 0 {
				t.Errorf("nobody was cut off or lost, yet the fates are %v", f.fates)
			}
			if t.Failed() {
				t.Log(c.text())
			}
		})
	}
}

// networked is a run whose coordinator and workers each have a network namespace.
type networked struct {
	*chaos
	net     *netlab.Net
	parties []string // the coordinator, then the workers
}

func newNetworked(t *testing.T, path netlab.Path) *networked {
	c := &networked{chaos: newChaos(t, 4), parties: []string{"coordinator"}}
	for i := range chaosWorkers {
		c.parties = append(c.parties, fmt.Sprintf("n%d", i+1))
	}
	c.net = netlab.New(t, 1, c.parties...)
	for _, worker := range c.parties[1:] {
		c.net.Link(c.parties[0], worker, path)
		c.net.Link(worker, c.parties[0], path)
	}
	c.target = &tally{url: "http://127.0.0.1:8080", asked: map[uint32]int{}}
	server := &http.Server{Handler: c.target, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	for _, party := range c.parties { // the one target is on every loopback
		if err := c.net.Within(party, func() error {
			listener, err := net.Listen("tcp", strings.TrimPrefix(c.target.url, "http://"))
			if err == nil {
				serving.Go(func() { _ = server.Serve(listener) })
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	return c
}

// enter starts an ansturm in a party's network.
func (c *networked) enter(party string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0], cmd.Stdout, cmd.Stderr, cmd.WaitDelay = "ansturm", c, c, time.Second
	if err := c.net.Start(party, cmd); err != nil {
		c.t.Fatal(err)
	}
	return cmd
}

// run is the whole run, up to its coordinator's end.
func (c *networked) run(cut time.Duration) {
	scenario := filepath.Join(filepath.Dir(c.dir), "chaos.yaml")
	if err := os.WriteFile(scenario, fmt.Appendf(nil, chaosScenario, c.seed), 0o600); err != nil {
		c.t.Fatal(err)
	}
	address := net.JoinHostPort(c.net.Address(c.parties[0]).String(), "4222")
	c.coord = c.enter(c.parties[0], "run", scenario, "--target", c.target.url, "-o", c.dir,
		"--joiners", fmt.Sprint(chaosWorkers), "--bus-address", address)
	c.await("address to join", func() bool { return chaosJoin.MatchString(c.text()) })
	token := chaosJoin.FindStringSubmatch(c.text())[2]
	for _, worker := range c.parties[1:] {
		c.enter(worker, "worker", "--join", "tls://"+address, "--token-file", token, "--name", worker, "--state", c.dir+"."+worker, "--patience", "12s")
	}
	c.await("start", func() bool {
		run := c.runFile()
		c.began = run.StartedAt
		return !c.began.IsZero()
	})
	if cut > 0 {
		time.Sleep(time.Until(c.began.Add(1500 * time.Millisecond)))
		c.net.Cut(c.parties[1])
		heal := time.AfterFunc(cut, func() { c.net.Heal(c.parties[1]) })
		defer heal.Stop()
	}
	if code := c.wait(c.coord, time.Minute); code != 0 && code != 4 {
		c.t.Errorf("the coordinator ended with %d", code)
	}
}
