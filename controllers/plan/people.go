package plan

import (
	"fmt"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What people say about a node or a reboot: leave it alone, or go on.

// skipped: somebody labeled the node so that it is not rebooted.
func (n *nodeView) skipped() bool {
	_, skipped := n.Labels[v1alpha1.SkipLabel]
	return skipped
}

// optedOut: the node is skipped, and no host that was told to reboot has to be seen through. It is then as if nobody asked for its reboot.
func (n *nodeView) optedOut() bool { return n.skipped() && n.open == nil }

func skipGate(_ *pass, r *rebootView) verdict {
	if !r.node.skipped() {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonSkipped, message: fmt.Sprintf(
		"Node %s has the label %s: it is left alone until the label is removed.", r.node.Name, v1alpha1.SkipLabel)}
}

// recordApproval records when the reboot was approved, and finds out whether that has expired: who approves has the window in mind that is
// open, or else the next one. What is Immediate waits for no window.
func (p *pass) recordApproval(r *rebootView) {
	switch given := r.given(); {
	case !given && r.next.ApprovedTime != nil:
		r.edit().ApprovedTime = nil
	case given && r.next.ApprovedTime == nil:
		r.edit().ApprovedTime = p.stamp()
	}
	policy := r.policy()
	if r.next.ApprovedTime == nil || policy == nil || policy.spec.Approval != v1alpha1.ApprovalRequired || r.immediate() {
		return
	}
	if closes := policy.firstClosing(r.next.ApprovedTime.Time); !closes.IsZero() && p.passed(closes) {
		r.approvalExpired = closes
	}
}

// given: somebody approved the reboot, whenever that was.
func (r *rebootView) given() bool { return r.obj.Spec.Approval == v1alpha1.ApprovalGiven }

// approved: nobody has to approve the reboot, or somebody did. What becomes of an attempt that is under way when the window closes, and the
// approval expires, is up to the schedule.
func (r *rebootView) approved() bool {
	policy := r.policy()
	return policy == nil || policy.spec.Approval != v1alpha1.ApprovalRequired || r.given() && (r.open() || r.approvalExpired.IsZero())
}

func approvalGate(_ *pass, r *rebootView) verdict {
	if r.approved() {
		return verdict{}
	}
	policy, approval := r.policy().obj.Name, v1alpha1.ApprovalGiven
	message := fmt.Sprintf("RebootPolicy %s wants an approval. To give it:", policy)
	if r.given() {
		approval = v1alpha1.ApprovalNotGiven
		message = fmt.Sprintf(
			"The approval of %s was for the window of RebootPolicy %s that closed at %s. To give another one, first take it back:",
			clockTime(r.next.ApprovedTime.Time), policy, clockTime(r.approvalExpired))
	}
	return verdict{reason: v1alpha1.ReasonAwaitingApproval, message: fmt.Sprintf(
		`%s kubectl patch nodereboot %s --type=merge -p '{"spec":{"approval":%q}}'`, message, r.obj.Name, approval)}
}
