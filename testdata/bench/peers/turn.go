package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// turn is one run of one client against one fresh sink.
type turn struct {
	told
	usage
	account
}

// patience is how much longer than its load a client may take: to start, to wait for the last answers, to sum up.
const patience = 45 * time.Second

// turn runs a client against a sink of its own, with kernel stamps where asked for.
func (b *bench) turn(ctx context.Context, c client, l load, stamps bool, sinkArgs ...string) (turn, error) {
	s, err := b.startSink(ctx, stamps, sinkArgs...)
	if err != nil {
		return turn{}, err
	}
	l.url = s.url
	t, err := b.fire(ctx, c, l)
	account, sinkErr := s.stop()
	t.account = account
	if c.warmsUp {
		t.requests = withoutFirst(t.requests, l.connections)
	}
	switch {
	case err != nil:
		return t, err
	case sinkErr != nil:
		return t, sinkErr
	case account.Answered == 0:
		return t, fmt.Errorf("nothing reached the sink: %s", lastLine(t.stderr))
	case account.Unrecorded > 0 || stamps && account.Unstamped > 0:
		return t, fmt.Errorf("the sink could not keep %d requests, and the kernel did not stamp %d", account.Unrecorded, account.Unstamped)
	case account.Bad > 0:
		return t, fmt.Errorf("%d requests were none", account.Bad)
	}
	return t, nil
}

// withoutFirst drops the n requests that arrived first: some clients try each connection before their schedule begins.
func withoutFirst(requests []request, n int) []request {
	slices.SortStableFunc(requests, byArrival)
	return requests[min(n, len(requests)):]
}

func byArrival(a, b request) int { return cmp.Compare(a.arrival, b.arrival) }

// fire runs a client against whatever listens at the load's URL.
func (b *bench) fire(ctx context.Context, c client, l load) (turn, error) {
	l.log, l.most = filepath.Join(b.dir, "client.log"), max(l.most, l.connections)
	argv, stdin := c.command(c.binary, l)
	u, err := b.runPinned(ctx, argv, l.env, stdin, l.length+patience)
	if err != nil {
		return turn{usage: u}, err
	}
	said, err := c.read(c, l, u)
	if err != nil {
		err = fmt.Errorf("exit code %d: %w", u.exit, err)
	}
	os.Remove(l.log) // where there is one, it has been read
	return turn{told: said, usage: u}, err
}

// The figures that several tables share.
var (
	columnPerSecond = column{"per_second", "requests/s", 0}
	columnCPU       = column{"cpu_us_per_request", "client CPU µs a request", 1}
	columnPerCPU    = column{"per_cpu_second", "requests a CPU second", 0}
	columnBusy      = column{"busy_percent", "client's core busy %", 0}
	columnPeak      = column{"peak_mib", "peak memory MiB", 0}
	columnDisturbed = column{"disturbed_percent", "taken by others %", 0}
)

// cpuPerRequest is µs of the client's processor time for each of n requests.
func (t turn) cpuPerRequest(n int64) float64 {
	if n == 0 {
		return math.NaN()
	}
	return float64(t.cpu.Microseconds()) / float64(n)
}

func (t turn) peakMiB() float64 { return float64(t.peakKB) / 1024 }

// told gives a figure that a client said, or NaN where it said nothing.
func known(v float64) float64 {
	if v < 0 {
		return math.NaN()
	}
	return v
}

// those gives the clients that can do something.
func (b *bench) those(can func(client) bool) []client {
	var clients []client
	for _, c := range b.clients {
		if can(c) {
			clients = append(clients, c)
		}
	}
	return clients
}
