package plan

import (
	"cmp"
	"slices"
)

// firstWaiting is the waiting NodeReboot of the node that goes before its others. It is asked about each of them, so it is found once and
// kept until one of them changes.
func (n *nodeView) firstWaiting() *rebootView {
	if n.found.waiting {
		return n.found.first
	}
	var first *rebootView
	for _, r := range n.reboots {
		if r.waiting() && (first == nil || compareWaiting(r, first) < 0) {
			first = r
		}
	}
	n.found.waiting, n.found.first = true, first
	return first
}

// compareWaiting orders by urgency, then longest required first, then name; but nodes that run a manager go after others, and the node of
// the leader goes last. Among the NodeReboots of one node, those that lack an approval go last, because they hold up the others.
func compareWaiting(a, b *rebootView) int {
	if order := compareFalseFirst(!a.approved(), !b.approved()); order != 0 {
		return order
	}
	if order := compareClass(a, b); order != 0 {
		return order
	}
	if order := a.Status.RequiredSince.Compare(b.Status.RequiredSince.Time); order != 0 {
		return order
	}
	return cmp.Compare(a.Object.Name, b.Object.Name)
}

// compareClass compares what no order of nodes changes.
func compareClass(a, b *rebootView) int {
	if order := cmp.Compare(urgencyRank(a), urgencyRank(b)); order != 0 {
		return order
	}
	return cmp.Compare(managerRank(a.node), managerRank(b.node))
}

func compareFalseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func urgencyRank(r *rebootView) int {
	if r.Immediate() {
		return 0
	}
	return 1
}

// compareZone orders zones as the policy names them, then by name; nodes without a zone go last.
func (policy *policyView) compareZone(a, b string) int {
	return cmp.Or(cmp.Compare(policy.zoneRank(a), policy.zoneRank(b)), cmp.Compare(a, b))
}

func (policy *policyView) zoneRank(zone string) int {
	order := policy.Spec.Rollout.Zones.Order
	switch i := slices.Index(order, zone); {
	case zone == "":
		return len(order) + 1
	case i >= 0:
		return i
	}
	return len(order)
}
