package bus

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func testToken() Token {
	return Token{run: "0123456789abcdef", pin: slices.Repeat([]byte{1}, 32), secret: slices.Repeat([]byte{2}, 32)}
}

// What is no token is an error that holds nothing of it; what is one is written as it was read.
func FuzzToken(f *testing.F) {
	whole := testToken().line()
	f.Add(whole)
	f.Add(bytes.TrimSpace(whole))
	unpinned := testToken()
	unpinned.pin = nil
	f.Add(unpinned.line())
	f.Add(bytes.Replace(whole, []byte("ansturm1"), []byte("ansturm2"), 1))
	f.Add([]byte("ansturm1...."))
	f.Fuzz(func(t *testing.T, line []byte) {
		token, err := parseToken(line)
		if err != nil {
			if text := err.Error(); len(text) > 120 {
				t.Errorf("a long error: %s", text)
			}
			return
		}
		if !bytes.Equal(bytes.TrimSpace(token.line()), bytes.TrimSpace(line)) {
			t.Errorf("read %q, written %q", line, token.line())
		}
	})
}

func TestReadToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	read := func(line string) (Token, error) {
		if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadToken(file)
	}
	want := testToken()
	got, err := read(string(want.line()))
	if err != nil || got.Run() != want.run || !bytes.Equal(got.line(), want.line()) {
		t.Errorf("read %v, %v", got, err)
	}
	secret := tokenText.EncodeToString(want.secret)
	for name, line := range map[string]string{
		"another version": strings.Replace(string(want.line()), "ansturm1", "ansturm7", 1),
		"cut off":         string(want.line()[:60]), "two lines": strings.Repeat(string(want.line()), 2),
		"empty": "", "long": strings.Repeat(secret, 200), "something else": "secret=" + secret,
	} {
		_, err := read(line)
		if err == nil || strings.Contains(err.Error(), secret[:8]) || !strings.Contains(err.Error(), "join token") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, printed := range []string{fmt.Sprintf(verb, want), fmt.Sprintf(verb, &want), fmt.Sprintf(verb, []Token{want})} {
			if !strings.Contains(printed, "token of run") || strings.Contains(printed, hex.EncodeToString(want.secret[:4])) {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
}

// No bytes but a seal's own are opened, and whatever they are nothing panics.
func FuzzOpen(f *testing.F) {
	key, at := bytes.Repeat([]byte{3}, 32), mark{1, 2, 3}
	whole := seal(key, "run", frame, at, []byte("body"))
	f.Add(whole, 4)
	f.Add(whole[:20], 0)
	f.Add([]byte(sealMagic), 1)
	f.Fuzz(func(t *testing.T, b []byte, flip int) {
		m, body, err := open(key, "run", frame, b)
		if err == nil && !bytes.Equal(seal(key, "run", frame, m, body), b) {
			t.Errorf("%x is opened, and is not what its contents are sealed as", b)
		}
		sealed := seal(key, "run", frame, at, b)
		if m, body, err := open(key, "run", frame, sealed); err != nil || m != at || !bytes.Equal(body, b) {
			t.Errorf("a seal of %d bytes is not opened: %v", len(b), err)
		}
		sealed[uint(flip)%uint(len(sealed))] ^= 1
		if _, _, err := open(key, "run", frame, sealed); err == nil {
			t.Errorf("byte %d was changed, and the seal holds", uint(flip)%uint(len(sealed)))
		}
		if worker, epoch, ok := whose(string(b)); ok && !strings.HasSuffix(string(b), fmt.Sprintf(".%d.%d", worker, epoch)) {
			t.Errorf("%q is read as of %d, %d", b, worker, epoch)
		}
	})
}

// The window takes each number once, in whatever order they come, unless it is 64 behind.
func TestWindow(t *testing.T) {
	w := window{}
	for _, c := range []struct {
		n     uint64
		fresh bool
	}{
		{0, false},
		{1, true},
		{1, false},
		{3, true},
		{2, true},
		{2, false},
		{3, false},
		{64, true},
		{4, true},
		{100, true},
		{37, true},
		{36, false},
		{37, false},
		{1 << 63, true},
		{100, false},
		{1<<63 - 1, true},
		{1<<64 - 1, true},
		{0, false},
	} {
		if got := w.fresh(c.n); got != c.fresh {
			t.Errorf("%d after %d: %v", c.n, w.last, got)
		}
	}
}

// A worker's admission is read by nobody else who has the token.
func TestAdmissionIsHidden(t *testing.T) {
	ours, theirs := testKey(t), testKey(t)
	token, epoch, at := []byte("token"), bytes.Repeat([]byte{9}, 32), mark{worker: 3, epoch: 1}
	body, err := admission("run", token, ours.PublicKey().Bytes(), epoch, at, []byte("welcome"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(body, epoch) {
		t.Error("the key stands there for all to read")
	}
	if a, err := admittedBy("run", token, ours, at, body); err != nil || !bytes.Equal(a.Key, epoch) || a.Length != 7 {
		t.Errorf("%+v, %v", a.Length, err)
	}
	if _, err := admittedBy("run", token, theirs, at, body); err == nil {
		t.Error("another worker reads it")
	}
	if _, err := admittedBy("run", token, ours, mark{worker: 4, epoch: 1}, body); err == nil {
		t.Error("it is taken for another place")
	}
	if _, err := admission("run", token, make([]byte, publicBytes), epoch, at, nil); err == nil {
		t.Error("a key that is no point of the curve is agreed with")
	}
	if _, err := admission("run", token, ours.PublicKey().Bytes(), epoch, at, make([]byte, mostWelcome+1)); err == nil {
		t.Error("a welcome beyond all measure")
	}
}

func testKey(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
