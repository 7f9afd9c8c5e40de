package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// othersCondition says whether a condition belongs to somebody else: types without a domain are the operator's.
func othersCondition(conditionType string) bool { return strings.Contains(conditionType, "/") }

// staleConditions are the conditions of others that are True already. They say nothing about what begins now, and clocks need not agree
// to tell them from later ones.
func staleConditions(conditions []metav1.Condition) []v1alpha1.StaleCondition {
	var stale []v1alpha1.StaleCondition
	for i := range conditions {
		if c := &conditions[i]; othersCondition(c.Type) && c.Status == metav1.ConditionTrue {
			stale = append(stale, v1alpha1.StaleCondition{Type: c.Type, LastTransitionTime: c.LastTransitionTime})
		}
	}
	return stale
}

// hookDone: somebody set the condition to True for this attempt.
func (r *rebootView) hookDone(conditionType string) bool {
	for i := range r.next.Conditions {
		c := &r.next.Conditions[i]
		if c.Type != conditionType || c.Status != metav1.ConditionTrue {
			continue
		}
		return !slices.ContainsFunc(r.next.Attempt.StaleConditions, func(stale v1alpha1.StaleCondition) bool {
			return stale.Type == c.Type && stale.LastTransitionTime.Equal(&c.LastTransitionTime)
		})
	}
	return false
}

// hookVerdict says what the attempt has to wait for, given hooks that are awaited since a time: HookTimedOut if one that matters is late.
func (p *pass) hookVerdict(r *rebootView, hooks []v1alpha1.Hook, since time.Time) verdict {
	var pending []v1alpha1.Hook
	var late verdict
	for _, hook := range hooks {
		switch until := since.Add(seconds(hook.TimeoutSeconds)); {
		case r.hookDone(hook.ConditionType):
		case !p.passed(until):
			pending = append(pending, hook)
		case hook.OnTimeout == v1alpha1.HookContinue:
			r.lateHooks = append(r.lateHooks, hook.ConditionType)
		case late.passed():
			late = verdict{reason: v1alpha1.ReasonHookTimedOut, message: fmt.Sprintf(
				"Nobody set condition %s to True by %s.", hook.ConditionType, clockTime(until))}
		}
	}
	if !late.passed() || len(pending) == 0 {
		return late
	}
	for _, hook := range pending {
		r.pendingHooks = append(r.pendingHooks, hook.ConditionType)
	}
	slices.Sort(r.pendingHooks)
	more := ""
	if len(pending) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(pending)-1)
	}
	return verdict{reason: v1alpha1.ReasonHookPending, message: fmt.Sprintf(
		"Waits until %s for somebody to set condition %s of this NodeReboot to True%s.",
		clockTime(since.Add(seconds(pending[0].TimeoutSeconds))), pending[0].ConditionType, more)}
}

// hooksDone says whether an attempt may go on towards its reboot. If a hook is late, the attempt fails.
func (p *pass) hooksDone(r *rebootView, hooks []v1alpha1.Hook, since time.Time) bool {
	v := p.hookVerdict(r, hooks, since)
	if v.reason == v1alpha1.ReasonHookTimedOut {
		p.fail(r, v.reason, v.message)
		return false
	}
	r.wait = v
	return v.passed()
}

// tellLateHooks tells of the hooks without which the attempt goes on now.
func (r *rebootView) tellLateHooks() {
	if len(r.lateHooks) > 0 {
		r.emit(Event{Warning: true, Reason: v1alpha1.ReasonHookTimedOut, OnNode: true, Message: fmt.Sprintf(
			"Goes on although nobody set in time: %s.", strings.Join(r.lateHooks, ", "))})
	}
}

// hooks of the policy; of none, none.
func (policy *policyView) hooks() v1alpha1.HooksSpec {
	if policy == nil || policy.spec.Hooks == nil {
		return v1alpha1.HooksSpec{}
	}
	return *policy.spec.Hooks
}
