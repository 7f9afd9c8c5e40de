package act

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// What commands act on.
const (
	ofNodes    = "nodes"
	ofReboots  = "NodeReboots"
	ofPolicies = "policies"
)

// kind of object that an argument names.
type kind string

const (
	nodeKind   kind = "node"
	rebootKind kind = "nodereboot"
	policyKind kind = "policy"
)

// taken are the kinds that commands take, by what they act on.
var taken = map[string][]kind{ofNodes: {nodeKind}, ofReboots: {nodeKind, rebootKind}, ofPolicies: {policyKind}}

// ref is one argument. Without a kind it is a bare name.
type ref struct {
	kind kind
	name string
}

func (r ref) String() string { return string(r.kind) + "/" + r.name }

// parse takes an argument apart. A kind that is not known is none that a command takes.
func parse(arg string) ref {
	named := app.ParseName(arg)
	switch {
	case named.Unknown != "":
		return ref{kind(named.Unknown), named.Name}
	case named.Kind.Empty():
		return ref{name: named.Name}
	}
	return ref{kind(app.KindWord(named.Kind)), named.Name}
}

// checkNames refuses arguments of kinds that a command does not take.
func checkNames(args []string, takes []kind) error {
	var write []string
	for _, one := range takes {
		write = append(write, string(one)+"/NAME")
	}
	for _, arg := range args {
		if r := parse(arg); r.name == "" || r.kind != "" && !slices.Contains(takes, r.kind) {
			return app.UsageError{Err: fmt.Errorf("%q does not name what this command acts on; write %s, or the name alone",
				arg, strings.Join(write, " or "))}
		}
	}
	return nil
}

// once are the names in arguments of one kind, without those that are there twice, in their order.
func once(args []string) []string {
	var names []string
	for _, arg := range args {
		if name := parse(arg).name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// typed is how to name a NodeReboot on a command line: its name alone may be that of another node.
func typed(r *v1alpha1.NodeReboot) string { return ref{rebootKind, r.Name}.String() }
