package notify

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

const (
	// maxOutput is how many bytes the message of a template may have, and any text on the way to it.
	maxOutput = 4096
	// maxRanges is how deep ranges may be nested. The lists of an event have no more than ten elements.
	maxRanges = 2
)

// errOutput ends a template that writes too much.
var errOutput = fmt.Errorf("the message would be longer than %d bytes", maxOutput)

// lists are the fields of an event that have elements.
var lists = listsOf(reflect.TypeFor[Event]())

func listsOf(t reflect.Type) []string {
	var found []string
	for i := range t.NumField() {
		field := t.Field(i)
		of := field.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		switch {
		case !field.IsExported(), of == reflect.TypeFor[time.Time]():
		case of.Kind() == reflect.Slice:
			found = append(found, field.Name)
		case of.Kind() == reflect.Struct && of != t:
			found = append(found, listsOf(of)...)
		}
	}
	return found
}

// Template writes the message of an event. Its syntax is that of Go's text/template, and it means the same.
type Template struct{ root *parse.ListNode }

// Parse reads a template. It refuses what could run for long or write much: templates that call templates, ranges over anything but the
// lists of an event, and functions that make long texts of short ones.
func Parse(text string) (*Template, error) {
	known := map[string]any{"and": true, "or": true}
	for name := range functions {
		known[name] = true
	}
	trees, err := parse.Parse("message", text, "", "", known)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	tree := trees["message"]
	if tree == nil || len(trees) > 1 {
		return nil, errors.New("it defines other templates, or nothing else: write one template without define and block")
	}
	if err := check(tree.Root, 0); err != nil {
		return nil, err
	}
	t := &Template{root: tree.Root}
	if _, err := t.Execute(sample()); err != nil {
		return nil, err
	}
	return t, nil
}

// Execute writes the message of an event.
func (t *Template) Execute(e *Event) (string, error) {
	event := valueOf(reflect.ValueOf(*e))
	r := &run{vars: []variable{{"$", event}}}
	if err := r.walk(event, t.root); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

// check refuses what is not bounded.
func check(node parse.Node, ranges int) error {
	switch n := node.(type) {
	case *parse.ListNode:
		return checkList(n, ranges)
	case *parse.IfNode:
		return checkBranch(&n.BranchNode, ranges)
	case *parse.WithNode:
		return checkBranch(&n.BranchNode, ranges)
	case *parse.RangeNode:
		return checkRange(n, ranges)
	case *parse.ActionNode, *parse.TextNode, *parse.CommentNode, *parse.BreakNode, *parse.ContinueNode:
		return nil
	case *parse.TemplateNode:
		return errors.New("it calls a template: write everything into one")
	}
	return fmt.Errorf("it has %s, which is not supported", shorten.Marked(oneLine(node.String()), 40))
}

func checkList(list *parse.ListNode, ranges int) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		if err := check(node, ranges); err != nil {
			return err
		}
	}
	return nil
}

func checkBranch(b *parse.BranchNode, ranges int) error {
	return errors.Join(checkList(b.List, ranges), checkList(b.ElseList, ranges))
}

func checkRange(n *parse.RangeNode, ranges int) error {
	if ranges++; ranges > maxRanges {
		return fmt.Errorf("ranges are nested more than %d deep", maxRanges)
	}
	if !overList(n.Pipe) {
		return fmt.Errorf("range %s: write a list of the event, which are %s", shorten.Marked(oneLine(n.Pipe.String()), 40), listed())
	}
	return checkBranch(&n.BranchNode, ranges)
}

func listed() string {
	all := slices.Compact(slices.Sorted(slices.Values(lists)))
	return strings.Join(all, ", ")
}

// overList says that a range is over a list of the event and nothing else: numbers and texts may be long.
func overList(pipe *parse.PipeNode) bool {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return false
	}
	var path []string
	switch n := pipe.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		path = n.Ident
	case *parse.VariableNode:
		path = n.Ident[1:]
	}
	return len(path) > 0 && slices.Contains(lists, path[len(path)-1])
}

// sample is an event with everything in it, by which a template is tried.
func sample() *Event {
	t := time.Unix(0, 0).UTC()
	n := Node{Name: "worker-1", NodeReboot: "worker-1-0", Reason: v1alpha1.ReasonDraining, Message: "-", Since: t, Seconds: 1}
	return &Event{
		ID: idOf(), Event: v1alpha1.EventRolloutFinished, Policy: "workers", Time: t, Title: "-", Text: "-", Reason: "-", Message: "-", Since: t,
		Count: 1, Nodes: []Node{n}, Window: &Window{Closed: t, Opens: t},
		Rollout: &Rollout{
			ID: idOf(), State: StateFinished, Started: t, Finished: t, DurationSeconds: 1, Duration: "1s", Rebooted: 1, Slowest: &n,
			Waiting: []Waiting{{Reason: "-", Nodes: 1}}, Refused: 1, RefusedNodes: []Node{n},
		},
	}
}

// TemplateOf is the template of a receiver for an event; empty if there is none.
func TemplateOf(n *v1alpha1.Notification, event v1alpha1.NotificationEvent) string {
	for i := range n.Templates {
		if n.Templates[i].Event == event {
			return n.Templates[i].Text
		}
	}
	return n.Template
}

// CheckTemplates says what is wrong with the templates of a receiver, and where.
func CheckTemplates(n *v1alpha1.Notification) (path string, err error) {
	if n.Template != "" {
		if _, err := Parse(n.Template); err != nil {
			return "template", err
		}
	}
	for i := range n.Templates {
		if _, err := Parse(n.Templates[i].Text); err != nil {
			return fmt.Sprintf("templates[%s]", n.Templates[i].Event), err
		}
	}
	return "", nil
}
