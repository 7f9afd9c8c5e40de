package notify

import (
	"errors"
	"fmt"
	"strings"
	"text/template/parse"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

var (
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

// run is one execution of a template. Package text/template could execute it, too, but it can call any method, so a program that uses it
// keeps all methods of everything that it links: 13 MB.
type run struct {
	out  strings.Builder
	vars []variable
}

type variable struct {
	name  string
	value any
}

func (r *run) write(text string) error {
	if r.out.Len()+len(text) > maxOutput {
		return errOutput
	}
	r.out.WriteString(text)
	return nil
}

func (r *run) walk(dot any, node parse.Node) error {
	switch n := node.(type) {
	case *parse.TextNode:
		return r.write(string(n.Text))
	case *parse.ActionNode:
		return r.action(dot, n)
	case *parse.ListNode:
		return r.list(dot, n)
	case *parse.IfNode:
		return r.branch(dot, &n.BranchNode, false)
	case *parse.WithNode:
		return r.branch(dot, &n.BranchNode, true)
	case *parse.RangeNode:
		return r.each(dot, n)
	case *parse.BreakNode:
		return errBreak
	case *parse.ContinueNode:
		return errContinue
	}
	return nil
}

func (r *run) action(dot any, n *parse.ActionNode) error {
	value, err := r.pipe(dot, n.Pipe)
	if err != nil || len(n.Pipe.Decl) > 0 {
		return err
	}
	written, err := text(value)
	if err != nil {
		return fmt.Errorf("%s: %w", shorten.Marked(oneLine(n.String()), 40), err)
	}
	return r.write(written)
}

func (r *run) list(dot any, n *parse.ListNode) error {
	if n == nil {
		return nil
	}
	for _, node := range n.Nodes {
		if err := r.walk(dot, node); err != nil {
			return err
		}
	}
	return nil
}

// scoped forgets the variables that are declared in the meantime.
func (r *run) scoped(do func() error) error {
	mark := len(r.vars)
	defer func() { r.vars = r.vars[:mark] }()
	return do()
}

func (r *run) branch(dot any, n *parse.BranchNode, with bool) error {
	return r.scoped(func() error {
		value, err := r.pipe(dot, n.Pipe)
		switch {
		case err != nil:
			return err
		case !truth(value):
			return r.list(dot, n.ElseList)
		case with:
			dot = value
		}
		return r.list(dot, n.List)
	})
}

func (r *run) each(dot any, n *parse.RangeNode) error {
	return r.scoped(func() error {
		decl := n.Pipe.Decl
		value, err := r.evaluate(dot, n.Pipe)
		if err != nil {
			return err
		}
		all, is := value.(list)
		if !is && value != nil {
			return fmt.Errorf("can't range over a %s", kindOf(value))
		}
		if len(all) == 0 {
			return r.list(dot, n.ElseList)
		}
		for i, element := range all {
			err := r.scoped(func() error {
				if len(decl) > 1 {
					r.vars = append(r.vars, variable{decl[0].Ident[0], int64(i)})
				}
				if len(decl) > 0 {
					r.vars = append(r.vars, variable{decl[len(decl)-1].Ident[0], element})
				}
				return r.list(element, n.List)
			})
			switch {
			case errors.Is(err, errBreak):
				return nil
			case err != nil && !errors.Is(err, errContinue):
				return err
			}
		}
		return nil
	})
}

// pipe evaluates a pipeline, and sets the variable that it declares or changes.
func (r *run) pipe(dot any, n *parse.PipeNode) (any, error) {
	value, err := r.evaluate(dot, n)
	if err != nil {
		return nil, err
	}
	for _, decl := range n.Decl {
		if n.IsAssign {
			if err := r.assign(decl.Ident[0], value); err != nil {
				return nil, err
			}
			continue
		}
		r.vars = append(r.vars, variable{decl.Ident[0], value})
	}
	return value, nil
}

func (r *run) assign(name string, value any) error {
	for i := len(r.vars) - 1; i >= 0; i-- {
		if r.vars[i].name == name {
			r.vars[i].value = value
			return nil
		}
	}
	return fmt.Errorf("there is no variable %s", name)
}

func (r *run) variable(name string) (any, error) {
	for i := len(r.vars) - 1; i >= 0; i-- {
		if r.vars[i].name == name {
			return r.vars[i].value, nil
		}
	}
	return nil, fmt.Errorf("there is no variable %s", name)
}

func (r *run) evaluate(dot any, n *parse.PipeNode) (any, error) {
	var last []any
	for _, command := range n.Cmds {
		value, err := r.command(dot, command, last)
		if err != nil {
			return nil, err
		}
		last = []any{value}
	}
	if len(last) == 0 {
		return nil, errors.New("an empty action")
	}
	return last[0], nil
}

// command evaluates one command. Its last argument is the result of the previous command in the pipeline.
func (r *run) command(dot any, n *parse.CommandNode, last []any) (any, error) {
	if function, is := n.Args[0].(*parse.IdentifierNode); is {
		return r.call(dot, function.Ident, n.Args[1:], last)
	}
	path, value, err := r.start(dot, n.Args[0])
	if err != nil {
		return nil, err
	}
	for i, name := range path {
		if t, is := value.(time.Time); is && name == "Format" && i == len(path)-1 {
			return r.format(dot, t, n.Args[1:], last)
		}
		if value, err = field(value, name); err != nil {
			return nil, err
		}
	}
	if len(n.Args) > 1 || len(last) > 0 {
		return nil, fmt.Errorf("%s is not a function", shorten.Marked(oneLine(n.Args[0].String()), 40))
	}
	return value, nil
}

// start is what a path of fields starts from.
func (r *run) start(dot any, node parse.Node) (path []string, value any, err error) {
	switch n := node.(type) {
	case *parse.FieldNode:
		return n.Ident, dot, nil
	case *parse.VariableNode:
		value, err = r.variable(n.Ident[0])
		return n.Ident[1:], value, err
	case *parse.ChainNode:
		value, err = r.argument(dot, n.Node)
		return n.Field, value, err
	}
	value, err = r.argument(dot, node)
	return nil, value, err
}

func (r *run) format(dot any, t time.Time, args []parse.Node, last []any) (any, error) {
	values, err := r.arguments(dot, args, last)
	if err != nil {
		return nil, err
	}
	if len(values) != 1 {
		return nil, errArguments
	}
	layout, is := values[0].(string)
	if !is || len(layout) > maxFormat {
		return nil, fmt.Errorf("the layout of Format has up to %d bytes, such as \"15:04\"", maxFormat)
	}
	return bound(t.Format(layout))
}

func (r *run) arguments(dot any, args []parse.Node, last []any) ([]any, error) {
	values := make([]any, 0, len(args)+len(last))
	for _, arg := range args {
		value, err := r.argument(dot, arg)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return append(values, last...), nil
}

// call calls a function. Only the arguments of "and" and "or" that matter are evaluated.
func (r *run) call(dot any, name string, args []parse.Node, last []any) (any, error) {
	if name == "and" || name == "or" {
		return r.junction(dot, name == "or", args, last)
	}
	values, err := r.arguments(dot, args, last)
	if err != nil {
		return nil, err
	}
	value, err := functions[name](values)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return value, nil
}

func (r *run) junction(dot any, decides bool, args []parse.Node, last []any) (value any, err error) {
	for _, arg := range args {
		if value, err = r.argument(dot, arg); err != nil || truth(value) == decides {
			return value, err
		}
	}
	if len(last) > 0 {
		value = last[0]
	}
	return value, nil
}

func (r *run) argument(dot any, node parse.Node) (any, error) {
	switch n := node.(type) {
	case *parse.DotNode:
		return dot, nil
	case *parse.BoolNode:
		return n.True, nil
	case *parse.StringNode:
		return n.Text, nil
	case *parse.NumberNode:
		if n.IsInt {
			return n.Int64, nil
		}
		return n.Float64, nil
	case *parse.NilNode:
		return nil, nil
	case *parse.PipeNode:
		return r.pipe(dot, n)
	case *parse.IdentifierNode:
		return r.call(dot, n.Ident, nil, nil)
	case *parse.FieldNode, *parse.VariableNode, *parse.ChainNode:
		return r.command(dot, &parse.CommandNode{Args: []parse.Node{node}}, nil)
	}
	return nil, fmt.Errorf("%s is not supported", shorten.Marked(oneLine(node.String()), 40))
}
