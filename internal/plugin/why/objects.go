package why

import (
	"regexp"
	"slices"
	"strings"
)

// object is what a message names.
type object struct{ kind, namespace, name string }

func (o object) String() string {
	if o.namespace != "" {
		return o.kind + " " + o.namespace + "/" + o.name
	}
	return o.kind + " " + o.name
}

// named are objects in messages of the manager: a kind and a name, with or without a namespace.
var named = regexp.MustCompile(`\b(NodeReboot|RebootPolicy|PodDisruptionBudget|[Nn]ode|[Pp]od) ` +
	`((?:[a-z0-9][a-z0-9.-]*/)?[A-Za-z0-9][A-Za-z0-9.-]*)` +
	`|\b([A-Z][A-Za-z]+) ([a-z0-9][a-z0-9.-]*/[a-z0-9][a-z0-9.-]*)`)

// underWay are nodes that a message lists.
var underWay = regexp.MustCompile(`Under way: ([^:;]+?)\.?(?: [A-Z]|$)`)

// clusterKinds have no namespace. Other kinds are objects only if they are named with one.
var clusterKinds = []string{"NodeReboot", "RebootPolicy", "Node"}

// objectsIn a message, in their order, each once.
func objectsIn(message string) []object {
	var found []object
	for _, match := range named.FindAllStringSubmatch(message, -1) {
		kind, name := match[1]+match[3], match[2]+match[4]
		o := object{kind: strings.ToUpper(kind[:1]) + kind[1:], name: strings.TrimRight(name, ".")}
		if namespace, name, has := strings.Cut(o.name, "/"); has {
			o.namespace, o.name = namespace, name
		}
		switch inCluster := slices.Contains(clusterKinds, o.kind); {
		case inCluster && o.namespace != "", !inCluster && o.namespace == "" && o.kind != "PodDisruptionBudget":
			continue
		}
		found = append(found, o)
	}
	if match := underWay.FindStringSubmatch(message); match != nil {
		for name := range strings.SplitSeq(match[1], ", ") {
			found = append(found, object{kind: "Node", name: name})
		}
	}
	return budgetsWithNamespace(found)
}

// budgetsWithNamespace gives a PodDisruptionBudget without a namespace that of the pod that is named after it: both have the same. Each
// object is kept once.
func budgetsWithNamespace(found []object) []object {
	var kept []object
	for i, o := range found {
		if o.kind == "PodDisruptionBudget" {
			next := slices.IndexFunc(found[i:], func(other object) bool { return other.namespace != "" })
			if next == -1 {
				continue
			}
			o.namespace = found[i+next].namespace
		}
		if !slices.Contains(kept, o) {
			kept = append(kept, o)
		}
	}
	return kept
}

// command to look at an object.
func (o object) command() string {
	switch o.kind {
	case "NodeReboot":
		return "kubectl reboots why nodereboot/" + o.name
	case "Node":
		return "kubectl reboots why " + o.name
	case "RebootPolicy":
		return "kubectl reboots why rebootpolicy/" + o.name
	}
	kind := strings.ToLower(o.kind)
	if o.kind == "PodDisruptionBudget" {
		kind = "pdb"
	}
	return "kubectl -n " + o.namespace + " describe " + kind + " " + o.name
}
