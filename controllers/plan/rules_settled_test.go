package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// More that holds when the manager has nothing to do.

// checkOrders: an order that is over is withdrawn, and a drain under way follows its policy.
func (w *world) checkOrders(v *view) {
	if w.stepped {
		return
	}
	for _, r := range v.Reboots {
		order, report := r.Status.Order, r.Status.Report
		if order == nil || r.Status.Attempt == nil || order.Action == v1alpha1.ActionDrain && r.Status.Attempt.DrainedTime != nil {
			continue
		}
		if v.refuses(r.Spec.NodeName, model.WriteStatus) || v.refuses(r.Spec.NodeName, model.WriteOrder) {
			continue // nobody can withdraw it; the helper reads the deadline
		}
		grace := time.Minute // a drain that may be forced waits for the last word of its helper
		if order.Action == v1alpha1.ActionReboot {
			grace = 10 * time.Second
		}
		taken := report != nil && report.Sequence == order.Sequence
		if w.now.After(order.Deadline.Add(grace)) && (!taken || order.Action == v1alpha1.ActionDrain) {
			w.breaks("the order to %s of NodeReboot %s was good until %s, and is not withdrawn", order.Action, r.Name, order.Deadline)
		}
		policy, _ := w.countsFor(r)
		if p := v.policy(policy); order.Action == v1alpha1.ActionDrain && p != nil && r.Status.Attempt.DrainOrderedTime != nil {
			want := r.Status.Attempt.DrainOrderedTime.Add(seconds(p.Spec.Drain.TimeoutSeconds))
			if !order.Deadline.Time.Equal(want) {
				w.breaks("the drain of NodeReboot %s may take until %s, and policy %s says %s", r.Name, order.Deadline, policy, want)
			}
		}
	}
}

// checkUnavailable: the status of a policy counts what is unavailable now. If the slot was granted by a policy that no longer owns the
// node, it may count for both policies.
func (w *world) checkUnavailable(v *view) {
	for _, p := range v.Policies {
		count, open := map[string]bool{}, false
		for i := range v.Nodes {
			n := v.Nodes[i]
			h := w.rules.held[n.Name]
			if ownerOf(v, n) != p {
				open = open || h != nil && h.policy == p.Name
				continue
			}
			open = open || h != nil && h.policy != p.Name
			if !n.Ready || n.Unschedulable || h != nil {
				count[w.groupOf(p, n)] = true
			}
		}
		for _, h := range w.slotsHeld() {
			open = open || h.policy == p.Name && v.node(h.node) == nil || v.policy(h.policy) == nil
		}
		if !open && int(p.Status.Unavailable) != len(count) {
			w.breaks("%d nodes or groups of policy %s are unavailable, and its status says %d: %v", len(count), p.Name, p.Status.Unavailable, count)
		}
	}
}

// checkRemoved: a host whose Node was about to be removed, and is, holds no slot once its pods are back.
func (w *world) checkRemoved() {
	for _, h := range w.slotsHeld() {
		r := w.rebootByUID(h.uid)
		seen := r != nil && openAttempt(r) != nil && openAttempt(r).MarkedForDeletionTime != nil
		if seen && !h.told.IsZero() && w.nodes[h.node] == nil && !w.stepped && w.now.Sub(h.gone) > time.Minute {
			w.breaks("node %s was marked for deletion and is gone since %s, and holds a slot", h.node, w.since(h.gone))
		}
	}
}

// checkDrainIsPossible: no drain begins that is bound to fail.
func (w *world) checkDrainIsPossible(owner *v1alpha1.RebootPolicy, node *Node) {
	drain := &owner.Spec.Drain
	if w.rules.lagging || drain.Mode == v1alpha1.DrainModeSkip || drain.OnTimeout == v1alpha1.DrainTimeoutForce {
		return
	}
	for _, pod := range w.pods {
		if pod.node != node.Name || pod.fixed() || !pod.Ready || w.managerStaysOn(pod) {
			continue
		}
		budgets := w.budgetsOf(pod)
		if len(budgets) > 1 {
			w.breaks("node %s was granted a slot, and pod %s on it has two budgets", node.Name, pod.Name)
		}
		for _, b := range budgets {
			if app := w.apps[deployment(b.app)]; app != nil && w.allows(b) == 0 && w.readyReplicas(b.app) >= int(app.replicas) {
				w.breaks("node %s was granted a slot, and budget %s of pod %s on it never allows a disruption", node.Name, b.name, pod.Name)
			}
		}
	}
}

// checkAttempts: no host reboots more often by orders for one NodeReboot than its policies have ever allowed.
func (w *world) checkAttempts(h *host, uid types.UID) {
	if most := w.rules.most; w.rules.told[uid] > int(most) {
		w.breaks("host %s reboots by %d orders of one NodeReboot, and may %d times", h.name, w.rules.told[uid], most)
	}
}
