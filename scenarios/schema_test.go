package scenarios

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/ansturm/ansturm/testdata/published"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// schemas makes JSON Schemas from struct types; texts are their fields' comments, "Type.Field".
type schemas struct{ texts map[string]string }

// enums are the values of fields that take only some.
var enums = map[string][]string{
	"Arrivals.process": {"poisson", "uniform"},
	"Shape.kind":       kindNames(),
	"Feeder.synthetic": {"person"},
	"Step.method":      methods,
	"NodePool.kind":    {"vm", "dedicated"},

	"Journey.connections": {"shared", "session"},

	"MetricSpec.type": {"Resource", "ContainerResource", "Pods", "Object", "External"},
}

func (s schemas) of(t reflect.Type) map[string]any {
	switch {
	case t == durationType:
		return map[string]any{"type": []string{"string", "integer"}, "pattern": `^-?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$`, "examples": []string{"90s", "18m", "1h30m"}}
	case t == timeType:
		return map[string]any{"type": "string", "format": "date-time"}
	case t == quantityType:
		return map[string]any{"type": []string{"string", "number"}, "examples": []string{"500m", "2", "64Gi"}}
	case t == followType:
		return map[string]any{"type": []string{"boolean", "integer"}, "minimum": 0, "maximum": mostFollowed}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		return s.object(t)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.String: // as the parser: a single value needs no quotes
		return map[string]any{"type": []string{"string", "number", "boolean"}}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	}
	return map[string]any{"type": "integer"}
}

func (s schemas) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	for _, f := range fieldsOf(t) {
		p := s.of(t.Field(f.index).Type)
		if text := s.texts[t.Name()+"."+t.Field(f.index).Name]; text != "" {
			p["description"] = text
		}
		if values, some := enums[t.Name()+"."+f.name]; some {
			p["type"], p["enum"] = "string", values
		}
		properties[f.name] = p
	}
	object := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if must := required[t]; len(must) > 0 {
		object["required"] = must
	}
	if text := s.texts[t.Name()]; text != "" {
		object["description"] = text
	}
	return object
}

// comments reads what the source says about types and fields.
func comments(t *testing.T, files ...string) map[string]string {
	texts := map[string]string{}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range tree.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range group.Specs {
				named, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				texts[named.Name.Name] = plain(group.Doc)
				structure, ok := named.Type.(*ast.StructType)
				if !ok {
					continue
				}
				for _, f := range structure.Fields.List {
					for _, name := range f.Names {
						texts[named.Name.Name+"."+name.Name] = strings.TrimSpace(plain(f.Doc) + " " + plain(f.Comment))
					}
				}
			}
		}
	}
	return texts
}

func plain(c *ast.CommentGroup) string {
	if c == nil {
		return ""
	}
	return strings.TrimSpace(c.Text())
}

func TestSchemasAreCurrent(t *testing.T) {
	s := schemas{comments(t, "scenario.go", "platform.go")}
	for file, typ := range map[string]reflect.Type{
		"schema/scenario.schema.json": reflect.TypeFor[Scenario](),
		"schema/platform.schema.json": reflect.TypeFor[Platform](),
	} {
		schema := s.of(typ)
		schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		schema["title"] = "Ansturm " + strings.ToLower(typ.Name())
		published.Current(t, file, schema, "  ", *update)
	}
}

// asJSON is a YAML file as an editor hands it to a schema.
func asJSON(t *testing.T, data []byte) any {
	t.Helper()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	return published.Value(t, text)
}

func TestLibraryIsValidAndFitsItsSchemas(t *testing.T) {
	scenario, platform := published.Compiled(t, Schema()), published.Compiled(t, PlatformSchema())
	names := libraryNames()
	if len(names) < 3 {
		t.Fatalf("the library holds only %v", names)
	}
	for _, name := range names {
		e, err := Open(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := scenario.Validate(asJSON(t, e.YAML)); err != nil {
			t.Errorf("%s.yaml: %v", name, err)
		}
		if err := platform.Validate(asJSON(t, e.PlatformYAML)); err != nil {
			t.Errorf("%s.platform.yaml: %v", name, err)
		}
		s, err := e.Scenario()
		if err != nil {
			t.Fatal(err)
		}
		p, err := e.Platform()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(s); err != nil {
			t.Error(err)
		}
		if s.Name != name || p.Name != name {
			t.Errorf("file %s holds scenario %s and platform %s", name, s.Name, p.Name)
		}
		for _, text := range []Text{s.Title, s.Description, p.Title} {
			if text["de"] == "" || text["en"] == "" {
				t.Errorf("%s: a title or description lacks a language: %v", name, text)
			}
		}
		for _, written := range [][]byte{must(Marshal(s)), must(MarshalPlatform(p))} {
			schema := scenario
			if bytes.Contains(written, []byte("\npools:")) {
				schema = platform
			}
			if err := schema.Validate(asJSON(t, written)); err != nil {
				t.Errorf("%s, written again: %v", name, err)
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestSchemaTakesALogin(t *testing.T) {
	if err := published.Compiled(t, Schema()).Validate(asJSON(t, []byte(login))); err != nil {
		t.Error(err)
	}
}

func TestSchemaRefusesWhatTheParserRefuses(t *testing.T) {
	schema := published.Compiled(t, Schema())
	for _, text := range []string{
		"name: x",
		strings.Replace(string(must(Open("quick")).YAML), "tenants:", "tenannts:", 1),
		strings.Replace(string(must(Open("quick")).YAML), "over: 60s", "over: 60 s", 1),
		strings.Replace(string(must(Open("quick")).YAML), "kind: constant", "kind: konstant", 1),
		strings.Replace(login, "follow: true", "follow: yes please", 1),
		strings.Replace(login, "connections: session", "connections: own", 1),
		strings.Replace(login, "field: antrag", "feld: antrag", 1),
	} {
		if err := schema.Validate(asJSON(t, []byte(text))); err == nil {
			t.Errorf("the schema takes %q", text)
		}
	}
}
