package scenarios

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed library
var shipped embed.FS

// Entry is one scenario of the library with its platform.
type Entry struct {
	Name               string
	Title, Description Text
	// YAML and PlatformYAML are the files as shipped, comments included.
	YAML, PlatformYAML []byte
}

// Scenario parses the entry's scenario.
func (e Entry) Scenario() (*Scenario, error) { return Parse(e.Name+".yaml", e.YAML, libraryFiles()) }

// Platform parses the entry's platform.
func (e Entry) Platform() (*Platform, error) {
	return ParsePlatform(e.Name+".platform.yaml", e.PlatformYAML)
}

func libraryFiles() fs.FS {
	files, err := fs.Sub(shipped, "library")
	if err != nil { // "library" is a valid name
		return nil
	}
	return files
}

// Library lists the shipped scenarios in the order of their names.
func Library() []Entry {
	var list []Entry
	for _, name := range libraryNames() {
		if e, err := Open(name); err == nil { // a test opens and parses every one
			list = append(list, e)
		}
	}
	return list
}

func libraryNames() []string {
	files, err := fs.Glob(shipped, "library/*.yaml")
	if err != nil {
		return nil
	}
	var names []string
	for _, file := range files {
		if name := strings.TrimSuffix(path.Base(file), ".yaml"); !strings.HasSuffix(name, ".platform") {
			names = append(names, name)
		}
	}
	return names
}

// Open is the library's entry of that name.
func Open(name string) (Entry, error) {
	data, err := shipped.ReadFile("library/" + name + ".yaml")
	platform, err2 := shipped.ReadFile("library/" + name + ".platform.yaml")
	if err != nil || err2 != nil {
		c := &checker{}
		c.known("", "scenario in the library called", name, libraryNames())
		return Entry{}, c.err()
	}
	e := Entry{Name: name, YAML: data, PlatformYAML: platform}
	s, err := e.Scenario()
	if err != nil {
		return Entry{}, fmt.Errorf("library: %w", err)
	}
	e.Title, e.Description = s.Title, s.Description
	return e, nil
}

// Find loads a scenario by its name in the library or by its path. What has a slash or ends in .yaml or .yml is a path.
func Find(nameOrPath string) (*Scenario, error) {
	if isPath(nameOrPath) {
		return Load(nameOrPath)
	}
	e, err := named(nameOrPath)
	if err != nil {
		return nil, err
	}
	return e.Scenario()
}

// FindPlatform loads a platform by the name of its scenario in the library or by its path.
func FindPlatform(nameOrPath string) (*Platform, error) {
	if isPath(nameOrPath) {
		return LoadPlatform(nameOrPath)
	}
	e, err := named(nameOrPath)
	if err != nil {
		return nil, err
	}
	return e.Platform()
}

// named is an entry that might have been meant as a file.
func named(name string) (Entry, error) {
	e, err := Open(name)
	if err != nil {
		return Entry{}, fmt.Errorf("%w (a file is named with its ending, %s.yaml)", err, name)
	}
	return e, nil
}

func isPath(s string) bool {
	return strings.ContainsAny(s, `/\`) || strings.HasSuffix(s, ".yaml") || strings.HasSuffix(s, ".yml")
}
