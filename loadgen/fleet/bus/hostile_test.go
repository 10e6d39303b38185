package bus

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// raw is a client that holds to no rule: the library's, under a name and its password. It is told when it was shown out.
func raw(t testing.TB, s *Server, name, password, inbox string) (c *nats.Conn, out <-chan struct{}) {
	t.Helper()
	d, err := doorOf(s.Token(), Abroad{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	c, err = nats.Connect(s.URL(), append(slices.Clone(d.ways),
		nats.UserInfo(name, password), nats.CustomInboxPrefix(inbox), nats.NoReconnect(), nats.Timeout(30*time.Second),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, closed
}

func rawWorker(t testing.TB, s *Server, w, e uint32) (*nats.Conn, <-chan struct{}) {
	t.Helper()
	return raw(t, s, s.workerName(w, e), passwordOf(s.keys.epoch(w, e)), s.workersInbox(w, e))
}

func rawJoiner(t testing.TB, s *Server, nonce string) (*nats.Conn, <-chan struct{}) {
	t.Helper()
	return raw(t, s, s.joinerName(nonce), joinPassword(s.Token().secret), s.joinersInbox(nonce))
}

// Who may not join is told why in one line, which holds no secret, and is counted under its reason.
func TestRefusedAtTheDoor(t *testing.T) {
	s := started(t, Options{Run: "this-run"})
	other := started(t, Options{Run: "other-run"})
	over := started(t, Options{Run: "over-run", Lifetime: time.Nanosecond})
	o := &office{}
	served(t, s, o)
	served(t, over, o)
	full := started(t, Options{Run: "full-run"})
	served(t, full, &office{no: errors.New("the worker's schedule is another than this run's")})

	wrong := s.Token()
	wrong.secret = slices.Repeat([]byte{7}, secretBytes)
	unpinned := s.Token()
	unpinned.pin = slices.Repeat([]byte{7}, 32)
	renamed := s.Token()
	renamed.run = "other-run"
	for _, c := range []struct {
		name   string
		token  Token
		at     *Server
		reason string // what the joiner is told
		there  string // under what the bus counts it
		text   string
	}{
		{"a wrong secret", wrong, s, badToken, badToken, "does not take the token of run this-run"},
		{"a token of another run", other.Token(), s, otherRun, broken, "the token is of run other-run, the bus at " + s.URL() + " of run this-run"},
		{"another authority", unpinned, s, broken, broken, "is not the one that the token of run this-run names"},
		{"another run's name", renamed, s, badToken, otherRun, "does not take the token of run other-run"},
		{"after the run", over.Token(), over, expired, expired, "the token let workers in until 20"},
		{"not wanted", full.Token(), full, Denied, Denied, "the worker's schedule is another than this run's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Join(t.Context(), c.token, Abroad{URL: c.at.URL()}, []byte("hello"))
			var no *Refusal
			if !errors.As(err, &no) || no.Reason != c.reason || !strings.Contains(no.Text, c.text) || strings.Contains(no.Text, "\n") {
				t.Errorf("told: %v", err)
			}
			eventually(t, "counted as "+c.there, func() bool { return c.at.Refused()[c.there] > 0 })
			for _, secret := range [][]byte{c.token.secret, c.at.Token().secret, c.at.state.secret} {
				if text := fmt.Sprintf("%v %+v %#v", err, c.token, c.token); strings.Contains(text, tokenText.EncodeToString(secret)) || strings.Contains(text, fmt.Sprint(secret)) {
					t.Errorf("a secret in %q", text)
				}
			}
		})
	}
	if hellos, _ := o.heard(); len(hellos) > 0 {
		t.Errorf("taken in: %q", hellos)
	}
	if _, err := Join(t.Context(), s.Token(), Abroad{URL: strings.Replace(s.URL(), "tls:", "nats:", 1)}, nil); err == nil {
		t.Error("joined without TLS")
	}
	for _, address := range []string{"tls://me:parole@127.0.0.1:1", "tls://me:parole@%%", "nothing", ""} {
		_, err := Join(t.Context(), s.Token(), Abroad{URL: address}, nil)
		_, err2 := Connect(t.Context(), Abroad{URL: address}, Options{Run: "r", Dir: t.TempDir()})
		if err == nil || err2 == nil || strings.Contains(err.Error()+err2.Error(), "parole") {
			t.Errorf("%q: %v, %v", address, err, err2)
		}
	}
}

// A message of another version is refused in words that both sides understand.
func TestOtherVersion(t *testing.T) {
	s := started(t, Options{})
	served(t, s, &office{})
	c, _ := rawJoiner(t, s, "N")
	newer := seal(joinKey(s.Token().secret), s.run, knock, mark{}, make([]byte, 40))
	newer[3] = 2
	m, err := c.Request(s.join("N"), newer, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	err = refusedBy(joinKey(s.Token().secret), s.run, knock, mark{}, m.Data)
	if err == nil || err.Error() != "refused (version): it speaks version 2, this run 1" {
		t.Errorf("the joiner is told: %v", err)
	}
	err = refusedBy(joinKey(s.Token().secret), s.run, knock, mark{}, newer)
	if err == nil || err.Error() != "refused (version): the coordinator speaks version 2, this program 1" {
		t.Errorf("a coordinator of another version: %v", err)
	}
}

// What is told twice, sealed by another, or of another is refused each under its reason, and changes nothing.
func TestRefusedMessages(t *testing.T) {
	s := started(t, Options{})
	o := &office{}
	served(t, s, o)
	key, other := s.keys.epoch(1, 1), s.keys.epoch(2, 1)
	at := mark{1, 1, 5}
	c, _ := rawWorker(t, s, 1, 1)
	good := seal(key, s.run, beat, at, []byte("good"))
	if _, err := c.Request(s.of("beat", 1, 1), good, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		name, word, reason string
		b                  []byte
	}{
		{"a beat as a frame", "frame", forged, good},
		{"a frame under another's key", "frame", forged, seal(other, s.run, frame, at, []byte("x"))},
		{"a frame of another's", "frame", foreign, seal(key, s.run, frame, mark{2, 1, 5}, []byte("x"))},
		{"a frame of another epoch", "frame", foreign, seal(key, s.run, frame, mark{1, 2, 5}, []byte("x"))},
		{"a frame of another run", "frame", forged, seal(key, "another", frame, at, []byte("x"))},
		{"a frame of another version", "frame", badVersion, func() []byte { b := slices.Clone(good); b[3] = 9; return b }()},
		{"a frame cut off", "frame", garbage, good[:len(good)-1]},
		{"nothing", "frame", garbage, nil},
		{"a long beat", "beat", garbage, seal(key, s.run, beat, mark{1, 1, 6}, make([]byte, mostBeat+1))},
		{"a piece that is none", "welcome", garbage, seal(key, s.run, ask, mark{1, 1, 99}, nil)},
	} {
		before := s.Refused()[m.reason]
		answer, err := c.Request(s.of(m.word, 1, 1), m.b, time.Minute)
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		asked := map[string]kind{"beat": beat, "frame": frame, "welcome": ask}[m.word]
		if _, body, err := open(key, s.run, refusing(asked), answer.Data); err != nil || !strings.HasPrefix(string(body), m.reason+": ") {
			t.Errorf("%s: answered %q, %v", m.name, body, err)
		}
		if n := s.Refused()[m.reason]; n != before+1 {
			t.Errorf("%s: counted %d times as %s", m.name, n-before, m.reason)
		}
	}
	for _, again := range [][]byte{good, seal(key, s.run, beat, mark{1, 1, 0}, nil)} { // which nobody answers
		if err := c.PublishRequest(s.of("beat", 1, 1), s.workersInbox(1, 1)+".x", again); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both are counted", func() bool { return s.Refused()[replayed] == 2 })
	_, beats := o.heard()
	sameTexts(t, "beats", beats, []string{"1/1 good"})
	sameTexts(t, "stream", keptBy(t, s), nil)
	if o.refused[forged] != 3 {
		t.Errorf("the coordinator was told of %v", o.refused)
	}
}

// A worker reaches nothing but its own subjects, and cannot have anybody speak for it: neither the server nor the coordinator answers
// elsewhere than in its inbox.
func TestPermissionFence(t *testing.T) {
	s := started(t, Options{})
	o := &office{}
	served(t, s, o)
	ctx := t.Context()
	if _, err := s.Append(ctx, 1, []byte("deal")); err != nil {
		t.Fatal(err)
	}
	c, _ := rawWorker(t, s, 1, 1)
	seals := seal(s.keys.epoch(2, 1), s.run, beat, mark{2, 1, 1}, []byte("of worker 2")) // as if its key were known
	elsewhere := []string{
		s.of("beat", 2, 1), s.of("frame", 1, 2), s.of("kept", 1, 1), s.of("kept", 0, 0), s.join("N"), s.key(2), s.workersInbox(2, 1) + ".x",
		"$JS.API.STREAM.PURGE.KV_" + s.bucket(), "$JS.API.STREAM.DELETE." + s.subjects.stream(), "$JS.API.INFO", "$SYS.REQ.SERVER.PING", "anything",
	}
	for _, subject := range elsewhere {
		if err := c.PublishRequest(subject, s.workersInbox(1, 1)+".x", seals); err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{">", s.all("beat"), s.workersInbox(2, 1) + ".>", "$KV.>"} {
		if _, err := c.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
	}
	steps := len(elsewhere) + 4
	eventually(t, "every step is counted", func() bool { return s.Refused()[foreign] == steps })

	// Its own subject, but the answer to the list, to the server's own interface, to another's subject.
	frames := seal(s.keys.epoch(1, 1), s.run, frame, mark{1, 1, 1}, []byte("own"))
	deputies := []string{s.key(2), "$JS.API.STREAM.PURGE.KV_" + s.bucket(), s.of("beat", 2, 1), s.of("kept", 2, 1), s.workersInbox(2, 1) + ".x", s.workersInbox(1, 1) + "0.x"}
	for _, subject := range deputies {
		if err := c.PublishRequest(s.of("frame", 1, 1), subject, frames); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "every deputy is refused", func() bool { return s.Refused()[foreign] == steps+len(deputies) })
	if list, err := s.Entries(ctx, 1); err != nil || len(list) != 1 || string(list[0]) != "deal" {
		t.Errorf("the list is %q, %v", list, err)
	}
	_, beats := o.heard()
	sameTexts(t, "beats", beats, nil)
	sameTexts(t, "stream", keptBy(t, s), nil)
}

// Ten thousand messages of the worst kind, from a hundred connections with a worker's and with a joiner's credentials: nothing gets through, each is shown out, and
// the honest worker beside them is served as ever.
func TestTenThousandBadMessages(t *testing.T) {
	s := started(t, Options{})
	o := &office{}
	served(t, s, o)
	honest := joined(t, s, "honest")
	random := rand.New(rand.NewPCG(1, 2))
	sent := 0
	for who := range uint32(100) {
		var c *nats.Conn
		var out <-chan struct{}
		var bad func() (string, string, []byte)
		if who%2 == 0 {
			c, out = rawWorker(t, s, 100+who, 1)
			bad = func() (string, string, []byte) { return badWorker(s, random, 100+who) }
		} else {
			nonce := fmt.Sprintf("N%d", who)
			c, out = rawJoiner(t, s, nonce)
			bad = func() (string, string, []byte) { return badJoiner(s, random, nonce) }
		}
		for n := 0; c.IsConnected(); n++ {
			subject, answer, b := bad()
			if c.PublishRequest(subject, answer, b) != nil || (n%50 == 0 && c.Flush() != nil) {
				break
			}
		}
		<-out
		sent++
		if err := honest.Deliver(t.Context(), uint64(sent), fmt.Appendf(nil, "%d", sent)); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for _, n := range s.Refused() {
		total += n
	}
	if total < 10_000 {
		t.Errorf("only %d refused", total)
	}
	kept := keptBy(t, s)
	for i, line := range kept {
		if line != fmt.Sprintf("1/1/%d %d", i+1, i+1) {
			t.Errorf("message %d of the stream is %q", i, line)
		}
	}
	hellos, beats := o.heard()
	sameTexts(t, "hellos", hellos, []string{"honest"})
	sameTexts(t, "beats", beats, nil)
	if list, err := s.Entries(t.Context(), 1); err != nil || len(list) != 0 || len(kept) != sent {
		t.Errorf("%d entries, %d messages, %v", len(list), len(kept), err)
	}
	if _, err := s.embedded.gate.admit(s.workerName(100, 1), passwordOf(s.keys.epoch(100, 1))); err != banned {
		t.Errorf("shown out, it comes again: %q", err)
	}
}

// badWorker makes a message that is none, with all that a worker has.
func badWorker(s *Server, r *rand.Rand, w uint32) (subject, answer string, b []byte) {
	own := s.keys.epoch(w, 1)
	subject, answer = s.of([]string{"beat", "frame", "welcome"}[r.IntN(3)], w, 1), s.workersInbox(w, 1)+".x"
	b = seal(own, s.run, []kind{beat, frame, ask}[r.IntN(3)], mark{w, 1, r.Uint64()}, noise(r))
	switch r.IntN(6) {
	case 0:
		b = noise(r)
	case 1:
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	case 2:
		b = b[:r.IntN(len(b))]
	case 3:
		b = seal(own, s.run, []kind{beat, frame}[r.IntN(2)], mark{1, 1, r.Uint64N(10)}, noise(r)) // of the honest one
	case 4:
		subject, b = s.of("kept", 1, 1), seal(own, s.run, frame, mark{1, 1, 7}, noise(r))
	case 5:
		binary.LittleEndian.PutUint32(b[4:], r.Uint32()) // a length that is none
	}
	return subject, answer, b
}

// badJoiner does the same with a token.
func badJoiner(s *Server, r *rand.Rand, nonce string) (subject, answer string, b []byte) {
	subject, answer = s.join(nonce), s.joinersInbox(nonce)+".x"
	b = seal(joinKey(s.Token().secret), s.run, knock, mark{}, append(make([]byte, publicBytes), noise(r)...)) // no point of the curve
	switch r.IntN(5) {
	case 0:
		b = noise(r)
	case 1:
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	case 2:
		b = seal(joinKey(s.Token().secret), s.run, knock, mark{1, 1, 1}, b)
	case 3:
		subject = s.of("frame", 1, 1)
	case 4:
		answer = "$JS.API.STREAM.PURGE.KV_" + s.bucket()
	}
	return subject, answer, b
}

func noise(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(200))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Who speaks no TLS is told nothing, not even whose bus it is; who speaks something else behind it is shown out and counted.
func TestOtherProtocols(t *testing.T) {
	s := started(t, Options{})
	address := strings.TrimPrefix(s.URL(), "tls://")
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT {}\r\nPING\r\n"} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(c); bytes.Contains(b, []byte("INFO")) || bytes.Contains(b, []byte(s.run)) {
			t.Errorf("without TLS it says %q", b)
		}
		_ = c.Close()
	}
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, c) // until it is shown out
	eventually(t, "it is counted", func() bool { return s.Refused()[badToken] == 1 })
	if old, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		_ = old.Close()
		t.Error("it speaks TLS 1.2")
	}
}

// The directory is nobody else's, and where it is not a bus' the error says so.
func TestDirectory(t *testing.T) {
	s := started(t, Options{})
	for name, want := range map[string]os.FileMode{".": 0o700, fileSecret: 0o600, fileToken: 0o600, fileKey: 0o600, fileState: 0o600} {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, fileSecret), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: s.dir}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged secret: %v", err)
	}
	for _, address := range []string{"nothing", "127.0.0.1:x", ":4222", "0.0.0.0:0"} {
		if _, err := Start(t.Context(), Options{Run: "r", Dir: t.TempDir(), Address: address}); err == nil {
			t.Errorf("it listens on %q", address)
		}
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if _, err := Start(t.Context(), Options{Run: "r", Dir: t.TempDir(), Address: busy.Addr().String()}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a port that is taken: %v", err)
	}
}
