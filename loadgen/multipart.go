package loadgen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/ansturm/ansturm/scenarios"
)

// multipart is a compiled form with files (RFC 7578): text and contents by turns.
type multipart struct{ pieces []piece }

// piece is text, rendered for every shot, and then the contents of a file: bytes that are the same for all shots, or
// a number of bytes made up.
type piece struct {
	text  []template
	bytes []byte
	made  int64
}

// upload is the body of one shot on its way: what had to be rendered, and how far it has been sent. A file's contents
// are never copied, so that a hundred uploads of 5 MB under way need no 500 MB. The length is known before the first
// byte.
//
// The writer asks for the next bytes, writes as many as the connection takes, and advances by that:
//
//	for b := u.next(); len(b) > 0; b = u.next() { n, err := write(b); u.advance(n) }
type upload struct {
	form   *multipart
	text   []byte // all rendered pieces
	ends   []int  // of each piece in text
	length int64
	at     int   // the piece under way
	sent   int64 // of that piece
}

// begin renders f for v's shot.
func (u *upload) begin(f *multipart, e *Engine, v *visit) {
	u.form, u.text, u.ends, u.length = f, u.text[:0], u.ends[:0], 0
	for i := range f.pieces {
		p := &f.pieces[i]
		for k := range p.text {
			u.text = p.text[k].append(u.text, e, v)
		}
		u.ends = append(u.ends, len(u.text))
		u.length += int64(len(p.bytes)) + p.made
	}
	u.length += int64(len(u.text))
	u.rewind()
}

// rewind starts from the first byte again, for a second connection or a redirect that keeps the body.
func (u *upload) rewind() { u.at, u.sent = 0, 0 }

// next gives bytes to be sent, none at the end. They are valid until begin.
func (u *upload) next() []byte {
	for ; u.form != nil && u.at < len(u.form.pieces); u.at, u.sent = u.at+1, 0 {
		from, to := 0, u.ends[u.at]
		if u.at > 0 {
			from = u.ends[u.at-1]
		}
		if text := u.text[from:to]; u.sent < int64(len(text)) {
			return text[u.sent:]
		}
		p := &u.form.pieces[u.at]
		sent := u.sent - int64(to-from)
		if sent < int64(len(p.bytes)) {
			return p.bytes[sent:]
		}
		if left := p.made - sent; left > 0 {
			noise := madeUp()[sent%madeLength:]
			return noise[:min(left, int64(len(noise)))]
		}
	}
	return nil
}

// advance says that n of the bytes that next gave have been sent.
func (u *upload) advance(n int) { u.sent += int64(n) }

// Read is io.Reader's, for clients that pull their body.
func (u *upload) Read(b []byte) (int, error) {
	n := copy(b, u.next())
	u.advance(n)
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// madeLength is how many bytes are made up; a longer file repeats them.
const madeLength = 64 << 10

// madeUp is what files of a given size hold: bytes that cannot be compressed within the window of the usual methods.
var madeUp = sync.OnceValue(func() []byte {
	noise := make([]byte, 0, madeLength)
	for i := range uint64(madeLength / 8) {
		noise = binary.LittleEndian.AppendUint64(noise, mix(0x9e3779b97f4a7c15*(i+1)))
	}
	return noise
})

// uniqueLength is that of the UUID that a made up file begins with, so that no two arrivals send the same file.
const uniqueLength = 36

// compileMultipart compiles a form with files; a real file is read here, once.
func compileMultipart(f *scenarios.Form, known *names, files fs.FS) (*multipart, error) {
	m := &multipart{pieces: make([]piece, 1)}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		m.head(name)
		m.literal("\"\r\n\r\n")
		if err := m.value(known, f.Fields[name], plain); err != nil {
			return nil, fmt.Errorf("form: field %q: %w", name, err)
		}
		m.literal("\r\n")
	}
	for i := range f.Files {
		if err := m.file(&f.Files[i], known, files); err != nil {
			return nil, fmt.Errorf("form: file of field %q: %w", f.Files[i].Field, err)
		}
	}
	m.literal("--")
	m.boundary()
	m.literal("--\r\n")
	return m, nil
}

// file adds a part with a file's contents.
func (m *multipart) file(f *scenarios.File, known *names, files fs.FS) error {
	name := f.Name
	switch {
	case name == "" && f.File != "":
		name = path.Base(f.File)
	case name == "":
		name = "file.bin"
	}
	kind := f.Type
	if kind == "" {
		kind = fileType(name)
	}
	if strings.ContainsAny(kind, "\r\n") {
		return errors.New("type: a header has no line breaks")
	}
	m.head(f.Field)
	m.literal("\"; filename=\"")
	if err := m.value(known, name, forQuoted); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	m.literal("\"\r\nContent-Type: " + kind + "\r\n\r\n")
	last := &m.pieces[len(m.pieces)-1]
	if f.File != "" {
		data, err := scenarios.ReadUpload(files, f.File)
		if err != nil {
			return err
		}
		last.bytes = data
	} else if last.made = f.Size.Value(); last.made >= uniqueLength {
		last.text = append(last.text, template{parts: []part{{source: uuidValue}}})
		last.made -= uniqueLength
	}
	m.pieces = append(m.pieces, piece{})
	m.literal("\r\n")
	return nil
}

// head begins a part: its boundary, and its name up to the closing quote.
func (m *multipart) head(name string) {
	m.literal("--")
	m.boundary()
	m.literal("\r\nContent-Disposition: form-data; name=\"" + string(appendEscaped(nil, []byte(name), forQuoted)))
}

func (m *multipart) literal(text string) {
	m.add(template{parts: []part{{text: []byte(text)}}})
}

func (m *multipart) boundary() {
	m.add(template{parts: []part{{source: boundary}}})
}

func (m *multipart) value(known *names, text string, esc escaping) error {
	t, err := known.compileEscaped(text, esc)
	if err == nil {
		m.add(t)
	}
	return err
}

func (m *multipart) add(t template) {
	last := &m.pieces[len(m.pieces)-1]
	last.text = append(last.text, t)
}

// fileType is the type of the files that people send to public bodies, by their ending. Package mime would ask the
// machine it runs on, so that two workers could differ.
func fileType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".pdf":
		return "application/pdf"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".png":
		return "image/png"
	case ".txt":
		return "text/plain"
	case ".csv":
		return "text/csv"
	case ".xml":
		return "application/xml"
	case ".json":
		return "application/json"
	case ".zip":
		return "application/zip"
	}
	return "application/octet-stream"
}
