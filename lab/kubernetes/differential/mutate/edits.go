package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mutant is one edit of a file: the bytes from From to To become Text.
type mutant struct {
	// Name tells it apart from all others: file, function, old and new text, and its number among equals.
	Name     string `json:"name"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	path     string
	from, to int
	text     string
	within   *ast.FuncDecl // nil for constants and variables
	id       int           // in the binary, from 1
}

// apply is the file with the edit.
func (m *mutant) apply(src string) string { return src[:m.from] + m.text + src[m.to:] }

// mutantsOf are the mutants of all files of a package but its tests, in the order of the source.
func mutantsOf(dir string) ([]mutant, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var out []mutant
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		e := &editor{fset: fset, src: string(src), path: path, seen: map[string]int{}}
		for _, d := range file.Decls {
			e.function, e.within = "-", nil
			if f, ok := d.(*ast.FuncDecl); ok {
				e.function, e.within = f.Name.Name, f
			} else if g := d.(*ast.GenDecl); g.Tok == token.IMPORT || g.Tok == token.TYPE {
				continue
			}
			e.walk(d)
		}
		for _, m := range e.mutants {
			m.id = len(out) + 1
			out = append(out, m)
		}
	}
	return out, nil
}

// editor collects the mutants of one file.
type editor struct {
	fset     *token.FileSet
	src      string
	path     string
	function string
	within   *ast.FuncDecl
	seen     map[string]int
	mutants  []mutant
	messages int // depth within a call that makes an error's text
}

func (e *editor) walk(n ast.Node) {
	ast.PreorderStack(n, nil, func(n ast.Node, stack []ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && e.makesError(call) {
			for _, arg := range call.Args[1:] {
				e.walk(arg)
			}
			return false
		}
		e.visit(n, stack)
		return true
	})
}

// makesError reports whether a call's first argument is a text for people, which no test need know by heart.
func (e *editor) makesError(call *ast.CallExpr) bool {
	name := e.text(call.Fun)
	return (name == "errors.New" || name == "fmt.Errorf") && len(call.Args) > 0
}

func (e *editor) text(n ast.Node) string { return e.src[e.at(n.Pos()):e.at(n.End())] }

func (e *editor) at(p token.Pos) int { return e.fset.Position(p).Offset }

// add makes a mutant of the text between two positions.
func (e *editor) add(from, to token.Pos, text string) {
	old := e.src[e.at(from):e.at(to)]
	e.named(from, to, text, fmt.Sprintf("%s → %s", short(old), short(text)))
}

func (e *editor) named(from, to token.Pos, text, change string) {
	name := fmt.Sprintf("%s %s: %s", filepath.Base(e.path), e.function, change)
	e.seen[name]++
	if n := e.seen[name]; n > 1 {
		name = fmt.Sprintf("%s #%d", name, n)
	}
	e.mutants = append(e.mutants, mutant{
		Name: name, File: "planner/hpa/" + filepath.Base(e.path), Line: e.fset.Position(from).Line,
		path: e.path, from: e.at(from), to: e.at(to), text: text, within: e.within,
	})
}

// short is a text on one line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 80 {
		s = string(r[:77]) + "..."
	}
	if s == "" {
		return "nothing"
	}
	return s
}

// besideError reports whether a value is returned beside an error or a false, where no one looks at it.
func (e *editor) besideError(stack []ast.Node) bool {
	r, ok := stack[len(stack)-1].(*ast.ReturnStmt)
	if !ok || len(r.Results) < 2 {
		return false
	}
	last := e.text(r.Results[len(r.Results)-1])
	return last == "false" || strings.HasPrefix(last, "Err") || strings.HasSuffix(last, "err") || strings.HasSuffix(last, "Err") || strings.HasPrefix(last, "fmt.Errorf")
}

// swaps are what an operator becomes.
var swaps = map[token.Token][]string{
	token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"}, token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
	token.EQL: {"!="}, token.NEQ: {"=="},
	token.ADD: {"-"}, token.SUB: {"+"}, token.MUL: {"/"}, token.QUO: {"*"},
	token.LAND: {"||"}, token.LOR: {"&&"},
	token.ADD_ASSIGN: {"-="}, token.SUB_ASSIGN: {"+="}, token.INC: {"--"}, token.DEC: {"++"},
}

// calls are what a function's name becomes.
var calls = map[string]string{"min": "max", "max": "min", "math.Ceil": "math.Floor", "math.Floor": "math.Ceil", "math.Max": "math.Min", "math.Min": "math.Max"}

func (e *editor) visit(n ast.Node, stack []ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		e.operator(n.OpPos, n.Op, n.X, n.Y)
		if n.Op == token.LAND || n.Op == token.LOR { // one of the conditions alone
			e.add(n.Pos(), n.End(), e.text(n.X))
			e.add(n.Pos(), n.End(), e.text(n.Y))
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT || n.Op == token.SUB {
			e.add(n.Pos(), n.End(), e.text(n.X))
		}
	case *ast.BasicLit:
		if !e.besideError(stack) {
			e.literal(n)
		}
	case *ast.Ident:
		e.ident(n)
	case *ast.CallExpr:
		if swap := calls[e.text(n.Fun)]; swap != "" {
			e.named(n.Fun.Pos(), n.Fun.End(), swap, fmt.Sprintf("%s → %s", short(e.text(n)), swap))
		}
	case *ast.IfStmt:
		e.never(n.Cond)
		e.always(n.Cond)
	case *ast.CaseClause:
		if s, ok := stack[len(stack)-2].(*ast.SwitchStmt); ok && s.Tag == nil {
			for _, condition := range n.List {
				e.never(condition)
			}
		}
	case *ast.KeyValueExpr:
		e.field(n, stack)
	case ast.Stmt:
		e.statement(n, stack)
	}
}

func (e *editor) operator(at token.Pos, op token.Token, x, y ast.Node) {
	for _, swap := range swaps[op] {
		e.named(at, at+token.Pos(len(op.String())), swap, fmt.Sprintf("%s %s %s → %s", short(e.text(x)), op, short(e.text(y)), swap))
	}
}

// never makes a condition false, always makes it true; both still evaluate it, so that no variable goes unused.
func (e *editor) never(c ast.Expr)  { e.add(c.Pos(), c.End(), "("+e.text(c)+") && false") }
func (e *editor) always(c ast.Expr) { e.add(c.Pos(), c.End(), "("+e.text(c)+") || true") }

// literal moves a number by one, and makes another word of a word.
func (e *editor) literal(n *ast.BasicLit) {
	switch n.Kind {
	case token.INT, token.FLOAT:
		v, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64)
		if err != nil {
			return
		}
		for _, w := range []float64{v + 1, v - 1} {
			text := strconv.FormatFloat(w, 'f', -1, 64)
			if n.Kind == token.FLOAT && !strings.Contains(text, ".") {
				text += ".0"
			}
			if w < 0 {
				text = "(" + text + ")"
			}
			e.add(n.Pos(), n.End(), text)
		}
	case token.STRING:
		e.add(n.Pos(), n.End(), `"mutant"`)
	}
}

func (e *editor) ident(n *ast.Ident) {
	switch n.Name {
	case "true":
		e.add(n.Pos(), n.End(), "false")
	case "false":
		e.add(n.Pos(), n.End(), "true")
	}
}

// field drops a field of a composite literal.
func (e *editor) field(n *ast.KeyValueExpr, stack []ast.Node) {
	to := e.at(n.End())
	if to < len(e.src) && e.src[to] == ',' {
		e.add(n.Pos(), n.End()+1, "")
	} else {
		e.add(n.Pos(), n.End(), "")
	}
}

// statement drops a statement, and turns assignments round.
func (e *editor) statement(n ast.Stmt, stack []ast.Node) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for _, swap := range swaps[n.Tok] {
			e.named(n.TokPos, n.TokPos+2, swap, fmt.Sprintf("%s → %s", short(e.text(n)), swap))
		}
		if n.Tok == token.DEFINE {
			return
		}
	case *ast.IncDecStmt:
		e.operator(n.TokPos, n.Tok, n.X, n.X)
	case *ast.ExprStmt, *ast.ReturnStmt, *ast.BranchStmt:
	default:
		return
	}
	if inHeader(n, stack) {
		return
	}
	e.add(n.Pos(), n.End(), "")
}

// inHeader reports whether a statement stands in the head of an if, for or switch, where it cannot go.
func inHeader(n ast.Stmt, stack []ast.Node) bool {
	switch parent := stack[len(stack)-1].(type) {
	case *ast.IfStmt:
		return parent.Init == n
	case *ast.ForStmt:
		return parent.Init == n || parent.Post == n
	case *ast.SwitchStmt:
		return parent.Init == n
	}
	return false
}
