package attempt

import (
	"fmt"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// told says that the host was ordered to reboot, or has rebooted: from then on it counts as down until it is back.
func (a *attempt) told() bool {
	return a.Status.Attempt.RebootOrderedTime != nil || a.Status.Attempt.BackTime != nil
}

// noteNode records what becomes of the Node object. A cloud provider may delete the Node of a host that is down, and the kubelet registers
// it again after the boot: so a Node with the name of a host that was ordered to reboot is that host, whatever its UID.
func (a *attempt) noteNode() {
	if a.Node == nil {
		if a.Status.Attempt.NodeGoneTime == nil {
			a.EditAttempt(func(at *v1alpha1.Attempt) { at.NodeGoneTime = a.Stamp() })
		}
		return
	}
	if a.told() && a.Status.NodeUID != a.Node.UID {
		a.Edit().NodeUID = a.Node.UID
	}
	if a.Status.Attempt.NodeGoneTime != nil {
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.NodeGoneTime = nil })
	}
	switch marked := a.Status.Attempt.MarkedForDeletionTime != nil; {
	case marked == a.Node.MarkedForDeletion():
	case marked:
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.MarkedForDeletionTime = nil })
	default:
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.MarkedForDeletionTime = a.Stamp() })
	}
}

// awaitNode is about a Node that is gone. A host that was ordered to reboot is expected back, unless the Node was about to be removed.
func (a *attempt) awaitNode() {
	gone := fmt.Sprintf("Node %s was deleted.", a.Object.Spec.NodeName)
	current := a.Status.Attempt
	switch {
	case !a.told():
		a.endWithoutReboot(v1alpha1.ReasonNodeGone, gone)
	case current.MarkedForDeletionTime != nil:
		a.failFinally(v1alpha1.ReasonNodeGone, gone+" It had been marked for deletion, so its host is not waited for.")
	default:
		a.awaitRegistration()
	}
}

// awaitRegistration waits for a Node with the name, for as long as the policy says.
func (a *attempt) awaitRegistration() {
	current, name := a.Status.Attempt, a.Object.Spec.NodeName
	since := current.NodeGoneTime.Time
	if limit := a.nodeGoneLimit(); limit != nil && a.Reached(since.Add(model.Seconds(limit))) {
		a.failFinally(v1alpha1.ReasonNodeGone, fmt.Sprintf(
			"Node %s was deleted while its host rebooted, and did not register again within %s.", name, model.Count(*limit, "second")))
		return
	}
	deadline := since.Add(a.rebootTimeout())
	if current.RebootOrderedTime != nil && current.BackTime == nil {
		deadline = current.RebootOrderedTime.Add(a.rebootTimeout())
	}
	switch {
	case current.StalledTime == nil && !a.Reached(deadline):
		a.wait = model.Blocked(v1alpha1.ReasonRebooting, "Node %s was deleted at %s while its host reboots; it has until %s to register again.",
			name, a.times().At(since), a.times().Until(deadline)).Ending(deadline)
	case a.Deleted():
		a.endAttempt(v1alpha1.ReasonDeleted, "The NodeReboot was deleted while the node was gone.")
	default:
		a.stall(v1alpha1.ReasonNodeNotBack, fmt.Sprintf("Node %s was deleted at %s while its host rebooted, and has not registered again. "+
			"It is still watched; delete this NodeReboot to give it up.", name, a.times().At(since)))
	}
}

func (a *attempt) nodeGoneLimit() *int32 {
	if a.Policy == nil {
		return nil
	}
	return a.Policy.Spec.Failure.NodeGoneTimeoutSeconds
}
