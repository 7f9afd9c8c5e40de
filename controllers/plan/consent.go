package plan

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What people say about a node or a reboot: leave it alone, or go on.

// optedOut: the node is skipped, and no host that was told to reboot has to be seen through. It is then as if nobody asked for its reboot.
func (n *nodeView) optedOut() bool { return n.Skipped() && n.active() == nil }

// recordApproval records when the reboot was approved, and finds out whether that has expired: who approves has the window in mind that is
// open, or else the next one. What is Immediate waits for no window.
func (p *planning) recordApproval(r *rebootView) {
	switch given := r.Approved(); {
	case !given && r.Status.ApprovedTime != nil:
		r.Edit().ApprovedTime = nil
	case given && r.Status.ApprovedTime == nil:
		r.Edit().ApprovedTime = p.Stamp()
	}
	policy := r.policy()
	if r.Status.ApprovedTime == nil || policy == nil || policy.Spec.Approval != v1alpha1.Require || r.Immediate() {
		return
	}
	if closes := policy.FirstClosing(r.Status.ApprovedTime.Time); !closes.IsZero() && p.Reached(closes) {
		r.approvalExpired = closes
	}
}

// approved: no one has to approve the reboot, or someone did. What becomes of an attempt that is under way when the window closes, and the
// approval expires, is up to the schedule.
func (r *rebootView) approved() bool {
	policy := r.policy()
	return policy == nil || policy.Spec.Approval != v1alpha1.Require || r.Approved() && (r.open() || r.approvalExpired.IsZero())
}
