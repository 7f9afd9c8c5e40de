package plan

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// needsReboot: the node asks for a reboot that is not proved yet. It is from this, and from nothing else, that a node is tainted.
func (r *rebootView) needsReboot() bool {
	switch {
	case r.atRest || r.node == nil:
		return false
	case r.waiting():
		// One whose node is gone does not wait: see endIfNotNeeded.
		return true
	case r.nodeGone():
		return false
	case r.open():
		return r.attemptNeeded()
	}
	return r.complete() && r.stillNeeded()
}

// attemptNeeded says whether the open attempt has not brought what it is for, and nothing withdrew the need.
func (r *rebootView) attemptNeeded() bool {
	if r.Status.Attempt.RolledBackTime != nil {
		// When a NodeReboot is deleted, its need goes, too, unless the host itself asks: then its helper creates another NodeReboot.
		return !r.needGone() && (!r.deleted() || r.sentinel() == v1alpha1.SentinelRequired)
	}
	return r.Status.Attempt.UncordonedTime == nil || r.sentinel() == v1alpha1.SentinelRequired
}

// stillNeeded says that the host, or the condition, still asks for a NodeReboot that was given up.
func (r *rebootView) stillNeeded() bool {
	calls := r.Object.Spec.Trigger == v1alpha1.TriggerSentinel && r.sentinel() == v1alpha1.SentinelRequired || r.conditionCalls()
	return r.Status.Outcome == v1alpha1.OutcomeFailed && calls && !r.deleted()
}

func (n *nodeView) needsReboot() bool {
	return n.policy != nil && len(n.reboots) > 0 && !n.optedOut() && slices.ContainsFunc(n.reboots, (*rebootView).needsReboot)
}

// nodePatch is what has to change on the Node itself; nil if nothing has to.
func (n *nodeView) nodePatch() *NodePatch {
	patch := NodePatch{}
	n.patchTaints(&patch)
	if !n.untouched() {
		n.patchCordon(&patch)
		n.patchMarks(&patch)
	}
	if !patch.SetTaints && patch.Unschedulable == nil && patch.CordonedFor == nil && patch.Labels == nil && patch.Annotations == nil {
		return nil
	}
	changed := patch // Most Nodes need no patch, and then none is allocated.
	return &changed
}

// taintEffect is that of our taint on the node; None if there should be none.
func (n *nodeView) taintEffect() v1alpha1.TaintEffect {
	if !n.needed || n.policy.Spec.Taint.Effect == "" {
		return v1alpha1.TaintNone
	}
	return n.policy.Spec.Taint.Effect
}

// ownTaints appends to a list those that the operator should have on the node. What is not known stays as it is.
func (n *nodeView) ownTaints(own []corev1.Taint) []corev1.Taint {
	if effect := n.taintEffect(); !n.keepsTaint() && effect != v1alpha1.TaintNone {
		own = append(own, corev1.Taint{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffect(effect)})
	}
	if n.taintedForCordon() {
		own = append(own, model.RebootingTaint)
	}
	for i := range n.Taints {
		switch taint := n.Taints[i]; {
		case taint.Key == v1alpha1.TaintKey && n.keepsTaint(), taint.Key == v1alpha1.RebootingTaintKey && n.untouched():
			own = append(own, taint)
		}
	}
	return own
}

// patchTaints makes the operator's taints what they should be, and leaves every other taint as it is.
func (n *nodeView) patchTaints(patch *NodePatch) {
	var few [2]corev1.Taint // most Nodes need no patch, and then none is allocated
	own, have := n.ownTaints(few[:0]), 0
	for i := range n.Taints {
		switch taint := &n.Taints[i]; {
		case !isOwnTaint(taint):
		case slices.ContainsFunc(own, func(o corev1.Taint) bool { return o.MatchTaint(taint) }):
			have++
		default:
			have = len(n.Taints) + 1 // one too many
		}
	}
	if have != len(own) {
		others := slices.DeleteFunc(slices.Clone(n.Taints), func(taint corev1.Taint) bool { return isOwnTaint(&taint) })
		patch.SetTaints, patch.Taints, patch.Had = true, slices.Concat(others, own), n.Taints
	}
}

func isOwnTaint(taint *corev1.Taint) bool {
	return taint.Key == v1alpha1.TaintKey || taint.Key == v1alpha1.RebootingTaintKey
}

// patchCordon cordons the node of an attempt that is to be cordoned by us, and rolls back every other cordon of ours. Where the manager
// stays, the node has the annotation of the cordon, and a taint instead of the cordon itself.
func (n *nodeView) patchCordon(patch *NodePatch) {
	owner := n.cordonOwner()
	cordoned := !n.taintedForCordon()
	switch {
	case owner == "":
		n.rollBackCordon(patch)
	case n.Unschedulable && n.CordonedFor == "":
		// Someone else's, and not to become ours: that the attempt is still open is old news.
	case n.CordonedFor == owner && n.open.Status.Attempt.BackTime != nil && !n.TaintedForCordon():
		// The host cannot go down for this attempt anymore: if someone uncordoned the node since its boot, that is left.
	case n.CordonedFor != owner || n.Unschedulable != cordoned:
		patch.CordonedFor = ptr.To(owner)
		if n.Unschedulable != cordoned {
			patch.Unschedulable = ptr.To(cordoned)
		}
	}
}

// taintedForCordon says that the node has to have the taint that takes the place of the cordon: the manager stays on it, and comes back to
// it after the boot, even as another pod. Once a manager has seen the boot the node is cordoned: DaemonSets tolerate that, and no taint of
// ours.
func (n *nodeView) taintedForCordon() bool {
	if n.cordonOwner() == "" || n.Unschedulable && n.CordonedFor == "" || n.refuses(model.WriteTaint) {
		return false
	}
	attempt := n.active().Status.Attempt
	return attempt.Manager == v1alpha1.ManagerStays && attempt.BackTime == nil
}

func (n *nodeView) rollBackCordon(patch *NodePatch) {
	if n.CordonedFor == "" {
		return
	}
	patch.CordonedFor = ptr.To("")
	if n.Unschedulable {
		patch.Unschedulable = ptr.To(false)
	}
}

// cordonOwner is the UID of the NodeReboot for which the node has to be cordoned now.
func (n *nodeView) cordonOwner() string {
	active := n.active()
	if active == nil {
		return ""
	}
	if attempt := active.Status.Attempt; attempt.Cordon != v1alpha1.CordonOperator || attempt.UncordonedTime != nil {
		return ""
	}
	return string(active.Object.UID)
}

// inMaintenance says whether a maintenance condition should be True on the node (KEP-5683).
func (n *nodeView) inMaintenance(conditionType corev1.NodeConditionType) bool {
	if conditionType == MaintenancePlanned {
		return n.needed
	}
	active := n.active()
	if active == nil || active.Status.Attempt.UncordonedTime != nil {
		return false
	}
	attempt := active.Status.Attempt
	switch conditionType {
	case DrainInProgress:
		return attempt.DrainOrderedTime != nil && attempt.DrainedTime == nil && attempt.BackTime == nil
	case Drained:
		return wasDrained(attempt)
	}
	return attempt.RebootOrderedTime != nil || attempt.BackTime != nil
}

// wasDrained: the drain came to its end.
func wasDrained(a *v1alpha1.Attempt) bool {
	return a.DrainedTime != nil && a.Drain != v1alpha1.DrainSkipped && a.Drain != v1alpha1.DrainForced
}

var maintenanceMessages = map[corev1.NodeConditionType]string{
	MaintenancePlanned:    "A reboot is required.",
	DrainInProgress:       "The node is being drained for a reboot.",
	Drained:               "The node was drained for a reboot.",
	MaintenanceInProgress: "The node reboots, or recovers from a reboot.",
}

// maintenanceChange is what the maintenance conditions have to become; nil if they are that already.
func (n *nodeView) maintenanceChange() map[corev1.NodeConditionType]MaintenanceCondition {
	if n.untouched() || n.mayNeedReboot() {
		return nil
	}
	if !slices.ContainsFunc(MaintenanceConditions, func(t corev1.NodeConditionType) bool { return n.inMaintenance(t) != n.Maintenance[t] }) {
		return nil
	}
	desired := map[corev1.NodeConditionType]MaintenanceCondition{}
	for _, t := range MaintenanceConditions {
		if n.inMaintenance(t) {
			desired[t] = MaintenanceCondition{Reason: MaintenanceReason, Message: maintenanceMessages[t]}
		}
	}
	return desired
}
