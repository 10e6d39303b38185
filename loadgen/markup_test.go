package loadgen

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// ours and theirs write a document as a list of its tags and texts.
func ours(doc []byte) (list []string) {
	var m markup
	m.reset(doc)
	text := ""
	put := func(s string) {
		if text != "" {
			list = append(list, "text "+text)
		}
		if text = ""; s != "" {
			list = append(list, s)
		}
	}
	for kind := m.next(); kind != endOfPage; kind = m.next() {
		switch kind {
		case textRun:
			text += string(m.text)
		case startTag:
			tag := "start " + lowered(m.name)
			seen := map[string]bool{}
			for key, value, more := m.attribute(); more; key, value, more = m.attribute() {
				if name := lowered(key); !seen[name] {
					seen[name] = true
					tag += fmt.Sprintf(" %q=%q", name, appendAttribute(nil, value))
				}
			}
			put(tag)
		case endTag:
			put("end " + lowered(m.name))
		}
	}
	put("")
	return list
}

func theirs(doc []byte) (list []string) {
	z := html.NewTokenizer(bytes.NewReader(doc))
	text := ""
	put := func(s string) {
		if text != "" {
			list = append(list, "text "+text)
		}
		if text = ""; s != "" {
			list = append(list, s)
		}
	}
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		switch kind {
		case html.TextToken:
			text += string(z.Raw())
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			tag := "start " + string(name)
			seen := map[string]bool{}
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				if name := string(key); len(key) > 0 && !seen[name] {
					seen[name] = true
					tag += fmt.Sprintf(" %q=%q", name, value)
				}
			}
			put(tag)
		case html.EndTagToken:
			name, _ := z.TagName()
			put("end " + string(name))
		}
	}
	put("")
	return list
}

// lowered is ASCII in lower case; all else stays, valid or not.
func lowered(b []byte) string {
	b = bytes.Clone(b)
	lower(b)
	return string(b)
}

// FuzzMarkup holds the reading of documents against that of golang.org/x/net/html.
func FuzzMarkup(f *testing.F) {
	for _, doc := range []string{
		`<!DOCTYPE html><Form ID=x action='?a&amp;b&copy=1&lt'><input name = "f" value="1" /><br/><p/ a=b>`, `<!-- a --><!--><p><!---><p><!-- -- --!><p><!-- > -->-->`,
		`<script><!--<script></script>--></script><p>`, `<script><!-- </script><p>`, `<textarea></textare></TEXTAREA ><p>`, `</><//><?x><!x><a =b =c d= e='`, `a<b<c <3`,
		`<title>&amp;</title><style><p></style><xmp></xm></xmp/>`, `<a b=&notit; c=&notin; d=&#x41 e=&#65;&semi; f=&ampx; g=&amp h="&amp=">`, "<a\rb=\"c\r\nd\re\">\r\n", `<plaintext></plaintext>`,
		`<a b='c'd="e"f>`, `<script>a</scriptx></script`, `<a/b/=c>`, `<a "b'c>`, `<noscript><p></noscript>`, `<a b=c/>`, `<script><!-- <script>-></script>--><p>`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if bytes.IndexByte(doc, 0) >= 0 {
			return
		}
		if a, b := ours(doc), theirs(doc); strings.Join(a, "\n") != strings.Join(b, "\n") {
			t.Fatalf("%q is read as\n%q, want\n%q", doc, a, b)
		}
	})
}
