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

// approved: nobody has to approve the reboot, or somebody did.
func (r *rebootView) approved() bool {
	policy := r.policy()
	return policy == nil || policy.spec.Approval != v1alpha1.ApprovalRequired || r.obj.Spec.Approval == v1alpha1.ApprovalGiven
}

func approvalGate(_ *pass, r *rebootView) verdict {
	if r.approved() {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonAwaitingApproval, message: fmt.Sprintf(
		"RebootPolicy %s wants an approval. To give it: kubectl patch nodereboot %s --type=merge -p '%s'",
		r.policy().obj.Name, r.obj.Name, `{"spec":{"approval":"Given"}}`)}
}
