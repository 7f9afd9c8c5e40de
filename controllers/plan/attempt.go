package plan

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// maxBackoff bounds the wait after repeated failures.
const maxBackoff = 24 * time.Hour

// readyLag is how long a host that went down may still be shown as a Ready node: longer than the node-monitor-grace-period, 50 s.
const readyLag = time.Minute

// advanceAttempts moves every open attempt on as far as the facts allow.
func (p *pass) advanceAttempts() {
	for _, r := range p.reboots {
		if r.open() {
			p.advance(r)
		}
	}
}

// advance moves one open attempt on. A boot ID other than the attempt began with ends the drain or reboot, whoever caused it: a host that
// lost its power in the middle of a drain has rebooted, too.
func (p *pass) advance(r *rebootView) {
	switch attempt := r.next.Attempt; {
	case r.nodeGone():
		p.failFinally(r, v1alpha1.ReasonNodeGone, fmt.Sprintf("Node %s was deleted.", r.obj.Spec.NodeName))
	case r.bootedAgain():
		p.recordBoot(r)
		p.recover(r)
	case attempt.BackTime != nil:
		p.recover(r)
	case attempt.RebootOrderedTime != nil:
		p.awaitBoot(r)
	default:
		p.prepare(r)
	}
}

// bootedAgain: the node runs a boot that the attempt has not recorded yet.
func (r *rebootView) bootedAgain() bool {
	known := r.next.Before
	if r.next.Attempt.BackTime != nil {
		known = r.next.After
	}
	return known != nil && r.node.BootID != "" && r.node.BootID != known.BootID
}

// recordBoot begins the recovery. Its time runs from the first boot, so that a host that boots again and again runs out of it.
func (p *pass) recordBoot(r *rebootView) {
	next := r.edit()
	next.After, next.Order = r.node.boot(), nil
	r.editAttempt(func(a *v1alpha1.Attempt) {
		a.UncordonedTime, a.RecoveredTime = nil, nil
		if a.BackTime == nil {
			a.BackTime = p.stamp()
			a.StalledTime, a.Result, a.Message = nil, "", ""
			a.StaleConditions = staleConditions(next.Conditions)
		}
	})
	r.emit(Event{Reason: v1alpha1.ConditionRebooted, OnNode: true, Message: fmt.Sprintf(
		"Node %s runs another boot (kernel %s before, %s now).", r.node.Name, r.next.Before.KernelVersion, r.next.After.KernelVersion)})
}

// prepare takes an attempt from the cordon to the order to reboot. Everything that could forbid a reboot is looked at again each time.
func (p *pass) prepare(r *rebootView) {
	if v := p.mayContinue(r); !v.passed() {
		p.takeBack(r, v)
		return
	}
	p.cordon(r)
	switch attempt := r.next.Attempt; {
	case attempt.DrainedTime != nil:
	case attempt.DrainOrderedTime == nil && !p.hooksDone(r, r.policy().hooks().BeforeDrain, attempt.CordonedTime.Time):
	case attempt.DrainOrderedTime == nil:
		p.prepareDrain(r)
	default:
		p.awaitDrain(r)
	}
	if r.open() && r.next.Attempt.DrainedTime != nil {
		p.orderReboot(r)
	}
}

// continueGates are those that are asked again all the way to the reboot.
var continueGates = []gate{skipGate, policyGate, modeGate, closeGate, approvalGate}

// mayContinue looks again at what forbids that an attempt goes on towards its reboot.
func (p *pass) mayContinue(r *rebootView) verdict {
	switch {
	case r.deleted():
		return verdict{reason: v1alpha1.ReasonDeleted, message: "The NodeReboot was deleted."}
	case r.policy() == nil:
		return verdict{reason: v1alpha1.ReasonNotSelected, message: fmt.Sprintf("No policy selects node %s any more.", r.node.Name)}
	case r.uncordoned():
		return verdict{reason: v1alpha1.ReasonUncordoned, message: fmt.Sprintf("Somebody uncordoned node %s during the attempt.", r.node.Name)}
	}
	return firstObstacle(p, r, continueGates)
}

// uncordoned: somebody uncordoned the node since the attempt cordoned it, or found it cordoned. That leaves our annotation; a node without
// it is one that this manager, whose watch of Nodes lags behind, has not seen cordoned yet.
func (r *rebootView) uncordoned() bool {
	attempt := r.next.Attempt
	return attempt.CordonedTime != nil && !r.node.Unschedulable && (attempt.Cordon == v1alpha1.CordonForeign || r.node.CordonedFor != "")
}

// takeBack ends an attempt before its reboot. Only a node that somebody uncordoned counts as a failure, so that the operator does not
// cordon it again at once.
func (p *pass) takeBack(r *rebootView, v verdict) {
	if v.reason == v1alpha1.ReasonUncordoned {
		p.fail(r, v.reason, v.message)
		return
	}
	p.endAttempt(r, v.reason, v.message)
	r.wait = v
	r.emit(Event{Reason: v.reason, Message: "The attempt was taken back. " + v.message, OnNode: true})
}

// cordon records the cordon; nodes.go derives from it that the node has to be cordoned. A node that is cordoned without our annotation
// was cordoned by somebody else, and stays so.
func (p *pass) cordon(r *rebootView) {
	if r.next.Attempt.CordonedTime != nil {
		return
	}
	owner := v1alpha1.CordonOperator
	if r.node.Unschedulable && r.node.CordonedFor == "" {
		owner = v1alpha1.CordonForeign
	}
	r.editAttempt(func(a *v1alpha1.Attempt) {
		a.CordonedTime, a.Cordon = p.stamp(), owner
	})
}

// order gives the helper a new order for the boot that it is to end.
func (p *pass) order(r *rebootView, order v1alpha1.RebootOrder) {
	next := r.edit()
	next.LastSequence++
	order.Sequence = next.LastSequence
	order.BootID = next.Before.BootID
	next.Order = &order
	p.wakeAt(order.Deadline.Time)
}

// answer is the helper's report on the current order; nil while there is none.
func (r *rebootView) answer() *v1alpha1.HelperReport {
	report, order := r.next.Report, r.next.Order
	if report == nil || order == nil || report.Sequence != order.Sequence {
		return nil
	}
	return report
}

// beforeReboot are asked in this order once the node is drained and the hooks are done; the first that does not pass is the reason why the
// reboot waits.
var beforeReboot = []gate{
	rebootDelay,
	volumesAttached,
	helperAway,
}

// rebootDelay passes at the end of the delay.
func rebootDelay(p *pass, r *rebootView) verdict {
	at := r.delayEnd()
	if p.passed(at) {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonRebootDelayed, message: fmt.Sprintf("Node %s %s and reboots at %s.",
		r.node.Name, afterDrain(r), clockTime(at))}
}

func (r *rebootView) delayEnd() time.Time {
	return r.next.Attempt.DrainedTime.Add(seconds(r.policy().spec.Reboot.DelaySeconds))
}

// helperAway gives a helper time that is not Ready when it is to be told to reboot its host.
func helperAway(p *pass, r *rebootView) verdict {
	if r.node.HelperReady {
		return verdict{}
	}
	since := r.delayEnd()
	if detached := r.next.Attempt.DetachedTime; detached != nil && detached.After(since) {
		since = detached.Time
	}
	if p.passed(since.Add(seconds(r.policy().spec.Reboot.TimeoutSeconds))) {
		return verdict{reason: v1alpha1.ReasonRebootFailed, message: fmt.Sprintf(
			"The helper of node %s did not become Ready in time: %s.", r.node.Name, r.node.helperProblem())}
	}
	return verdict{reason: v1alpha1.ReasonHelperNotReady, message: fmt.Sprintf("Node %s %s; its helper is not Ready: %s.",
		r.node.Name, strings.TrimSuffix(afterDrain(r), ","), r.node.helperProblem())}
}

// orderReboot tells the host to reboot, once nothing is waited for any more.
func (p *pass) orderReboot(r *rebootView) {
	if !p.hooksDone(r, r.policy().hooks().BeforeReboot, r.next.Attempt.DrainedTime.Time) {
		return
	}
	switch v := firstObstacle(p, r, beforeReboot); {
	case v.reason == v1alpha1.ReasonRebootFailed:
		p.fail(r, v.reason, v.message)
		return
	case !v.passed():
		r.wait = v
		return
	}
	reboot := r.policy().spec.Reboot
	r.tellLateHooks()
	back := p.now.Add(seconds(reboot.TimeoutSeconds))
	p.order(r, v1alpha1.RebootOrder{
		Action:   v1alpha1.ActionReboot,
		Method:   reboot.Method,
		Deadline: metav1.NewMicroTime(beforeClose(r, back)),
	})
	r.editAttempt(func(a *v1alpha1.Attempt) { a.RebootOrderedTime = p.stamp() })
	r.wait = rebooting(r, back)
	r.emit(Event{Reason: v1alpha1.ReasonRebooting, Message: r.wait.message, OnNode: true})
}

func rebooting(r *rebootView, deadline time.Time) verdict {
	return verdict{reason: v1alpha1.ReasonRebooting, message: fmt.Sprintf("Node %s was told to reboot; it has until %s to come back.",
		r.node.Name, clockTime(deadline))}
}

// awaitBoot waits for another boot ID.
func (p *pass) awaitBoot(r *rebootView) {
	if answer := r.answer(); answer != nil && answer.State == v1alpha1.OrderFailed {
		p.fail(r, v1alpha1.ReasonRebootFailed, answer.Message)
		return
	}
	deadline := r.next.Attempt.RebootOrderedTime.Add(p.rebootTimeout(r))
	switch {
	case r.next.Attempt.StalledTime == nil && !p.passed(deadline):
		r.wait = rebooting(r, deadline)
	case r.next.Attempt.StalledTime == nil && r.node.Ready && !p.passed(deadline.Add(readyLag)):
		r.wait = rebooting(r, deadline)
	case r.node.Ready:
		p.fail(r, v1alpha1.ReasonRebootNotObserved, fmt.Sprintf("Node %s was told to reboot and still runs the same boot.", r.node.Name))
	case r.deleted():
		p.endAttempt(r, v1alpha1.ReasonDeleted, "The NodeReboot was deleted while the node was not back.")
	default:
		p.stall(r, v1alpha1.ReasonNodeNotBack, fmt.Sprintf("Node %s has not come back since it was told to reboot at %s. It is still "+
			"watched; delete this NodeReboot to give it up.", r.node.Name, clockTime(r.next.Attempt.RebootOrderedTime.Time)))
	}
}

// rebootTimeout of the policy; of one that is gone meanwhile, the time that the order had.
func (p *pass) rebootTimeout(r *rebootView) time.Duration {
	if policy := r.policy(); policy != nil {
		return seconds(policy.spec.Reboot.TimeoutSeconds)
	}
	if r.next.Order != nil {
		return r.next.Order.Deadline.Sub(r.next.Attempt.RebootOrderedTime.Time)
	}
	return 0
}

// stall says that an attempt ran out of time after the order to reboot. It stays open and holds its slot, for the node may come back.
func (p *pass) stall(r *rebootView, reason, message string) {
	r.wait = verdict{reason: reason, message: message}
	if r.next.Attempt.StalledTime != nil && r.next.Attempt.Result == reason {
		return
	}
	r.edit().Order = nil
	r.editAttempt(func(a *v1alpha1.Attempt) {
		a.StalledTime, a.Result, a.Message = p.stamp(), reason, bounded(message)
	})
	r.emit(Event{Warning: true, Reason: reason, Message: message, OnNode: true})
}

// endAttempt ends the attempt and so frees its slot.
func (p *pass) endAttempt(r *rebootView, reason, message string) {
	r.edit().Order = nil
	r.editAttempt(func(a *v1alpha1.Attempt) {
		a.EndedTime, a.StalledTime, a.Result, a.Message = p.stamp(), nil, reason, bounded(message)
	})
	r.attempting = false
	if r.node == nil {
		return
	}
	r.node.lastEnd = p.now
	if r.node.open == r {
		r.node.open = nil
	}
}

// fail ends the attempt as a failure. After the last attempt the NodeReboot is given up.
func (p *pass) fail(r *rebootView, reason, message string) {
	failures := v1alpha1.Failures{}
	if r.next.Failures != nil {
		failures = *r.next.Failures
	}
	failures.Count++
	failures.LastTime, failures.LastReason, failures.LastMessage = *p.stamp(), reason, bounded(message)
	r.edit().Failures = &failures
	p.endAttempt(r, reason, message)
	if policy := r.policy(); policy != nil && failures.Count >= ptr.Deref(policy.spec.Failure.MaxAttempts, 0) {
		p.complete(r, v1alpha1.OutcomeFailed, reason, fmt.Sprintf("Given up after %d attempts: %s", failures.Count, message))
		return
	}
	r.emit(Event{Warning: true, Reason: reason, Message: message, OnNode: true})
}

// failFinally ends the attempt and the NodeReboot: there is nothing left to try.
func (p *pass) failFinally(r *rebootView, reason, message string) {
	p.endAttempt(r, reason, message)
	p.complete(r, v1alpha1.OutcomeFailed, reason, message)
}

// clockTime is how times are written in messages.
func clockTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
