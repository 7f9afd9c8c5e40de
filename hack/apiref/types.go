package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// value is one of an enum's, and what it means.
type value struct{ name, meaning string }

// goTypes are the structs and the enums of the API's package.
type goTypes struct {
	structs map[string]*ast.StructType
	// named are types that are another one, such as lists.
	named map[string]ast.Expr
	enums map[string][]value
}

// obvious are types whose values say what they mean.
var obvious = map[string]bool{"Weekday": true}

// readTypes parses the Go files in a folder.
func readTypes(folder string) (*goTypes, error) {
	types := &goTypes{structs: map[string]*ast.StructType{}, named: map[string]ast.Expr{}, enums: map[string][]value{}}
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", folder, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no Go files in %s", folder)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.Contains(filepath.Base(file), "zz_generated") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("parse the types: %w", err)
		}
		for _, declared := range parsed.Decls {
			if general, ok := declared.(*ast.GenDecl); ok {
				types.add(general)
			}
		}
	}
	return types, nil
}

func (t *goTypes) add(declared *ast.GenDecl) {
	for _, spec := range declared.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if structure, ok := spec.Type.(*ast.StructType); ok {
				t.structs[spec.Name.Name] = structure
			} else {
				t.named[spec.Name.Name] = spec.Type
			}
		case *ast.ValueSpec:
			t.addValue(spec)
		}
	}
}

// addValue adds a constant that has a type and a comment: "ModeEnforce reboots ..." is what Enforce does.
func (t *goTypes) addValue(spec *ast.ValueSpec) {
	of, ok := spec.Type.(*ast.Ident)
	if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 {
		return
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		return
	}
	meaning := strings.Join(strings.Fields(spec.Doc.Text()), " ")
	meaning = strings.TrimSpace(strings.TrimPrefix(meaning, spec.Names[0].Name))
	if obvious[of.Name] {
		meaning = ""
	}
	t.enums[of.Name] = append(t.enums[of.Name], value{name, meaning})
}

// field is the type of a struct's field by the name that it has in JSON; empty if that is not of this package.
func (t *goTypes) field(structure, name string) string {
	declared := t.structs[structure]
	if declared == nil {
		return ""
	}
	for _, field := range declared.Fields.List {
		tagged, inline := jsonName(field)
		if tagged == name {
			return t.typeName(field.Type)
		}
		if inline {
			if found := t.field(t.typeName(field.Type), name); found != "" {
				return found
			}
		}
	}
	return ""
}

// fieldNames are the names that the fields of a struct have in JSON, in their order.
func (t *goTypes) fieldNames(structure string) []string {
	declared := t.structs[structure]
	if declared == nil {
		return nil
	}
	var names []string
	for _, field := range declared.Fields.List {
		name, inline := jsonName(field)
		switch {
		case inline:
			names = append(names, t.fieldNames(t.typeName(field.Type))...)
		case name != "":
			names = append(names, name)
		}
	}
	return names
}

// jsonName is what a field is called in JSON, and whether its own fields take its place.
func jsonName(field *ast.Field) (name string, inline bool) {
	if field.Tag == nil {
		return "", false
	}
	tag, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		return "", false
	}
	name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	return name, name == "" && strings.Contains(options, "inline")
}

// typeName is the name of a type of this package, or of what a list, a map or a pointer of it holds.
func (t *goTypes) typeName(expression ast.Expr) string {
	switch expression := expression.(type) {
	case *ast.Ident:
		if t.structs[expression.Name] == nil && t.enums[expression.Name] == nil && t.named[expression.Name] != nil {
			if inner := t.typeName(t.named[expression.Name]); t.structs[inner] != nil || t.enums[inner] != nil {
				return inner
			}
		}
		return expression.Name
	case *ast.StarExpr:
		return t.typeName(expression.X)
	case *ast.ArrayType:
		return t.typeName(expression.Elt)
	case *ast.MapType:
		return t.typeName(expression.Value)
	}
	return ""
}
