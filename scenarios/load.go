package scenarios

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// mostFile bounds a scenario or platform file, in bytes.
const mostFile = 16 << 20

// Load reads a scenario from a YAML file; CSVs are looked for beside it. What is wrong with the file is told by
// file, line and column (see [Problem]).
func Load(path string) (*Scenario, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	return Parse(path, data, os.DirFS(filepath.Dir(path)))
}

// LoadPlatform reads a platform from a YAML file.
func LoadPlatform(path string) (*Platform, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	return ParsePlatform(path, data)
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > mostFile {
		return nil, fmt.Errorf("%s has %d MiB, at most %d are read", path, info.Size()>>20, mostFile>>20)
	}
	return os.ReadFile(path)
}

// Parse reads a scenario from YAML, fills in what was left out (see the Default constants) and checks it. name is the
// file's name in errors; files is where its CSVs are, nil for none.
func Parse(name string, data []byte, files fs.FS) (*Scenario, error) {
	s := &Scenario{files: files}
	c, err := decode(name, data, s)
	if err != nil {
		return nil, err
	}
	s.expand(c)
	s.fill()
	s.validate(c)
	if err := c.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// ParsePlatform reads a platform from YAML, fills in what was left out and checks it. name is the file's name in errors.
func ParsePlatform(name string, data []byte) (*Platform, error) {
	p := &Platform{}
	c, err := decode(name, data, p)
	if err != nil {
		return nil, err
	}
	p.fill()
	p.validate(c)
	if err := c.err(); err != nil {
		return nil, err
	}
	return p, nil
}
