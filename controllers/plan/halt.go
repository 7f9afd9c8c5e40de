package plan

import (
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func haltGate(_ *planning, r *rebootView) model.Verdict {
	policy := r.policy()
	if !policy.halted() {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonHalted,
		"RebootPolicy %s is halted: %s. It goes on when they succeed or are deleted.", policy.Object.Name, policy.haltedBy())
}

// halted: as many nodes failed to come back as the policy allows.
func (policy *policyView) halted() bool {
	return len(policy.notBack) > 0 && int32(len(policy.notBack)) >= ptr.Deref(policy.Spec.Failure.MaxFailures, 0)
}

// countNotBack finds the reboots of each policy whose node did not come back as it should: told to reboot, and not proved. A later
// success of the same node ends that.
func (p *planning) countNotBack() {
	for _, r := range p.reboots {
		if policy := r.policy(); policy != nil && r.notBack() && !r.node.succeededSince(r) {
			policy.notBack = append(policy.notBack, r)
		}
	}
}

func (r *rebootView) notBack() bool {
	if r.open() {
		return r.Status.Attempt.StalledTime != nil
	}
	if !r.complete() {
		return false
	}
	switch r.Status.OutcomeReason {
	case v1alpha1.ReasonRebootNotObserved, v1alpha1.ReasonSentinelStillPresent, v1alpha1.ReasonConditionStillPresent:
		return r.Status.Outcome == v1alpha1.OutcomeFailed && !r.deleted() && !r.nodeGone()
	}
	return false
}

func (n *nodeView) succeededSince(failed *rebootView) bool {
	for _, r := range n.reboots {
		succeeded := r.Status.Outcome == v1alpha1.OutcomeSucceeded
		if succeeded && failed.complete() && r.Status.CompletionTime.After(failed.Status.CompletionTime.Time) {
			return true
		}
	}
	return false
}

// haltedBy names the NodeReboots that halt the policy.
func (policy *policyView) haltedBy() string {
	const shown = 3
	var parts []string
	for i, r := range policy.notBack {
		if i == shown {
			parts = append(parts, fmt.Sprintf("%d more", len(policy.notBack)-shown))
			break
		}
		reason := r.Status.OutcomeReason
		if r.open() {
			reason = r.Status.Attempt.Result
		}
		parts = append(parts, fmt.Sprintf("NodeReboot %s (%s)", r.Object.Name, reason))
	}
	return strings.Join(parts, ", ")
}
