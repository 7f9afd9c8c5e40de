package attempt

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// defaultRecoveryTimeout is how long evicted pods are waited for when the policy is gone.
const defaultRecoveryTimeout = 30 * time.Minute

// stall says that an attempt ran out of time after the order to reboot. It stays open and holds its slot, because the node may come back.
func (a *attempt) stall(reason, message string) {
	a.wait = model.Verdict{Reason: reason, Message: message}
	if a.Status.Attempt.StalledTime != nil && a.Status.Attempt.Result == reason {
		return
	}
	a.Edit().Order = nil
	a.EditAttempt(func(at *v1alpha1.Attempt) {
		at.StalledTime, at.Result, at.Message = a.Stamp(), reason, model.Bounded(message)
		interrupt(at, at.StalledTime)
	})
	a.Emit(model.Event{Warning: true, Reason: reason, Message: message, OnNode: true})
}

// interrupt notes when the attempt stalled or was rolled back for the first time. Nothing removes that: what was reported to people
// stays so.
func interrupt(at *v1alpha1.Attempt, when *metav1.MicroTime) {
	if at.InterruptedTime == nil {
		at.InterruptedTime = when.DeepCopy()
	}
}

// endAttempt ends the attempt and so frees its slot.
func (a *attempt) endAttempt(reason, message string) {
	a.Edit().Order = nil
	a.noteVia()
	a.EditAttempt(func(at *v1alpha1.Attempt) {
		at.EndedTime, at.StalledTime, at.Result, at.Message = a.Stamp(), nil, reason, model.Bounded(message)
		at.Containers = nil
	})
}

// rollBack ends an attempt before its reboot, because something does not allow it anymore. Only a node that a person uncordoned counts as a
// failure, so that the operator does not cordon it again at once.
func (a *attempt) rollBack(v model.Verdict) {
	if v.Reason == v1alpha1.ReasonUncordoned {
		a.fail(v.Reason, v.Message)
		return
	}
	a.Emit(model.Event{Reason: v.Reason, Message: "The attempt was rolled back. " + v.Message, OnNode: true})
	a.wait = v
	a.endWithoutReboot(v.Reason, v.Message)
}

// endWithoutReboot ends an attempt whose host did not reboot. Evicted pods are missing just as after a reboot, so the slot is held until
// they are back; the node itself is uncordoned at once.
func (a *attempt) endWithoutReboot(reason, message string) {
	a.Edit().Order = nil
	a.EditAttempt(func(at *v1alpha1.Attempt) {
		at.RolledBackTime, at.StalledTime, at.Result, at.Message = a.Stamp(), nil, reason, model.Bounded(message)
		interrupt(at, at.RolledBackTime)
	})
	a.awaitPods()
}

// awaitPods ends an attempt that was rolled back once the workloads of what it evicted are as ready as before.
func (a *attempt) awaitPods() {
	current := a.Status.Attempt
	if current.DrainOrderedTime == nil {
		a.endRolledBack()
		return
	}
	wait := a.replicasGone()
	if wait.OK() {
		wait = a.workloadsBack()
	}
	end := current.RolledBackTime.Add(a.recoveryTimeout())
	late := !wait.OK() && a.Reached(end)
	switch {
	case wait.OK(), late && (a.Deleted() || a.Policy == nil):
		a.endRolledBack()
	case late:
		a.stallRolledBack(wait)
	default:
		a.wait = wait.Ending(end)
	}
}

// replicasGone waits for evicted replicas of StatefulSets to end. Until then their StatefulSets count them as ready, and make none in their
// place; other workloads do not count what terminates.
func (a *attempt) replicasGone() model.Verdict {
	replicas := slices.ContainsFunc(a.Status.Workloads, func(w v1alpha1.WorkloadRef) bool { return w.Kind == v1alpha1.WorkloadStatefulSet })
	if !replicas || a.ignoresWorkloads() {
		return model.Verdict{}
	}
	a.needPods = true
	if !a.PodsKnown {
		return model.Blocked(v1alpha1.ReasonWorkloadsNotReady, "The pods of node %s are being read.", a.Object.Spec.NodeName)
	}
	first := ""
	for i := range a.Pods {
		pod := &a.Pods[i]
		name := pod.Namespace + "/" + pod.Name
		if pod.Terminating && !pod.Finished && pod.Of(v1alpha1.WorkloadStatefulSet) && (first == "" || name < first) {
			first = name
		}
	}
	if first == "" {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonWorkloadsNotReady, "Pod %s was evicted from node %s and has not "+
		"terminated.", first, a.Object.Spec.NodeName)
}

// stallRolledBack says that the evicted pods did not come back in time. The attempt keeps the result for which it was rolled back.
func (a *attempt) stallRolledBack(wait model.Verdict) {
	a.wait = model.Blocked(v1alpha1.ReasonRecoveryTimedOut, "Node %s was drained and not rebooted (%s), and the evicted pods are not back: "+
		"%s It is still watched; delete this NodeReboot to give it up.", a.Object.Spec.NodeName, a.Status.Attempt.Result, wait.Message)
	if a.Status.Attempt.StalledTime == nil {
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.StalledTime = a.Stamp() })
		a.Emit(model.Event{Warning: true, Reason: a.wait.Reason, Message: a.wait.Message, OnNode: true})
	}
}

func (a *attempt) recoveryTimeout() time.Duration {
	if a.Policy == nil {
		return defaultRecoveryTimeout
	}
	return model.Seconds(a.Policy.Spec.Recovery.TimeoutSeconds)
}

// endRolledBack frees the slot, and gives the NodeReboot up if there is nothing left to try.
func (a *attempt) endRolledBack() {
	result, message := a.Status.Attempt.Result, a.Status.Attempt.Message
	failures := a.Status.Failures
	failed := failures != nil && failures.LastTime.Equal(a.Status.Attempt.RolledBackTime)
	a.endAttempt(result, message)
	switch {
	case a.NodeGone(a.Node):
		a.Complete(a.Stamp(), v1alpha1.OutcomeFailed, v1alpha1.ReasonNodeGone, fmt.Sprintf("Node %s was deleted.", a.Object.Spec.NodeName))
	case failed && a.mayNotTryAgain():
		a.Complete(a.Stamp(), v1alpha1.OutcomeFailed, result, givenUp(failures, message))
	}
}

// mayNotTryAgain says that as many attempts reached the host and failed as the policy allows.
func (a *attempt) mayNotTryAgain() bool {
	failures := a.Status.Failures
	return a.Policy != nil && failures != nil && failures.Reboots > 0 && failures.Reboots >= ptr.Deref(a.Policy.Spec.Failure.MaxAttempts, 0)
}

func givenUp(failures *v1alpha1.Failures, message string) string {
	return "Given up after " + model.Count(failures.Reboots, "attempt") + " that reached the host: " + message
}

// fail ends the attempt as a failure. One that did not reach the host is tried again for as long as the reboot is needed: it is for others
// to remove what is in the way. After the last attempt that may reach the host the NodeReboot is given up.
func (a *attempt) fail(reason, message string) {
	failures := v1alpha1.Failures{}
	if a.Status.Failures != nil {
		failures = *a.Status.Failures
	}
	failures.Count++
	if a.Status.Attempt.BackTime != nil || reason == v1alpha1.ReasonRebootNotObserved {
		failures.Reboots++ // a host that refuses to reboot was not reached: what keeps it from that may go
	}
	failures.LastTime, failures.LastReason, failures.LastMessage = *a.Stamp(), reason, model.Bounded(message)
	a.Edit().Failures = &failures
	if a.Status.Attempt.BackTime == nil {
		a.Emit(model.Event{Warning: true, Reason: reason, Message: message, OnNode: true})
		a.endWithoutReboot(reason, message)
		return
	}
	a.endAttempt(reason, message)
	if a.mayNotTryAgain() {
		a.Complete(a.Stamp(), v1alpha1.OutcomeFailed, reason, givenUp(&failures, message))
		return
	}
	a.Emit(model.Event{Warning: true, Reason: reason, Message: message, OnNode: true})
}

// failFinally ends the attempt and the NodeReboot: there is nothing left to try.
func (a *attempt) failFinally(reason, message string) {
	a.endAttempt(reason, message)
	a.Complete(a.Stamp(), v1alpha1.OutcomeFailed, reason, message)
}
