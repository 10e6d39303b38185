package loadgen

import (
	"errors"
	"net/netip"
	"testing"
)

func TestTargetAddress(t *testing.T) {
	for _, good := range []string{
		"http://127.0.0.1:8080", "http://127.9.8.7", "http://localhost:1", "http://[::1]:80/", "http://[::ffff:127.0.0.1]:80",
		"https://127.0.0.1:8443",
	} {
		if _, err := TargetAddress(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]error{
		"http://192.0.2.1":               ErrNoConsent,
		"http://example.org":             ErrNoConsent,
		"http://localhost.example.org":   ErrNoConsent,
		"http://127.0.0.1.example.org":   ErrNoConsent,
		"http://LOCALHOST.:80":           ErrNoConsent,
		"http://0.0.0.0:80":              ErrNoConsent,
		"http://[::]:80":                 ErrNoConsent,
		"http://2130706433/":             ErrNoConsent, // 127.0.0.1 as one number, which some resolvers take
		"http://[::ffff:192.0.2.1]:80":   ErrNoConsent,
		"https://192.0.2.1":              ErrNoConsent,
		"http://127.0.0.1:0":             nil,
		"http://127.0.0.1/base":          nil,
		"http://127.0.0.1:70000":         nil,
		"http://user:secret@127.0.0.1":   nil,
		"ftp://127.0.0.1":                nil,
		"127.0.0.1:8080":                 nil,
		"":                               nil,
		"http://[::1%25lo]:80/\x7f":      nil,
		"http://127.0.0.1@192.0.2.1:80/": nil,
	} {
		_, err := TargetAddress(bad)
		if err == nil {
			t.Errorf("%q was accepted", bad)
		} else if want != nil && !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", bad, err, want)
		}
	}
}

func TestSocketsRefuseForeignAddresses(t *testing.T) {
	if _, err := newTCP(nil).Dial(t.Context(), "192.0.2.1:80"); !errors.Is(err, ErrNoConsent) {
		t.Errorf("dialing a foreign address: %v, want %v", err, ErrNoConsent)
	}
	sockets, err := newSockets(true, nil)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("no epoll here")
	} else if err != nil {
		t.Fatal(err)
	}
	defer sockets.close()
	foreign := &host{address: "192.0.2.1:80", at: netip.MustParseAddrPort("192.0.2.1:80")}
	if _, err := sockets.dial(foreign, token{}, 0); !errors.Is(err, ErrNoConsent) {
		t.Errorf("connecting to a foreign address: %v, want %v", err, ErrNoConsent)
	}
}
