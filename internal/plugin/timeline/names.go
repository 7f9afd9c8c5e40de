package timeline

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

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
// with its kind: node/worker-1.
func (k known) find(names []string) (named, error) {
	var found named
	for _, name := range names {
		asked := app.ParseName(name)
		if asked.Unknown != "" {
			return named{}, app.UsageError{Err: fmt.Errorf("%q: write the name of a node or a RebootPolicy, or node/NAME or policy/NAME", name)}
		}
		if !k.add(&found, asked.Kind, asked.Name) {
			return named{}, fmt.Errorf("no node, RebootPolicy or NodeReboot is named %q; see kubectl get nodes,rebootpolicies,nodereboots", name)
		}
	}
	slices.Sort(found.nodes)
	found.nodes = slices.Compact(found.nodes)
	return found, nil
}

// add adds the object with a name; false if the kind has no such object. A node and a policy may have the same name. Without a kind, a
// NodeReboot counts if no node and no policy has the name.
func (k known) add(found *named, kind schema.GroupVersionKind, name string) bool {
	every, is := kind.Empty(), false
	if k.nodes[name] && (every || kind == app.NodeKind) {
		found.nodes, is = append(found.nodes, name), true
	}
	if k.policies[name] && (every || kind == app.PolicyKind) {
		found.policies, is = append(found.policies, name), true
	}
	if of := k.reboots[name]; of != "" && !is && (every || kind == app.RebootKind) {
		found.nodes, is = append(found.nodes, of), true
	}
	return is
}
