package plan

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
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
	// installedMethod: it is content with any method by which a helper can reboot a host.
	installedMethod bool
	// able are those of its NodeReboots that could go if they had their turn.
	able []*rebootView
	// units is how many units its nodes make: nodes, or groups. groups are the nodes of each group.
	units  int
	groups map[string]*group
	// zoneUnits is how many units have nodes in each zone.
	zoneUnits map[string]int
	// canaries are those that its nodes wait for; nil if it has none.
	canaries *canaries
	// maxUnavailable in units; canaryCount, too.
	maxUnavailable, canaryCount int
	// maxFailures and maxConsecutiveFailures in nodes; 0 of the latter is no limit.
	maxFailures, maxConsecutiveFailures int
	// halt is what keeps the policy from starting anything.
	halt halt
	// finish is its last zone.
	finish finish
	// pace of an adaptive delay.
	pace pace
	// blockingPods is what the first gates say about pods, as far as they were asked.
	blockingPods []podsSaid
}

// parsePolicies reads the policies, in the order of their precedence: the highest priority, then the oldest, then the first by name.
func (p *planning) parsePolicies(state *State) {
	p.understood = state.understand(p.snapshot.Policies)
	for _, obj := range p.snapshot.Policies {
		if obj.DeletionTimestamp.IsZero() {
			reboot := obj.Spec.Reboot
			p.policies = append(p.policies, &policyView{
				Policy:          p.understood.of[obj].At(&p.Moment),
				installedMethod: (reboot.Method == "" || reboot.Method == v1alpha1.RebootInstalled) && reboot.Via != v1alpha1.RebootViaKexec,
			})
		}
	}
	slices.SortFunc(p.policies, comparePrecedence)
	for _, policy := range p.policies {
		p.byName[policy.Name()] = policy
	}
}

// assignPolicies gives each node to the policy that comes first.
func (p *planning) assignPolicies() {
	p.makeRoom()
	for _, node := range p.nodeOrder {
		p.assignPolicy(node)
	}
	for _, policy := range p.policies {
		policy.countUnits()
		policy.checkGroups()
		policy.resolveNumbers()
		policy.Invalid = cmp.Or(policy.Invalid, p.snapshot.Invalid[policy.Object.Name])
	}
}

// makeRoom makes lists for the nodes of the policies that are about as long as they will be.
func (p *planning) makeRoom() {
	counts := make([]int, len(p.policies))
	for _, record := range p.state.records {
		if len(record.selectedBy) > 0 {
			counts[record.selectedBy[0]]++
		}
	}
	for i, policy := range p.policies {
		policy.nodes = make([]*nodeView, 0, counts[i])
	}
}

func comparePrecedence(a, b *policyView) int {
	return cmp.Or(
		cmp.Compare(b.Priority, a.Priority),
		a.Object.CreationTimestamp.Compare(b.Object.CreationTimestamp.Time),
		cmp.Compare(a.Object.Name, b.Object.Name),
	)
}

// assignPolicy gives a node to the policy that its labels select first. A node with an open attempt belongs to the policy and zone that
// granted it, whatever labels change in the meantime; if that policy is gone, it belongs to the policy that owns the node now. The attempt
// itself finds out that it may not continue.
func (p *planning) assignPolicy(node *nodeView) {
	p.selectPolicy(node)
	node.policy, node.zone = node.selectedBy, ""
	if node.policy != nil {
		node.zone = node.record.zone
	}
	if holder := node.holder(); holder != nil {
		node.zone = holder.grantedIn()
		if holder == node.held && node.zone == "" && node.policy != nil { // it may not be known
			node.zone = node.Labels[node.policy.Spec.Rollout.Zones.TopologyKey]
		}
		if granted := p.byName[holder.grantedBy()]; granted != nil {
			node.policy = granted
		}
	}
	if node.policy != nil {
		node.unit, node.alone = node.record.unit, node.record.alone
		if node.policy != node.selectedBy || node.holder() != nil || node.controlPlane != node.record.runsEtcd {
			node.unit = node.policy.unitOf(node, node.zone)
			node.alone = node.unit == node.Name
		}
		node.policy.nodes = append(node.policy.nodes, node)
	}
}

// selectPolicy finds the policy that the labels of a node give it to.
func (p *planning) selectPolicy(node *nodeView) {
	for _, rank := range node.record.selectedBy {
		policy := p.policies[rank]
		policy.selected++
		if node.selectedBy == nil {
			node.selectedBy = policy
			continue
		}
		policy.overlap(node.selectedBy, node)
		node.selectedBy.overlap(policy, node)
	}
}

// overlap remembers one example of a node that another policy selects as well.
func (policy *policyView) overlap(other *policyView, node *nodeView) {
	if policy.overlaps == "" {
		policy.overlaps, policy.overlapNode = other.Object.Name, node.Name
	}
}

// resolveNumbers makes numbers of what may be percentages. Any other value counts as 0, and makes the policy invalid; see policies.Check.
func (policy *policyView) resolveNumbers() {
	rollout, failure := &policy.Spec.Rollout, &policy.Spec.Failure
	policy.maxUnavailable, _ = scaled(rollout.MaxUnavailable, policy.units)
	policy.maxFailures, _ = scaledToOne(failure.MaxFailures, len(policy.nodes))
	policy.maxConsecutiveFailures, _ = scaledToOne(failure.MaxConsecutiveFailures, len(policy.nodes))
	if rollout.Canary != nil {
		policy.canaryCount, _ = scaledToOne(rollout.Canary.Count, policy.units)
	}
}

// zoneLimit is maxUnavailablePerZone in units of a zone; there may be none. A value that cannot be resolved lets nothing start.
func (policy *policyView) zoneLimit(zone string) (limit int, limited bool) {
	value := policy.Spec.Rollout.Zones.MaxUnavailablePerZone
	if value == nil {
		return 0, false
	}
	limit, err := scaled(value, policy.zoneUnits[zone])
	if err != nil {
		return 0, true
	}
	return limit, true
}

// scaled is model.Scaled, and nil is zero.
func scaled(value *intstr.IntOrString, total int) (int, error) {
	if value == nil {
		return 0, nil
	}
	return model.Scaled(*value, total)
}

// scaledToOne is scaled, but a percentage is at least one.
func scaledToOne(value *intstr.IntOrString, total int) (int, error) {
	number, err := scaled(value, total)
	if err == nil && value != nil && value.Type == intstr.String {
		number = max(number, 1)
	}
	return number, err
}

// trigger of the node's policy for a condition; nil if it has none.
func (n *nodeView) trigger(conditionType string) *v1alpha1.NodeConditionTrigger {
	if n.policy == nil {
		return nil
	}
	return n.policy.Trigger(conditionType)
}
