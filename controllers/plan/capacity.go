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
	if policy.Spec.Gates.Capacity == v1alpha1.Ignore || policy.Spec.Drain.Mode == v1alpha1.DrainModeSkip {
		return model.Verdict{} // where nothing is evicted nothing needs room
	}
	about := r
	if r.node.grouped() {
		about = r.companions()[0] // for all of them, because they leave together
	}
	v := p.judgeRoom(about, p.askForRoom(about))
	p.gated = p.gated || !v.OK()
	return v
}

// roomSaid is an answer about room for pods, as it was after a number of starts.
type roomSaid struct {
	asked, known bool
	starts       int
	key          model.GateKey
	answer       model.GateAnswer
}

// askForRoom asks for room once for all that go alone, until another one starts, and for each group.
func (p *round) askForRoom(r *rebootView) *roomSaid {
	own := p.of(r.policy())
	if said := &own.room; said.asked && said.starts == p.limits.starts && !r.node.grouped() {
		return said
	}
	said := roomSaid{asked: true, starts: p.limits.starts, key: r.policy().Key(model.GateCapacity, "")}
	said.key.About = p.leavingWith(r)
	query := model.GateQuery{GateKey: said.key}
	if _, asked := p.queries[said.key]; !asked {
		query.Nodes = p.lineFrom(r)
	}
	if said.answer, said.known = p.query(query); !r.node.grouped() {
		own.room = said
	}
	return &said
}

func (p *planning) judgeRoom(r *rebootView, said *roomSaid) model.Verdict {
	answer := &said.answer
	switch lack, looked := answer.Nodes[r.node.Name]; {
	case said.known && answer.Failure != "":
		return r.policy().Failed(&p.Moment, said.key, *answer)
	case !looked:
		return policies.Pending(said.key)
	case lack != "":
		p.WakeAt(answer.Until)
		v := model.Verdict{Reason: v1alpha1.ReasonInsufficientCapacity, Message: lack}
		if p.lastPlace(r.node) {
			v.Message += " No other node takes pods now: to reboot node " + r.node.Name + " with its pods, remove gates.capacity from " +
				"RebootPolicy " + r.policy().Name() + " and write drain.mode: Skip."
		}
		return v
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
		if n.leaves() {
			names = append(names, n.Name)
		}
	}
	p.limits.leaving = leaving{known: true, starts: p.limits.starts, names: strings.Join(names, ",")}
	return p.limits.leaving.names
}

// leavingWith names them and the others of the node's group, which leave together with it.
func (p *round) leavingWith(r *rebootView) string {
	alone := p.leaving()
	if !r.node.grouped() {
		return alone
	}
	if known := p.leavers[r]; known.known && known.starts == p.limits.starts {
		return known.names
	}
	names := strings.FieldsFunc(alone, func(c rune) bool { return c == ',' })
	for _, other := range r.companions() {
		if other != r {
			names = append(names, other.node.Name)
		}
	}
	slices.Sort(names)
	p.leavers[r] = leaving{known: true, starts: p.limits.starts, names: strings.Join(slices.Compact(names), ",")}
	return p.leavers[r].names
}

// lineFrom names the nodes of the policy from this one on, in the order of their turns: if there is no room for the pods of the nodes whose
// turn it is, others go. A node of a group is asked about on its own, because other nodes leave with it than with the next.
func (p *round) lineFrom(r *rebootView) []string {
	names := []string{r.node.Name}
	if r.node.grouped() {
		return names
	}
	for _, later := range p.lineAfter(r) {
		if !later.node.grouped() {
			names = append(names, later.node.Name)
		}
	}
	return names
}
