package scenarios

import (
	"errors"
	"io/fs"
)

var errNotBuilt = errors.New("scenarios: not built yet")

// Load reads a scenario from a YAML file; CSVs are looked for beside it.
func Load(path string) (*Scenario, error) { return nil, errNotBuilt }

// LoadPlatform reads a platform from a YAML file.
func LoadPlatform(path string) (*Platform, error) { return nil, errNotBuilt }

// Parse reads a scenario from YAML. name is the file's name in errors; files is where its CSVs are, nil for none.
func Parse(name string, data []byte, files fs.FS) (*Scenario, error) { return nil, errNotBuilt }

// ParsePlatform reads a platform from YAML. name is the file's name in errors.
func ParsePlatform(name string, data []byte) (*Platform, error) { return nil, errNotBuilt }

// Marshal writes a scenario as YAML that loads back to the same.
func Marshal(s *Scenario) ([]byte, error) { return nil, errNotBuilt }

// MarshalPlatform writes a platform as YAML that loads back to the same.
func MarshalPlatform(p *Platform) ([]byte, error) { return nil, errNotBuilt }

// Validate says what is wrong with the scenario; it never changes it.
func (s *Scenario) Validate() error { return errNotBuilt }

// Validate says what is wrong with the platform; it never changes it.
func (p *Platform) Validate() error { return errNotBuilt }

// Check says whether the platform serves the scenario: every tenant has a workload, every step has work.
func (p *Platform) Check(s *Scenario) error { return errNotBuilt }

// Clone is an independent copy.
func (p *Platform) Clone() *Platform { return nil }

// Entry is one scenario of the library with its platform.
type Entry struct {
	Name               string
	Title, Description Text
	// YAML and PlatformYAML are the files as shipped.
	YAML, PlatformYAML []byte
}

// Scenario parses the entry's scenario.
func (e Entry) Scenario() (*Scenario, error) { return nil, errNotBuilt }

// Platform parses the entry's platform.
func (e Entry) Platform() (*Platform, error) { return nil, errNotBuilt }

// Library lists the shipped scenarios by name.
func Library() []Entry { return nil }

// Open is the library's entry of that name.
func Open(name string) (Entry, error) { return Entry{}, errNotBuilt }

// Find loads a scenario by its name in the library or by its path.
func Find(nameOrPath string) (*Scenario, error) { return nil, errNotBuilt }

// FindPlatform loads a platform by the name of its scenario in the library or by its path.
func FindPlatform(nameOrPath string) (*Platform, error) { return nil, errNotBuilt }

// Schema is the JSON Schema of a scenario file.
func Schema() []byte { return nil }

// PlatformSchema is the JSON Schema of a platform file.
func PlatformSchema() []byte { return nil }
