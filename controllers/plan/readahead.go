package plan

import (
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// readAhead are the nodes whose pods will have to be known when hosts that reboot now are back and their slots free: those next in line.
// Reading them takes a moment, during which the slots would be free for nothing.
func (p *planning) readAhead() []string {
	var nodes []string
	for _, policy := range p.policies {
		slots := 0
		for _, n := range p.limits.holders {
			if n.policy == policy && n.open != nil && told(n.open) {
				slots++
			}
		}
		if slots > 0 && policy.Spec.Mode == v1alpha1.ModeEnforce {
			nodes = append(nodes, p.lastRound.unknownNext(policy, slots)...)
		}
	}
	return nodes[:min(len(nodes), maxCompared)]
}

// unknownNext are the nodes whose pods are not known, of those that so many slots may be for. If nobody is left in the zone that has its
// turn, that is the next zone.
func (p *round) unknownNext(policy *policyView, slots int) []string {
	own := p.of(policy)
	line := slices.DeleteFunc(slices.Clone(own.line), func(r *rebootView) bool { return r.started })
	if len(line) == 0 && len(own.later) > 0 {
		line = slices.SortedFunc(slices.Values(own.later[0].reboots), compareWaiting)
	}
	if policy.fewestMoves() {
		slots = maxCompared
	}
	var nodes []string
	for _, r := range line[:min(len(line), slots)] {
		name := r.node.Name
		if _, known := p.snapshot.Pods[name]; !known && !p.snapshot.PodsUnread[name] && p.knownUndrainable(r) == nil {
			nodes = append(nodes, name)
		}
	}
	return nodes
}
