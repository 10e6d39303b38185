package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The YAML library's syntax tree is decoded here rather than by the library, whose decoder turns 1.5 into the integer
// 1, names one of several unknown fields at random, and forgets where a field stood once it is a Go value.

const (
	mostNodes = 1_000_000 // an alias may repeat a subtree; that many values are no scenario
	mostDepth = 60
)

// decoder sets Go values from a syntax tree and notes where each field stood.
type decoder struct {
	checker
	anchors map[string]ast.Node
	nodes   int
	depth   int
}

// decode parses data and sets into, a pointer to a struct. The checker knows the positions of all fields afterwards.
func decode(name string, data []byte, into any) (*checker, error) {
	d := &decoder{checker: checker{file: name, positions: map[string]position{}}, anchors: map[string]ast.Node{}}
	file, err := parse(data)
	if err != nil {
		return nil, d.syntax(err)
	}
	switch {
	case len(file.Docs) == 0 || file.Docs[0].Body == nil || file.Docs[0].Body.Type() == ast.NullType:
		return nil, &Problem{File: name, Line: 1, Column: 1, Message: "the file is empty"}
	case len(file.Docs) > 1:
		return nil, &Problem{File: name, Message: fmt.Sprintf("%d YAML documents in one file, must be 1", len(file.Docs))}
	}
	d.positions[""] = position{1, 1}
	d.value(file.Docs[0].Body, reflect.ValueOf(into).Elem(), "")
	return &d.checker, d.err()
}

// parse guards the call into the library: no input may end the process.
func parse(data []byte) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML that can be read: %v", r)
		}
	}()
	return parser.ParseBytes(data, 0)
}

// syntax turns the library's error into one of ours.
func (d *decoder) syntax(err error) error {
	p := &Problem{File: d.file, Message: err.Error()}
	var placed yaml.Error
	if errors.As(err, &placed) {
		p.Message = placed.GetMessage()
		if at := positionOf(placed.GetToken()); at.line > 0 {
			p.Line, p.Column = at.line, at.column
		}
	}
	return p
}

func positionOf(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{}
	}
	return position{t.Position.Line, t.Position.Column}
}

// wrong notes that the node at path is not what it must be.
func (d *decoder) wrong(node ast.Node, path, must string) {
	p := d.problem(path, fmt.Sprintf("is %s, must be %s", describe(node), must))
	if at := positionOf(tokenOf(node)); at.line > 0 {
		p.Line, p.Column = at.line, at.column
	}
	d.problems = append(d.problems, p)
}

// describe names a node's value for a message.
func describe(node ast.Node) string {
	switch n := node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a group of fields"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode:
		return fmt.Sprintf("%q", n.Value)
	case *ast.LiteralNode:
		return "a text"
	}
	if text, ok := scalar(node); ok {
		return text
	}
	return "a " + strings.ToLower(node.Type().YAMLName())
}

// tokenOf is where a node begins; the library's own token of a group is its first colon.
func tokenOf(node ast.Node) *token.Token {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return node.GetToken()
}

// scalar is the text of a node that is one value, as written.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// value sets into from the node. A null leaves the zero value.
func (d *decoder) value(node ast.Node, into reflect.Value, path string) {
	d.nodes++
	d.depth++
	defer func() { d.depth-- }()
	if d.nodes > mostNodes || d.depth > mostDepth {
		if d.nodes <= mostNodes+1 {
			d.add(path, "too many values, or too deep")
			d.nodes = mostNodes + 2
		}
		return
	}
	if node = d.resolve(node, path); node == nil || node.Type() == ast.NullType {
		return
	}
	if at := positionOf(tokenOf(node)); at.line > 0 {
		if _, known := d.positions[path]; !known {
			d.positions[path] = at
		}
	}
	switch t := into.Type(); {
	case t == durationType:
		d.duration(node, into, path)
	case t == timeType:
		d.time(node, into, path)
	case t == quantityType:
		d.quantity(node, into, path)
	case t == followType:
		d.follow(node, into, path)
	case t.Kind() == reflect.Pointer:
		into.Set(reflect.New(t.Elem()))
		d.value(node, into.Elem(), path)
	case t.Kind() == reflect.Struct:
		d.object(node, into, path)
	case t.Kind() == reflect.Map:
		d.mapping(node, into, path)
	case t.Kind() == reflect.Slice:
		d.list(node, into, path)
	default:
		d.plain(node, into, path)
	}
}

// resolve follows anchors, aliases and tags.
func (d *decoder) resolve(node ast.Node, path string) ast.Node {
	for range mostDepth {
		switch n := node.(type) {
		case *ast.AnchorNode:
			d.anchors[n.Name.GetToken().Value] = n.Value
			node = n.Value
		case *ast.AliasNode:
			target, known := d.anchors[n.Value.GetToken().Value]
			if !known {
				d.wrong(n.Value, path, "an anchor written before it")
				return nil
			}
			node = target
		case *ast.TagNode:
			node = n.Value
		default:
			return node
		}
	}
	d.add(path, "an alias names itself")
	return nil
}

// entries are the fields of a group, in order; false with a problem where the node is none.
func (d *decoder) entries(node ast.Node, path, must string) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	d.wrong(node, path, must)
	return nil, false
}

// key is the name of an entry and marks where it stands. Scalars stand at their value, groups and lists at their name.
func (d *decoder) key(e *ast.MappingValueNode, path string) (name, inner string) {
	name = e.Key.GetToken().Value
	inner = join(path, name)
	at := e.Key.GetToken()
	if _, isScalar := scalar(e.Value); isScalar {
		if _, block := e.Value.(*ast.LiteralNode); !block {
			at = e.Value.GetToken()
		}
	}
	d.positions[inner] = positionOf(at)
	return name, inner
}

func (d *decoder) object(node ast.Node, into reflect.Value, path string) {
	fields := fieldsOf(into.Type())
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	entries, ok := d.entries(node, path, "a group of fields: "+strings.Join(names, ", "))
	if !ok {
		return
	}
	seen := map[string]bool{}
	for _, e := range entries {
		name, inner := d.key(e, path)
		if seen[name] {
			d.misnamed(e, twice(name))
		}
		seen[name] = true
		if i := slices.Index(names, name); i >= 0 {
			d.value(e.Value, into.Field(fields[i].index), inner)
		} else {
			d.misnamed(e, unknown(name, names))
		}
	}
	for _, name := range required[into.Type()] {
		if !seen[name] {
			d.add(join(path, name), "is missing")
		}
	}
}

// misnamed notes what is wrong with the name of an entry.
func (d *decoder) misnamed(e *ast.MappingValueNode, message string) {
	at := positionOf(e.Key.GetToken())
	d.problems = append(d.problems, &Problem{File: d.file, Line: at.line, Column: at.column, Message: message})
}

func twice(name string) string { return fmt.Sprintf("field %q is written twice", name) }

// unknown says that there is no such field, and which was meant.
func unknown(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("unknown field %q, did you mean %q?", name, near)
	}
	return fmt.Sprintf("unknown field %q, known here are %s", name, strings.Join(known, ", "))
}

func (d *decoder) mapping(node ast.Node, into reflect.Value, path string) {
	m := reflect.MakeMap(into.Type())
	entries, _ := d.entries(node, path, "a group of names with their values")
	for _, e := range entries {
		name, inner := d.key(e, path)
		key := reflect.ValueOf(name).Convert(into.Type().Key())
		if m.MapIndex(key).IsValid() {
			d.misnamed(e, twice(name))
		}
		element := reflect.New(into.Type().Elem()).Elem()
		d.value(e.Value, element, inner)
		m.SetMapIndex(key, element)
	}
	into.Set(m)
}

func (d *decoder) list(node ast.Node, into reflect.Value, path string) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		d.wrong(node, path, "a list")
		return
	}
	list := reflect.MakeSlice(into.Type(), len(sequence.Values), len(sequence.Values))
	for i, element := range sequence.Values {
		d.value(element, list.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	into.Set(list)
}
