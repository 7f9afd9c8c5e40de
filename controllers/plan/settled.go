package plan

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// settled says that a NodeReboot waits, and that its status is what follows from that. So as long as it waits for the same thing, and
// nothing else changes its status, there is nothing to write.
func settled(obj *v1alpha1.NodeReboot) bool {
	s, draft := &obj.Status, model.NewDraft(obj)
	switch {
	case draft.Completed(), draft.Open(), draft.Deleted(), len(obj.Unreadable) > 0:
		return false
	case s.Phase != v1alpha1.PhasePending, s.Summary != summaryOf(s.Phase, s.Reason), s.ObservedGeneration != obj.Generation:
		return false
	case len(s.PendingHooks) > 0, s.UntilTime != nil, s.Until != "":
		return false
	case s.Report != nil && (s.Report.ClockOffsetSeconds != nil || len(s.Report.Notices) > 0):
		return false // there is more to say
	}
	if node, is := v1alpha1.SentinelRebootNode(obj.Name); is && node != obj.Spec.NodeName {
		return false // what is said about its name depends on other nodes
	}
	wants := appendPhaseConditions(nil, &rebootView{Draft: draft})
	return conditionsAre(s.Conditions, fitting(s.Conditions, wants, maxRebootConditions), obj.Generation)
}

// isSettled says that the NodeReboot waits for what its status says, and that nothing has to be written about it. It is what derive finds
// out, in less time.
func (r *rebootView) isSettled() bool {
	s, policy := r.Status, r.policy()
	if !r.settled || r.Edited() || !r.wait.Until.IsZero() || r.wait.Reason != s.Reason || len(r.pendingHooks) > 0 {
		return false
	}
	mayBeOverdue := policy != nil && policy.Spec.Schedule.MaxDeferralSeconds != nil
	return !mayBeOverdue && model.SameMessage(s.Message, model.Bounded(r.wait.Message))
}

// staysAtRest: it is at rest, and this plan records no grant of it that is not used.
func (r *rebootView) staysAtRest() bool { return r.atRest && !r.Edited() }

// isSettled says that nothing has to be written about the node either: it needs a reboot, and has nothing of the operator's but what shows
// that.
func (n *nodeView) isSettled() bool {
	if !n.needed || n.record.shows == v1alpha1.TaintNone || n.gone || n.underWay() || len(n.refused)+len(n.setAside) > 0 {
		return false
	}
	if n.policy.Unknown("taint") || n.taintEffect() != n.record.shows {
		return false
	}
	for _, r := range n.reboots {
		if !r.staysAtRest() && !r.isSettled() {
			return false
		}
	}
	return true
}
