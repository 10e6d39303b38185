// Package published is for tests of JSON Schemas that are published and made from types: they are held current, and made
// ready to judge.
package published

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Current fails the test where a file is not the schema, indented so; with update it writes the file first.
func Current(t testing.TB, file string, schema map[string]any, indent string, update bool) {
	t.Helper()
	var made bytes.Buffer
	e := json.NewEncoder(&made)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(schema); err != nil {
		t.Fatal(err)
	}
	if update {
		if err := os.WriteFile(file, made.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, made.Bytes()) {
		t.Errorf("%s is not what the types say; run go test -run Schema -update in the package", file)
	}
}

// Compiled is a schema's text ready to judge.
func Compiled(t testing.TB, text []byte) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", Value(t, text)); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// Value is a JSON text as a schema judges it.
func Value(t testing.TB, text []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}
