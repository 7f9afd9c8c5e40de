package attempt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// staleConditions are the conditions of others that are True already. They say nothing about what begins now, and clocks need not agree
// to tell them from later ones.
func staleConditions(conditions []metav1.Condition) []v1alpha1.StaleCondition {
	var stale []v1alpha1.StaleCondition
	for i := range conditions {
		if c := &conditions[i]; model.HookCondition(c.Type) && c.Status == metav1.ConditionTrue {
			stale = append(stale, v1alpha1.StaleCondition{Type: c.Type, LastTransitionTime: c.LastTransitionTime})
		}
	}
	return stale
}

// hookDone: someone set the condition to True for this attempt.
func (a *attempt) hookDone(conditionType string) bool {
	for i := range a.Status.Conditions {
		c := &a.Status.Conditions[i]
		if c.Type != conditionType || c.Status != metav1.ConditionTrue {
			continue
		}
		return !slices.ContainsFunc(a.Status.Attempt.StaleConditions, func(stale v1alpha1.StaleCondition) bool {
			return stale.Type == c.Type && stale.LastTransitionTime.Equal(&c.LastTransitionTime)
		})
	}
	return false
}

// hookVerdict says what the attempt has to wait for, given hooks and since when it waits for them: HookTimedOut if a hook that matters is
// late.
func (a *attempt) hookVerdict(hooks []v1alpha1.Hook, since time.Time) model.Verdict {
	var pending []v1alpha1.Hook
	var late model.Verdict
	for _, hook := range hooks {
		switch until := since.Add(model.Seconds(hook.TimeoutSeconds)); {
		case a.hookDone(hook.ConditionType):
		case !a.Reached(until):
			pending = append(pending, hook)
		case hook.OnTimeout == v1alpha1.TimeoutContinue:
			a.lateHooks = append(a.lateHooks, hook.ConditionType)
		case late.OK():
			late = model.Blocked(v1alpha1.ReasonHookTimedOut, "Nobody set condition %s to True by %s.", hook.ConditionType, a.times().At(until))
		}
	}
	if !late.OK() || len(pending) == 0 {
		return late
	}
	for _, hook := range pending {
		a.pendingHooks = append(a.pendingHooks, hook.ConditionType)
	}
	slices.Sort(a.pendingHooks)
	more := ""
	if len(pending) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(pending)-1)
	}
	until := since.Add(model.Seconds(pending[0].TimeoutSeconds))
	return model.Blocked(v1alpha1.ReasonHookPending, "Waits until %s for someone to set condition %s of this NodeReboot to True%s.",
		a.times().Until(until), pending[0].ConditionType, more).Ending(until)
}

// hooksDone says whether an attempt may continue towards its reboot. If a hook is late, the attempt fails.
func (a *attempt) hooksDone(hooks []v1alpha1.Hook, since time.Time) bool {
	v := a.hookVerdict(hooks, since)
	if v.Reason == v1alpha1.ReasonHookTimedOut {
		a.fail(v.Reason, v.Message)
		return false
	}
	a.wait = v
	return v.OK()
}

// tellLateHooks reports the hooks without which the attempt continues now.
func (a *attempt) tellLateHooks() {
	if len(a.lateHooks) > 0 {
		a.Emit(model.Event{Warning: true, Reason: v1alpha1.ReasonHookTimedOut, OnNode: true, Message: fmt.Sprintf(
			"Continues although no one set these conditions in time: %s.", strings.Join(a.lateHooks, ", "))})
	}
}
