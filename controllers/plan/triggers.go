package plan

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// condition of a node; nil if it has none of that type.
func (n *nodeView) condition(conditionType string) *corev1.NodeCondition {
	for i := range n.Conditions {
		if string(n.Conditions[i].Type) == conditionType {
			return &n.Conditions[i]
		}
	}
	return nil
}

// trigger of the node's policy for a condition; nil if it has none.
func (n *nodeView) trigger(conditionType string) *v1alpha1.NodeConditionTrigger {
	if n.policy == nil || n.policy.spec.Triggers == nil {
		return nil
	}
	for i := range n.policy.spec.Triggers.NodeConditions {
		if trigger := &n.policy.spec.Triggers.NodeConditions[i]; trigger.Type == conditionType {
			return trigger
		}
	}
	return nil
}

// asks says whether the node's condition asks for a reboot, and from when on: it has had the status, and the node has been Ready, for long
// enough. For some time after a boot the condition may be that of before.
func (n *nodeView) asks(trigger *v1alpha1.NodeConditionTrigger) (from time.Time, asks bool) {
	if trigger == nil {
		return time.Time{}, false
	}
	found := n.condition(trigger.Type)
	if found == nil || string(found.Status) != string(trigger.Status) {
		return time.Time{}, false
	}
	from = found.LastTransitionTime.Time
	if ready := n.condition(string(corev1.NodeReady)); ready != nil {
		from = latest(from, ready.LastTransitionTime.Time)
	}
	return from.Add(seconds(trigger.MinSeconds)), true
}

// conditionAsks: the condition that a NodeReboot is about asks for a reboot, whether or not for long enough.
func (r *rebootView) conditionAsks() bool {
	if r.node == nil || r.obj.Spec.Trigger != v1alpha1.TriggerNodeCondition {
		return false
	}
	_, asks := r.node.asks(r.node.trigger(r.obj.Spec.ConditionType))
	return asks
}

// requiredAgain: what the NodeReboot was made for is there again, in the boot that it was made for.
func (p *pass) requiredAgain(r *rebootView) bool {
	if r.obj.Spec.Trigger != v1alpha1.TriggerNodeCondition {
		return r.sentinel() == v1alpha1.SentinelRequired
	}
	if !r.conditionAsks() || r.next.Before == nil || r.rebootedSince() {
		return false
	}
	from, _ := r.node.asks(r.node.trigger(r.obj.Spec.ConditionType))
	return p.passed(from)
}

// creates are the NodeReboots for the conditions of nodes that their policies name.
func (p *pass) creates() []*v1alpha1.NodeReboot {
	var creates []*v1alpha1.NodeReboot
	for _, policy := range p.policies {
		if policy.spec.Triggers == nil {
			continue
		}
		for _, n := range policy.nodes {
			for i := range policy.spec.Triggers.NodeConditions {
				trigger := &policy.spec.Triggers.NodeConditions[i]
				if from, asks := n.asks(trigger); asks && !n.Deleting && n.BootID != "" && !n.answered(trigger.Type) && p.passed(from) {
					creates = append(creates, n.conditionReboot(trigger))
				}
			}
		}
	}
	return creates
}

// answered: there is a NodeReboot for the condition. One for this boot is never made twice, and one that was given up in it is not asked
// for again.
func (n *nodeView) answered(conditionType string) bool {
	name := v1alpha1.NodeConditionRebootName(n.Name, n.BootID, conditionType)
	for _, r := range n.reboots {
		same := r.obj.Spec.Trigger == v1alpha1.TriggerNodeCondition && r.obj.Spec.ConditionType == conditionType
		givenUp := r.next.Outcome == v1alpha1.OutcomeFailed && r.aboutBoot(n.BootID)
		if r.obj.Name == name || same && (!r.complete() || givenUp) {
			return true
		}
	}
	return false
}

func (n *nodeView) conditionReboot(trigger *v1alpha1.NodeConditionTrigger) *v1alpha1.NodeReboot {
	return &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.NodeConditionRebootName(n.Name, n.BootID, trigger.Type)},
		Spec: v1alpha1.NodeRebootSpec{
			NodeName: n.Name, Trigger: v1alpha1.TriggerNodeCondition, ConditionType: trigger.Type,
			Urgency: v1alpha1.UrgencyNormal, Approval: v1alpha1.ApprovalNotGiven,
			Reason: fmt.Sprintf("Condition %s of the node has been %s since %s.",
				trigger.Type, trigger.Status, clockTime(n.condition(trigger.Type).LastTransitionTime.Time)),
		},
	}
}

// conditionProof waits until the condition for which the node was rebooted goes away. Whoever sets it may need a while after the boot.
func (p *pass) conditionProof(r *rebootView) (wait verdict, present bool) {
	trigger := r.node.trigger(r.obj.Spec.ConditionType)
	from, _ := r.node.asks(trigger)
	if !r.conditionAsks() {
		return verdict{}, false
	}
	until := latest(from, r.next.Attempt.BackTime.Add(seconds(trigger.MinSeconds)))
	if p.passed(until) {
		return verdict{}, true
	}
	return verdict{reason: v1alpha1.ReasonNodeConditionPresent, message: fmt.Sprintf(
		"Condition %s of node %s is still %s; it has until %s to change.", trigger.Type, r.node.Name, trigger.Status, clockTime(until))}, true
}
