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

// waitingKey is what the order of waiting NodeReboots follows from.
type waitingKey struct {
	// class is what no order of nodes changes, and since is in microseconds, as the API has it.
	class  int
	since  int64
	reboot *rebootView
}

// waitingKey of a NodeReboot as it is now.
func (r *rebootView) waitingKey() waitingKey {
	class := r.class()
	if !r.approved() {
		class += unapprovedClass
	}
	return waitingKey{class: class, since: r.required.UnixMicro(), reboot: r}
}

// unapprovedClass is more than any class.
const unapprovedClass = 1 << 8

// class is urgency, and within it what runs on the node.
func (r *rebootView) class() int {
	class := managerRank(r.node)
	if !r.immediate {
		class += managerRanks
	}
	return class
}

// compareWaiting orders by urgency, then longest required first, then by the names of node and NodeReboot; but nodes that run a manager go
// after others, and the node of the leader goes last. Among the NodeReboots of one node, those that lack an approval go last, because they
// hold up the others.
func compareWaiting(a, b *rebootView) int { return a.waitingKey().compare(b.waitingKey()) }

func (a waitingKey) compare(b waitingKey) int {
	switch {
	case a.class != b.class:
		return cmp.Compare(a.class, b.class)
	case a.since != b.since:
		return cmp.Compare(a.since, b.since)
	}
	return cmp.Compare(a.reboot.position, b.reboot.position)
}

// sortWaiting sorts by compareWaiting, and looks at each NodeReboot once.
func (p *planning) sortWaiting(line []*rebootView) {
	keys := sized(p.memory.keys, len(line))
	for _, r := range line {
		keys = append(keys, r.waitingKey())
	}
	p.memory.keys = keys
	slices.SortFunc(keys, waitingKey.compare)
	for i := range keys {
		line[i] = keys[i].reboot
	}
}

// compareClass compares what no order of nodes changes.
func compareClass(a, b *rebootView) int { return cmp.Compare(a.class(), b.class()) }

func compareFalseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
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
