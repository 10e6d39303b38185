package loadgen

import (
	"bytes"
	"html"
)

// markup takes an HTML document apart into tags and text as browsers do (the HTML standard, 13.2.5), as far as forms
// and links need it: comments, scripts and other raw text are not taken for tags, attributes come in any order and
// quoting, entities are told from the ampersands of URLs. It reads in place and allocates nothing but for entities.
// golang.org/x/net/html, which tests hold it against, makes four objects an attribute, and a page of 10 kB has a thousand.
type markup struct {
	doc []byte
	at  int
	raw string // the element whose raw text is next

	name []byte // of the tag, in any case
	rest []byte // its attributes
	text []byte // as it stands: entities are not decoded
}

type markupKind uint8

const (
	endOfPage markupKind = iota
	textRun
	startTag
	endTag
)

// rawElements hold no tags but their own end; the last has none.
var rawElements = []string{"script", "style", "title", "textarea", "iframe", "noembed", "noframes", "noscript", "xmp", "plaintext"}

func (m *markup) reset(doc []byte) { *m = markup{doc: doc} }

// next goes to the next tag or run of text.
func (m *markup) next() markupKind {
	if m.raw != "" {
		end := m.rawEnd()
		m.raw = ""
		if m.text = m.doc[m.at:end]; len(m.text) > 0 {
			m.at = end
			return textRun
		}
	}
	for m.at < len(m.doc) {
		i := bytes.IndexByte(m.doc[m.at:], '<')
		if i != 0 {
			if i < 0 {
				i = len(m.doc) - m.at
			}
			m.text = m.doc[m.at : m.at+i]
			m.at += i
			return textRun
		}
		b := m.doc[m.at:]
		switch {
		case len(b) > 1 && isLetter(b[1]):
			return m.tag(1)
		case len(b) > 2 && b[1] == '/' && isLetter(b[2]):
			return m.tag(2)
		case len(b) > 1 && (b[1] == '!' || b[1] == '?') || len(b) > 2 && b[1] == '/':
			m.at += commentLength(b)
		default:
			m.text = b[:1]
			m.at++
			return textRun
		}
	}
	return endOfPage
}

// tag reads the tag whose name begins at m.at+skip. A tag that does not end is none.
func (m *markup) tag(skip int) markupKind {
	b := m.doc[m.at+skip:]
	n := 0
	for n < len(b) && !endsName(b[n]) {
		n++
	}
	m.name = b[:n]
	rest := b[n:]
	for more := true; more; {
		_, _, rest, more = cutAttribute(rest)
	}
	if len(rest) == 0 {
		m.at = len(m.doc)
		return endOfPage
	}
	m.rest = b[n : len(b)-len(rest)]
	m.at = len(m.doc) - len(rest) + 1
	if skip == 2 {
		return endTag
	}
	for _, name := range rawElements {
		if equalFold(m.name, name) {
			m.raw = name
		}
	}
	return startTag
}

// attribute gives the tag's next attribute; its value as it stands.
func (m *markup) attribute() (key, value []byte, more bool) {
	key, value, m.rest, more = cutAttribute(m.rest)
	return key, value, more
}

// cutAttribute cuts the first attribute off. At the tag's end more is false, and rest begins with ">"; it is empty where
// the document ends first.
func cutAttribute(b []byte) (key, value, rest []byte, more bool) {
	for len(b) > 0 && (isBlank(b[0]) || b[0] == '/') {
		b = b[1:]
	}
	if len(b) == 0 || b[0] == '>' {
		return nil, nil, b, false
	}
	n := 1 // a name may begin with "="
	for n < len(b) && !endsName(b[n]) && b[n] != '=' {
		n++
	}
	key, b = b[:n], skipBlank(b[n:])
	if len(b) == 0 || b[0] != '=' {
		return key, nil, b, true
	}
	b = skipBlank(b[1:])
	if len(b) == 0 || b[0] == '>' {
		return key, nil, b, true
	}
	if quote := b[0]; quote == '"' || quote == '\'' {
		value, rest, _ = bytes.Cut(b[1:], b[:1])
		return key, value, rest, true
	}
	for n = 0; n < len(b) && !isBlank(b[n]) && b[n] != '>'; {
		n++
	}
	return key, b[:n], b[n:], true
}

// commentLength is that of the comment, or what browsers take for one, that b begins with.
func commentLength(b []byte) int {
	if !bytes.HasPrefix(b, []byte("<!--")) {
		if i := bytes.IndexByte(b, '>'); i >= 0 {
			return i + 1
		}
		return len(b)
	}
	for _, end := range []string{"<!-->", "<!--->"} {
		if bytes.HasPrefix(b, []byte(end)) {
			return len(end)
		}
	}
	for i := 4; i < len(b); i++ {
		switch {
		case bytes.HasPrefix(b[i:], []byte("-->")):
			return i + 3
		case bytes.HasPrefix(b[i:], []byte("--!>")):
			return i + 4
		}
	}
	return len(b)
}

// rawEnd is where the raw text ends: at its element's end tag, in a script not at one that is inside a comment with
// another script.
func (m *markup) rawEnd() int {
	const (
		plainly = iota
		commented
		twice
	)
	if m.raw == "plaintext" {
		return len(m.doc)
	}
	state := plainly
	for i := m.at; i < len(m.doc); i++ {
		c := m.doc[i]
		if c != '<' && c != '-' {
			continue
		}
		b := m.doc[i:]
		switch {
		case state != twice && isTag(b, "</", m.raw):
			return i
		case m.raw != "script":
		case state == plainly && bytes.HasPrefix(b, []byte("<!--")):
			state = commented
			i++ // its dashes may belong to the comment's end, too
		case state != plainly && bytes.HasPrefix(b, []byte("-->")):
			state = plainly
		case state == commented && isTag(b, "<", "script"):
			state = twice
		case state == twice && isTag(b, "</", "script"):
			state = commented
		}
	}
	return len(m.doc)
}

// isTag says that b begins with a tag of that name.
func isTag(b []byte, open, name string) bool {
	n := len(open) + len(name)
	return len(b) > n && bytes.HasPrefix(b, []byte(open)) && equalFold(b[len(open):n], name) && endsName(b[n])
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

func endsName(c byte) bool { return isBlank(c) || c == '/' || c == '>' }

func skipBlank(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	return b
}

// appendMarkup writes text with its entities decoded and its line ends as browsers have them.
func appendMarkup(dst, text []byte) []byte {
	if bytes.IndexByte(text, '&') >= 0 {
		text = []byte(html.UnescapeString(string(text)))
	}
	return appendLines(dst, text)
}

func appendLines(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\r')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(append(dst, text[:i]...), '\n')
		if text = text[i+1:]; len(text) > 0 && text[0] == '\n' {
			text = text[1:]
		}
	}
}

// appendAttribute writes an attribute's value decoded.
func appendAttribute(dst, value []byte) []byte {
	for {
		i := bytes.IndexByte(value, '&')
		if i < 0 {
			return appendLines(dst, value)
		}
		dst = appendLines(dst, value[:i])
		if value = value[i:]; len(value) > 1 && value[1] == '#' {
			dst, value = appendNumber(dst, value)
		} else {
			dst, value = appendEntity(dst, value)
		}
	}
}

// appendNumber decodes the character reference that value begins with, like &#228; or &#xe4, and gives what follows.
func appendNumber(dst, value []byte) (decoded, rest []byte) {
	n, hex := 2, len(value) > 2 && value[2]|0x20 == 'x'
	if hex {
		n++
	}
	digits := n
	for n < len(value) && (value[n] >= '0' && value[n] <= '9' || hex && value[n]|0x20 >= 'a' && value[n]|0x20 <= 'f') {
		n++
	}
	if n == digits {
		return append(dst, value[:n]...), value[n:]
	}
	dst = append(dst, html.UnescapeString(string(value[:n])+";")...)
	return dst, bytes.TrimPrefix(value[n:], []byte(";"))
}

// appendEntity decodes the named reference that value begins with, like &amp;, and gives what follows. Without a semicolon
// it is one only where neither "=" nor a letter or digit follows: "&copy=2" is a parameter of a URL.
func appendEntity(dst, value []byte) (decoded, rest []byte) {
	n := 1
	for n < len(value) && (isLetter(value[n]) || value[n] >= '0' && value[n] <= '9') {
		n++
	}
	entity := string(value[:n])
	with := html.UnescapeString(entity + ";")
	whole := len(entity) > 1 && (with[len(with)-1] != ';' || entity == "&semi") // else at most its beginning is known
	switch {
	case whole && n < len(value) && value[n] == ';':
		return append(dst, with...), value[n+1:]
	case whole && (n == len(value) || value[n] != '=') && html.UnescapeString(entity) == with:
		return append(dst, with...), value[n:]
	}
	return append(dst, entity...), value[n:]
}
