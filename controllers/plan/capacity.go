package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func compareQuestions(a, b Question) int {
	return cmp.Or(
		cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Gate, b.Gate),
		cmp.Compare(a.About, b.About), cmp.Compare(a.Generation, b.Generation),
	)
}

// capacityGate starts a node only if the pods on it fit on the others. Nodes that are under way, or start in this very pass, offer no room,
// and their pods need some, too: so each start is a new question for those after it.
func capacityGate(p *pass, r *rebootView) verdict {
	policy := r.policy()
	if policy.spec.Gates.Capacity != v1alpha1.CapacityRequire || policy.spec.Drain.Mode == v1alpha1.DrainModeSkip {
		return verdict{} // where nothing is evicted nothing needs room
	}
	q := question(policy, GateCapacity, "")
	q.About = p.leavingWith(r)
	ask := Ask{Question: q}
	if _, asked := p.questions[q]; !asked {
		ask.Nodes = policy.lineFrom(r)
	}
	answer, known := p.ask(ask)
	v := p.judgeRoom(policy, r, answer, known)
	p.gated = p.gated || !v.passed()
	return v
}

func (p *pass) judgeRoom(policy *policyView, r *rebootView, answer Answer, known bool) verdict {
	switch lack, looked := answer.Nodes[r.node.Name]; {
	case known && answer.Failure != "":
		return p.gateFailure(policy, GateCapacity, "", answer)
	case !looked:
		return gatePending(GateCapacity, "")
	case lack != "":
		p.wakeAt(answer.Until)
		return verdict{reason: v1alpha1.ReasonInsufficientCapacity, message: lack}
	}
	return verdict{}
}

// leaving names the nodes that are under way and offer no room: those that an attempt has not uncordoned yet, and those that start now.
func (p *pass) leaving() string {
	if p.limits.leaving != nil {
		return *p.limits.leaving
	}
	var names []string
	for _, n := range p.nodeOrder {
		back := n.open != nil && n.open.next.Attempt.UncordonedTime != nil
		if n.underWay() && !back || slices.ContainsFunc(n.reboots, func(r *rebootView) bool { return r.started }) {
			names = append(names, n.Name)
		}
	}
	joined := strings.Join(names, ",")
	p.limits.leaving = &joined
	return joined
}

// leavingWith names them and the others of the node's group, which leave together with it.
func (p *pass) leavingWith(r *rebootView) string {
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

// lineFrom names the nodes of the policy that have their turn, from this one on. One of a group is asked about by itself, for with it leave
// others than with the next.
func (policy *policyView) lineFrom(r *rebootView) []string {
	names := []string{r.node.Name}
	if r.node.grouped() {
		return names
	}
	for _, later := range policy.line[slices.Index(policy.line, r)+1:] {
		if !later.node.grouped() {
			names = append(names, later.node.Name)
		}
	}
	return names
}
