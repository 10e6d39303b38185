package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// maxURL bounds a URL that an answer names, in bytes.
const maxURL = 8 << 10

// errURL is wrapped by every error of a URL that an answer names and that cannot be gone to.
var errURL = errors.New("not a URL to go on with")

// page is the URL of a document: what relative ones start from. It always holds an absolute http or https URL without
// a fragment, ready to be sent. Its methods allocate nothing once its buffers have their size; net/url makes a dozen
// objects of one redirect.
type page struct {
	text   []byte // scheme://authority/path?query
	origin int    // length of scheme://authority
	work   []byte
}

func (p *page) set(scheme string, authority, target []byte) {
	p.text = append(append(append(p.text[:0], scheme...), "://"...), authority...)
	p.origin = len(p.text)
	p.text = append(p.text, target...)
}

func (p *page) copy(from *page) {
	p.text, p.origin = append(p.text[:0], from.text...), from.origin
}

func (p *page) secure() bool { return len(p.text) > 4 && p.text[4] == 's' }

// originText is scheme://authority.
func (p *page) originText() []byte { return p.text[:p.origin] }

// authority is the host and, where it is not the scheme's own, the port.
func (p *page) authority() []byte {
	_, authority, _ := bytes.Cut(p.text[:p.origin], []byte("://"))
	return authority
}

// hostname is the host alone; an IPv6 address has no brackets.
func (p *page) hostname() []byte { host, _ := splitAuthority(p.authority()); return host }

// target is what a request line names: path and query.
func (p *page) target() []byte { return p.text[p.origin:] }

func (p *page) path() []byte {
	path, _, _ := bytes.Cut(p.target(), []byte("?"))
	return path
}

// splitAuthority cuts host:port; the port is empty where there is none.
func splitAuthority(authority []byte) (host, port []byte) {
	if i := bytes.IndexByte(authority, ']'); i >= 0 && authority[0] == '[' {
		return authority[1:i], bytes.TrimPrefix(authority[i+1:], []byte(":"))
	}
	host, port, _ = bytes.Cut(authority, []byte(":"))
	return host, port
}

// resolve goes to the URL that ref, absolute or relative, means on this page (RFC 3986, 5.2). On an error, which wraps
// errURL, the page stays as it was.
func (p *page) resolve(ref []byte) error {
	ref = trimURL(ref)
	scheme, rest, err := cutScheme(ref)
	if err != nil {
		return err
	}
	work, origin := append(p.work[:0], p.text[:p.origin]...), p.origin
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		if scheme == "" {
			scheme = "http"
			if p.secure() {
				scheme = "https"
			}
		}
		end := len(rest)
		if i := bytes.IndexAny(rest[2:], "/?"); i >= 0 {
			end = 2 + i
		}
		work = append(append(work[:0], scheme...), "://"...)
		if work, err = appendAuthority(work, rest[2:end], scheme == "https"); err != nil {
			return err
		}
		if origin = len(work); end == len(rest) || rest[end] == '?' {
			work = append(work, '/')
		}
		work = appendTarget(work, rest[end:])
	case scheme != "":
		return fmt.Errorf("%w: %.64q has no address", errURL, ref)
	case len(rest) == 0:
		work = append(work, p.target()...)
	case rest[0] == '/':
		work = appendTarget(work, rest)
	case rest[0] == '?':
		work = appendTarget(append(work, p.path()...), rest)
	default:
		path := p.path()
		work = appendTarget(append(work, path[:bytes.LastIndexByte(path, '/')+1]...), rest)
	}
	if p.work = removeDots(work, origin); len(p.work) > maxURL {
		return fmt.Errorf("%w: it has %d bytes", errURL, len(p.work))
	}
	p.text, p.work, p.origin = p.work, p.text, origin
	return nil
}

// trimURL takes spaces around a URL and its fragment off.
func trimURL(ref []byte) []byte {
	ref, _, _ = bytes.Cut(ref, []byte("#"))
	for len(ref) > 0 && ref[0] <= ' ' {
		ref = ref[1:]
	}
	for len(ref) > 0 && ref[len(ref)-1] <= ' ' {
		ref = ref[:len(ref)-1]
	}
	return ref
}

// cutScheme gives "http" or "https" and what follows the colon; an empty scheme for a relative reference.
func cutScheme(ref []byte) (scheme string, rest []byte, err error) {
	i := bytes.IndexAny(ref, ":/?")
	if i < 0 || ref[i] != ':' {
		return "", ref, nil
	}
	switch {
	case equalFold(ref[:i], "http"):
		return "http", ref[i+1:], nil
	case equalFold(ref[:i], "https"):
		return "https", ref[i+1:], nil
	}
	return "", nil, fmt.Errorf("%w: %.64q is neither http nor https", errURL, ref)
}

// appendAuthority writes host and port in lower case, without the port that the scheme has anyway.
func appendAuthority(dst, authority []byte, secure bool) ([]byte, error) {
	wrong := func() ([]byte, error) { return dst, fmt.Errorf("%w: address %.64q", errURL, authority) }
	host, port := splitAuthority(authority)
	bracketed := len(authority) > 0 && authority[0] == '['
	if len(host) == 0 || bracketed != (bytes.IndexByte(host, ':') >= 0) {
		return wrong()
	}
	mark := len(dst)
	if bracketed {
		dst = append(dst, '[')
	}
	for _, c := range host {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if !isHostByte(c) && !(bracketed && c == ':') {
			return wrong()
		}
		dst = append(dst, c)
	}
	if bracketed {
		dst = append(dst, ']')
	}
	rest := len(authority) - (len(dst) - mark)
	if len(port) == 0 {
		if rest > 1 || rest == 1 && authority[len(authority)-1] != ':' {
			return wrong()
		}
		return dst, nil
	}
	n, ok := portNumber(port)
	if !ok || rest != 1+len(port) {
		return wrong()
	}
	if n == 80 && !secure || n == 443 && secure {
		return dst, nil
	}
	return strconv.AppendUint(append(dst, ':'), n, 10), nil
}

func isHostByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_'
}

func portNumber(text []byte) (uint64, bool) {
	n := uint64(0)
	for _, c := range text {
		if c < '0' || c > '9' || n > 65535 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, n > 0 && n <= 65535
}

// appendTarget writes a path and query as they may be sent.
func appendTarget(dst, target []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range target {
		switch {
		case c == '\t' || c == '\n' || c == '\r': // browsers drop them
		case c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\':
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// removeDots takes the segments "." and ".." out of the path that begins at from (RFC 3986, 5.2.4), in place.
func removeDots(text []byte, from int) []byte {
	end := len(text)
	if i := bytes.IndexByte(text[from:], '?'); i >= 0 {
		end = from + i
	}
	if !bytes.Contains(text[from:end], []byte("/.")) {
		return text
	}
	to := from
	for i := from; i < end; {
		next := end // of the segment that begins with the slash at i
		if n := bytes.IndexByte(text[i+1:end], '/'); n >= 0 {
			next = i + 1 + n
		}
		segment := text[i+1 : next]
		dots := len(segment) > 0 && len(segment) <= 2 && segment[0] == '.' && segment[len(segment)-1] == '.'
		if dots && len(segment) == 2 {
			to = from + max(0, bytes.LastIndexByte(text[from:to], '/'))
		}
		switch {
		case !dots:
			to += copy(text[to:], text[i:next])
		case next == end:
			text[to] = '/'
			to++
		}
		i = next
	}
	return append(text[:to], text[end:]...)
}
