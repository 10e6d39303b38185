//go:build linux

package loadgen

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

func TestParseSource(t *testing.T) {
	for text, good := range map[string]bool{
		"127.0.0.1": true, "127.9.8.7": true, "::1": true, "::ffff:127.0.0.1": true,
		"192.0.2.1": false, "0.0.0.0": false, "localhost": false, "": false, "127.0.0.1:80": false, "fe80::1%lo": false, "::ffff:192.0.2.1": false,
	} {
		if a, err := ParseSource(text); (err == nil) != good || good && checkSources([]netip.Addr{a}) != nil {
			t.Errorf("%q: %v, %v", text, a, err)
		}
	}
	cfg, _ := config(t, uniform(1, time.Second, scenarios.Step{}), "127.0.0.1:80")
	for _, bad := range []string{"192.0.2.1", "::1"} { // elsewhere; of another family than the target
		cfg.Sources = []netip.Addr{netip.MustParseAddr(bad)}
		if _, err := New(cfg); err == nil {
			t.Errorf("fires at 127.0.0.1 from %s", bad)
		}
	}
}

// inNamespace says that this process is the one that TestPorts has started.
const inNamespace = "ANSTURM_TEST_NAMESPACE"

// TestPorts: when an address has no free port any more, the next one's are used; without a next one shots wait, the run is
// invalid and says what would help. The ports of this machine are left alone: the test runs again in a network of its own,
// which has fifty.
func TestPorts(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		test := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPorts$", "-test.v")
		test.Env = append(os.Environ(), inNamespace+"=1")
		test.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := test.CombinedOutput()
		switch {
		case errors.Is(err, syscall.EPERM), strings.Contains(string(out), "--- SKIP: TestPorts "):
			t.Skipf("a network of its own needs root: %v\n%s", err, out)
		case err != nil || !strings.Contains(string(out), "--- PASS: TestPorts "):
			t.Errorf("in a network of its own: %v\n%s", err, out)
		}
		return
	}
	raiseLoopback(t)
	if err := os.WriteFile(portRange, []byte("40000 40049"), 0); err != nil {
		t.Skip(err)
	}
	from := func(texts ...string) (list []netip.Addr) {
		for _, text := range texts {
			list = append(list, netip.MustParseAddr(text))
		}
		return list
	}
	for i, c := range []struct {
		name    string
		sources []netip.Addr
		http2   bool
		enough  bool
	}{
		{"the system's choice", nil, false, false},
		{"one source", from("127.0.0.1"), false, false},
		{"two sources", from("127.0.0.1", "127.0.0.2"), false, true},
		{"one can reach, one cannot", from("::1", "127.0.0.1"), false, false},
		{"net/http from one", from("127.0.0.1"), true, false},
		{"net/http from two", from("127.0.0.1", "127.0.0.2"), true, true},
	} {
		t.Run(c.name, func(t *testing.T) { firePorts(t, 30000+i, c.sources, c.http2, c.enough) })
	}
}

// firePorts fires 80 shots at a port outside the range, one for each test: those of the one before are not free at once. None
// is answered before all are under way or one has found no port.
func firePorts(t *testing.T, port int, sources []netip.Addr, http2, enough bool) {
	const shots, mostOfOne = 80, 50
	address := fmt.Sprintf("127.0.0.1:%d", port)
	crowd := &crowd{want: shots, all: make(chan struct{}), from: map[string]bool{}}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: crowd, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	cfg, m := config(t, uniform(shots, 200*time.Millisecond, scenarios.Step{Timeout: 20 * time.Second}), address)
	cfg.Sources, cfg.HTTP2, cfg.LatenessLimit = sources, http2, time.Minute
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop := watchPorts(e, crowd.release)
	result, err := e.Run(t.Context())
	stop()
	if err != nil {
		t.Fatal(err)
	}
	if n := checkFates(t, m, shots); n[record.Completed] != shots {
		t.Errorf("fates %v, want all completed: %+v", n, result.Warnings)
	}
	advised := slices.ContainsFunc(result.Validity.Advice, func(a scenarios.Text) bool {
		return strings.Contains(a["en"], portRange) && strings.Contains(a["en"], "40000 to 40049") && strings.Contains(a["en"], "--source") &&
			strings.Contains(a["de"], "40000 bis 40049")
	})
	if result.Validity.Valid != enough || advised == enough {
		t.Errorf("validity %+v, want valid: %t", result.Validity, enough)
	}
	if got := result.Totals.ConnectionsPeak; enough && got != shots || !enough && !http2 && got > mostOfOne {
		t.Errorf("%d connections at a time", got)
	}
	if len(crowd.from) != 1 && !enough || len(crowd.from) != 2 && enough {
		t.Errorf("they came from %v", crowd.from)
	}
}

// watchPorts calls found once a shot has found no port.
func watchPorts(e *Engine, found func()) (stop func()) {
	quit := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				if e.begun.Load() && e.tally().portless > 0 {
					found()
				}
			}
		}
	})
	return func() {
		close(quit)
		all.Wait()
	}
}

// crowd answers nobody until as many as are wanted ask at one time, or it is released; after that everybody.
type crowd struct {
	mu   sync.Mutex
	want int
	once sync.Once
	all  chan struct{}
	from map[string]bool
}

func (c *crowd) release() { c.once.Do(func() { close(c.all) }) }

func (c *crowd) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	c.from[host] = true
	if c.want--; c.want == 0 {
		c.release()
	}
	c.mu.Unlock()
	<-c.all
}

// raiseLoopback sets the loopback device up, which is down in a new network.
func raiseLoopback(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}
