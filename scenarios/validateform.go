package scenarios

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	mostFollowed = 50       // redirects; browsers end at 20
	mostUpload   = 64 << 20 // bytes of one file; a real one is held in memory, once
)

// validateHosts checks the services beside the tenants. Whether an address may be fired at is decided before a run.
func (s *Scenario) validateHosts(c *checker) {
	for _, name := range sortedKeys(s.Hosts) {
		path := "hosts." + name
		if u, err := url.Parse("http://" + name + "/"); err != nil || u.Host != name || u.Hostname() == "" || strings.ContainsAny(name, "{}@ ") {
			c.add(path, "%q is no host name, write it as it stands in a URL, like login.example.org", name)
		}
		u, err := url.Parse(s.Hosts[name])
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
			strings.TrimSuffix(s.Hosts[name], "/") != u.Scheme+"://"+u.Host {
			c.add(path, "is %q, must be an address like http://127.0.0.1:8090, without a path", s.Hosts[name])
		}
	}
}

func (s *Step) validateForm(c *checker, path string, files fs.FS) {
	if s.Body != "" {
		c.add(path+".form", "is there beside a body: a step has one of them")
	}
	if slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, s.Method) {
		c.add(path+".method", "is %s, which sends no body; for the form it must be POST, PUT, PATCH or DELETE", s.Method)
	}
	for name := range s.Headers {
		if strings.EqualFold(name, "Content-Type") {
			c.add(path+".headers."+name, "is set by the form")
		}
	}
	if len(s.Form.Fields) == 0 && len(s.Form.Files) == 0 {
		c.add(path+".form", "is empty: write fields or files")
	}
	for _, name := range sortedKeys(s.Form.Fields) {
		if name == "" {
			c.add(path+".form.fields", "a field has no name")
		}
	}
	for i := range s.Form.Files {
		s.Form.Files[i].validate(c, fmt.Sprintf("%s.form.files[%d]", path, i), files)
	}
}

func (f *File) validate(c *checker, path string, files fs.FS) {
	if f.Field == "" {
		c.add(path+".field", "is missing")
	}
	if f.File != "" && !f.Size.IsZero() {
		c.add(path, "write either file (one beside the scenario) or size (one made up)")
	}
	if strings.ContainsAny(f.Type, "\r\n\x00") {
		c.add(path+".type", "must be one line")
	}
	size := f.Size.Value()
	if size < 0 || size > mostUpload {
		c.add(path+".size", "is %s, must be 0 to %dMi", f.Size.String(), mostUpload>>20)
	}
	if f.File != "" && files != nil {
		if _, err := ReadUpload(files, f.File); err != nil {
			c.add(path+".file", "%v", err)
		}
	}
}

// ReadUpload reads a file that a step sends, at most 64 MiB; name is a path below files.
func ReadUpload(files fs.FS, name string) ([]byte, error) {
	data, err := readBeside(files, name, "a file", mostUpload)
	if err != nil {
		return nil, err
	}
	if len(data) > mostUpload {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, mostUpload>>20)
	}
	return data, nil
}
