package scenarios

// Schema is the JSON Schema of a scenario file.
func Schema() []byte { return nil }

// PlatformSchema is the JSON Schema of a platform file.
func PlatformSchema() []byte { return nil }
