package plan

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// conditionCalls: the condition that a NodeReboot is about asks for a reboot, whether or not for long enough.
func (r *rebootView) conditionCalls() bool {
	if r.node == nil || r.Object.Spec.Trigger != v1alpha1.TriggerNodeCondition {
		return false
	}
	_, calls := policies.Calls(r.node.Node, r.node.trigger(r.Object.Spec.ConditionType))
	return calls
}

// requiredAgain: what the NodeReboot was made for is there again, in the boot that it was made for.
func (p *planning) requiredAgain(r *rebootView) bool {
	if r.Object.Spec.Trigger != v1alpha1.TriggerNodeCondition {
		return r.sentinel() == v1alpha1.SentinelRequired
	}
	if r.node == nil || r.Status.Before == nil || r.rebootedSince() {
		return false
	}
	from, calls := policies.Calls(r.node.Node, r.node.trigger(r.Object.Spec.ConditionType))
	return calls && p.Reached(from)
}

// creates are the NodeReboots for the conditions of nodes that their policies name.
func (p *planning) creates() []*v1alpha1.NodeReboot {
	var creates []*v1alpha1.NodeReboot
	for _, policy := range p.policies {
		if policy.Spec.Triggers == nil || policy.Unknown("triggers") {
			continue
		}
		for _, n := range policy.nodes {
			for i := range policy.Spec.Triggers.NodeConditions {
				trigger := &policy.Spec.Triggers.NodeConditions[i]
				if name, missing := p.missingFor(n, trigger); missing && !p.held(model.WriteCreate, name) {
					creates = append(creates, n.conditionReboot(trigger, name))
				}
			}
		}
	}
	return creates
}

// missingFor says under which name to make a NodeReboot for the condition of a node, if that asks for one and there is none.
func (p *planning) missingFor(n *nodeView, trigger *v1alpha1.NodeConditionTrigger) (name string, missing bool) {
	from, calls := policies.Calls(n.Node, trigger)
	if !calls || n.Deleting || n.BootID == "" || n.answered(trigger.Type) || !p.Reached(from) {
		return "", false
	}
	return p.conditionName(n, trigger.Type)
}

// answered: there is a NodeReboot for the condition. One for this boot is never made twice, and one that was given up in it is not asked
// for again.
func (n *nodeView) answered(conditionType string) bool {
	names := v1alpha1.NodeConditionRebootNames(n.Name, n.BootID, conditionType)
	for _, r := range slices.Concat(n.everyReboot(), n.setAside) {
		same := r.Object.Spec.Trigger == v1alpha1.TriggerNodeCondition && r.Object.Spec.ConditionType == conditionType
		named := slices.Contains(names, r.Object.Name) && (same || r.Object.SetAside())
		givenUp := r.Status.Outcome == v1alpha1.OutcomeFailed && r.aboutBoot(n.BootID)
		if named || same && (!r.complete() || givenUp) {
			return true
		}
	}
	return false
}

// conditionName is the first name for a NodeReboot for a condition of the node that none has; false if all are taken.
func (p *planning) conditionName(n *nodeView, conditionType string) (name string, free bool) {
	if p.names == nil {
		p.names = make(sets.Set[string], len(p.snapshot.Reboots))
		for _, reboot := range p.snapshot.Reboots {
			p.names.Insert(reboot.Name)
		}
	}
	for _, name := range v1alpha1.NodeConditionRebootNames(n.Name, n.BootID, conditionType) {
		if !p.names.Has(name) {
			return name, true
		}
	}
	return "", false
}

func (n *nodeView) conditionReboot(trigger *v1alpha1.NodeConditionTrigger, name string) *v1alpha1.NodeReboot {
	return &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: []string{v1alpha1.Finalizer}},
		Spec: v1alpha1.NodeRebootSpec{
			NodeName: n.Name, Trigger: v1alpha1.TriggerNodeCondition, ConditionType: trigger.Type,
			Urgency: v1alpha1.UrgencyNormal, Approval: v1alpha1.ApprovalNotGiven,
			Reason: fmt.Sprintf("Condition %s of the node has been %s since %s.",
				trigger.Type, trigger.Status, n.policy.Clock.At(n.Condition(trigger.Type).Since)),
		},
	}
}
