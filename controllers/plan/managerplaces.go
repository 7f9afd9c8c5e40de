package plan

import (
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/attempt"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// The manager that drains a node may run on it. It must not drain the last place where it can run: nobody would order the reboot, or
// uncordon the node.

// managerNeeds says how much the manager depends on a node.
func (p *planning) managerNeeds(n *nodeView) attempt.ManagerNeeds {
	here := false
	for i := range p.snapshot.ManagerPods {
		pod := &p.snapshot.ManagerPods[i]
		here = here || pod.Node == n.Name
		if pod.Node != n.Name && p.managerWorks(pod) {
			return attempt.ManagerElsewhere
		}
	}
	switch {
	case !here:
		return attempt.ManagerElsewhere
	case len(p.snapshot.ManagerPods) > 1 && p.anotherNode(n, p.takesManager): // if there is room for one shows only when it is gone
		return attempt.ManagerMayMove
	}
	return attempt.ManagerNeedsNode
}

// handsOver says that the manager that makes the plan runs on a node that gets another order, and that a Ready one runs elsewhere.
func (p *planning) handsOver(work []NodeWork) bool {
	leader := p.node(p.snapshot.LeaderNode)
	if leader == nil {
		return false
	}
	ordered := slices.ContainsFunc(work, func(w NodeWork) bool {
		return w.Node == leader.Name && slices.ContainsFunc(w.Reboots, func(c RebootChange) bool { return c.givesOrder() })
	})
	return ordered && slices.ContainsFunc(p.snapshot.ManagerPods, func(pod model.ManagerPod) bool {
		return pod.Node != leader.Name && p.managerWorks(&pod)
	})
}

// givesOrder says that the helper gets another order than it had.
func (c *RebootChange) givesOrder() bool {
	before, after := c.Object.Status.Order, c.Status.Order
	return c.StatusChanged && after != nil && (before == nil || before.Sequence != after.Sequence)
}

// managerWorks says that a pod of the manager is Ready on a node that stays.
func (p *planning) managerWorks(pod *model.ManagerPod) bool {
	on := p.node(pod.Node)
	return on != nil && on.Ready && !on.leaves() && pod.Ready
}

// anotherNode says whether there is another node that stays, of which something holds.
func (p *planning) anotherNode(n *nodeView, holds func(*nodeView) bool) bool {
	return slices.ContainsFunc(p.nodeOrder, func(other *nodeView) bool {
		return other != n && !other.gone && !other.leaves() && holds(other)
	})
}

// takesManager says that the scheduler considers the node for a pod like one of the manager's.
func (p *planning) takesManager(n *nodeView) bool {
	for i := range p.snapshot.ManagerPods {
		if p.snapshot.ManagerPods[i].CanRunOn(n.Node) {
			return true
		}
	}
	return false
}

// leaves: what runs on the node has to go, or went, and the node takes nothing yet: an attempt has not uncordoned it, or starts now.
func (n *nodeView) leaves() bool {
	back := n.open != nil && n.held == nil && (n.active() == nil || n.open.Status.Attempt.UncordonedTime != nil)
	return n.underWay() && !back || n.starts
}

// lastPlace: no other node takes pods that tolerate only what every pod tolerates.
func (p *planning) lastPlace(n *nodeView) bool {
	if p.takers == nil {
		p.takers = []*nodeView{}
		for _, other := range p.nodeOrder {
			if other.record.takesPods {
				p.takers = append(p.takers, other)
			}
		}
	}
	return !slices.ContainsFunc(p.takers, func(other *nodeView) bool { return other != n && !other.leaves() })
}

// ofManager says that a pod is one of the manager's.
func (p *planning) ofManager(pod *model.Pod) bool {
	return pod.Namespace == p.snapshot.Namespace && pod.Namespace != "" && pod.Labels[v1alpha1.ComponentLabel] == v1alpha1.ManagerComponent
}

// withPods says how to reboot a node with its pods, for messages about pods that cannot leave it.
func (p *planning) withPods(r *rebootView, why model.Verdict) model.Verdict {
	if !why.OK() && p.lastPlace(r.node) {
		why.Message += " " + attempt.WithPods(r.node.Name, r.policy().Policy)
	}
	return why
}
