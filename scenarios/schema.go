package scenarios

import (
	_ "embed"
	"slices"
)

// The schemas are made from the structs and their comments by a test, which also holds them current:
// go test ./scenarios -run Schema -update

//go:embed schema/scenario.schema.json
var scenarioSchema []byte

//go:embed schema/platform.schema.json
var platformSchema []byte

// Schema is the JSON Schema (2020-12) of a scenario file, for editors.
func Schema() []byte { return slices.Clone(scenarioSchema) }

// PlatformSchema is the JSON Schema (2020-12) of a platform file, for editors.
func PlatformSchema() []byte { return slices.Clone(platformSchema) }
