package planner

import (
	"encoding"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/testdata/published"
)

var update = flag.Bool("update", false, "write the schema")

// planSchema is where the schema of plan.json is published.
const planSchema = "../docs/plan.schema.json"

// shapes makes a JSON Schema of what encoding/json writes of a type; texts are the fields' comments, "package.Type.Field".
type shapes struct {
	texts map[string]string
	defs  map[string]any
}

func (s shapes) of(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "integer", "description": "nanoseconds"}
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[resource.Quantity]():
		return map[string]any{"type": []string{"string", "number"}}
	case t.Kind() != reflect.Pointer && (t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]())):
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		name := t.String()
		if _, known := s.defs[name]; !known {
			s.defs[name] = nil // against types that hold themselves
			s.defs[name] = s.object(t)
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	case reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": s.of(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": []string{"array", "null"}, "items": s.of(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": "integer"}
}

// object takes no field but those there are; those without omitempty are always written.
func (s shapes) object(t reflect.Type) map[string]any {
	properties, must := map[string]any{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if !f.IsExported() || tag == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		shape := s.of(f.Type)
		if f.Type.Kind() == reflect.Pointer && options == "" {
			shape = map[string]any{"anyOf": []any{shape, map[string]any{"type": "null"}}}
		}
		if text := s.texts[t.String()+"."+f.Name]; text != "" {
			shape = map[string]any{"allOf": []any{shape}, "description": text}
		}
		if options == "" {
			must = append(must, name)
		}
		properties[name] = shape
	}
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties, "required": must}
	if text := s.texts[t.String()]; text != "" {
		out["description"] = text
	}
	return out
}

// described reads what the sources say about types and fields.
func described(t *testing.T, dirs ...string) map[string]string {
	texts := map[string]string{}
	say := func(key string, groups ...*ast.CommentGroup) {
		for _, g := range groups {
			if g != nil {
				texts[key] = strings.Join(strings.Fields(texts[key]+" "+g.Text()), " ")
			}
		}
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", dir, err, len(files))
		}
		for _, file := range files {
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				d, ok := n.(*ast.GenDecl)
				if !ok || d.Tok != token.TYPE {
					return true
				}
				name := tree.Name.Name + "."
				for _, spec := range d.Specs {
					named := spec.(*ast.TypeSpec)
					structure, ok := named.Type.(*ast.StructType)
					if !ok || !named.Name.IsExported() || strings.HasSuffix(file, "_test.go") {
						continue
					}
					say(name+named.Name.Name, d.Doc)
					for _, f := range structure.Fields.List {
						for _, field := range f.Names {
							say(name+named.Name.Name+"."+field.Name, f.Doc, f.Comment)
						}
					}
				}
				return false
			})
		}
	}
	return texts
}

func TestPlanSchemaIsCurrent(t *testing.T) {
	s := shapes{described(t, ".", "fit", "../scenarios", "../loadgen/record"), map[string]any{}}
	s.of(reflect.TypeFor[Plan]())
	schema := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Ansturm plan", "$ref": "#/$defs/planner.Plan", "$defs": s.defs,
		"description": "plan.json, format 1. Durations are nanoseconds; texts for people are objects by language (de, en).",
	}
	published.Current(t, planSchema, schema, " ", *update)
}

// plansOfAllKinds are a mendable plan, one whose limit is a shared service, and the answer to a question.
func plansOfAllKinds(t *testing.T) map[string]*Plan {
	t.Helper()
	sc, pf := little(t, 6000)
	sc.On = time.Date(2027, 3, 5, 14, 0, 0, 0, time.UTC)
	mendable, err := Search(t.Context(), modelOf(sc, pf), sc, pf, Options{Delta: 0.05, Worlds: 96})
	if err != nil {
		t.Fatal(err)
	}
	sharedSc, sharedPf := shared(t)
	limited, err := Search(t.Context(), nil, sharedSc, sharedPf, Options{Delta: 0.05, Worlds: 96})
	if err != nil {
		t.Fatal(err)
	}
	question, err := asked(t, Options{Growth: 3, NoNewNodes: true}, func(pf *scenarios.Platform) { pf.Pools = pf.Pools[:1] })
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Plan{"mendable": mendable, "limited": limited, "question": question}
}

func TestRealPlansKeepTheSchema(t *testing.T) {
	raw, err := os.ReadFile(planSchema)
	if err != nil {
		t.Fatal(err)
	}
	schema := published.Compiled(t, raw)
	for name, p := range plansOfAllKinds(t) {
		dir := t.TempDir()
		if err := p.Write(dir); err != nil {
			t.Fatal(err)
		}
		written, err := os.ReadFile(filepath.Join(dir, planFile))
		if err != nil {
			t.Fatal(err)
		}
		value := published.Value(t, written)
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		value.(map[string]any)["nodse"] = 7
		if schema.Validate(value) == nil {
			t.Errorf("%s: a field that no plan has passes", name)
		}
		delete(value.(map[string]any), "nodse")
		delete(value.(map[string]any), "risk")
		if schema.Validate(value) == nil {
			t.Errorf("%s: a plan without its risk passes", name)
		}
		if len(p.Explanation) != 10 {
			t.Errorf("%s: explained in %d lines, want 10", name, len(p.Explanation))
		}
		for i, line := range p.Explanation {
			if line["de"] == "" || line["en"] == "" || strings.Contains(line["de"]+line["en"], "%!") {
				t.Errorf("%s: line %d: %q", name, i, line)
			}
		}
		checkAlerts(t, p, dir)
	}
}
