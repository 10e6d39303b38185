package loadgen

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	stdmultipart "mime/multipart"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// uploadStep compiles one step with a form and gives an arrival at it.
func uploadStep(t testing.TB, form *scenarios.Form) (*Engine, *visit) {
	t.Helper()
	s := uniform(1000, time.Second, scenarios.Step{Method: "POST", Form: form})
	cfg, _ := config(t, s, "127.0.0.1:80")
	cfg.Files = fstest.MapFS{"scans/id.PNG": {Data: []byte("\x89PNG\r\n\x00--ansturm-")}}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e, &visit{values: make([][]byte, e.slots)}
}

// TestUploadIsReadByTheStandardLibrary: fields, a real file, made up ones, names that need quoting.
func TestUploadIsReadByTheStandardLibrary(t *testing.T) {
	e, v := uploadStep(t, &scenarios.Form{
		Fields: map[string]string{"b": "zwei {{seq}}\r\n--x", "a\"\r\n": "", "c": "{{run}}"},
		Files: []scenarios.File{
			{Field: "scan", Size: quantity("200k"), Name: "scan \"{{seq}}\".pdf"},
			{Field: "id", File: "scans/id.PNG"},
			{Field: "empty"},
			{Field: "little", Size: quantity("5"), Type: "text/x-note"},
		},
	})
	v.Seq = 7
	st := e.steps[0]
	var s session
	if err := s.begin(e, v, noon); err != nil {
		t.Fatal(err)
	}
	head := string(s.appendRequest(nil, e, v))
	body, err := io.ReadAll(s.stream(st))
	if err != nil || int64(len(body)) != s.body.length {
		t.Fatalf("%d bytes of %d, %v", len(body), s.body.length, err)
	}
	_, kind, _ := strings.Cut(head, "Content-Type: ")
	kind, _, _ = strings.Cut(kind, "\r\n")
	_, parameters, err := mime.ParseMediaType(kind)
	if err != nil {
		t.Fatal(err)
	}
	form, err := stdmultipart.NewReader(bytes.NewReader(body), parameters["boundary"]).ReadForm(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if form.Value["b"][0] != "zwei 7\r\n--x" || form.Value["a%22%0D%0A"][0] != "" || form.Value["c"][0] != "run-1" || len(form.Value) != 3 {
		t.Errorf("fields %q", form.Value)
	}
	for field, want := range map[string]struct {
		name, kind string
		size       int64
	}{
		"scan": {"scan %227%22.pdf", "application/pdf", 200_000}, "id": {"id.PNG", "image/png", 17},
		"empty": {"file.bin", "application/octet-stream", 0}, "little": {"file.bin", "text/x-note", 5},
	} {
		f := form.File[field][0]
		if f.Filename != want.name || f.Header.Get("Content-Type") != want.kind || f.Size != want.size {
			t.Errorf("%s is %s, %s, %d bytes, want %+v", field, f.Filename, f.Header.Get("Content-Type"), f.Size, want)
		}
	}
}

// TestUploadsDifferAndCannotBeCompressed: a store that folds like files, or a proxy that packs them, would flatter the
// target.
func TestUploadsDifferAndCannotBeCompressed(t *testing.T) {
	e, v := uploadStep(t, &scenarios.Form{Files: []scenarios.File{{Field: "f", Size: quantity("1Mi")}}})
	var bodies [2][]byte
	for i := range bodies {
		v.Seq = uint32(i)
		var u upload
		u.begin(e.steps[0].upload, e, v)
		bodies[i], _ = io.ReadAll(&u)
	}
	cut := func(b []byte) []byte {
		_, file, _ := bytes.Cut(b, []byte("\r\n\r\n"))
		return file[:1<<20]
	}
	if bytes.Equal(cut(bodies[0]), cut(bodies[1])) || len(bodies[0]) != len(bodies[1]) {
		t.Error("two arrivals send the same file")
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bodies[0])
	_ = z.Close()
	if packed.Len() < len(bodies[0])*99/100 {
		t.Errorf("%d bytes are packed into %d", len(bodies[0]), packed.Len())
	}
}

// TestUploadInPieces: whatever a connection takes at a time, the bytes are the same, and again after a rewind.
func TestUploadInPieces(t *testing.T) {
	e, v := uploadStep(t, &scenarios.Form{
		Fields: map[string]string{"a": "1"}, Files: []scenarios.File{{Field: "f", Size: quantity("150k")}, {Field: "g", File: "scans/id.PNG"}},
	})
	var u upload
	u.begin(e.steps[0].upload, e, v)
	whole, _ := io.ReadAll(&u)
	for _, most := range []int{1, 7, 1000, 65_536, 1 << 20} {
		u.rewind()
		var got []byte
		for b := u.next(); len(b) > 0; b = u.next() {
			n := min(len(b), most)
			got = append(got, b[:n]...)
			u.advance(n)
		}
		if !bytes.Equal(got, whole) {
			t.Fatalf("in pieces of %d the upload is another", most)
		}
	}
}

// TestUploadIsNotCopied: sending 64 MB costs no memory, once a person's buffers have their size.
func TestUploadIsNotCopied(t *testing.T) {
	e, v := uploadStep(t, &scenarios.Form{
		Fields: map[string]string{"a": "{{seq}}"}, Files: []scenarios.File{{Field: "f", Size: quantity("60Mi")}, {Field: "g", File: "scans/id.PNG"}},
	})
	var u upload
	u.begin(e.steps[0].upload, e, v)
	sum := 0
	if n := testing.AllocsPerRun(3, func() {
		v.Seq++
		u.begin(e.steps[0].upload, e, v)
		for b := u.next(); len(b) > 0; b = u.next() {
			sum += len(b)
			u.advance(len(b))
		}
	}); n != 0 || sum < 180<<20 || cap(u.text) > 4096 {
		t.Errorf("%g allocations for %d bytes, %d bytes held", n, sum, cap(u.text))
	}
}

func BenchmarkUpload5MB(b *testing.B) {
	e, v := uploadStep(b, &scenarios.Form{Fields: map[string]string{"a": "{{seq}}"}, Files: []scenarios.File{{Field: "f", Size: quantity("5M")}}})
	var u upload
	b.ReportAllocs()
	for b.Loop() {
		u.begin(e.steps[0].upload, e, v)
		for p := u.next(); len(p) > 0; p = u.next() {
			u.advance(min(len(p), 64<<10))
		}
	}
}
