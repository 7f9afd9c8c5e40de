package timeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

// named are the nodes and policies that a command line names.
type named struct{ nodes, policies []string }

// known are names that there are, or were.
type known struct {
	nodes, policies map[string]bool
	// reboots are nodes by the name of their NodeReboot.
	reboots map[string]string
}

func knownNames(fleet *app.Fleet) known {
	k := known{nodes: map[string]bool{}, policies: map[string]bool{}, reboots: map[string]string{}}
	for i := range fleet.Nodes {
		k.nodes[fleet.Nodes[i].Name] = true
	}
	for i := range fleet.Policies {
		k.policies[fleet.Policies[i].Name] = true
	}
	for i := range fleet.Reboots {
		r := &fleet.Reboots[i]
		if r.Spec.NodeName != "" {
			k.nodes[r.Spec.NodeName] = true
			k.reboots[r.Name] = r.Spec.NodeName
		}
		if policy := history.PolicyOf(r); policy != "" {
			k.policies[policy] = true
		}
	}
	return k
}

// find says what names are: of nodes or policies that there are or were, or of a NodeReboot, which stands for its node. A name may begin
// with "node/" or "policy/".
func (k known) find(names []string) (named, error) {
	var found named
	for _, name := range names {
		kind, rest, has := strings.Cut(name, "/")
		if !has {
			kind, rest = "", name
		}
		node, policy := k.nodes[rest], k.policies[rest]
		switch kind {
		case "":
		case "node", "nodes", "no":
			policy = false
		case "policy", "rebootpolicy", "rebootpolicies", "rbp":
			node = false
		case "nodereboot", "nodereboots", "nrb":
			node, policy = false, false
		default:
			return named{}, app.UsageError{Err: fmt.Errorf("%q: write the name of a node or a RebootPolicy, or node/NAME or policy/NAME", name)}
		}
		if node {
			found.nodes = append(found.nodes, rest)
		}
		if policy {
			found.policies = append(found.policies, rest)
		}
		if of, is := k.reboots[rest]; !node && !policy && is && kind != "policy" {
			found.nodes, node = append(found.nodes, of), true
		}
		if !node && !policy {
			return named{}, fmt.Errorf("no node, RebootPolicy or NodeReboot is named %q; see kubectl get nodes,rebootpolicies,nodereboots", name)
		}
	}
	slices.Sort(found.nodes)
	found.nodes = slices.Compact(found.nodes)
	return found, nil
}
