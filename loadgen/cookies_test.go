package loadgen

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const noon = 1_800_000_000 // 15 January 2027

// sent is what the jar sends to a page, without the header's name.
func sent(t testing.TB, j *jar, to string, now int64) string {
	t.Helper()
	line := string(j.appendTo(nil, pageOf(t, to), now))
	return strings.TrimSuffix(strings.TrimPrefix(line, "Cookie: "), "\r\n")
}

// TestCookies: what is set by which page, and what another page then gets.
func TestCookies(t *testing.T) {
	const app = "https://app.example.org/antrag/start"
	for name, c := range map[string]struct {
		from, set, to, want string
	}{
		"session":                   {app, "sid=1; Path=/; HttpOnly; Secure; SameSite=Lax", "https://app.example.org/", "sid=1"},
		"own host only":             {app, "sid=1; Path=/", "https://login.example.org/", ""},
		"not a longer host":         {app, "sid=1; Path=/", "https://x.app.example.org/", ""},
		"a domain":                  {app, "sid=1; Path=/; Domain=.Example.org", "https://login.example.org/", "sid=1"},
		"a foreign domain":          {app, "sid=1; Path=/; Domain=other.org", "https://other.org/", ""},
		"a part of a name":          {app, "sid=1; Path=/; Domain=ample.org", "https://ample.org/", ""},
		"a top level domain":        {app, "sid=1; Path=/; Domain=org", "https://x.org/", ""},
		"another port":              {app, "sid=1; Path=/", "https://app.example.org:8443/", "sid=1"},
		"default path":              {app, "sid=1", "https://app.example.org/antrag/end", "sid=1"},
		"not beside default path":   {app, "sid=1", "https://app.example.org/antragsteller", ""},
		"a path with a slash":       {app, "sid=1; Path=/a/", "https://app.example.org/a", ""},
		"a relative path":           {app, "sid=1; Path=a", "https://app.example.org/antrag", "sid=1"},
		"secure over TLS only":      {app, "sid=1; Path=/; Secure", "http://app.example.org/", ""},
		"secure from plain":         {"http://app.example.org/", "sid=1; Secure", "https://app.example.org/", ""},
		"secure on this machine":    {"http://127.0.0.1:8080/", "sid=1; Secure", "http://127.0.0.1:8080/x", "sid=1"},
		"an address is no domain":   {"http://127.0.0.1:8080/", "sid=1; Domain=127.0.0.1", "http://127.0.0.1:8080/x", "sid=1"},
		"part of an address":        {"http://127.0.0.1:8080/", "sid=1; Domain=0.0.1", "http://127.0.0.1:8080/x", ""},
		"host prefix":               {app, "__Host-sid=1; Secure; Path=/", "https://app.example.org/", "__Host-sid=1"},
		"host prefix, no path":      {app, "__Host-sid=1; Secure", "https://app.example.org/antrag", ""},
		"host prefix, domain":       {app, "__Host-sid=1; Secure; Path=/; Domain=example.org", "https://app.example.org/", ""},
		"host prefix in other case": {app, "__hOST-sid=1; Path=/", "https://app.example.org/", ""},
		"prefix in a value":         {app, "=__Host-sid; Path=/", "https://app.example.org/", ""},
		"secure prefix":             {app, "__Secure-sid=1; Path=/", "https://app.example.org/", ""},
		"max-age":                   {app, "sid=1; Path=/; Max-Age=60", "https://app.example.org/", "sid=1"},
		"max-age 0":                 {app, "sid=1; Path=/; Max-Age=0", "https://app.example.org/", ""},
		"max-age before expires":    {app, "sid=1; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://app.example.org/", "sid=1"},
		"max-age after expires":     {app, "sid=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", "https://app.example.org/", "sid=1"},
		"expired":                   {app, "sid=1; Path=/; Expires=Thu, 01-Jan-70 00:00:00 GMT", "https://app.example.org/", ""},
		"a date that is none":       {app, "sid=1; Path=/; Expires=tomorrow", "https://app.example.org/", "sid=1"},
		"blanks":                    {app, " sid = a b ; Path = / ", "https://app.example.org/", "sid=a b"},
		"quotes stay":               {app, `sid="a b"; Path=/`, "https://app.example.org/", `sid="a b"`},
		"equals in a value":         {app, "sid=a=b==; Path=/", "https://app.example.org/", "sid=a=b=="},
		"no name":                   {app, "token; Path=/", "https://app.example.org/", "token"},
		"nothing":                   {app, "=; Path=/", "https://app.example.org/", ""},
		"a control character":       {app, "sid=a\x01b; Path=/", "https://app.example.org/", ""},
		"too long":                  {app, "sid=" + strings.Repeat("x", maxCookie) + "; Path=/", "https://app.example.org/", ""},
		"the last path counts":      {app, "sid=1; Path=/x; Path=/", "https://app.example.org/", "sid=1"},
	} {
		var j jar
		j.set([]byte(c.set), pageOf(t, c.from), noon)
		if got := sent(t, &j, c.to, noon); got != c.want {
			t.Errorf("%s: %q is sent, want %q", name, got, c.want)
		}
	}
}

func TestCookiesAreReplacedRemovedAndOrdered(t *testing.T) {
	var j jar
	at := pageOf(t, "https://a.example/x/y")
	for _, line := range []string{"root=1; Path=/", "deep=1; Path=/x/y", "mid=1; Path=/x", "root2=1; Path=/", "gone=1; Path=/; Max-Age=10"} {
		j.set([]byte(line), at, noon)
	}
	if got := sent(t, &j, "https://a.example/x/y", noon+9); got != "deep=1; mid=1; root=1; root2=1; gone=1" {
		t.Errorf("sent is %s", got)
	}
	for _, line := range []string{"root=longer-than-before; Path=/", "mid=; Path=/x; Max-Age=-1", "deep=0; Path=/x/y"} {
		j.set([]byte(line), at, noon)
	}
	if got := sent(t, &j, "https://a.example/x/y", noon+10); got != "deep=0; root=longer-than-before; root2=1" {
		t.Errorf("sent is %s", got)
	}
	if value, ok := j.value("root", at, noon); !ok || string(value) != "longer-than-before" {
		t.Errorf("root is %s, %v", value, ok)
	}
	if _, ok := j.value("gone", at, noon+10); ok {
		t.Error("an expired cookie has a value")
	}
	if value, ok := j.value("deep", pageOf(t, "https://b.example/"), noon); !ok || string(value) != "0" {
		t.Errorf("elsewhere deep is %s, %v", value, ok)
	}
	j.clear()
	if got := sent(t, &j, "https://a.example/x/y", noon); got != "" {
		t.Errorf("an empty jar sends %s", got)
	}
}

// TestSecureCookiesAreNotReplacedFromOutside: who only listens in on plain HTTP cannot put a session under somebody.
func TestSecureCookiesAreNotReplacedFromOutside(t *testing.T) {
	var j jar
	j.set([]byte("sid=good; Path=/; Secure"), pageOf(t, "https://a.example/"), noon)
	j.set([]byte("sid=bad; Path=/"), pageOf(t, "http://a.example/"), noon)
	if got := sent(t, &j, "https://a.example/", noon); got != "sid=good" {
		t.Errorf("sent is %s", got)
	}
}

func TestJarIsBounded(t *testing.T) {
	var j jar
	at := pageOf(t, "https://a.example/")
	j.set([]byte("deep=1; Path=/x"), at, noon)
	for i := range 10 * maxCookies {
		j.set(fmt.Appendf(nil, "c%d=1; Path=/", i), at, noon)
	}
	if len(j.cookies) != maxCookies {
		t.Errorf("%d cookies, want %d", len(j.cookies), maxCookies)
	}
	got := sent(t, &j, "https://a.example/x", noon)
	if !strings.HasPrefix(got, "deep=1; ") || !strings.HasSuffix(got, fmt.Sprintf("c%d=1", 10*maxCookies-1)) || strings.Contains(got, "c0=") {
		t.Errorf("sent is %s", got)
	}
}

func TestCookieDates(t *testing.T) {
	want := time.Date(2027, 3, 5, 13, 42, 9, 0, time.UTC).Unix()
	for _, text := range []string{
		"Fri, 05 Mar 2027 13:42:09 GMT", "Friday, 05-Mar-27 13:42:09 GMT", "Fri Mar  5 13:42:09 2027", "5 march 2027 13:42:9", "13:42:09.5 2027 MARS 5th",
		"Fri, 5-Mar-2027 13:42:09",
	} {
		if at, ok := cookieDate([]byte(text)); !ok || at != want {
			t.Errorf("%q is %d, %v, want %d", text, at, ok, want)
		}
	}
	for _, text := range []string{"", "Fri, 05 Mar 2027", "31 Feb 2027 00:00:00", "05 Mar 1600 00:00:00", "05 Mar 2027 24:00:00", "0 Mar 2027 00:00:00", "05 Mrz 2027 00:00:00"} {
		if at, ok := cookieDate([]byte(text)); ok {
			t.Errorf("%q is %d", text, at)
		}
	}
}

// TestJarKeepsWhatNetHTTPKeeps plays a person's way through the pages of two hosts with both jars.
func TestJarKeepsWhatNetHTTPKeeps(t *testing.T) {
	hosts := []string{"https://a.example.org", "https://b.example.org", "https://example.org"}
	paths := []string{"/", "/x", "/x/", "/x/y", "/xy"}
	rapid.Check(t, func(t *rapid.T) {
		theirs, _ := cookiejar.New(nil)
		var ours jar
		now := time.Now() // cookiejar has no clock of its own: lifetimes are an hour, or over
		for range rapid.IntRange(1, 12).Draw(t, "answers") {
			from := rapid.SampledFrom(hosts).Draw(t, "host") + rapid.SampledFrom(paths).Draw(t, "path")
			line := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name") + "=" + rapid.StringMatching(`[a-z0-9]{0,3}`).Draw(t, "value")
			for range rapid.IntRange(0, 3).Draw(t, "attributes") {
				line += "; " + rapid.SampledFrom([]string{
					"Path=/", "Path=/x", "Path=/x/", "path=x", "Domain=example.org", "domain=.EXAMPLE.org", "Domain=b.example.org", "Secure", "HttpOnly",
					"Max-Age=3600", "Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT", "Expires=Fri, 01 Jan 2100 00:00:00 GMT", "SameSite=Lax",
				}).Draw(t, "attribute")
			}
			u, _ := url.Parse(from)
			cookies := (&http.Response{Header: http.Header{"Set-Cookie": {line}}}).Cookies()
			theirs.SetCookies(u, cookies)
			p := &page{}
			p.set("https", []byte(u.Host), []byte(u.Path))
			ours.set([]byte(line), p, now.Unix())
		}
		for _, host := range hosts {
			for _, path := range paths {
				u, _ := url.Parse(host + path)
				r := &http.Request{Header: http.Header{}}
				for _, c := range theirs.Cookies(u) {
					r.AddCookie(c)
				}
				p := &page{}
				p.set("https", []byte(u.Host), []byte(u.Path))
				got := strings.TrimSuffix(strings.TrimPrefix(string(ours.appendTo(nil, p, now.Unix())), "Cookie: "), "\r\n")
				if want := r.Header.Get("Cookie"); got != want {
					t.Fatalf("to %s goes %q, with net/http %q", u, got, want)
				}
			}
		}
	})
}

// FuzzSetCookie holds one header against net/http's reading of it, where net/http takes it.
func FuzzSetCookie(f *testing.F) {
	for _, line := range []string{
		"sid=1; Path=/; Domain=example.org; Max-Age=10; Secure; HttpOnly", "a=b; Expires=Wed, 09 Jun 2100 10:18:14 GMT", "__Host-a=b; Secure; Path=/",
		"a=\"b\"; path", "=x", "x", ";", "a=b; domain=.; path=//; max-age=-", "a=b;expires=1 jan 1 1:1:1", "a==;;=;", "a=b; Domain=app.example.org; Path=/x/y",
	} {
		f.Add(line, "/x/y")
	}
	f.Fuzz(func(t *testing.T, line, path string) {
		p := pageOf(t, "https://app.example.org/")
		if p.resolve([]byte("/"+strings.TrimLeft(path, "/"))) != nil {
			return
		}
		var j jar
		j.set([]byte(line), p, noon)
		for _, to := range []string{"https://app.example.org/x/y", "http://example.org/", string(p.text)} {
			checkCookieLine(t, string(j.appendTo(nil, pageOf(t, to), noon)))
		}
		if len(j.cookies) == 1 {
			c := &j.cookies[0]
			if c.expires <= noon || len(c.pathText()) == 0 || c.pathText()[0] != '/' || !domainMatches([]byte("app.example.org"), c.domainText()) {
				t.Fatalf("kept %+v", c)
			}
		}
		theirs, err := http.ParseSetCookie(line)
		if err != nil || strings.Count(strings.ToLower(line), "max-age")+strings.Count(strings.ToLower(line), "expires")+
			strings.Count(strings.ToLower(line), "domain")+strings.Count(line, "__") > 0 || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return
		}
		if len(j.cookies) != 1 {
			t.Fatalf("%q is not kept, net/http reads %v", line, theirs)
		}
		value := string(j.cookies[0].valueText())
		if theirs.Quoted {
			value = strings.Trim(value, `"`)
		}
		if string(j.cookies[0].nameText()) != theirs.Name || value != strings.Trim(theirs.Value, " ") || // RFC 6265, 5.2, step 4
			theirs.Secure && !j.cookies[0].secure {
			t.Fatalf("%q gives %+v, net/http reads %v", line, j.cookies[0], theirs)
		}
	})
}

// checkCookieLine says that what is sent is one header line or nothing.
func checkCookieLine(t *testing.T, line string) {
	t.Helper()
	if line == "" {
		return
	}
	inner, ended := strings.CutSuffix(line, "\r\n")
	if !ended || !strings.HasPrefix(inner, "Cookie: ") || strings.ContainsAny(inner, "\r\n\x00") {
		t.Fatalf("%q is sent", line)
	}
}

// TestJarAllocatesNothing once it has held as much before.
func TestJarAllocatesNothing(t *testing.T) {
	var j jar
	at := pageOf(t, "https://app.example.org/x/y")
	lines := [][]byte{[]byte("sid=0123456789abcdef; Path=/; HttpOnly; Secure"), []byte("csrf=xyz; Path=/x; Expires=Fri, 01 Jan 2100 00:00:00 GMT"), []byte("a=b; Domain=example.org; Max-Age=60")}
	var dst []byte
	if n := testing.AllocsPerRun(100, func() {
		j.clear()
		for _, line := range lines {
			j.set(line, at, noon)
		}
		dst = j.appendTo(dst[:0], at, noon)
	}); n != 0 || len(dst) == 0 {
		t.Errorf("%g allocations for %q, want none", n, dst)
	}
}

func BenchmarkJar(b *testing.B) {
	var j jar
	at := pageOf(b, "https://app.example.org/x/y")
	set, dst := []byte("sid=0123456789abcdef; Path=/; HttpOnly; Secure; SameSite=Lax"), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		j.clear()
		j.set(set, at, noon)
		dst = j.appendTo(dst[:0], at, noon)
	}
}
