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
func (n *nodeView) grouped() bool { return !n.alone }

// group is what goes together.
type group struct {
	nodes []*nodeView
	size  int
	// zone that it has nodes in, and others: groups seldom have any.
	zone   string
	others []string
	// together are its companions, if they are known: one of its nodes changed since otherwise.
	together []*rebootView
	known    bool
}

// joins counts a node of a zone, and says whether it is the first of the group in that zone.
func (g *group) joins(zone string) bool {
	g.size++
	switch {
	case g.size == 1:
		g.zone = zone
	case zone == g.zone || slices.Contains(g.others, zone):
		return false
	default:
		g.others = append(g.others, zone)
	}
	return true
}

// countUnits counts what the nodes of the policy make, in all and in each zone, and collects its groups. A group counts in every zone
// that it has nodes in.
func (policy *policyView) countUnits() {
	policy.groups = map[string]*group{}
	policy.units, policy.zoneUnits = 0, map[string]int{}
	grouped := 0
	for _, n := range policy.nodes {
		if n.gone && policy.Spec.Rollout.Group != nil {
			continue // Nobody knows its group, and it must not make the policy larger.
		}
		if !n.grouped() {
			policy.units++
			policy.zoneUnits[n.zone]++
			continue
		}
		grouped++
		if n.group = policy.groups[n.unit]; n.group == nil {
			n.group = &group{}
			policy.groups[n.unit] = n.group
			policy.units++
		}
		if n.group.joins(n.zone) {
			policy.zoneUnits[n.zone]++
		}
	}
	policy.fillGroups(make([]*nodeView, 0, grouped))
}

// fillGroups makes the lists of the groups' nodes, all in one piece of memory.
func (policy *policyView) fillGroups(nodes []*nodeView) {
	if cap(nodes) == 0 {
		return
	}
	for _, n := range policy.nodes {
		if n.group == nil {
			continue
		}
		if n.group.nodes == nil {
			begin, end := len(nodes), len(nodes)+n.group.size
			nodes = nodes[:end]
			n.group.nodes = nodes[begin:begin:end]
		}
		n.group.nodes = append(n.group.nodes, n)
	}
}

// checkGroups finds the largest group, and says so if it is larger than the policy allows: nothing bounds how many nodes share a label's
// value, and all nodes of a group are down at once.
func (policy *policyView) checkGroups() {
	spec, largest := policy.Spec.Rollout.Group, ""
	size := 0
	for unit, g := range policy.groups {
		if g.size > size || g.size == size && unit < largest {
			largest, size = unit, g.size
		}
	}
	if spec == nil || size <= int(spec.MaxSize) || policy.Invalid != "" {
		return
	}
	policy.Invalid = fmt.Sprintf("rollout.group: %d nodes have the label %s=%s, and maxSize is %d: write a larger maxSize if so many nodes "+
		"may be down at once, or the label of smaller groups", size, spec.Label, policy.groups[largest].nodes[0].Labels[spec.Label], spec.MaxSize)
}

// companions are the NodeReboots that go together with one: the first of each node of its group that needs a reboot and is not under way.
// They are found once for all of them, until one of them changes.
func (r *rebootView) companions() []*rebootView {
	g := r.node.group
	if g == nil {
		return r.alone[:]
	}
	if g.known {
		return g.together
	}
	g.together, g.known = make([]*rebootView, 0, len(g.nodes)), true
	for _, n := range g.nodes {
		if n.holder() != nil || n.optedOut() {
			continue
		}
		if first := n.firstWaiting(); first != nil {
			g.together = append(g.together, first)
		}
	}
	return g.together
}

// byUnit returns what a function says about each NodeReboot and those that go together with it. It is asked once for all of them.
func byUnit[T any](say func(r *rebootView) T) func(r *rebootView) T {
	said := map[*group]T{}
	return func(r *rebootView) T {
		g := r.node.group
		if g == nil {
			return say(r)
		}
		t, known := said[g]
		if !known {
			t = say(r)
			said[g] = t
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
