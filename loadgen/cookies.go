package loadgen

import (
	"bytes"
	"math"
)

// The limits of a jar. Past them a cookie is not taken (too long) or the oldest goes (too many); browsers have
// similar ones.
const (
	maxCookies    = 64
	maxCookie     = 4096 // bytes of name and value
	maxCookiePath = 1024 // bytes of path, and of domain
)

// cookie is one cookie of a jar. Its texts lie in one buffer, which the jar uses again.
type cookie struct {
	text                []byte // name, value, domain, path
	name, value, domain int    // where they end
	expires             int64  // Unix seconds
	hostOnly, secure    bool
}

func (c *cookie) nameText() []byte   { return c.text[:c.name] }
func (c *cookie) valueText() []byte  { return c.text[c.name:c.value] }
func (c *cookie) domainText() []byte { return c.text[c.value:c.domain] }
func (c *cookie) pathText() []byte   { return c.text[c.domain:] }

// is says that both are the same cookie, with another value perhaps.
func (c *cookie) is(name, domain, path []byte) bool {
	return bytes.Equal(c.nameText(), name) && foldEqual(c.domainText(), domain) && bytes.Equal(c.pathText(), path)
}

// goesTo says whether the cookie is sent with a request of the page (RFC 6265, 5.4).
func (c *cookie) goesTo(at *page, now int64) bool {
	if c.expires <= now || c.secure && !trustworthy(at) {
		return false
	}
	host := at.hostname()
	if c.hostOnly && !bytes.Equal(host, c.domainText()) || !c.hostOnly && !domainMatches(host, c.domainText()) {
		return false
	}
	return pathMatches(at.path(), c.pathText())
}

// jar holds a person's cookies, the longest path first and among like ones the oldest: the order in which they are
// sent. It keeps what RFC 6265 and the browsers since (its draft successor: the prefixes __Host- and __Secure-,
// cookies without a name) ask for; ports do not part cookies. Of public suffixes it knows only that they may have no
// dot: a run goes to known addresses, and a jar is one person's for minutes. Instants are Unix seconds on the wall, as
// the server's clock gives them, whatever a run's speed.
//
// net/http/cookiejar does the same at some 20 objects an answer.
type jar struct{ cookies []cookie }

// clear empties the jar and keeps its buffers.
func (j *jar) clear() { j.cookies = j.cookies[:0] }

// appendTo writes the header line Cookie for a request of the page; nothing where no cookie goes there.
func (j *jar) appendTo(dst []byte, at *page, now int64) []byte {
	begun := false
	for i := range j.cookies {
		c := &j.cookies[i]
		if !c.goesTo(at, now) {
			continue
		}
		if !begun {
			dst = append(dst, "Cookie: "...)
		} else {
			dst = append(dst, "; "...)
		}
		if begun = true; c.name > 0 {
			dst = append(append(dst, c.nameText()...), '=')
		}
		dst = append(dst, c.valueText()...)
	}
	if begun {
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// value is that of the first cookie of that name that would be sent to the page, else of the first at all.
func (j *jar) value(name string, at *page, now int64) (value []byte, found bool) {
	for i := range j.cookies {
		c := &j.cookies[i]
		if string(c.nameText()) != name || c.expires <= now {
			continue
		}
		if c.goesTo(at, now) {
			return c.valueText(), true
		}
		if !found {
			value, found = c.valueText(), true
		}
	}
	return value, found
}

// set takes the value of one header Set-Cookie of an answer that the page gave (RFC 6265, 5.2 and 5.3). What a browser
// would ignore changes nothing.
func (j *jar) set(line []byte, at *page, now int64) {
	var a cookieAttributes
	if !a.read(line, now) || !a.mayBeSet(at) {
		return
	}
	domain := a.domain
	if !a.hasDomain {
		domain = at.hostname()
	}
	path := a.path
	if len(path) == 0 || path[0] != '/' {
		path = defaultPath(at.path())
	}
	for i := range j.cookies {
		c := &j.cookies[i]
		if !c.is(a.name, domain, path) {
			continue
		}
		if c.secure && !a.secure && !trustworthy(at) {
			return // a secure cookie is not replaced from outside
		}
		if a.expires <= now {
			j.remove(i)
			return
		}
		c.fill(&a, domain, path)
		return
	}
	if a.expires > now {
		j.insert(&a, domain, path, now)
	}
}

func (c *cookie) fill(a *cookieAttributes, domain, path []byte) {
	text := append(append(append(append(c.text[:0], a.name...), a.value...), domain...), path...)
	lower(text[len(a.name)+len(a.value):][:len(domain)])
	*c = cookie{
		text: text, name: len(a.name), value: len(a.name) + len(a.value), domain: len(a.name) + len(a.value) + len(domain),
		expires: a.expires, hostOnly: !a.hasDomain, secure: a.secure,
	}
}

func (j *jar) insert(a *cookieAttributes, domain, path []byte, now int64) {
	if len(j.cookies) == maxCookies {
		j.evict(now)
	}
	at := len(j.cookies)
	for at > 0 && len(j.cookies[at-1].pathText()) < len(path) {
		at--
	}
	n := len(j.cookies)
	if n < cap(j.cookies) {
		j.cookies = j.cookies[:n+1]
	} else {
		j.cookies = append(j.cookies, cookie{})
	}
	spare := j.cookies[n]
	copy(j.cookies[at+1:], j.cookies[at:n])
	j.cookies[at] = spare
	j.cookies[at].fill(a, domain, path)
}

// remove takes a cookie out; its buffer stays behind the end.
func (j *jar) remove(i int) {
	last := len(j.cookies) - 1
	gone := j.cookies[i]
	copy(j.cookies[i:], j.cookies[i+1:])
	j.cookies[last] = gone
	j.cookies = j.cookies[:last]
}

// evict makes room: an expired cookie goes, else the oldest of the shortest path.
func (j *jar) evict(now int64) {
	victim := len(j.cookies) - 1
	for i := range j.cookies {
		if j.cookies[i].expires <= now {
			j.remove(i)
			return
		}
	}
	for victim > 0 && len(j.cookies[victim-1].pathText()) == len(j.cookies[victim].pathText()) {
		victim--
	}
	j.remove(victim)
}

// cookieAttributes are what a header Set-Cookie says.
type cookieAttributes struct {
	name, value, domain, path   []byte
	expires                     int64
	hasDomain, hasAge, rootPath bool
	secure                      bool
}

// read takes a header apart; false where there is no cookie in it.
func (a *cookieAttributes) read(line []byte, now int64) bool {
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	pair, rest, _ := bytes.Cut(line, []byte(";"))
	name, value, found := bytes.Cut(pair, []byte("="))
	if !found {
		name, value = nil, pair
	}
	a.name, a.value = trimBlank(name), trimBlank(value)
	a.expires = math.MaxInt64
	if len(a.name)+len(a.value) == 0 || len(a.name)+len(a.value) > maxCookie {
		return false
	}
	for len(rest) > 0 {
		pair, rest, _ = bytes.Cut(rest, []byte(";"))
		key, value, _ := bytes.Cut(pair, []byte("="))
		a.attribute(trimBlank(key), trimBlank(value), now)
	}
	return true
}

// attribute takes one attribute; of like ones the last counts.
func (a *cookieAttributes) attribute(key, value []byte, now int64) {
	switch {
	case len(value) > maxCookiePath: // ignored
	case equalFold(key, "expires"):
		if at, ok := cookieDate(value); ok && !a.hasAge {
			a.expires = at
		}
	case equalFold(key, "max-age"):
		if age, ok := maxAge(value); ok {
			a.hasAge, a.expires = true, math.MinInt64
			if age > 0 {
				a.expires = now + age
			}
		}
	case equalFold(key, "domain"):
		a.domain = bytes.TrimPrefix(value, []byte("."))
		a.hasDomain = len(a.domain) > 0
	case equalFold(key, "path"):
		a.path = value
		a.rootPath = len(value) == 1 && value[0] == '/'
	case equalFold(key, "secure"):
		a.secure = true
	}
}

// maxAge reads seconds; what is too long lasts for a century.
func maxAge(value []byte) (age int64, ok bool) {
	negative := len(value) > 0 && value[0] == '-'
	if negative {
		value = value[1:]
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		age = min(age*10+int64(c-'0'), 100*366*86400)
	}
	if negative {
		age = -age
	}
	return age, len(value) > 0
}

// mayBeSet says whether that page may set such a cookie.
func (a *cookieAttributes) mayBeSet(at *page) bool {
	host := at.hostname()
	if a.hasDomain && !foldEqual(a.domain, host) {
		if !foldDomainMatches(host, a.domain) || bytes.IndexByte(a.domain, '.') < 0 {
			return false
		}
	} else if a.hasDomain && isAddress(host) {
		a.hasDomain = false // an address is the host alone
	}
	if a.secure && !trustworthy(at) {
		return false
	}
	name := a.name
	if len(name) == 0 { // a value that looks like a prefixed name
		name = a.value
	}
	switch {
	case hasPrefixFold(name, "__host-"):
		return len(a.name) > 0 && a.secure && !a.hasDomain && a.rootPath
	case hasPrefixFold(name, "__secure-"):
		return len(a.name) > 0 && a.secure
	}
	return true
}

// trustworthy says that secure cookies may go there: over TLS, or on this machine, as browsers have it.
func trustworthy(at *page) bool {
	host := at.hostname()
	return at.secure() || bytes.HasPrefix(host, []byte("127.")) && isAddress(host) || string(host) == "::1" || string(host) == "localhost"
}

// isAddress says that host is an IP address: only those end in a number or hold a colon.
func isAddress(host []byte) bool {
	last := host[bytes.LastIndexByte(host, '.')+1:]
	for _, c := range last {
		if c < '0' || c > '9' {
			return bytes.IndexByte(host, ':') >= 0
		}
	}
	return len(last) > 0
}

// domainMatches is RFC 6265, 5.1.3, for names in lower case.
func domainMatches(host, domain []byte) bool {
	if bytes.Equal(host, domain) {
		return true
	}
	return len(host) > len(domain) && bytes.HasSuffix(host, domain) && host[len(host)-len(domain)-1] == '.' && !isAddress(host)
}

// foldDomainMatches takes a domain in any case.
func foldDomainMatches(host, domain []byte) bool {
	n := len(host) - len(domain)
	return n > 0 && foldEqual(host[n:], domain) && host[n-1] == '.' && !isAddress(host)
}

// pathMatches is RFC 6265, 5.1.4.
func pathMatches(path, of []byte) bool {
	return bytes.HasPrefix(path, of) && (len(path) == len(of) || of[len(of)-1] == '/' || path[len(of)] == '/')
}

// defaultPath is the path up to its last slash, which stays only where it is the first.
func defaultPath(path []byte) []byte { return path[:max(1, bytes.LastIndexByte(path, '/'))] }

func trimBlank(b []byte) []byte { return bytes.Trim(b, " \t") }

// foldEqual compares ASCII in any case.
func foldEqual(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

// hasPrefixFold compares ASCII in any case.
func hasPrefixFold(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lowerByte(b[i]) != lowerByte(prefix[i]) {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func lower(b []byte) {
	for i := range b {
		b[i] = lowerByte(b[i])
	}
}
