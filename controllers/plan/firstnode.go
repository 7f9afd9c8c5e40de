package plan

import (
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// burst is how long the node of a manager waits for the needs of other nodes to be seen. Where many hosts ask at once, that takes seconds;
// the node would be drained while nothing is known of the others, and the manager would move to one that is drained next.
const burst = 5 * time.Second

// managerLastGate keeps a node that a manager runs on from starting before the others of a burst are known.
func managerLastGate(p *round, r *rebootView) model.Verdict {
	if managerRank(r.node) == 0 || r.Immediate() || len(p.nodeOrder) < 2 || r.Status.TaintedTime == nil {
		return model.Verdict{}
	}
	until := p.burstEnds(r)
	if p.Reached(until) {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonManagerNodeLast,
		"A manager runs on node %s, so it waits until %s for other nodes that need a reboot.", r.node.Name,
		r.policy().Clock.Until(until)).Ending(until)
}

// burstEnds is when a burst is over for a node that a manager runs on. It is not before it is over for the nodes of managers that go before
// this one: they may have asked a little later, and would be overtaken.
func (p *planning) burstEnds(r *rebootView) time.Time {
	ends := r.Status.TaintedTime.Add(burst)
	for i := range p.snapshot.ManagerPods {
		other := p.node(p.snapshot.ManagerPods[i].Node)
		if other == nil || managerRank(other) >= managerRank(r.node) {
			continue
		}
		if w := other.firstWaiting(); w != nil && w.Status.TaintedTime != nil && w.Status.TaintedTime.Add(burst).After(ends) {
			ends = w.Status.TaintedTime.Add(burst)
		}
	}
	return ends
}

// managerRanks is how many there are.
const managerRanks = 3

// managerRank lets nodes that a manager runs on go after others, and the node of the leading one last: each manager moves once then, to a
// node that is done.
func managerRank(n *nodeView) int {
	switch {
	case n.hostsLeader:
		return 2
	case n.hostsManager:
		return 1
	}
	return 0
}

// noteManagers notes which nodes a manager runs on.
func (p *planning) noteManagers() {
	for i := range p.snapshot.ManagerPods {
		if n := p.node(p.snapshot.ManagerPods[i].Node); n != nil {
			n.hostsManager = true
		}
	}
}

// firstNodeGate lets the first node of a zone go alone. While none of the zone's nodes is done, whatever leaves one goes to another one
// that is yet to be drained, and moves twice. It waits for no node that does not get on.
func firstNodeGate(p *round, r *rebootView) model.Verdict {
	policy := r.policy()
	if !policy.fewestMoves() || r.node.controlPlane {
		return model.Verdict{}
	}
	zone := policyZone{policy, r.node.zone}
	if len(p.limits.holders) == 0 && p.limits.firsts[zone] == nil || p.refuges()[zone] {
		return model.Verdict{}
	}
	first := p.firstIn(zone)
	if first == nil || first.unit == r.node.unit {
		return model.Verdict{}
	}
	p.explainTo(r, policy)
	p.gated = true // what starts after it may leave it waiting for a limit
	return model.Blocked(v1alpha1.ReasonFirstNodeAlone,
		"The first node of %s goes alone until it is back: pods that leave other nodes before that would move twice.", zoneName(r.node.zone))
}

// firstIn is a node of a zone that is under way and gets on, or that starts in this plan; nil if there is none.
func (p *planning) firstIn(zone policyZone) *nodeView {
	for _, n := range p.limits.holders {
		if n.policy == zone.policy && n.zone == zone.zone && !n.controlPlane && n.getsOn() {
			return n
		}
	}
	return p.limits.firsts[zone]
}

// getsOn: the node leaves and comes back in a while, as far as is known.
func (n *nodeView) getsOn() bool {
	if n.active() == nil {
		return false
	}
	current := n.open.Status.Attempt
	return current.UncordonedTime == nil && current.StalledTime == nil && current.StuckTime == nil
}

// refuges says for the zones of policies whether a node takes pods that will not have to leave it again.
func (p *planning) refuges() map[policyZone]bool {
	if p.limits.refuges != nil {
		return p.limits.refuges
	}
	p.limits.refuges = map[policyZone]bool{}
	for _, n := range p.nodeOrder {
		zone := policyZone{n.policy, n.zone}
		if n.policy == nil || n.gone || n.controlPlane || p.limits.refuges[zone] {
			continue
		}
		p.limits.refuges[zone] = n.TakesPods() && n.firstWaiting() == nil && !n.leaves() && !n.needsReboot()
	}
	return p.limits.refuges
}
