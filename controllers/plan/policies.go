package plan

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/window"
)

// policyView is a policy, the nodes that it owns, and what was found out about it.
type policyView struct {
	obj  *v1alpha1.RebootPolicy
	spec *v1alpha1.RebootPolicySpec
	// selector of its nodes.
	selector labels.Selector
	// invalid says why the policy cannot be understood.
	invalid string
	nodes   []*nodeView
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
	// unreturned are its reboots that count as failures for the halt.
	unreturned []*rebootView
	turn       turn
	// schedule of the policy, understood, and where it stands; scheduled says that it is not always open.
	schedule  *window.Schedule
	window    window.State
	scheduled bool
	// spans are what was found out about when the schedule closes.
	spans []span
	// line are those that have their turn, in order.
	line []*rebootView
	// outside is what the gates say that say the same about all nodes; nil if they were not asked.
	outside *verdict
	// drained are the pods that its drains evict, waitFor those that may finish before.
	drained, waitFor labels.Selector
	// pace of an adaptive delay.
	pace pace
}

func newPolicyView(obj *v1alpha1.RebootPolicy) *policyView {
	policy := &policyView{obj: obj, spec: &obj.Spec, selector: labels.Nothing()}
	policy.parsePodSelectors()
	if obj.Spec.Nodes == v1alpha1.NodesAll {
		policy.selector = labels.Everything()
		return policy
	}
	selector, err := metav1.LabelSelectorAsSelector(obj.Spec.NodeSelector)
	switch {
	case err != nil:
		policy.invalid = fmt.Sprintf("nodeSelector: %v", err)
	case selector.Empty():
		policy.invalid = "nodeSelector is empty; to take every node write nodes: All"
	default:
		policy.selector = selector
	}
	return policy
}

// assignPolicies gives each node to one policy: the one of the highest priority, then the oldest, then the first by name.
func (p *pass) assignPolicies() {
	for _, obj := range p.snapshot.Policies {
		if obj.DeletionTimestamp.IsZero() {
			policy := newPolicyView(obj)
			p.readSchedule(policy)
			p.policies = append(p.policies, policy)
		}
	}
	slices.SortFunc(p.policies, comparePrecedence)
	for _, node := range p.nodeOrder {
		p.assignPolicy(node)
	}
	for _, policy := range p.policies {
		policy.countUnits()
		p.resolveMaxUnavailable(policy)
		policy.invalid = cmp.Or(policy.invalid, p.snapshot.Invalid[policy.obj.Name])
	}
}

func comparePrecedence(a, b *policyView) int {
	return cmp.Or(
		cmp.Compare(b.spec.Priority, a.spec.Priority),
		a.obj.CreationTimestamp.Compare(b.obj.CreationTimestamp.Time),
		cmp.Compare(a.obj.Name, b.obj.Name),
	)
}

func (p *pass) assignPolicy(node *nodeView) {
	for _, policy := range p.policies {
		if !policy.selector.Matches(labels.Set(node.Labels)) {
			continue
		}
		policy.selected++
		if node.policy == nil {
			node.policy = policy
			node.zone = node.Labels[policy.spec.Rollout.Zones.TopologyKey]
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
		policy.overlaps, policy.overlapNode = other.obj.Name, node.Name
	}
}

func (p *pass) resolveMaxUnavailable(policy *policyView) {
	limit, err := scaled(policy.spec.Rollout.MaxUnavailable, policy.units)
	if err != nil {
		policy.invalid = fmt.Sprintf("rollout.maxUnavailable: %v", err)
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
