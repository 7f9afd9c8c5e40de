package plan

import "github.com/reboot-operator/reboot-operator/controllers/plan/consent"

// What people say about a node or a reboot: leave it alone, or continue.

// optedOut: the node is skipped, and no host that was ordered to reboot has to be seen through. It is then as if nobody asked for its
// reboot.
func (n *nodeView) optedOut() bool { return n.record.skipped && n.active() == nil }

// recordApproval records when and by whom the reboot was approved, and finds out whether that has expired: who approves has the window in
// mind that is open, otherwise the next one. An Immediate reboot waits for no window.
func (p *planning) recordApproval(r *rebootView) {
	switch by := r.Object.Spec.ApprovedBy; {
	case !r.Approved() && r.Status.ApprovedTime != nil:
		next := r.Edit()
		next.ApprovedTime, next.ApprovedBy = nil, ""
	case r.Approved() && (r.Status.ApprovedTime == nil || r.Status.ApprovedBy != by):
		next := r.Edit()
		next.ApprovedTime, next.ApprovedBy = p.Stamp(), by
	}
	policy := r.policy()
	if r.Status.ApprovedTime == nil || policy == nil || !policy.NeedsApproval() || r.Immediate() {
		return
	}
	if closes := policy.FirstClosing(r.Status.ApprovedTime.Time); !closes.IsZero() && p.Reached(closes) {
		r.approvalExpired = closes
	}
}

// approved: no one has to approve a waiting reboot, or someone did whose approval counts.
func (r *rebootView) approved() bool {
	policy := r.policy()
	return policy == nil || consent.Approved(policy.Policy, &r.Draft, r.approvalExpired)
}
