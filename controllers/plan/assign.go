package plan

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// policyView is a policy, the nodes that it owns, and what was found out about it.
type policyView struct {
	*policies.Policy
	nodes []*nodeView
	// selected counts the nodes that it selects, also those that another policy owns.
	selected int
	// overlaps names the other policy of a node that both select, and that node.
	overlaps, overlapNode string
	// units is how many units its nodes make: nodes, or groups. groups are the nodes of each group.
	units  int
	groups map[string][]*nodeView
	// canaries are those that its nodes wait for; nil if it wants none.
	canaries *canaries
	// maxUnavailable in units.
	maxUnavailable int
	// notBack are its reboots whose node did not come back as it should.
	notBack []*rebootView
	// pace of an adaptive delay.
	pace pace
}

// assignPolicies gives each node to one policy: the one of the highest priority, then the oldest, then the first by name.
func (p *planning) assignPolicies() {
	for _, obj := range p.snapshot.Policies {
		if obj.DeletionTimestamp.IsZero() {
			p.policies = append(p.policies, &policyView{Policy: policies.Parse(obj, &p.Moment)})
		}
	}
	slices.SortFunc(p.policies, comparePrecedence)
	for _, node := range p.nodeOrder {
		p.assignPolicy(node)
	}
	for _, policy := range p.policies {
		policy.countUnits()
		p.resolveMaxUnavailable(policy)
		policy.Invalid = cmp.Or(policy.Invalid, p.snapshot.Invalid[policy.Object.Name])
	}
}

func comparePrecedence(a, b *policyView) int {
	return cmp.Or(
		cmp.Compare(b.Spec.Priority, a.Spec.Priority),
		a.Object.CreationTimestamp.Compare(b.Object.CreationTimestamp.Time),
		cmp.Compare(a.Object.Name, b.Object.Name),
	)
}

func (p *planning) assignPolicy(node *nodeView) {
	for _, policy := range p.policies {
		if !policy.Selector.Matches(labels.Set(node.Labels)) {
			continue
		}
		policy.selected++
		if node.policy == nil {
			node.policy = policy
			node.zone = node.Labels[policy.Spec.Rollout.Zones.TopologyKey]
			node.unit = policy.unitOf(node)
			policy.nodes = append(policy.nodes, node)
			continue
		}
		policy.overlap(node.policy, node)
		node.policy.overlap(policy, node)
	}
}

// overlap remembers one example of a node that another policy selects as well.
func (policy *policyView) overlap(other *policyView, node *nodeView) {
	if policy.overlaps == "" {
		policy.overlaps, policy.overlapNode = other.Object.Name, node.Name
	}
}

func (p *planning) resolveMaxUnavailable(policy *policyView) {
	limit, err := scaled(policy.Spec.Rollout.MaxUnavailable, policy.units)
	if err != nil {
		policy.Invalid = fmt.Sprintf("rollout.maxUnavailable: %v", err)
		return
	}
	policy.maxUnavailable = limit
}

// scaled resolves a number or a percentage of total, rounded down: a limit never grows by rounding. Nil is zero.
func scaled(value *intstr.IntOrString, total int) (int, error) {
	if value == nil {
		return 0, nil
	}
	return intstr.GetScaledValueFromIntOrPercent(value, total, false)
}

// trigger of the node's policy for a condition; nil if it has none.
func (n *nodeView) trigger(conditionType string) *v1alpha1.NodeConditionTrigger {
	if n.policy == nil {
		return nil
	}
	return n.policy.Trigger(conditionType)
}
