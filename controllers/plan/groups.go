package plan

import (
	"fmt"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// unitOf returns what goes together with a node of a zone and counts as one against the limits of a policy: its group, or the node itself.
// A group never spans two zones that go one at a time, and never contains a control-plane node: it consists of the nodes of one zone, and
// control-plane nodes go on their own. The name of a group contains a slash, so it is never the name of a node.
func (policy *policyView) unitOf(n *nodeView, zone string) string {
	if policy.Spec.Rollout.Group == nil {
		return n.Name
	}
	group := n.Labels[policy.Spec.Rollout.Group.Label]
	switch {
	case group == "" || n.controlPlane:
		return n.Name
	case policy.Spec.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime:
		return group + "/" + zone
	}
	return group + "/"
}

// grouped: the node goes with others.
func (n *nodeView) grouped() bool { return n.unit != n.Name }

// countUnits counts what the nodes of the policy make, in all and in each zone, and collects its groups. A group counts in every zone
// that it has nodes in.
func (policy *policyView) countUnits() {
	policy.groups = map[string][]*nodeView{}
	policy.units, policy.zoneUnits = 0, map[string]int{}
	type zoneUnit struct{ zone, unit string }
	counted := map[zoneUnit]bool{}
	for _, n := range policy.nodes {
		if n.gone && policy.Spec.Rollout.Group != nil {
			continue // Nobody knows its group, and it must not make the policy larger.
		}
		if !n.grouped() || policy.groups[n.unit] == nil {
			policy.units++
		}
		if !n.grouped() {
			policy.zoneUnits[n.zone]++
			continue
		}
		if in := (zoneUnit{n.zone, n.unit}); !counted[in] {
			counted[in] = true
			policy.zoneUnits[n.zone]++
		}
		policy.groups[n.unit] = append(policy.groups[n.unit], n)
	}
}

// checkGroups finds the largest group, and says so if it is larger than the policy allows: nothing bounds how many nodes share a label's
// value, and all nodes of a group are down at once.
func (policy *policyView) checkGroups() {
	spec, largest := policy.Spec.Rollout.Group, ""
	for unit, nodes := range policy.groups {
		if size, most := len(nodes), len(policy.groups[largest]); size > most || size == most && unit < largest {
			largest = unit
		}
	}
	size := len(policy.groups[largest])
	if spec == nil || size <= int(spec.MaxSize) || policy.Invalid != "" {
		return
	}
	policy.Invalid = fmt.Sprintf("rollout.group: %d nodes have the label %s=%s, and maxSize is %d: write a larger maxSize if so many nodes "+
		"may be down at once, or the label of smaller groups", size, spec.Label, policy.groups[largest][0].Labels[spec.Label], spec.MaxSize)
}

// companions are the NodeReboots that go together with one: the first of each node of its group that needs a reboot and is not under way.
// They are found once for all of them, until one of them changes.
func (r *rebootView) companions() []*rebootView {
	if !r.node.grouped() {
		return r.alone[:]
	}
	together, known := r.policy().together[r.node.unit]
	if known {
		return together
	}
	for _, n := range r.policy().groups[r.node.unit] {
		if n.holder() != nil || n.optedOut() {
			continue
		}
		if first := n.firstWaiting(); first != nil {
			together = append(together, first)
		}
	}
	if r.policy().together == nil {
		r.policy().together = map[string][]*rebootView{}
	}
	r.policy().together[r.node.unit] = together
	return together
}

// byUnit returns what a function says about each NodeReboot and those that go together with it. It is asked once for all of them.
func byUnit[T any](say func(r *rebootView) T) func(r *rebootView) T {
	said := map[string]T{}
	return func(r *rebootView) T {
		if !r.node.grouped() {
			return say(r)
		}
		t, known := said[r.node.unit]
		if !known {
			t = say(r)
			said[r.node.unit] = t
		}
		return t
	}
}

// wholeGroups leaves out nodes that could go but whose companions could not: a group goes as a whole, and a group that cannot go holds up
// no one.
func (p *planning) wholeGroups(able []*rebootView) []*rebootView {
	waits := map[*rebootView]model.Verdict{}
	verdict := byUnit(p.groupVerdict)
	for _, r := range able {
		if v := verdict(r); !v.OK() {
			waits[r] = v
		}
	}
	for r, v := range waits {
		r.wait = v
	}
	return slices.DeleteFunc(able, func(r *rebootView) bool { return !r.wait.OK() })
}

// groupVerdict says whether the companions of a node that could go could go, too.
func (p *planning) groupVerdict(r *rebootView) model.Verdict {
	if !r.node.grouped() {
		return model.Verdict{}
	}
	together := r.companions()
	if i := slices.IndexFunc(together, func(other *rebootView) bool { return !other.wait.OK() }); i >= 0 {
		return groupWaits(together[i])
	}
	if limit := p.limits.clusterMax; len(together) > limit {
		return model.Blocked(v1alpha1.ReasonClusterBudgetExhausted,
			"%s of the same group %s a reboot, and the cluster-wide limit allows %s: the group can never go. "+
				"Raise --max-unavailable, or make the group smaller.", model.Count(len(together), "node"),
			model.Form(len(together), "needs", "need"), model.Count(limit, "unavailable node"))
	}
	return model.Verdict{}
}

func groupWaits(other *rebootView) model.Verdict {
	return model.Blocked(v1alpha1.ReasonGroupNotReady, "NodeReboot %s of the same group cannot go (%s).", other.Object.Name, other.wait.Reason)
}

// admitTogether starts a NodeReboot and its companions if all of them may go.
func (p *round) admitTogether(together []*rebootView) {
	var blocked *rebootView
	p.more = p.countMore(together)
	for _, r := range together {
		r.wait = p.firstTurnObstacle(r)
		if blocked == nil && !r.wait.OK() {
			blocked = r
		}
	}
	if blocked == nil {
		p.start(together)
		return
	}
	for _, r := range together {
		if r.wait.OK() {
			r.wait = groupWaits(blocked)
		}
	}
}

// countMore counts those of some NodeReboots whose nodes are available.
func (p *planning) countMore(together []*rebootView) int {
	more := 0
	for _, r := range together {
		more += oneUnless(p.limits.down[r.node])
	}
	return more
}
