package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// mutant is one small change of a source file that its tests should notice.
type mutant struct {
	// File is relative to the root of the repository, and Function is the changed function; empty in a manifest.
	File, Function string
	Line           int
	// Kind names the change, for example "drop call".
	Kind string
	// Old is the text that is replaced, in one line, as a person reads it.
	Old string
	// source is the whole file with the change.
	source []byte
}

// key names a mutant so that it is found again after the file moved a few lines.
func (m *mutant) key() string {
	return m.File + " " + m.Function + ": " + m.Kind + ": " + m.Old
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d %s: %s: %s", m.File, m.Line, m.Function, m.Kind, m.Old)
}

// mutator lists the mutants of one file. Every change keeps what it drops in the source, behind a constant condition: so no variable and no
// import becomes unused, and nearly every mutant builds.
type mutator struct {
	file     string
	source   []byte
	fset     *token.FileSet
	function string
	// names are how often each name occurs in the function.
	names   map[string]int
	mutants []mutant
}

// goMutants returns the mutants of a Go file, in the order of their positions.
func goMutants(file string, source []byte) ([]mutant, error) {
	m := &mutator{file: file, source: source, fset: token.NewFileSet()}
	parsed, err := parser.ParseFile(m.fset, file, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	for _, declaration := range parsed.Decls {
		function, is := declaration.(*ast.FuncDecl)
		if !is || function.Body == nil {
			continue
		}
		m.function, m.names = function.Name.Name, map[string]int{}
		ast.Inspect(function.Body, m.count)
		ast.Inspect(function.Body, m.visit)
	}
	return m.mutants, nil
}

func (m *mutator) count(node ast.Node) bool {
	if name, is := node.(*ast.Ident); is {
		m.names[name.Name]++
	}
	return true
}

func (m *mutator) visit(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.ExprStmt:
		if m.logs(node.X) {
			return false
		}
		m.drop(node, "drop call")
	case ast.Expr:
		m.expression(node)
	case ast.Stmt:
		m.statement(node)
	}
	return true
}

func (m *mutator) expression(node ast.Expr) {
	switch node := node.(type) {
	case *ast.BinaryExpr:
		m.binary(node)
	case *ast.UnaryExpr:
		if node.Op == token.NOT {
			m.replace(node, "drop not", m.text(node.X))
		}
	}
}

func (m *mutator) statement(node ast.Stmt) {
	switch node := node.(type) {
	case *ast.IfStmt:
		m.condition(node.Cond)
	case *ast.ForStmt:
		if node.Cond != nil {
			m.wrap(node.Cond, "if false", "(", ") && false")
		}
	case *ast.DeferStmt:
		if !m.onlyUse(node.Call.Fun) {
			m.drop(node, "drop defer")
		}
	case *ast.IncDecStmt:
		m.drop(node, "drop assignment")
	case *ast.AssignStmt:
		m.assign(node)
	case *ast.BranchStmt:
		if node.Tok == token.CONTINUE || node.Tok == token.BREAK {
			m.drop(node, "drop "+node.Tok.String())
		}
	case *ast.ReturnStmt:
		m.result(node)
	}
}

// onlyUse says whether a call is all that uses a variable, as "defer cancel()" mostly is. The compiler reports the variable if the call is
// missing.
func (m *mutator) onlyUse(function ast.Expr) bool {
	name, is := function.(*ast.Ident)
	return is && m.names[name.Name] == 2
}

// condition of an if. Where it is a single operand, an "if" that is always or never taken is the same as the operand being so.
func (m *mutator) condition(cond ast.Expr) {
	m.wrap(cond, "if true", "(", ") || true")
	m.wrap(cond, "if false", "(", ") && false")
}

// comparisons are replaced by their opposites, and the bounds of ranges moved by one.
var comparisons = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">", token.ADD: "-", token.SUB: "+",
}

func (m *mutator) binary(node *ast.BinaryExpr) {
	switch node.Op {
	case token.LAND:
		m.wrap(node.X, "drop left", "(", " || true)")
		m.wrap(node.Y, "drop right", "(", " || true)")
	case token.LOR:
		m.wrap(node.X, "drop left", "(", " && false)")
		m.wrap(node.Y, "drop right", "(", " && false)")
	default:
		other, is := comparisons[node.Op]
		if !is || m.isText(node) {
			return
		}
		begin := m.offset(node.OpPos)
		m.change(node, node.Op.String()+" becomes "+other, begin, begin+len(node.Op.String()), other)
	}
}

// isText says whether an addition joins texts: a literal is part of it.
func (m *mutator) isText(node ast.Expr) bool {
	switch node := node.(type) {
	case *ast.BasicLit:
		return node.Kind == token.STRING
	case *ast.BinaryExpr:
		return node.Op == token.ADD && (m.isText(node.X) || m.isText(node.Y))
	}
	return false
}

func (m *mutator) assign(node *ast.AssignStmt) {
	if node.Tok == token.DEFINE {
		return
	}
	if name, is := node.Lhs[0].(*ast.Ident); is && name.Name == "_" {
		return
	}
	m.drop(node, "drop assignment")
}

// result of a function: an error is not returned, or a constant is another one.
func (m *mutator) result(node *ast.ReturnStmt) {
	for _, value := range node.Results {
		name, is := value.(*ast.Ident)
		switch {
		case !is:
		case name.Name == "err":
			m.replace(name, "drop error", "nil")
		case name.Name == "true" || name.Name == "false":
			m.replace(name, "other constant", strconv.FormatBool(name.Name != "true"))
		}
	}
}

var logLine = regexp.MustCompile(`(?i)^([a-z]+[.])*log[.]`)

// logs says whether a call only writes a log line.
func (m *mutator) logs(call ast.Expr) bool {
	text := m.text(call)
	return strings.Contains(text, "FromContext(ctx)") || logLine.MatchString(text)
}

// drop keeps the statement for the compiler and never runs it.
func (m *mutator) drop(node ast.Node, kind string) { m.wrap(node, kind, "if false { ", " }") }

func (m *mutator) wrap(node ast.Node, kind, before, after string) {
	m.replace(node, kind, before+m.text(node)+after)
}

func (m *mutator) replace(node ast.Node, kind, fresh string) {
	m.change(node, kind, m.offset(node.Pos()), m.offset(node.End()), fresh)
}

func (m *mutator) change(node ast.Node, kind string, begin, end int, fresh string) {
	source := append(append(append([]byte(nil), m.source[:begin]...), fresh...), m.source[end:]...)
	m.mutants = append(m.mutants, mutant{
		File: m.file, Function: m.function, Line: m.fset.Position(node.Pos()).Line, Kind: kind, Old: oneLine(m.text(node)), source: source,
	})
}

func (m *mutator) offset(pos token.Pos) int { return m.fset.Position(pos).Offset }

func (m *mutator) text(node ast.Node) string {
	return string(m.source[m.offset(node.Pos()):m.offset(node.End())])
}

// oneLine is a text as it stands in a list of mutants.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
