package plan

import (
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What holds of a NodeReboot at each write of its status.

// checkStatus is about a status just before it is written.
func (w *world) checkStatus(v *view, before *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	if before.Status.Phase != after.Phase || before.Status.Reason != after.Reason {
		who := before.Spec.NodeName
		if before.Spec.Trigger == v1alpha1.TriggerManual {
			who += " (" + before.Name + ")"
		}
		w.tell("%-12s %-10s %s", who, after.Phase, after.Reason)
	}
	w.checkBegin(v, before, after)
	w.checkDetached(v, before, after)
	w.followRow(before, after)
	w.checkFlood(before, after)
	if after.Outcome == v1alpha1.OutcomeFailed && before.Status.Outcome != after.Outcome {
		w.checkGivenUp(before, after)
	}
	old := before.Status.Order
	if after.Order != nil && (old == nil || old.Sequence != after.Order.Sequence) {
		w.checkOrder(v, before, after)
	}
	if after.Outcome == v1alpha1.OutcomeSucceeded && before.Status.Outcome != after.Outcome {
		w.checkSuccess(v, before, after)
	}
}

func (w *world) checkOrder(v *view, r *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	order := after.Order
	if order.Sequence <= w.rules.sequences[r.UID] || after.LastSequence != order.Sequence {
		w.breaks("NodeReboot %s has an order of sequence %d after one of %d", r.Name, order.Sequence, w.rules.sequences[r.UID])
	}
	w.rules.sequences[r.UID] = order.Sequence
	node := v.node(r.Spec.NodeName)
	if node == nil {
		w.breaks("node %s is ordered to %s, and there is no such Node", r.Spec.NodeName, order.Action)
		return
	}
	owner := ownerOf(v, node)
	switch {
	case owner == nil || owner.Spec.Mode != v1alpha1.ModeEnforce:
		w.breaks("node %s is ordered to %s, and its policy does not enforce", node.Name, order.Action)
	case !r.DeletionTimestamp.IsZero():
		w.breaks("node %s is ordered to %s for a NodeReboot that is being deleted", node.Name, order.Action)
	case order.BootID != node.BootID:
		w.breaks("node %s is ordered to %s about boot %s, and it runs %s", node.Name, order.Action, order.BootID, node.BootID)
	case order.Action == v1alpha1.ActionReboot && !node.Unschedulable && w.nodes[node.Name] != nil && !w.nodes[node.Name].Unschedulable &&
		!w.nodes[node.Name].TaintedForCordon():
		// If nothing is drained it may be cordoned by this very plan.
		w.breaks("node %s is ordered to reboot and is not cordoned", node.Name)
	case order.Action == v1alpha1.ActionReboot && after.Attempt.DrainedTime == nil:
		w.breaks("node %s is ordered to reboot and was not drained", node.Name)
	}
	if owner != nil {
		w.checkConsent(v, owner, node, r.Name, "ordered to "+string(order.Action))
	}
	if owner != nil && owner.Spec.Hooks != nil && !w.rules.lagging {
		w.checkHooks(r, after, owner.Spec.Hooks)
	}
	if owner != nil {
		w.checkSchedule(owner, node, r, true, "ordered to "+string(order.Action))
	}
	w.checkQuorum(v, node, "ordered to "+string(order.Action))
	if said := r.Status.Report; said == nil || said.BootID != node.BootID || len(said.Methods) > 0 && said.Methods[0].Obstacle != "" {
		w.breaks("node %s is ordered to %s, and its helper says %+v", node.Name, order.Action, said)
	}
	if order.Action == v1alpha1.ActionReboot {
		w.rules.reboots++
		w.checkHaltStopsDrains(v, r)
	}
	if slot := w.heldFor(r.Spec.NodeName, r.UID); slot != nil && owner != nil && slot.policy != owner.Name && !w.rules.lagging {
		w.breaks("node %s is ordered to %s; its slot was granted by policy %s, and it belongs to %s",
			node.Name, order.Action, slot.policy, owner.Name)
	}
	w.checkExcluded(owner, node, r, after)
	if old := r.Status.Order; after.Attempt.Drain == v1alpha1.DrainForced &&
		(owner == nil || owner.Spec.Drain.OnTimeout != v1alpha1.DrainTimeoutForce || old == nil || w.now.Before(old.Deadline.Time) ||
			r.Status.Report.State != v1alpha1.OrderTimedOut) {
		w.breaks("node %s is ordered to reboot although it was not drained, and the policy or the time does not allow it", node.Name)
	}
}

// checkRefused: no pod on the node must not be evicted.
func (w *world) checkRefused(v *view, owner *v1alpha1.RebootPolicy, node *Node) {
	if owner.Spec.Drain.Unmanaged != v1alpha1.UnmanagedRefuse || owner.Spec.Drain.Mode == v1alpha1.DrainModeSkip {
		return
	}
	for _, pod := range v.allPods[node.Name] {
		if strings.HasPrefix(pod.Name, "bare-") && !w.rules.lagging {
			w.breaks("node %s was granted a slot, and pod %s on it has no controller", node.Name, pod.Name)
		}
	}
}

// checkExcluded: before the drain the node was out of external load balancers for as long as its policy says.
func (w *world) checkExcluded(owner *v1alpha1.RebootPolicy, node *Node, r *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	if owner == nil || owner.Spec.Drain.ExcludeFromLoadBalancers == nil || after.Order.Action != v1alpha1.ActionDrain {
		return
	}
	excluded := w.nodes[node.Name] == nil
	if !excluded {
		_, excluded = w.nodes[node.Name].Labels[v1alpha1.ExcludeLabel]
	}
	_, byPerson := w.rules.labels[node.Name][v1alpha1.ExcludeLabel]
	if !excluded && !byPerson && !w.rules.lagging {
		w.breaks("node %s is ordered to drain for %s and is not out of load balancers", node.Name, r.Name)
	}
	lead := seconds(owner.Spec.Drain.ExcludeFromLoadBalancers.LeadSeconds)
	if excludedTime := after.Attempt.ExcludedTime; excludedTime == nil || !w.stepped && w.now.Sub(excludedTime.Time) < lead {
		w.breaks("node %s is ordered to drain %s after %v, and the lead is %s", node.Name, w.now, excludedTime, lead)
	}
}

// checkMarksAreGone: with no reboot under way, labels and annotations are what they were, or what someone else made of them.
func (w *world) checkMarksAreGone(n *Node) {
	for _, key := range []string{stateLabel, v1alpha1.ExcludeLabel} {
		if got, want := n.Labels[key], w.rules.labels[n.Name][key]; got != want {
			w.breaks("node %s has the label %s=%q, want %q", n.Name, key, got, want)
		}
	}
	if n.Labels[doneLabel] != "" && !w.rules.proved[n.Name] {
		w.breaks("node %s has the label for after a success, and no reboot of it was proved", n.Name)
	}
	if len(n.Annotations) > 0 {
		w.breaks("annotations are left on node %s: %v", n.Name, n.Annotations)
	}
}

// checkSuccess is about the proof: another boot, Ready, the sentinel gone since that boot, pods and workloads as before.
func (w *world) checkSuccess(v *view, r *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	w.rules.proofs++
	w.rules.proved[r.Spec.NodeName] = true
	w.checkStaticPods(r)
	node := v.node(r.Spec.NodeName)
	if node == nil {
		w.breaks("NodeReboot %s succeeded, and there is no Node %s", r.Name, r.Spec.NodeName)
		return
	}
	report := after.Report
	switch {
	case after.After == nil || after.After.BootID == after.Before.BootID || after.After.BootID != node.BootID:
		w.breaks("NodeReboot %s succeeded from boot %v to %v, and node %s runs %s", r.Name, after.Before, after.After, node.Name, node.BootID)
	case !node.Ready:
		w.breaks("NodeReboot %s succeeded, and node %s is not Ready", r.Name, node.Name)
	case r.Spec.Trigger != v1alpha1.TriggerSentinel && after.OutcomeReason == v1alpha1.ReasonRebootedMeanwhile:
	case report == nil || report.BootID != node.BootID || report.Sentinel != v1alpha1.SentinelNotRequired:
		w.breaks("NodeReboot %s succeeded on the report %+v in boot %s", r.Name, report, node.BootID)
	}
	owner, _ := w.ownerNow(v, node)
	if after.OutcomeReason != v1alpha1.ReasonProved || owner == nil {
		return
	}
	if len(owner.Spec.Recovery.Objects) > 0 && (w.outside.ill || w.outside.away || w.outside.slow) {
		w.breaks("NodeReboot %s succeeded while an object was not as it had to be (%+v)", r.Name, w.outside)
	}
	for _, ref := range after.Workloads {
		key := keyOf(ref)
		if key.Kind == v1alpha1.WorkloadDaemonSet {
			w.checkAgent(r, after)
			continue
		}
		workload, exists := v.Workloads[key]
		excepted := strings.Contains(after.OutcomeMessage, "apart from pods that reboots of other nodes displaced") // see checkPodsAreBack
		if exists && workload.Ready < min(ref.Ready, workload.Desired) && owner.Spec.Recovery.Workloads == v1alpha1.Require && !excepted {
			w.breaks("NodeReboot %s succeeded with %d ready pods of %s, before it were %d", r.Name, workload.Ready, key.Name, ref.Ready)
		}
	}
}

// checkAgent: the pod of the DaemonSet is really ready, and not only as its status was before the boot.
func (w *world) checkAgent(r *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	for _, pod := range w.pods {
		if pod.Name == "agent-"+r.Spec.NodeName && pod.healthy.After(w.now) && !w.rules.lagging {
			w.breaks("NodeReboot %s succeeded at %s, and pod %s is ready at %s (back at %s)",
				r.Name, w.now, pod.Name, pod.healthy, after.Attempt.BackTime)
		}
	}
}
