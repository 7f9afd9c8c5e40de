package plan

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// noteDeferral finds out whether the reboot has been required for longer than the policy wants. That opens no gate; it is only told.
func (p *pass) noteDeferral(r *rebootView) {
	policy := r.policy()
	if r.complete() || policy == nil || policy.spec.Failure.MaxDeferralSeconds == nil || r.next.RequiredSince == nil {
		return
	}
	limit := r.next.RequiredSince.Add(seconds(policy.spec.Failure.MaxDeferralSeconds))
	if !p.passed(limit) {
		return
	}
	r.overdue = fmt.Sprintf("A reboot has been required since %s, and RebootPolicy %s wants it by %s.",
		clockTime(r.next.RequiredSince.Time), policy.obj.Name, clockTime(limit))
	if meta.FindStatusCondition(r.obj.Status.Conditions, v1alpha1.ConditionOverdue) == nil {
		r.emit(Event{Warning: true, Reason: v1alpha1.ReasonOverdue, Message: r.overdue, OnNode: true})
	}
}
