package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// turnGates are asked after the node gates, in the order in which the NodeReboots are to go.
var turnGates = []turnGate{
	hasTurnGate,
	managerLastGate,
	zoneLimitGate,
	policyLimitGate,
	clusterLimitGate,
	firstNodeGate,
	adaptiveDelayGate,
	policyGates,
	capacityGate,
	drainGate,
}

// hasTurnGate lets only those go whose turn it is.
func hasTurnGate(p *round, r *rebootView) model.Verdict {
	v := p.of(r.policy()).turn.of(r.node.zone, r.node.controlPlane)
	if v.Reason == v1alpha1.ReasonZoneBusy {
		p.explainTo(r, r.policy())
	}
	return v
}

func zoneLimitGate(p *round, r *rebootView) model.Verdict {
	policy, zone := r.policy(), r.node.zone
	limit, limited := policy.zoneLimit(zone)
	counted := p.limits.counts(policyGroup{policy: policy, unit: r.node.unit, zone: zone, ofZone: true}, r.node)
	switch {
	case !limited || p.limits.fits(oneUnless(counted), p.limits.byZone[policyZone{policy, zone}], limit):
		return model.Verdict{}
	case limit == 0:
		return model.Blocked(v1alpha1.ReasonZoneBudgetExhausted,
			"maxUnavailablePerZone of RebootPolicy %s is %s in %s: nothing starts. Write a larger value to let nodes start.",
			policy.Name(), zeroOf(policy.Spec.Rollout.Zones.MaxUnavailablePerZone, policy.zoneUnits[zone]), zoneName(zone))
	}
	p.explainTo(r, policy)
	return model.Blocked(v1alpha1.ReasonZoneBudgetExhausted, "No more than %s of %s may be unavailable.",
		model.Count(limit, "node"), zoneName(zone))
}

func policyLimitGate(p *round, r *rebootView) model.Verdict {
	policy := r.policy()
	counted := p.limits.counts(policyGroup{policy: policy, unit: r.node.unit}, r.node)
	switch {
	case p.limits.fits(oneUnless(counted), p.limits.byPolicy[policy], policy.maxUnavailable):
		return model.Verdict{}
	case policy.maxUnavailable > 0:
		p.explainTo(r, policy)
	}
	own := p.of(policy)
	if !own.limit.known || own.limit.starts != p.limits.starts {
		own.limit = said{true, p.limits.starts, p.policyLimitReached(policy)}
	}
	return own.limit.verdict
}

func (p *planning) policyLimitReached(policy *policyView) model.Verdict {
	if policy.maxUnavailable == 0 {
		return model.Blocked(v1alpha1.ReasonBudgetExhausted,
			"maxUnavailable of RebootPolicy %s is %s: nothing starts. Write a larger value to let nodes start.", policy.Name(), policy.nothing())
	}
	return model.Blocked(v1alpha1.ReasonBudgetExhausted, "RebootPolicy %s allows %s.", policy.Name(),
		p.limits.unavailable(policy.maxUnavailable, p.limits.byPolicy[policy], p.limits.starting[policy]))
}

func clusterLimitGate(p *round, r *rebootView) model.Verdict {
	if p.snapshot.ClusterMaxUnavailable == nil {
		return model.Verdict{}
	}
	if p.limits.fits(p.more, p.limits.cluster, p.limits.clusterMax) {
		return model.Verdict{}
	}
	p.explainTo(r, nil)
	return model.Blocked(v1alpha1.ReasonClusterBudgetExhausted,
		"The cluster-wide limit allows %s.", p.limits.unavailable(p.limits.clusterMax, p.limits.cluster, len(p.limits.starting) > 0))
}

// explainTo notes the first NodeReboot that waits for a limit of the policy, or of the whole cluster: the one that has waited longest among
// those whose turn it is, so that it stays the same whatever goes next.
func (p *round) explainTo(r *rebootView, policy *policyView) {
	first := p.explained[policy]
	if first == nil || compareWaiting(r, first) < 0 && first.policy() == r.policy() && p.hasTurn(r) && p.hasTurn(first) {
		p.explained[policy] = r
	}
}

func (p *round) hasTurn(r *rebootView) bool {
	turn := &p.of(r.policy()).turn
	return turn.of(r.node.zone, r.node.controlPlane).OK()
}

// explainLimits names the nodes that are unavailable, once all that can start have started. One that waits for something else by then gets
// no names.
func (p *round) explainLimits() {
	for policy, r := range p.explained {
		switch reason := r.wait.Reason; {
		case policy == nil && reason == v1alpha1.ReasonClusterBudgetExhausted:
			r.wait.Message += p.unavailable(nil)
		case policy == nil:
		case reason == v1alpha1.ReasonZoneBusy, reason == v1alpha1.ReasonFirstNodeAlone:
			r.wait.Message += p.underWayNow(policy)
		case reason == v1alpha1.ReasonZoneBudgetExhausted, reason == v1alpha1.ReasonBudgetExhausted:
			r.wait.Message += p.unavailable(policy)
		}
	}
}

// underWayNow names the nodes that have the turn of a policy's zones.
func (p *planning) underWayNow(policy *policyView) string {
	var names []string
	holders := p.zoneHolders(policy)
	slices.SortFunc(holders, func(a, b *nodeView) int { return cmp.Compare(a.Name, b.Name) })
	for _, n := range holders {
		names = append(names, n.nameFor(policy))
	}
	return sentence("Under way", names)
}

// nameFor is the name of a node, and its policy if that is another one.
func (n *nodeView) nameFor(policy *policyView) string {
	if n.policy == nil || n.policy == policy {
		return n.Name
	}
	return n.Name + " of RebootPolicy " + n.policy.Name()
}

// sentence lists some of many names.
func sentence(what string, names []string) string {
	const shown = 3
	if len(names) == 0 {
		return ""
	}
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown:shown], fmt.Sprintf("and %d more", more))
	}
	return " " + what + ": " + strings.Join(names, ", ") + "."
}

// unavailable names the unavailable nodes of a policy, or of the whole cluster.
func (p *planning) unavailable(policy *policyView) string {
	var names []string
	for _, n := range p.nodeOrder {
		if p.limits.down[n] && (policy == nil || n.policy == policy || n.selectedBy == policy) {
			names = append(names, fmt.Sprintf("%s (%s)", n.nameFor(policy), n.whyUnavailable()))
		}
	}
	for _, node := range p.limits.unseen {
		names = append(names, fmt.Sprintf("%s (reboot under way)", node))
	}
	return sentence("Unavailable", names)
}

func (n *nodeView) whyUnavailable() string {
	switch {
	case n.isRefused():
		return "a write for its reboot is refused"
	case n.underWay():
		return "reboot under way"
	case !n.Ready:
		return "not Ready"
	case n.Unschedulable:
		return "cordoned"
	}
	return "starting"
}

// policyGates asks the gates that say the same about every node of a policy, once for all of them. They are asked last, so that nothing
// is asked for nodes that cannot go anyway. The first node in line gets what is in the way; for the others that would be a write each
// time when it changes.
func policyGates(p *round, r *rebootView) model.Verdict {
	policy := r.policy()
	own := p.of(policy)
	if own.gates == nil {
		v := p.askPolicyGates(policy)
		own.gates, own.othersGated = &v, v
		if !v.OK() {
			own.othersGated.Message = fmt.Sprintf("A gate of RebootPolicy %s does not let nodes start; the first node in line tells more.",
				policy.Object.Name)
		}
		p.gated = p.gated || !v.OK()
		return v
	}
	return own.othersGated
}

// askPolicyGates puts all questions at once. Known obstacles count before unknown ones.
func (p *round) askPolicyGates(policy *policyView) model.Verdict {
	var first, pending model.Verdict
	for _, gate := range policy.Gates() {
		v := policies.Pending(gate.Key)
		answer, known := p.query(model.GateQuery{GateKey: gate.Key})
		if known {
			answer, known = p.excuse(policy, answer)
		}
		if known {
			v = gate.Judge(&p.Moment, answer)
		}
		switch {
		case v.OK():
		case !known && pending.OK():
			pending = v
		case known && first.OK():
			first = v
		}
	}
	if first.OK() {
		return pending
	}
	return first
}
