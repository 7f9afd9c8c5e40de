package attempt

import (
	"fmt"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/consent"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// recover takes an attempt from another boot ID to the end of its slot: first the node itself is proved and uncordoned, then its
// workloads have to be as ready as before.
func (a *attempt) recover() {
	a.needPods = true
	wait := a.nodeProof()
	a.noteInService(wait.OK())
	if wait.OK() {
		wait = a.recoveryProof()
	}
	present := false
	if wait.OK() {
		wait, present = a.conditionProof()
	}
	switch {
	case wait.OK():
		a.conclude(present)
	case a.Deleted() && (a.Status.Attempt.UncordonedTime != nil || a.Policy == nil || a.recoveryTimedOut()):
		a.endAttempt(v1alpha1.ReasonDeleted, "The NodeReboot was deleted.")
	default:
		a.awaitRecovery(wait)
	}
}

// conclude ends an attempt after which everything has recovered: was the reboot of use? present says that the condition that it was for is
// still there.
func (a *attempt) conclude(present bool) {
	switch {
	case a.Sentinel(a.Node) == v1alpha1.SentinelRequired:
		a.failAfterBoot(v1alpha1.ReasonSentinelStillPresent, fmt.Sprintf("Node %s was rebooted and still asks for a reboot.", a.Node.Name))
	case present:
		a.failAfterBoot(v1alpha1.ReasonConditionStillPresent, fmt.Sprintf(
			"Node %s was rebooted, and its condition %s did not go away.", a.Node.Name, a.Object.Spec.ConditionType))
	default:
		a.succeed()
	}
}

// recoveryProof says what has not recovered yet once the node itself is proved: its workloads, then objects of the cluster. When they have,
// it is the turn of what others do after a reboot.
func (a *attempt) recoveryProof() model.Verdict {
	if v := a.workloadProof(); !v.OK() {
		return v
	}
	if a.Policy.SetAside() {
		return consent.Valid(a.Policy) // What else it waits for is not known.
	}
	if v := a.objectProof(); !v.OK() {
		return v
	}
	if a.Status.Attempt.RecoveredTime == nil {
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.RecoveredTime = a.Stamp() })
	}
	return a.hookVerdict(a.Policy.Hooks().AfterReboot, a.Status.Attempt.RecoveredTime.Time)
}

// failAfterBoot ends an attempt that rebooted the host in vain, once everything has recovered nevertheless. The next one has to end the
// boot that runs now.
func (a *attempt) failAfterBoot(reason, message string) {
	a.fail(reason, message)
	if !a.Completed() {
		next := a.Edit()
		next.Before, next.After = a.Node.Boot(), nil
	}
}

func (a *attempt) succeed() {
	message := a.proof()
	a.tellLateHooks()
	a.endAttempt(v1alpha1.ReasonProved, message)
	a.Complete(a.Stamp(), v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, message)
}

// proof says what was checked, and what was not.
func (a *attempt) proof() string {
	current := a.Status.Attempt
	message := fmt.Sprintf("Node %s runs another boot, is Ready and does not ask for a reboot", a.Node.Name)
	waited, onNode := 0, 0
	for i := range a.Status.Workloads {
		if kind := a.Status.Workloads[i].Kind; kind == v1alpha1.WorkloadDaemonSet || kind == v1alpha1.WorkloadStaticPod {
			onNode++
		} else {
			waited++
		}
	}
	if onNode > 0 {
		message += "; " + model.Counted(onNode, "DaemonSet or static pod that was ready on it is ready again",
			"DaemonSet and static pods that were ready on it are ready again")
	}
	switch {
	case waited > 0 && a.ignoresWorkloads():
		message += "; " + model.Counted(waited, "workload that had pods on it was", "workloads that had pods on it were") +
			" not waited for, as RebootPolicy " + a.Policy.Name() + " says"
	case waited > 0:
		message += "; " + model.Counted(waited, "workload that had pods on it is", "workloads that had pods on it are") + " as ready as before"
		if a.elsewhere > 0 {
			message += ", apart from pods that reboots of other nodes displaced"
		}
	}
	switch {
	case current.RebootOrderedTime == nil:
		message += ". Its host rebooted before it was ordered to"
	case current.Drain == v1alpha1.DrainSkipped:
		message += ". It was not drained, as its policy says"
	case current.Drain == v1alpha1.DrainForced:
		message += ". It was not drained in time, and was rebooted regardless"
	}
	return message + "."
}

// awaitRecovery waits on, and stalls when it takes too long.
func (a *attempt) awaitRecovery(wait model.Verdict) {
	if a.wait = wait; wait.Until.IsZero() {
		a.wait.Until = a.recoveryEnd()
	}
	switch {
	case wait.Reason == v1alpha1.ReasonHookTimedOut:
		a.stall(wait.Reason, wait.Message+" The node recovered, and its slot is held until the condition is set; "+
			"delete this NodeReboot to continue without it.")
	case a.recoveryTimedOut():
		a.stall(v1alpha1.ReasonRecoveryTimedOut, fmt.Sprintf("Node %s came back and did not recover in time: %s It is still watched; "+
			"delete this NodeReboot to give it up.", a.Node.Name, wait.Message))
	}
}

// recoveryTimedOut: the recovery ran out of time once. Without a policy there is no limit.
func (a *attempt) recoveryTimedOut() bool {
	attempt, policy := a.Status.Attempt, a.Policy
	if attempt.StalledTime != nil || policy == nil {
		return attempt.StalledTime != nil
	}
	return a.Reached(a.recoveryEnd())
}

// recoveryEnd is when the recovery runs out of time; zero if it has, or there is no limit.
func (a *attempt) recoveryEnd() time.Time {
	attempt, policy := a.Status.Attempt, a.Policy
	if attempt.StalledTime != nil || policy == nil {
		return time.Time{}
	}
	return attempt.BackTime.Add(model.Seconds(policy.Spec.Recovery.TimeoutSeconds))
}

// objectProof says which object is not as it has to be before the slot may be freed, once everything else has recovered.
func (a *attempt) objectProof() model.Verdict {
	if a.Policy == nil {
		return model.Verdict{}
	}
	var first model.Verdict
	for _, gate := range a.Policy.RecoveryGates(fmt.Sprintf("%s/%d", a.Object.UID, a.Status.Attempt.Number)) {
		v := policies.Pending(gate.Key)
		if answer, known := a.query(gate.Key); known {
			v = gate.Judge(&a.Moment, answer)
		}
		if first.OK() {
			first = v
		}
	}
	return first
}

// conditionProof waits until the condition for which the node was rebooted goes away. Anyone who sets it may need a while after the boot.
func (a *attempt) conditionProof() (wait model.Verdict, present bool) {
	if a.Object.Spec.Trigger != v1alpha1.TriggerNodeCondition {
		return model.Verdict{}, false
	}
	trigger := a.Policy.Trigger(a.Object.Spec.ConditionType)
	from, calls := policies.Calls(a.Node, trigger)
	if !calls {
		return model.Verdict{}, false
	}
	until := model.Latest(from, a.Status.Attempt.BackTime.Add(model.Seconds(trigger.MinSeconds)))
	if a.Reached(until) {
		return model.Verdict{}, true
	}
	return model.Blocked(v1alpha1.ReasonNodeConditionPresent, "Condition %s of node %s is still %s; it has until %s to change.",
		trigger.Type, a.Node.Name, trigger.Status, a.times().Until(until)).Ending(until), true
}
