package attempt

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/consent"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/obstacle"
	"github.com/reboot-operator/reboot-operator/controllers/plan/protocol"
)

// readyLag is how long a host that went down may still be shown as a Ready node: longer than the node-monitor-grace-period, 50 s.
const readyLag = time.Minute

// beforeReboot are asked in this order once the node is drained and the hooks are done; the first that does not pass is the reason why the
// reboot waits.
var beforeReboot = []gate{
	(*attempt).rebootDelay,
	(*attempt).volumesAttached,
	(*attempt).quorum,
	(*attempt).refused,
	(*attempt).hostBlocked,
	(*attempt).helperAway,
}

// quorum waits while other nodes that may run etcd are down. It is asked before the drain and again before the reboot: what was up when the
// node started may be down by now.
func (a *attempt) quorum() model.Verdict { return a.Quorum }

// refused waits while the order to reboot cannot be written. Evicted pods are missing, so the slot is held.
func (a *attempt) refused() model.Verdict { return a.Refused }

// rebootDelay passes at the end of the delay.
func (a *attempt) rebootDelay() model.Verdict {
	at := a.delayEnd()
	if a.Reached(at) {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonRebootDelayed, "Node %s %s and reboots at %s.",
		a.Node.Name, a.afterDrain(), a.times().Until(at)).Ending(at)
}

func (a *attempt) delayEnd() time.Time {
	return a.Status.Attempt.DrainedTime.Add(model.Seconds(a.Policy.Spec.Reboot.DelaySeconds))
}

// helperAway gives a helper time that is not Ready when it is to be ordered to reboot its host.
func (a *attempt) helperAway() model.Verdict {
	if a.Node.HelperReady {
		return model.Verdict{}
	}
	since := model.Latest(a.delayEnd(), a.Node.HelperSince)
	if detached := a.Status.Attempt.DetachedTime; detached != nil {
		since = model.Latest(since, detached.Time)
	}
	until := since.Add(model.Seconds(a.Policy.Spec.Reboot.TimeoutSeconds))
	if a.Reached(until) {
		return model.Blocked(v1alpha1.ReasonRebootFailed,
			"The helper of node %s did not become Ready in time: %s.", a.Node.Name, a.Node.WhyHelperNotReady())
	}
	return model.Blocked(v1alpha1.ReasonHelperNotReady, "Node %s %s; its helper is not Ready: %s.",
		a.Node.Name, strings.TrimSuffix(a.afterDrain(), ","), a.Node.WhyHelperNotReady()).Ending(until)
}

// orderReboot tells the host to reboot, once nothing is waited for anymore.
func (a *attempt) orderReboot() {
	if !a.hooksDone(a.Policy.Hooks().BeforeReboot, a.Status.Attempt.DrainedTime.Time) {
		return
	}
	switch v := a.firstObstacle(beforeReboot); {
	case v.Reason == v1alpha1.ReasonRebootFailed, a.blockedTooLong:
		a.fail(v.Reason, v.Message)
		return
	case !v.OK():
		a.wait = v
		return
	}
	reboot := a.Policy.Spec.Reboot
	a.tellLateHooks()
	back := a.Now.Add(model.Seconds(reboot.TimeoutSeconds))
	a.order(v1alpha1.RebootOrder{
		Action:   v1alpha1.ActionReboot,
		Protocol: protocol.Needed(a.Policy.Spec),
		Method:   reboot.Method,
		Via:      reboot.Via,
		Deadline: metav1.NewMicroTime(consent.Deadline(a.Policy, &a.Draft, back)),
	})
	a.EditAttempt(func(at *v1alpha1.Attempt) {
		at.RebootOrderedTime, at.RebootVia = a.Stamp(), ""
		if method := obstacle.Method(reboot.Method, a.Report(a.Node)); method != v1alpha1.RebootInstalled {
			at.RebootMethod = method
		}
	})
	a.noteContainers()
	a.wait = a.rebooting(back)
}

func (a *attempt) rebooting(deadline time.Time) model.Verdict {
	return model.Blocked(v1alpha1.ReasonRebooting, "Node %s was ordered to reboot; it has until %s to come back.",
		a.Node.Name, a.times().Until(deadline)).Ending(deadline)
}

// awaitBoot waits for another boot ID.
func (a *attempt) awaitBoot() {
	answer := a.answer()
	if a.refusedByLock(answer) {
		a.withdraw()
		return
	}
	if answer != nil && answer.State == v1alpha1.OrderFailed {
		a.fail(v1alpha1.ReasonRebootFailed, a.times().Localize(answer.Message))
		return
	}
	if order := a.Status.Order; order != nil && answer == nil && a.Reached(order.Deadline.Time) {
		a.expire(order)
		return
	}
	deadline := a.Status.Attempt.RebootOrderedTime.Add(a.rebootTimeout())
	switch {
	case a.Status.Attempt.StalledTime == nil && a.mayStillReboot(deadline):
		a.wait = a.rebooting(deadline)
	case a.Node.Ready:
		a.fail(v1alpha1.ReasonRebootNotObserved, fmt.Sprintf("Node %s was ordered to reboot and still runs the same boot.", a.Node.Name))
	case a.Deleted():
		a.endAttempt(v1alpha1.ReasonDeleted, "The NodeReboot was deleted while the node was not back.")
	default:
		a.stall(v1alpha1.ReasonNodeNotBack, fmt.Sprintf("Node %s has not come back since it was ordered to reboot at %s. It is still "+
			"watched; delete this NodeReboot to give it up.", a.Node.Name, a.times().At(a.Status.Attempt.RebootOrderedTime.Time)))
	}
}

// mayStillReboot says that a host has time. One whose Node is Ready may be down already.
func (a *attempt) mayStillReboot(deadline time.Time) bool {
	return !a.Reached(deadline) || a.Node.Ready && !a.Reached(deadline.Add(readyLag))
}

// expire withdraws an order to reboot that the helper did not take in time. The write that withdraws it fails if the helper records the
// order at the same moment, so the host was not ordered to reboot and never will be.
func (a *attempt) expire(order *v1alpha1.RebootOrder) {
	ordered, deadline := a.Status.Attempt.RebootOrderedTime.Time, order.Deadline.Time
	a.notOrdered()
	late := fmt.Sprintf("The helper of node %s did not take the order to reboot by %s", a.Node.Name, a.times().At(deadline))
	switch reason := a.Policy.ShutAt(ordered, deadline); reason {
	case v1alpha1.ReasonFreeze:
		a.rollBack(model.Verdict{Reason: reason, Message: late + ", when a freeze began."})
	case v1alpha1.ReasonWindowClosed:
		a.rollBack(model.Verdict{Reason: reason, Message: late + ", when the window closed."})
	default:
		a.fail(v1alpha1.ReasonOrderExpired, late+", and the order was withdrawn.")
	}
}

// defaultRebootTimeout is how long a host may take to reboot when the policy is gone.
const defaultRebootTimeout = 15 * time.Minute

func (a *attempt) rebootTimeout() time.Duration {
	if a.Policy == nil {
		return defaultRebootTimeout
	}
	return model.Seconds(a.Policy.Spec.Reboot.TimeoutSeconds)
}
