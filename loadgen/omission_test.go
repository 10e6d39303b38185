package loadgen

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

var stallFull = flag.Bool("stall.full", false, "stall test over sockets in full: 20 s with 2 s of stall, held to 5 ms or 1 %")

// percentile is the smallest value that the share q of the values does not exceed.
func percentile(values []time.Duration, q float64) time.Duration {
	slices.Sort(values)
	return values[int(math.Ceil(q*float64(len(values))))-1]
}

// TestStallExact is coordinated omission in closed form: of 20,000 shots, one a millisecond, those due in the 2 s of
// the stall wait for its end, and no other waits. So 5 % wait longer than 1 s, 1 % longer than 1.8 s, 0.1 % longer
// than 1.98 s, however few connections there are.
func TestStallExact(t *testing.T) {
	for _, connections := range []int{2500, 50} {
		t.Run(strconv.Itoa(connections), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { stallExact(t, connections) })
		})
	}
}

func stallExact(t *testing.T, connections int) {
	cfg, m := config(t, uniform(20_000, 20*time.Second, scenarios.Step{}), "127.0.0.1:1")
	start := time.Now()
	network := &memNet{handle: replying(func() string {
		if at := time.Since(start); at >= 5*time.Second && at < 7*time.Second {
			time.Sleep(7*time.Second - at)
		}
		return okAnswer
	})}
	cfg.Transport, cfg.MaxConnections, cfg.Start = network, connections, start
	result, err := run(t, t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	network.all.Wait()
	if n := checkFates(t, m, 20_000); n[record.Completed] != 20_000 {
		t.Errorf("fates %v, want all completed", n)
	}
	if peak := result.Totals.ConnectionsPeak; peak > int64(connections) {
		t.Errorf("%d connections, want at most %d", peak, connections)
	}
	responses := make([]time.Duration, 0, len(m.samples))
	for _, s := range m.samples {
		responses = append(responses, s.Response())
	}
	for q, want := range map[float64]time.Duration{
		0.50: 0, 0.90: 0, 0.95: time.Second, 0.99: 1800 * time.Millisecond, 0.999: 1980 * time.Millisecond,
	} {
		if got := percentile(responses, q); (got - want).Abs() > time.Millisecond { // one arrival
			t.Errorf("p%g is %s, want %s", 100*q, got, want)
		}
	}
}

// stallServer answers each request with its Idempotency-Key and stamps its own sends; while stalled it neither reads
// nor answers. It is a process of its own, so that its work is not done by the engine's scheduler.
type stallServer struct {
	mu     sync.Mutex
	sends  map[uint32]time.Time
	begin  time.Time
	length time.Duration
}

const stallVariable = "ANSTURM_STALL_TARGET"

// TestMain is the stalling target where it was started as that.
func TestMain(m *testing.M) {
	if os.Getenv(stallVariable) != "" {
		if err := stallTarget(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// stallTarget prints its address, reads when to stall, serves until its input ends, and prints its stamps.
func stallTarget() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	s := &stallServer{sends: map[uint32]time.Time{}}
	var begin, length int64
	if _, err := fmt.Scan(&begin, &length); err != nil {
		return err
	}
	s.begin, s.length = time.Unix(0, begin), time.Duration(length)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the process ends
			}
			go s.serve(c)
		}
	}()
	_, _ = fmt.Scanln(&begin) // ends with the input
	_, _ = fmt.Scanln(&begin)
	s.mu.Lock()
	defer s.mu.Unlock()
	out := bufio.NewWriter(os.Stdout)
	for seq, at := range s.sends {
		fmt.Fprintln(out, seq, at.UnixNano())
	}
	return out.Flush()
}

// startStallTarget starts the target; stamps ends it and gives its sends.
func startStallTarget(t *testing.T, begin time.Time, length time.Duration) (address string, stamps func() map[uint32]time.Time) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), stallVariable+"=1"), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	from := bufio.NewReader(out)
	if _, err := fmt.Fscanln(from, &address); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, begin.UnixNano(), int64(length))
	return address, func() map[uint32]time.Time {
		_ = in.Close()
		sends := map[uint32]time.Time{}
		for {
			var seq, at int64
			if _, err := fmt.Fscanln(from, &seq, &at); err != nil {
				break
			}
			sends[uint32(seq)] = time.Unix(0, at)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		return sends
	}
}

func (s *stallServer) serve(c net.Conn) {
	buf, answer := make([]byte, 4096), []byte(nil)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if wait := time.Until(s.begin.Add(s.length)); wait > 0 && wait < s.length {
			time.Sleep(wait)
		}
		_, rest, _ := bytes.Cut(buf[:n], []byte("Idempotency-Key: "))
		key, _, _ := bytes.Cut(rest, []byte("\r"))
		seq, _ := strconv.ParseUint(string(key), 10, 32)
		answer = fmt.Appendf(answer[:0], "HTTP/1.1 200 OK\r\nSeq: %s\r\nContent-Length: 0\r\n\r\n", key)
		s.mu.Lock()
		s.sends[uint32(seq)] = time.Now()
		s.mu.Unlock()
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// TestStallOverSockets holds what the engine reports during a stall against the target's own stamps: the instant at
// which it sent an answer, less the instant at which the shot was due.
func TestStallOverSockets(t *testing.T) {
	total, over, stall := int64(4000), 4*time.Second, 500*time.Millisecond
	if *stallFull {
		total, over, stall = 20_000, 20*time.Second, 2*time.Second
	}
	for _, connections := range []int{2500, 50} {
		t.Run(strconv.Itoa(connections), func(t *testing.T) {
			start := time.Now().Add(500 * time.Millisecond) // the target's own start takes some of that
			address, stamps := startStallTarget(t, start.Add(over/4), stall)
			step := scenarios.Step{Headers: map[string]string{"Idempotency-Key": "{{seq}}"}}
			cfg, m := config(t, uniform(total, over, step), address)
			cfg.MaxConnections, cfg.Start = connections, start
			if _, err := run(t, t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			if n := checkFates(t, m, int(total)); n[record.Completed] != int(total) {
				t.Errorf("fates %v, want all completed", n)
			}
			compareWithTarget(t, m, stamps(), start, stall)
		})
	}
}

// compareWithTarget asks of every run that no shot's response is shorter than the target's stamp says: leaving the
// wait out is what coordinated omission is. That it is hardly longer, 5 ms or 1 %, can only be asked of a machine that
// does nothing else.
func compareWithTarget(t *testing.T, m *memory, sends map[uint32]time.Time, start time.Time, stall time.Duration) {
	t.Helper()
	var felt, reference []time.Duration
	for _, s := range m.samples {
		stamped := sends[s.Seq].Sub(start.Round(0).Add(s.Due)) // both on the wall clock
		if s.Response() < stamped-time.Millisecond || s.Due != time.Duration(s.Seq)*time.Millisecond {
			t.Errorf("arrival %d, due at %s: the target answered %s later, reported is %s", s.Seq, s.Due, stamped, s.Response())
		}
		felt, reference = append(felt, s.Response()), append(reference, stamped)
	}
	for _, q := range []float64{0.5, 0.95, 0.99, 0.999} { // not p90: there the stall begins, a cliff
		got, want := percentile(felt, q), percentile(reference, q)
		t.Logf("p%g: reported %s, by the target's stamps %s", 100*q, got, want)
		if *stallFull && got-want > max(5*time.Millisecond, want/100) {
			t.Errorf("p%g is %s, by the target's own stamps %s", 100*q, got, want)
		}
	}
	if stalled := percentile(reference, 0.999); stalled < stall/2 {
		t.Errorf("the target's p99.9 is %s: it did not stall", stalled)
	}
}
