package loadgen

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func pageOf(t testing.TB, text string) *page {
	t.Helper()
	p := &page{}
	p.set("http", []byte("start.example"), []byte("/"))
	if err := p.resolve([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestResolve has the examples of RFC 3986, 5.4, and what answers in the wild hold.
func TestResolve(t *testing.T) {
	const base = "http://a/b/c/d;p?q"
	for ref, want := range map[string]string{
		"g": "http://a/b/c/g", "./g": "http://a/b/c/g", "g/": "http://a/b/c/g/", "/g": "http://a/g", "//g": "http://g/",
		"?y": "http://a/b/c/d;p?y", "g?y": "http://a/b/c/g?y", "#s": "http://a/b/c/d;p?q", "g#s": "http://a/b/c/g", ";x": "http://a/b/c/;x",
		"": "http://a/b/c/d;p?q", ".": "http://a/b/c/", "./": "http://a/b/c/", "..": "http://a/b/", "../": "http://a/b/", "../g": "http://a/b/g",
		"../..": "http://a/", "../../g": "http://a/g", "../../../g": "http://a/g", "/./g": "http://a/g", "/../g": "http://a/g", "g.": "http://a/b/c/g.",
		".g": "http://a/b/c/.g", "..g": "http://a/b/c/..g", "./../g": "http://a/b/g", "./g/.": "http://a/b/c/g/", "g/./h": "http://a/b/c/g/h",
		"g/../h": "http://a/b/c/h", "g;x=1/../y": "http://a/b/c/y", "g?y/../x": "http://a/b/c/g?y/../x", "g?y=./x": "http://a/b/c/g?y=./x",

		"https://Login.Example.org:443/x": "https://login.example.org/x", "HTTP://b:80": "http://b/", "http://b?x": "http://b/?x",
		"//b:8080?x": "http://b:8080/?x", "http://[::1]:8080/x": "http://[::1]:8080/x", "http://b:/": "http://b/",
		"  /x y\t": "http://a/x%20y", "/ä": "http://a/%C3%A4", "/a\tb": "http://a/ab", "/<\">": "http://a/%3C%22%3E", "/%zz": "http://a/%zz",
		"/x?a=http://c/d": "http://a/x?a=http://c/d", "x?a=:": "http://a/b/c/x?a=:",
	} {
		p := pageOf(t, base)
		if err := p.resolve([]byte(ref)); err != nil {
			t.Errorf("%q: %v", ref, err)
		} else if got := string(p.text); got != want {
			t.Errorf("%q leads to %s, want %s", ref, got, want)
		}
	}
	for _, ref := range []string{
		"javascript:void(0)", "mailto:a@b", "http:", "http:/x", "http://", "//", "http://u@b/", "http://u:p@b/", "http://a b/", "http://b:0/",
		"http://b:65536/", "http://b:x/", "http://[::1/", "http://::1/", "http://[b]/", "http://b]/", "http://ä.de/", "http://b\\c/", "http://%62/",
		"http://[::1]x/", "//a:1:2/", "/" + strings.Repeat("x", maxURL),
	} {
		p := pageOf(t, base)
		if err := p.resolve([]byte(ref)); !errors.Is(err, errURL) || string(p.text) != base {
			t.Errorf("%.40q: %v, and the page is %s", ref, err, p.text)
		}
	}
}

func TestPageParts(t *testing.T) {
	p := pageOf(t, "https://[::1]:8443/a/b?c")
	if !p.secure() || string(p.authority()) != "[::1]:8443" || string(p.hostname()) != "::1" || string(p.path()) != "/a/b" || string(p.target()) != "/a/b?c" {
		t.Errorf("%s: %s, %s, %s, %s", p.text, p.authority(), p.hostname(), p.path(), p.target())
	}
}

func TestResolveAllocatesNothing(t *testing.T) {
	p := pageOf(t, "http://127.0.0.1:8080/antrag/start?x=1")
	refs := [][]byte{[]byte("https://login.example.org/auth?client=a&state=b"), []byte("../x?y"), []byte("/antrag")}
	if n := testing.AllocsPerRun(100, func() {
		for _, ref := range refs {
			if err := p.resolve(ref); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%g allocations, want none", n)
	}
}

// FuzzResolve holds resolve against net/url: where both take a reference they agree, and where net/url takes one that
// leads somewhere over HTTP, so does resolve.
func FuzzResolve(f *testing.F) {
	for _, ref := range []string{
		"g", "../../x?y=/../z", "//h:80/./a", "https://H:443?q#f", "?", "#", "/a//b/../c", "a/./../../..", "/%2e%2e/x", "http://[::1]:1/", "/ü?ü", "http://h/%zz", "/.", "..//",
	} {
		f.Add("http://a.example/b/c?d", ref)
	}
	f.Add("http://a/..//.", "./")
	f.Fuzz(func(t *testing.T, base, ref string) {
		p := &page{}
		p.set("http", []byte("start.example"), []byte("/"))
		if p.resolve([]byte(base)) != nil {
			return
		}
		theirs, err := url.Parse(string(p.text))
		if err != nil {
			return // a percent sign that escapes nothing, which browsers send as it stands
		}
		was := string(p.text)
		if err := p.resolve([]byte(ref)); err != nil {
			if string(p.text) != was {
				t.Fatalf("%v, but the page is now %q", err, p.text)
			}
			checkRefused(t, theirs, ref)
			return
		}
		for _, c := range p.text {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("%q cannot be sent", p.text)
			}
		}
		ours, err := url.Parse(string(p.text))
		if err != nil {
			return
		}
		if ours.Host == "" || ours.User != nil || !strings.HasPrefix(ours.Path, "/") || ours.Fragment != "" {
			t.Fatalf("%q is no page", p.text)
		}
		if readAlike(ref) && !strings.Contains(was[7:], "//") {
			checkSameURL(t, theirs, ours, ref)
		}
	})
}

// readAlike says that browsers and net/url read ref alike: no white space and fragments, which browsers drop, no
// backslashes, and no empty segments, which net/url drops after dots and RFC 3986 does not.
func readAlike(ref string) bool {
	_, path, _ := strings.Cut(ref, "//")
	return !strings.Contains(path, "//") && !strings.Contains(ref, ".//") && strings.IndexFunc(ref, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`\"<>#%`, r) }) < 0
}

func checkRefused(t *testing.T, base *url.URL, ref string) {
	t.Helper()
	want, err := base.Parse(ref)
	if err != nil || !readAlike(ref) || len(ref)+len(base.String()) > maxURL/4 || strings.HasPrefix(ref, "//") && want.Host == base.Host || want.Opaque != "" || want.User != nil || want.Host == "" {
		return
	}
	odd := strings.IndexFunc(want.Host, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", r)
	}) >= 0
	if (want.Scheme == "http" || want.Scheme == "https") && !odd && !strings.Contains(ref, "@") {
		t.Fatalf("%q from %s leads to %s, but is refused", ref, base, want)
	}
}

func checkSameURL(t *testing.T, base, ours *url.URL, ref string) {
	t.Helper()
	want, err := base.Parse(ref)
	if err != nil || want.Host == "" {
		return
	}
	if want.Path == "" {
		want.Path = "/"
	}
	host := strings.ToLower(want.Hostname())
	port := want.Port()
	if want.Scheme == "http" && port == "80" || want.Scheme == "https" && port == "443" {
		port = ""
	}
	if ours.Scheme != want.Scheme || ours.Hostname() != host || strings.TrimLeft(ours.Port(), "0") != strings.TrimLeft(port, "0") ||
		ours.Path != want.Path || ours.RawQuery != want.RawQuery {
		t.Fatalf("%q from %s leads to %s, want %s", ref, base, ours, want)
	}
}
