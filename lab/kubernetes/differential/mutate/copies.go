package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// variable is the environment variable that names the mutant to live.
const variable = "MUTANT"

// chooser is the file that reads it.
const chooser = `package hpa

import (
	"os"
	"strconv"
)

var mutantAlive, _ = strconv.Atoi(os.Getenv("` + variable + `"))
`

// library is a package of which every function is a switch over its copies.
type library struct {
	files map[string]string // by the path of the original
	owner map[string][]int  // by path: for each line the mutant whose copy it is in, 0 for none
}

// assemble writes the mutants that are left into copies of their functions. Constants cannot be switched: their mutants
// are not in it.
func assemble(dir string, mutants []mutant, stillborn map[int]bool) (*library, error) {
	l := &library{files: map[string]string{filepath.Join(dir, "mutant_alive.go"): chooser}, owner: map[string][]int{}}
	byPath := map[string][]*mutant{}
	for i := range mutants {
		if m := &mutants[i]; m.within != nil && !stillborn[m.id] {
			byPath[m.path] = append(byPath[m.path], m)
		}
	}
	for path, list := range byPath {
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		l.files[path], l.owner[path] = copies(string(src), list)
	}
	return l, nil
}

// copies is the file with its functions switched: the text, and the owner of each of its lines.
func copies(src string, list []*mutant) (string, []int) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", src, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		panic(err) // it was parsed before
	}
	var out strings.Builder
	var owner []int
	write := func(id int, text string) {
		out.WriteString(text)
		for range strings.Count(text, "\n") {
			owner = append(owner, id)
		}
	}
	at := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		from, body, to := fset.Position(f.Pos()).Offset, fset.Position(f.Body.Pos()).Offset, fset.Position(f.End()).Offset
		var own []*mutant
		for _, m := range list {
			if m.from >= from && m.to <= to {
				own = append(own, m)
			}
		}
		if len(own) == 0 {
			continue
		}
		name := fset.Position(f.Name.End()).Offset
		write(0, src[at:body])
		write(0, dispatcher(f, own))
		write(0, src[from:name]+"Mutant0"+src[name:to]+"\n")
		for _, m := range own {
			write(m.id, fmt.Sprintf("%sMutant%d%s%s%s\n", src[from:name], m.id, src[name:m.from], m.text, src[m.to:to]))
		}
		at = to
	}
	write(0, src[at:])
	return out.String(), owner
}

// dispatcher is the body of a function that calls the copy of the mutant that lives.
func dispatcher(f *ast.FuncDecl, own []*mutant) string {
	var b strings.Builder
	call := func(id int) string {
		target := fmt.Sprintf("%sMutant%d(%s)", f.Name.Name, id, strings.Join(names(f.Type.Params), ", "))
		if f.Recv != nil {
			target = names(f.Recv)[0] + "." + target
		}
		if f.Type.Results != nil {
			return "return " + target
		}
		return target
	}
	b.WriteString("{\n\tswitch mutantAlive {\n")
	for _, m := range own {
		fmt.Fprintf(&b, "\tcase %d:\n\t\t%s\n", m.id, call(m.id))
	}
	fmt.Fprintf(&b, "\tdefault:\n\t\t%s\n\t}\n}\n\n", call(0))
	return b.String()
}

func names(list *ast.FieldList) (out []string) {
	for _, field := range list.List {
		for _, name := range field.Names {
			out = append(out, name.Name)
		}
	}
	return out
}
