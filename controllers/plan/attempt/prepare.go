package attempt

import (
	"cmp"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/consent"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/protocol"
)

// prepare takes an attempt from the cordon to the order to reboot. Everything that could forbid a reboot is looked at again each time.
func (a *attempt) prepare() {
	if v := a.mayContinue(); !v.OK() {
		a.rollBack(v)
		return
	}
	a.cordon()
	a.keepManager()
	switch attempt := a.Status.Attempt; {
	case attempt.DrainedTime != nil:
	case attempt.DrainOrderedTime == nil && !a.hooksDone(a.Policy.Hooks().BeforeDrain, attempt.CordonedTime.Time):
	case attempt.DrainOrderedTime == nil:
		a.prepareDrain()
	default:
		a.awaitDrain()
	}
	if a.Open() && a.Status.Attempt.RolledBackTime == nil && a.Status.Attempt.DrainedTime != nil {
		a.orderReboot()
	}
}

// continueGates are those that are asked again all the way to the reboot.
var continueGates = []gate{
	func(a *attempt) model.Verdict { return consent.Skip(a.Node) },
	func(a *attempt) model.Verdict { return consent.Valid(a.Policy) },
	func(a *attempt) model.Verdict { return consent.Enforced(a.Policy) },
	func(a *attempt) model.Verdict { return a.Halt },
	func(a *attempt) model.Verdict { return protocol.Known(a.Node.Name, a.Policy.Object, a.Report(a.Node)) },
	func(a *attempt) model.Verdict { return consent.Closing(&a.Moment, a.Policy, &a.Draft) },
	// The schedule decides what happens to an attempt when the window closes, and the approval expires.
	func(a *attempt) model.Verdict { return consent.Approval(a.Policy, &a.Draft, time.Time{}) },
	// Nothing was evicted yet, so the slot is of more use to others.
	func(a *attempt) model.Verdict {
		if a.Status.Attempt.DrainOrderedTime != nil || a.Status.Attempt.DrainedTime != nil {
			return model.Verdict{}
		}
		return a.Refused
	},
}

// mayContinue looks again at what forbids that an attempt continues towards its reboot.
func (a *attempt) mayContinue() model.Verdict {
	switch {
	case a.Deleted():
		return model.Verdict{Reason: v1alpha1.ReasonDeleted, Message: "The NodeReboot was deleted."}
	case a.Policy == nil || !a.Selected:
		return model.Blocked(v1alpha1.ReasonNotSelected, "RebootPolicy %s, which granted the attempt, no longer owns node %s.",
			cmp.Or(a.Status.Attempt.PolicyName, a.Status.PolicyName), a.Node.Name)
	case a.SlotLost:
		return model.Blocked(v1alpha1.ReasonUncordoned, "Node %s does not show the attempt, and the slots object holds no slot for it.",
			a.Node.Name)
	case a.uncordoned():
		return model.Blocked(v1alpha1.ReasonUncordoned, "A person or a program uncordoned node %s during the attempt.", a.Node.Name)
	}
	return a.firstObstacle(continueGates)
}

// uncordoned says that someone uncordoned the node since the attempt cordoned it, or found it cordoned. That leaves our annotation. If a
// node lacks it, or has the annotation of another NodeReboot, then either the watch of Nodes lags behind and this manager has not seen the
// node cordoned yet, or the node has to be cordoned again, which requires the slot. If a node has the taint that replaces the cordon, we
// uncordoned it. A cordon that the attempt found is never replaced by the taint.
func (a *attempt) uncordoned() bool {
	attempt := a.Status.Attempt
	switch {
	case attempt.CordonedTime == nil, a.Node.Unschedulable:
		return false
	case attempt.Cordon == v1alpha1.CordonForeign:
		return true
	}
	return a.Node.CordonedFor == string(a.Object.UID) && !a.managerStays() && !a.Node.TaintedForCordon()
}

// cordon records the cordon; the plan derives from it that the node has to be cordoned. A node that is cordoned without our annotation was
// cordoned by someone else, and stays so.
func (a *attempt) cordon() {
	if a.Status.Attempt.CordonedTime != nil {
		return
	}
	owner := v1alpha1.CordonOperator
	if a.Node.Unschedulable && a.Node.CordonedFor == "" {
		owner = v1alpha1.CordonForeign
	}
	a.EditAttempt(func(at *v1alpha1.Attempt) {
		at.CordonedTime, at.Cordon = a.Stamp(), owner
	})
}
