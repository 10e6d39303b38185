package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// office is a coordinator that takes everybody in.
type office struct {
	welcome []byte
	no      error

	mu      sync.Mutex
	workers uint32
	hellos  []string
	beats   []string
	refused map[string]int
}

func (o *office) Join(hello []byte) (uint32, uint32, []byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.no != nil {
		return 0, 0, nil, o.no
	}
	o.workers++
	o.hellos = append(o.hellos, string(hello))
	return o.workers, 1, o.welcome, nil
}

func (o *office) Beat(worker, epoch uint32, b []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beats = append(o.beats, fmt.Sprintf("%d/%d %s", worker, epoch, b))
	return fmt.Appendf(nil, "heard %s", b)
}

func (o *office) Refused(reason, _ string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refused == nil {
		o.refused = map[string]int{}
	}
	o.refused[reason]++
}

// heard is what the coordinator was told, each once.
func (o *office) heard() (hellos, beats []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.hellos), slices.Clone(o.beats)
}

func started(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "run.fleet")
		if o.Run == "" {
			o.Run = "0123456789abcdef"
		}
	}
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// served has a coordinator serve the bus until the function it gives is called, or the test ends.
func served(t testing.TB, s *Server, service Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, service) }()
	// Four desks and the library's inbox; then the server knows of them too.
	eventually(t, "the bus is served", func() bool { return s.connection.NumSubscriptions() >= 5 })
	if err := s.connection.Flush(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// eventually looks again and again until something is so, or has waited too long.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not so after 20 s", what)
		}
	}
}

func joined(t testing.TB, s *Server, hello string) *Seat {
	t.Helper()
	seat, err := Join(t.Context(), s.Token(), Abroad{URL: s.URL()}, []byte(hello))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seat.Close() })
	return seat
}

// kept is what the stream holds now, as text.
func keptBy(t testing.TB, s *Server) (all []string) {
	t.Helper()
	info, err := s.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if info.State.Msgs == 0 {
		return nil
	}
	enough := errors.New("enough")
	err = s.Messages(ctx, func(m Message) error {
		all = append(all, fmt.Sprintf("%d/%d/%d %s", m.Worker, m.Epoch, m.Sequence, m.Body))
		if uint64(len(all)) == info.State.Msgs {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("Messages: %v", err)
	}
	return all
}

func sameTexts(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// talk is a short conversation of a whole fleet, whatever carries it.
func talk(t *testing.T, s *Server, join func(hello string) *Seat) {
	ctx := t.Context()
	o := &office{welcome: bytes.Repeat([]byte("all that is to be fired, "), 60_000)} // in many pieces
	stop := served(t, s, o)
	defer stop()
	one, two := join("first"), join("second")
	if one.Worker != 1 || two.Worker != 2 || !bytes.Equal(one.Welcome, o.welcome) {
		t.Errorf("workers %d and %d, welcomed with %d bytes", one.Worker, two.Worker, len(one.Welcome))
	}
	for i, seat := range []*Seat{one, two} {
		for n := range 3 {
			answer, err := seat.Beat(ctx, fmt.Appendf(nil, "beat %d", n))
			if err != nil || string(answer) != fmt.Sprintf("heard beat %d", n) {
				t.Errorf("worker %d, beat %d: %q, %v", i+1, n, answer, err)
			}
		}
	}
	deliver := func(seat *Seat, sequence uint64, body string) {
		t.Helper()
		if err := seat.Deliver(ctx, sequence, []byte(body)); err != nil {
			t.Errorf("frame %d: %v", sequence, err)
		}
	}
	deliver(one, 1, "a")
	deliver(two, 1, "b")
	deliver(one, 1, "a") // its acknowledgement was lost
	if err := errors.Join(s.Tell(ctx, 1, []byte("t0")), s.Tell(ctx, 1, []byte("t0"))); err != nil {
		t.Error(err)
	}
	deliver(one, 2, strings.Repeat("x", mostBody))
	sameTexts(t, "stream", keptBy(t, s), []string{"1/1/1 a", "2/1/1 b", "0/0/1 t0", "1/1/2 " + strings.Repeat("x", mostBody)})
	if err := one.Deliver(ctx, 3, make([]byte, mostBody+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a frame that is too long: %v", err)
	}
	hellos, _ := o.heard()
	sameTexts(t, "hellos", hellos, []string{"first", "second"})
	if n := s.Refused(); len(n) != 0 {
		t.Errorf("refused: %v", n)
	}
}

func TestFleetTalks(t *testing.T) {
	s := started(t, Options{})
	talk(t, s, func(hello string) *Seat { return joined(t, s, hello) })
}

// On a bus of the user's own, whose accounts know nothing of the fleet, the same is said, and Remove leaves nothing.
func TestFleetTalksAbroad(t *testing.T) {
	theirs, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true, MaxPayload: 2 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	theirs.Start()
	t.Cleanup(func() { theirs.Shutdown(); theirs.WaitForShutdown() })
	at, dir := Abroad{URL: theirs.ClientURL()}, filepath.Join(t.TempDir(), "run.fleet")
	s, err := Connect(t.Context(), at, Options{Run: "abroad-1", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	token, err := ReadToken(s.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	talk(t, s, func(hello string) *Seat {
		seat, err := Join(t.Context(), token, at, []byte(hello))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = seat.Close() })
		return seat
	})
	strange, err := nats.Connect(at.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer strange.Close()
	if _, err := strange.Request(s.of("kept", 1, 1), []byte("not sealed"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(t.Context(), 2, []byte("after it")); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err = s.Messages(t.Context(), func(m Message) error {
		if string(m.Body) == "not sealed" {
			t.Error("what anybody put into the stream is taken for a message")
		}
		if string(m.Body) == "after it" {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || s.Refused()[garbage] != 1 {
		t.Errorf("%v, refused %v", err, s.Refused())
	}
	if err := s.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A coordinator that comes back finds what was there, at the same address, and its workers find it without being told.
func TestRestart(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "run.fleet"), Run: "restart"}
	s := started(t, o)
	stop := served(t, s, &office{})
	seat := joined(t, s, "w")
	if _, err := seat.Beat(t.Context(), []byte("before")); err != nil {
		t.Fatal(err)
	}
	if err := seat.Deliver(t.Context(), 1, []byte("before")); err != nil {
		t.Fatal(err)
	}
	if taken, err := s.Append(t.Context(), 1, []byte("deal")); taken || err != nil {
		t.Fatal(taken, err)
	}
	if _, err := Start(t.Context(), o); err == nil {
		t.Fatal("two servers on one directory")
	}
	url, line := s.URL(), s.Token().line()
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := seat.Beat(t.Context(), []byte("meanwhile")); err == nil {
		t.Error("a beat is answered by nobody")
	}
	if err := seat.Deliver(t.Context(), 2, []byte("after")); err == nil {
		t.Error("a frame is kept by nobody")
	}

	o.Run = ""
	s = started(t, o)
	if s.URL() != url || !bytes.Equal(s.Token().line(), line) || s.Run() != "restart" {
		t.Errorf("it came back as %s at %s", s.Run(), s.URL())
	}
	stop = served(t, s, &office{})
	eventually(t, "a beat is answered again", func() bool {
		_, err := seat.Beat(t.Context(), []byte("after"))
		return err == nil
	})
	eventually(t, "a frame is kept again", func() bool { return seat.Deliver(t.Context(), 2, []byte("after")) == nil })
	sameTexts(t, "stream", keptBy(t, s), []string{"1/1/1 before", "1/1/2 after"})
	entries, err := s.Entries(t.Context(), 1)
	if err != nil || len(entries) != 1 || string(entries[0]) != "deal" {
		t.Errorf("list: %q, %v", entries, err)
	}
	stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Run = "another"
	if _, err := Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), `of run "restart"`) {
		t.Errorf("another run in the same directory: %v", err)
	}
}

// Of two coordinators that append at once exactly one wins each entry, and both then read the same list.
func TestTwoCoordinators(t *testing.T) {
	s := started(t, Options{})
	other := &Server{subjects: s.subjects, state: s.state, keys: s.keys, refusals: newRefusals(nil)}
	err := other.connect(t.Context(), "", 1, nats.InProcessServer(s.embedded.nats), nats.UserInfo(coordinatorName, s.embedded.gate.password))
	if err != nil {
		t.Fatal(err)
	}
	defer other.connection.Close()
	const entries = 100
	won := [2][entries + 1]bool{}
	var wait sync.WaitGroup
	for i, who := range []*Server{s, other} {
		wait.Go(func() {
			for k := uint64(1); k <= entries; k++ {
				taken, err := who.Append(t.Context(), k, fmt.Appendf(nil, "%d by %d", k, i))
				won[i][k] = !taken
				if err != nil {
					t.Errorf("entry %d: %v", k, err)
					return
				}
			}
		})
	}
	wait.Wait()
	for _, who := range []*Server{s, other} {
		list, err := who.Entries(t.Context(), 1)
		if err != nil || len(list) != entries {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		for i, e := range list {
			k := i + 1
			if won[0][k] == won[1][k] {
				t.Fatalf("entry %d: won by both or none", k)
			}
			if want := fmt.Sprintf("%d by %d", k, map[bool]int{true: 0, false: 1}[won[0][k]]); string(e) != want {
				t.Fatalf("entry %d is %q, its winner wrote %q", k, e, want)
			}
		}
	}
	again := fmt.Appendf(nil, "7 by %d", map[bool]int{true: 0, false: 1}[won[0][7]])
	if taken, err := s.Append(t.Context(), 7, again); taken || err != nil {
		t.Errorf("an own entry whose acknowledgement was lost: taken %v, %v", taken, err)
	}
	if _, err := s.Append(t.Context(), entries+2, []byte("x")); err == nil || !strings.Contains(err.Error(), "does not follow") {
		t.Errorf("a gap: %v", err)
	}
	if rest, err := s.Entries(t.Context(), entries); err != nil || len(rest) != 1 {
		t.Errorf("from the last on: %d, %v", len(rest), err)
	}
	if rest, err := s.Entries(t.Context(), entries+1); err != nil || len(rest) != 0 {
		t.Errorf("from behind the last on: %d, %v", len(rest), err)
	}
}

// Messages gives what comes while it runs, and ends with its context.
func TestMessagesGoOn(t *testing.T) {
	s := started(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- s.Messages(ctx, func(m Message) error {
			got <- string(m.Body)
			return nil
		})
	}()
	for n := range uint64(20) {
		if err := s.Tell(t.Context(), n+1, fmt.Appendf(nil, "%d", n)); err != nil {
			t.Fatal(err)
		}
		if b := <-got; b != fmt.Sprint(n) {
			t.Fatalf("message %d is %q", n, b)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A full store refuses nobody: the worker is told to come again, and what was kept stays.
func TestFullStore(t *testing.T) {
	s := started(t, Options{MostStore: 2 << 20})
	served(t, s, &office{})
	seat := joined(t, s, "w")
	var err error
	delivered := uint64(0)
	for err == nil && delivered < 10 {
		if err = seat.Deliver(t.Context(), delivered+1, make([]byte, 500<<10)); err == nil {
			delivered++
		}
	}
	var no *Refusal
	if err == nil || errors.As(err, &no) || !strings.Contains(err.Error(), "cannot keep it now") {
		t.Errorf("after %d frames: %v", delivered, err)
	}
	if got := keptBy(t, s); len(got) != int(delivered) || delivered == 0 {
		t.Errorf("%d delivered, %d kept", delivered, len(got))
	}
}

// Of a thousand refusals in a moment the log has a line, and one more when they go on: for each reason.
func TestRefusalsAreSaidSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		told := 0
		r := newRefusals(func(line string) { lines = append(lines, line) })
		r.listen(func(string, string) { told++ })
		for range 1000 {
			r.add(forged, "worker 1", "the seal does not hold")
		}
		r.add(garbage, "worker 2", "no message")
		time.Sleep(time.Second)
		r.add(forged, "worker 1", "the seal does not hold")
		sameTexts(t, "log", lines, []string{
			"refused (forged) from worker 1: the seal does not hold", "refused (garbage) from worker 2: no message",
			"refused (forged) from worker 1: the seal does not hold (1000 since the last line)",
		})
		if told != 1002 || r.count()[forged] != 1001 {
			t.Errorf("told of %d, counted %v", told, r.count())
		}
	})
}

// After Close nothing of it runs any more.
func TestCloseLeavesNothing(t *testing.T) {
	before := goroutines()
	s := started(t, Options{})
	stop := served(t, s, &office{})
	seat := joined(t, s, "w")
	if _, err := seat.Beat(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	keptBy(t, s)
	_ = seat.Close()
	stop()
	_ = s.Close()
	var left []string
	eventually(t, "all goroutines have ended", func() bool {
		left = goroutines()
		return len(left) <= len(before)
	})
}

// goroutines are the stacks of those that are ours or the library's.
func goroutines() (of []string) {
	b := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
		if strings.Contains(stack, "nats-io") || strings.Contains(stack, "fleet/bus.(") {
			of = append(of, stack)
		}
	}
	return of
}
