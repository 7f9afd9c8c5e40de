package plan

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// needsReboot: the node asks for a reboot that is not proved yet. It is from this, and from nothing else, that a node is tainted.
func (r *rebootView) needsReboot() bool {
	switch {
	case r.node == nil || r.nodeGone():
		return false
	case r.open():
		return r.next.Attempt.UncordonedTime == nil
	case r.complete():
		// One that was given up is still needed for as long as the host says so.
		return r.next.Outcome == v1alpha1.OutcomeFailed && r.obj.Spec.Trigger == v1alpha1.TriggerSentinel &&
			r.sentinel() == v1alpha1.SentinelRequired && !r.deleted()
	}
	return !r.deleted()
}

func (n *nodeView) needsReboot() bool {
	return n.policy != nil && slices.ContainsFunc(n.reboots, (*rebootView).needsReboot)
}

// nodePatch is what has to change on the Node itself; nil if nothing has to.
func (n *nodeView) nodePatch() *NodePatch {
	patch := &NodePatch{}
	if taints, changed := n.desiredTaints(); changed {
		patch.SetTaints, patch.Taints = true, taints
	}
	n.patchCordon(patch)
	if !patch.SetTaints && patch.Unschedulable == nil && patch.CordonedFor == nil {
		return nil
	}
	return patch
}

func (n *nodeView) taintEffect() v1alpha1.TaintEffect {
	if !n.needsReboot() {
		return v1alpha1.TaintNone
	}
	return n.policy.spec.Taint.Effect
}

// desiredTaints has our taint as it should be, and every other taint as it is.
func (n *nodeView) desiredTaints() (taints []corev1.Taint, changed bool) {
	effect := n.taintEffect()
	present := false
	for _, taint := range n.Taints {
		switch {
		case taint.Key != v1alpha1.TaintKey:
			taints = append(taints, taint)
		case string(taint.Effect) == string(effect) && !present:
			taints = append(taints, taint)
			present = true
		default:
			changed = true
		}
	}
	if !present && effect != v1alpha1.TaintNone && effect != "" {
		return append(taints, corev1.Taint{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffect(effect)}), true
	}
	return taints, changed
}

// patchCordon cordons the node of an attempt that is to be cordoned by us, and takes back every other cordon of ours.
func (n *nodeView) patchCordon(patch *NodePatch) {
	owner := n.cordonOwner()
	switch {
	case owner != "" && (n.CordonedFor != owner || !n.Unschedulable):
		patch.Unschedulable, patch.CordonedFor = ptr.To(true), &owner
	case owner == "" && n.CordonedFor != "":
		patch.CordonedFor = ptr.To("")
		if n.Unschedulable {
			patch.Unschedulable = ptr.To(false)
		}
	}
}

// cordonOwner is the UID of the NodeReboot for which the node has to be cordoned now.
func (n *nodeView) cordonOwner() string {
	if n.open == nil {
		return ""
	}
	attempt := n.open.next.Attempt
	if attempt.Cordon != v1alpha1.CordonOperator || attempt.UncordonedTime != nil {
		return ""
	}
	return string(n.open.obj.UID)
}

// recordTaints stamps when the node of each NodeReboot was tainted, before anything starts: the lead of the taint is counted from here.
func (p *pass) recordTaints() {
	for _, r := range p.reboots {
		if r.next.TaintedTime != nil || !r.needsReboot() {
			continue
		}
		if effect := r.node.taintEffect(); effect != v1alpha1.TaintNone && effect != "" {
			r.next.TaintedTime = p.stamp()
		}
	}
}

// maintenance is which maintenance conditions should be True on the node (KEP-5683).
func (n *nodeView) maintenance() map[corev1.NodeConditionType]MaintenanceCondition {
	desired := map[corev1.NodeConditionType]MaintenanceCondition{}
	set := func(conditionType corev1.NodeConditionType, message string) {
		desired[conditionType] = MaintenanceCondition{Reason: "RebootRequired", Message: message}
	}
	if n.needsReboot() {
		set(MaintenancePlanned, "A reboot is required.")
	}
	if n.open == nil || n.open.next.Attempt.UncordonedTime != nil {
		return desired
	}
	attempt := n.open.next.Attempt
	switch {
	case attempt.DrainedTime != nil:
		set(Drained, "The node was drained for a reboot.")
	case attempt.DrainOrderedTime != nil && attempt.BackTime == nil:
		set(DrainInProgress, "The node is being drained for a reboot.")
	}
	if attempt.RebootOrderedTime != nil || attempt.BackTime != nil {
		set(MaintenanceInProgress, "The node reboots, or recovers from a reboot.")
	}
	return desired
}

// maintenanceChange is what the maintenance conditions have to become; nil if they are that already.
func (n *nodeView) maintenanceChange() map[corev1.NodeConditionType]MaintenanceCondition {
	desired := n.maintenance()
	for _, conditionType := range MaintenanceConditions {
		if _, want := desired[conditionType]; want != n.Maintenance[conditionType] {
			return desired
		}
	}
	return nil
}
