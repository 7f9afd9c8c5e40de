package plan

import (
	"fmt"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// keptSentinel is the NodeReboot of a node that carries the need of its sentinel: the NodeReboot under way, otherwise the first that waits.
func (n *nodeView) keptSentinel() *rebootView {
	var kept *rebootView
	for _, r := range n.reboots {
		switch {
		case !r.ofSentinel:
		case r.open():
			return r
		case r.waiting() && (kept == nil || compareWaiting(r, kept) < 0):
			kept = r
		}
	}
	return kept
}

// endSurplus leaves one NodeReboot for the need of a node's sentinel. A helper makes one; that there are more is a fault of it, or worse.
func (p *planning) endSurplus() {
	for _, n := range p.nodeOrder {
		kept := n.keptSentinel()
		for _, r := range n.reboots {
			if r != kept && r.waiting() && r.ofSentinel {
				p.complete(r, v1alpha1.OutcomeCancelled, v1alpha1.ReasonSuperseded, fmt.Sprintf(
					"NodeReboot %s of the same node asks for the same reboot.", kept.Object.Name))
			}
		}
	}
}

// noteNames finds the NodeReboots that have a name which the helper of another node uses.
func (p *planning) noteNames() {
	for _, records := range [][]*record{p.state.records, p.state.strays} {
		for _, record := range records {
			for _, stranger := range record.strangers {
				if n := p.node(stranger.node); n != nil {
					n.namesTaken = append(n.namesTaken, stranger.reboot)
				}
			}
		}
	}
}

// noteName reports that the NodeReboot has a name which the helper of another node uses. That helper uses another name as long as one is
// free. One that is called like its own node is nothing to warn of.
func (p *planning) noteName(r *rebootView) {
	node, ok := v1alpha1.SentinelRebootNode(r.Object.Name)
	if !ok || p.node(node) == nil || node == r.Object.Spec.NodeName || r.Object.Name == r.Object.Spec.NodeName {
		return
	}
	r.warn(v1alpha1.ConditionNameOfOtherNode, v1alpha1.ReasonNameOfOtherNode, fmt.Sprintf(
		"Names such as this one are for the helper of node %s, which uses another name while one is free: "+
			"delete this NodeReboot and create it with a name that does not end in a dash and one hexadecimal digit.", node), false)
}

// nameless are the nodes of the policy whose helper has no name left to ask for a reboot.
func (policy *policyView) nameless() []*nodeView {
	var nodes []*nodeView
	for _, n := range policy.nodes {
		if len(n.namesTaken) > 0 && len(n.namesTaken) == len(v1alpha1.SentinelRebootNames(n.Name, "")) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func tellNameless(nodes []*nodeView) string {
	first := nodes[0]
	message := fmt.Sprintf("The helper of node %s cannot ask for a reboot: NodeReboots of other nodes have taken the %d names that it can "+
		"use. Delete %s, or another of them.", first.Name, len(first.namesTaken), slices.Min(first.namesTaken))
	if more := len(nodes) - 1; more > 0 {
		message += fmt.Sprintf(" The same is true for %d more.", more)
	}
	return message
}
