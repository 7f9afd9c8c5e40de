package judge

import (
	"maps"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// reboot judges a version of a NodeReboot.
func (j *judge) reboot(reboot *Reboot) {
	underWay := j.world.underWay()
	before := j.world.reboots[reboot.UID]
	if reboot.Gone {
		delete(j.world.reboots, reboot.UID)
		return
	}
	j.world.reboots[reboot.UID] = reboot
	j.starts(underWay)
	if before == nil {
		before = &Reboot{}
	}
	j.reasons(reboot)
	j.orders(before, reboot)
	if reboot.Status.Outcome != before.Status.Outcome && reboot.Status.Outcome == v1alpha1.OutcomeSucceeded && before.Name != "" {
		j.proof(reboot)
	}
	if before.open() && !reboot.open() {
		j.freed(reboot)
	}
}

// longestReason is that of docs/reasons.md.
const longestReason = 22

func (j *judge) reasons(reboot *Reboot) {
	status := &reboot.Status
	if status.Phase == "" {
		return // nobody has looked at it yet
	}
	if status.Reason == "" || status.Message == "" || len(status.Reason) > longestReason {
		j.broken(Reasons, "NodeReboot %s is %s with the reason %q and the message %q", reboot.Name, status.Phase, status.Reason, status.Message)
	}
}

// orders judges what the manager orders, and what the helper says it does.
func (j *judge) orders(before, reboot *Reboot) {
	was, is := before.Status.Order, reboot.Status.Order
	switch {
	case is == nil:
	case was != nil && is.Sequence < was.Sequence:
		j.broken(AtMostOnce, "order %d of NodeReboot %s came after order %d", is.Sequence, reboot.Name, was.Sequence)
	case was != nil && is.Sequence == was.Sequence:
		if is.Action != was.Action || is.BootID != was.BootID {
			j.broken(AtMostOnce, "order %d of NodeReboot %s became another one", is.Sequence, reboot.Name)
		}
	case reboot.Status.Attempt == nil:
		j.broken(AtMostOnce, "order %d of NodeReboot %s belongs to no attempt", is.Sequence, reboot.Name)
	default:
		j.ordered(reboot, is)
	}
	if report := reboot.Status.Report; report != nil && report.Sequence > reboot.Status.LastSequence {
		j.broken(AtMostOnce, "the helper of %s reports order %d, and %d is the last that was given", reboot.Node, report.Sequence,
			reboot.Status.LastSequence)
	}
}

// ordered judges a new order.
func (j *judge) ordered(reboot *Reboot, order *v1alpha1.RebootOrder) {
	j.consent("the order to "+string(order.Action), reboot.Node, reboot.Status.Attempt.PolicyName)
	if j.world.underWay()[reboot.Node].uid != reboot.UID {
		j.broken(Budget, "%s was ordered to %s without a slot", reboot.Node, order.Action)
	}
}

// proof judges a success.
func (j *judge) proof(reboot *Reboot) {
	status := &reboot.Status
	if status.Before == nil || status.After == nil || status.Before.BootID == status.After.BootID || status.After.BootID == "" {
		j.broken(Proof, "NodeReboot %s succeeded without two boots", reboot.Name)
		return
	}
	if !j.history.ran(reboot.Node, status.After.BootID) {
		j.broken(Proof, "NodeReboot %s was proved by boot %s, which the host never ran", reboot.Name, status.After.BootID)
	}
	// What was rebooted for another NodeReboot is proved by that one: its helper reports on that.
	report, another := status.Report, status.OutcomeReason == v1alpha1.ReasonRebootedMeanwhile
	if !another && (report == nil || report.Sentinel != v1alpha1.SentinelNotRequired || report.BootID != status.After.BootID) {
		j.broken(Proof, "NodeReboot %s succeeded, and the helper did not say in that boot that the sentinel is gone", reboot.Name)
	}
	if node := j.world.nodes[reboot.Node]; node == nil || j.longEnough(node.unreadySince) {
		j.broken(Proof, "NodeReboot %s succeeded while its node is not Ready", reboot.Name)
	}
}

// ran reports whether a host ran a boot, as far as anything is known of it.
func (h *History) ran(node, bootID string) bool {
	events, known := h.Hosts[node]
	return !known || slices.ContainsFunc(events, func(event HostEvent) bool { return event.Kind == HostUp && event.BootID == bootID })
}

// freed judges that a slot was freed only when the applications are as ready as before.
func (j *judge) freed(reboot *Reboot) {
	attempt := reboot.Status.Attempt
	if attempt == nil || j.rules.LeaveWorkloads || reboot.Deleting || reboot.Status.Reason == v1alpha1.ReasonRecoveryTimedOut ||
		attempt.Result == v1alpha1.ReasonRecoveryTimedOut {
		return
	}
	policy := j.world.policies[attempt.PolicyName]
	if policy == nil || policy.Gone || policy.Spec.Recovery.Workloads == v1alpha1.Ignore {
		return
	}
	baseline := j.world.baseline[attemptKey{reboot.UID, attempt.Number}]
	for _, name := range slices.Sorted(maps.Keys(baseline)) {
		if _, ready := j.world.apps[name].extremes(j.graceful()); ready < baseline[name] {
			j.broken(Recovery, "the slot of %s was freed with %d ready pods of %s, and there were %d before", reboot.Node, ready, name,
				baseline[name])
		}
	}
}
