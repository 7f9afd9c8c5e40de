package attempt

import (
	"fmt"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// stall says that an attempt ran out of time after the order to reboot. It stays open and holds its slot, for the node may come back.
func (a *attempt) stall(reason, message string) {
	a.wait = model.Verdict{Reason: reason, Message: message}
	if a.Status.Attempt.StalledTime != nil && a.Status.Attempt.Result == reason {
		return
	}
	a.Edit().Order = nil
	a.EditAttempt(func(at *v1alpha1.Attempt) {
		at.StalledTime, at.Result, at.Message = a.Stamp(), reason, model.Bounded(message)
	})
	a.Emit(model.Event{Warning: true, Reason: reason, Message: message, OnNode: true})
}

// endAttempt ends the attempt and so frees its slot.
func (a *attempt) endAttempt(reason, message string) {
	a.Edit().Order = nil
	a.EditAttempt(func(at *v1alpha1.Attempt) {
		at.EndedTime, at.StalledTime, at.Result, at.Message = a.Stamp(), nil, reason, model.Bounded(message)
	})
}

// fail ends the attempt as a failure. After the last attempt the NodeReboot is given up.
func (a *attempt) fail(reason, message string) {
	failures := v1alpha1.Failures{}
	if a.Status.Failures != nil {
		failures = *a.Status.Failures
	}
	failures.Count++
	failures.LastTime, failures.LastReason, failures.LastMessage = *a.Stamp(), reason, model.Bounded(message)
	a.Edit().Failures = &failures
	a.endAttempt(reason, message)
	if policy := a.Policy; policy != nil && failures.Count >= ptr.Deref(policy.Spec.Failure.MaxAttempts, 0) {
		a.Complete(a.Stamp(), v1alpha1.OutcomeFailed, reason, fmt.Sprintf("Given up after %d attempts: %s", failures.Count, message))
		return
	}
	a.Emit(model.Event{Warning: true, Reason: reason, Message: message, OnNode: true})
}

// failFinally ends the attempt and the NodeReboot: there is nothing left to try.
func (a *attempt) failFinally(reason, message string) {
	a.endAttempt(reason, message)
	a.Complete(a.Stamp(), v1alpha1.OutcomeFailed, reason, message)
}
