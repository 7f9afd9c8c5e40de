package plan

import (
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// capacityGate starts a node only if the pods on it fit on the others. Nodes that are under way, or start in this very plan, offer no room,
// and their pods need some, too: so each start is a new question for those after it.
func capacityGate(p *round, r *rebootView) model.Verdict {
	policy := r.policy()
	if policy.Spec.Gates.Capacity != v1alpha1.Require || policy.Spec.Drain.Mode == v1alpha1.DrainModeSkip {
		return model.Verdict{} // where nothing is evicted nothing needs room
	}
	key := policy.Key(model.GateCapacity, "")
	key.About = p.leavingWith(r)
	query := model.GateQuery{GateKey: key}
	if _, asked := p.queries[key]; !asked {
		query.Nodes = p.lineFrom(r)
	}
	answer, known := p.query(query)
	v := p.judgeRoom(key, r, answer, known)
	p.gated = p.gated || !v.OK()
	return v
}

func (p *planning) judgeRoom(key model.GateKey, r *rebootView, answer model.GateAnswer, known bool) model.Verdict {
	switch lack, looked := answer.Nodes[r.node.Name]; {
	case known && answer.Failure != "":
		return policies.Failed(&p.Moment, key, answer)
	case !looked:
		return policies.Pending(key)
	case lack != "":
		p.WakeAt(answer.Until)
		return model.Verdict{Reason: v1alpha1.ReasonInsufficientCapacity, Message: lack}
	}
	return model.Verdict{}
}

// leaving names the nodes that are under way and offer no room: those that an attempt has not uncordoned yet, and those that start now.
func (p *planning) leaving() string {
	if l := &p.limits.leaving; l.known && l.starts == p.limits.starts {
		return l.names
	}
	var names []string
	for _, n := range p.nodeOrder {
		back := n.open != nil && (n.active() == nil || n.open.Status.Attempt.UncordonedTime != nil)
		if n.underWay() && !back || slices.ContainsFunc(n.reboots, func(r *rebootView) bool { return r.started }) {
			names = append(names, n.Name)
		}
	}
	p.limits.leaving = leaving{known: true, starts: p.limits.starts, names: strings.Join(names, ",")}
	return p.limits.leaving.names
}

// leavingWith names them and the others of the node's group, which leave together with it.
func (p *planning) leavingWith(r *rebootView) string {
	leaving := p.leaving()
	if !r.node.grouped() {
		return leaving
	}
	names := strings.FieldsFunc(leaving, func(c rune) bool { return c == ',' })
	for _, other := range r.companions() {
		if other != r {
			names = append(names, other.node.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

// lineFrom names the nodes of the policy that have their turn, from this one on. One of a group is asked about by itself, because with it
// leave others than with the next.
func (p *round) lineFrom(r *rebootView) []string {
	names, line := []string{r.node.Name}, p.of(r.policy()).line
	if r.node.grouped() {
		return names
	}
	for _, later := range line[slices.Index(line, r)+1:] {
		if !later.node.grouped() {
			names = append(names, later.node.Name)
		}
	}
	return names
}
