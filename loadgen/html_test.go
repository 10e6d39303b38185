package loadgen

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

// look gives what a page holds, by want; "–" for what it does not.
func look(t testing.TB, doc string, want ...inPage) []string {
	t.Helper()
	got := make([]string, len(want))
	for i := range got {
		got[i] = "–"
	}
	var r pageReader
	missing := r.read([]byte(doc), pageOf(t, "https://idp.example/realm/auth?x=1"), want, func(i int, value []byte) { got[i] = string(value) })
	if n := strings.Count(strings.Join(got, ""), "–"); n != missing {
		t.Errorf("%d of %q are missing, said are %d", n, got, missing)
	}
	return got
}

func TestFieldsOfForms(t *testing.T) {
	for doc, want := range map[string]string{
		`<input name="f" value="v">`:                                                 "v",
		`<input value=v name=f>`:                                                     "v",
		`<INPUT VALUE='a "b" c' TYPE=hidden NAME='f'>`:                               `a "b" c`,
		`<input name=f value="a&amp;b&#x3d;&quot;&uuml;">`:                           `a&b="ü`,
		"<input\n name\t=\n\"f\"\n value = \"two\nlines\" />":                        "two\nlines",
		`<input name=f>`:                                                             "",
		`<input name=g value=1><input name=f value=2>`:                               "2",
		`<input name=f value=1><input name=f value=2>`:                               "1",
		`<!-- <input name=f value=1> --><input name=f value=2>`:                      "2",
		`<script>"<input name=f value=1>"</script>`:                                  "–",
		`<style><input name=f value=1></style>`:                                      "–",
		`<title><input name=f value=1></title>`:                                      "–",
		`<p title="<input name=f value=1>">`:                                         "–",
		`<textarea name=f>a &lt; <b></textarea>`:                                     "a < <b>",
		"<textarea name=f>\nfirst\n</textarea>":                                      "first\n",
		`<textarea name=f>no end`:                                                    "no end",
		`<textarea name=f></textarea><input name=f value=2>`:                         "",
		`<select name=f><option>a<option value=b selected>B</select>`:                "b",
		`<select name=f><option> a </option><option>b</select>`:                      "a",
		`<select name=f><option value=a selected><option value=b selected></select>`: "a",
		`<select name=f></select>`:                                                   "",
		`<input type=checkbox name=f value=1><input name=f value=2>`:                 "2",
		`<input type=CHECKBOX name=f checked>`:                                       "on",
		`<input type=radio name=f value=a><input type=radio name=f value=b checked>`: "b",
		`<meta name=f content="token">`:                                              "token",
		`<button name=f value=go>Go</button>`:                                        "go",
		`<input name=f value=1`:                                                      "–",
		`<input name=ff value=1>`:                                                    "–",
		``:                                                                           "–",
	} {
		if got := look(t, doc, inPage{field: "f"})[0]; got != want {
			t.Errorf("%s: %q, want %q", doc, got, want)
		}
	}
}

func TestActionsAndLinks(t *testing.T) {
	login, link := inPage{action: "login"}, inPage{link: "Zum Antrag"}
	for _, c := range []struct {
		doc  string
		want inPage
		is   string
	}{
		{`<form id=login action="/go?a=1&amp;b=2">`, login, "https://idp.example/go?a=1&b=2"},
		{`<form name=login action="../x">`, login, "https://idp.example/x"},
		{`<form action="http://app.example/"><input name=login>`, login, "http://app.example/"},
		{`<form action=/a></form><form action=/b><select name=login>`, login, "https://idp.example/b"},
		{`<form action=/a><form action=/b><input name=login>`, login, "https://idp.example/a"},
		{`<form id=login>`, login, "https://idp.example/realm/auth?x=1"},
		{`<form id=login action="">`, login, "https://idp.example/realm/auth?x=1"},
		{`<form id=login action="?y">`, login, "https://idp.example/realm/auth?y"},
		{`<base href="/other/"><form id=login action="go">`, login, "https://idp.example/other/go"},
		{`<base target=x><base href=//cdn.example/><base href=/no/><form id=login action=go>`, login, "https://cdn.example/go"},
		{`<form id=login action="javascript:void(0)">`, login, "–"},
		{`<input name=login>`, login, "–"},
		{`<a href="/a">Hilfe</a><a href=/b>Weiter <b>Zum
			Antrag</b> &raquo;</a>`, link, "https://idp.example/b"},
		{`<a id="Zum Antrag" href="/a"></a>`, link, "https://idp.example/a"},
		{`<a href=/a>Zum <a href=/b>Zum Antrag`, link, "https://idp.example/b"},
		{`<a name=x>Zum Antrag</a>`, link, "–"},
		{`<a href="mailto:a@b">Zum Antrag</a><a href=/b>Zum Antrag</a>`, link, "https://idp.example/b"},
	} {
		if got := look(t, c.doc, c.want)[0]; got != c.is {
			t.Errorf("%s: %q, want %q", c.doc, got, c.is)
		}
	}
	const doc = `<form id=x action=/1><input name=f value=2></form><a href=/3>vier</a>`
	if got := look(t, doc, inPage{link: "vier"}, inPage{field: "f"}, inPage{action: "f"}, inPage{action: "x"}, inPage{field: "g"}); fmt.Sprint(got) !=
		"[https://idp.example/3 2 https://idp.example/1 https://idp.example/1 –]" {
		t.Errorf("all at once: %q", got)
	}
}

// TestFormsAreReadAsABrowserParsesThem holds the reader against the tree that an HTML5 parser makes of random pages.
func TestFormsAreReadAsABrowserParsesThem(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		`<form action=/a>`, `<form action="/b?c&amp;d" id=f>`, `</form>`, `<input name=f value=1>`, `<input value='2&lt;' name="f">`, `<input name=g>`, `<p>`, `</p>`,
		`<div class="<input name=f value=3>">`, `</div>`, `<!-- <input name=f value=4> -->`, `<script>'<input name=f value=5>'</script>`, `text `, `&amp;`,
		"<textarea name=f>\n6</textarea>", `<a href=/7>7</a>`, `<br/>`, `<input name=f value=8 />`, `<b>`, `</b>`,
	})
	rapid.Check(t, func(t *rapid.T) {
		doc := "<!DOCTYPE html><body>" + strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "page"), "")
		tree, err := html.Parse(strings.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		want, found := firstField(tree)
		var got []byte
		var r pageReader
		at := &page{}
		at.set("http", []byte("a.example"), []byte("/"))
		missing := r.read([]byte(doc), at, []inPage{{field: "f"}}, func(_ int, value []byte) { got = bytes.Clone(value) })
		if (missing == 0) != found || string(got) != want {
			t.Fatalf("%s: %q, a browser has %q (%v)", doc, got, want, found)
		}
	})
}

// firstField is the value of the first field f of a tree.
func firstField(n *html.Node) (string, bool) {
	attr := func(name string) string {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
		return ""
	}
	if n.Type == html.ElementNode && attr("name") == "f" {
		switch n.Data {
		case "input":
			return attr("value"), true
		case "textarea":
			if n.FirstChild == nil {
				return "", true
			}
			return n.FirstChild.Data, true
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if value, found := firstField(c); found {
			return value, true
		}
	}
	return "", false
}

// FuzzPage: whatever a page holds, a URL that it gives can be sent, and what comes after a thing does not change it.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`<base href=//x/><form id=k action="?a&amp;b"><input name=k value='1'><textarea name=k>`))
	f.Add([]byte(`<select name=k><option selected><option value=2 selected>x</select><a href=' h t t p://x '>k</a>`))
	f.Add([]byte("<form name=k action=http://[::1]:0/></form><a id=k href=javascript:1>k<meta name=k content=\xff>"))
	f.Add([]byte(`<form action=http://a:99999/><input type=radio name=k><a href="//">k`))
	want := []inPage{{field: "k"}, {action: "k"}, {link: "k"}}
	f.Fuzz(func(t *testing.T, doc []byte) {
		at := pageOf(t, "http://a.example/b?c")
		var first, second [3]string
		var r pageReader
		missing := r.read(doc, at, want, func(i int, value []byte) { first[i] = "+" + string(value) })
		if missing > 3 || missing < 0 {
			t.Fatalf("%d missing", missing)
		}
		for _, url := range first[1:] {
			if url != "" && string(pageOf(t, url[1:]).text) != url[1:] {
				t.Fatalf("%q is no URL to send", url[1:])
			}
		}
		longer := append(bytes.Clone(doc), "<p>more</p>"...)
		r.read(longer, at, want, func(i int, value []byte) { second[i] = "+" + string(value) })
		if first[1] != "" && first[1] != second[1] {
			t.Fatalf("the form goes to %q, and with more after it to %q", first[1], second[1])
		}
	})
}

func BenchmarkPage(b *testing.B) {
	doc := []byte("<!DOCTYPE html><html><head><title>Anmelden</title><script>" + strings.Repeat("var a = 1;\n", 500) + "</script></head><body>" +
		strings.Repeat(`<div class="row"><a href="/x">Text</a></div>`, 100) +
		`<form id="kc-form" action="/login?a=1&amp;b=2"><input type="hidden" name="csrf" value="0123456789abcdef"><input name="user"></form></body></html>`)
	at := pageOf(b, "https://idp.example/realm/auth?x=1")
	want := []inPage{{field: "csrf"}, {action: "kc-form"}}
	var r pageReader
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if r.read(doc, at, want, func(int, []byte) {}) > 0 {
			b.Fatal("nothing found")
		}
	}
}
