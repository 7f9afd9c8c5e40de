package plan

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// The rules about consent, canaries, groups and hooks.

// groupOf a node: what goes with it, or itself.
func (w *world) groupOf(owner *v1alpha1.RebootPolicy, n *Node) string {
	group := owner.Spec.Rollout.Group
	if group == nil || w.mayRunEtcd(n.Labels) || n.Labels[group.Label] == "" {
		return n.Name
	}
	label := group.Label
	if owner.Spec.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime {
		return "group " + n.Labels[label] + " in " + zoneOf(n)
	}
	return "group " + n.Labels[label]
}

// checkConsent: nobody said that the node be left alone, and someone approved, where that is required.
func (w *world) checkConsent(v *view, owner *v1alpha1.RebootPolicy, node *Node, reboot, what string) {
	if _, skipped := node.Labels[v1alpha1.SkipLabel]; skipped {
		w.breaks("node %s is %s, and has the label that skips it", node.Name, what)
	}
	for _, r := range v.Reboots {
		if r.Name == reboot && owner.Spec.Approval == v1alpha1.Require && r.Spec.Approval != v1alpha1.ApprovalGiven {
			w.breaks("node %s is %s, and NodeReboot %s is not approved", node.Name, what, reboot)
		}
		if r.Name == reboot && owner.Spec.Approval == v1alpha1.Require && owner.Spec.SelfApproval != v1alpha1.SelfApprovalAllow &&
			r.Spec.Trigger == v1alpha1.TriggerManual && r.Spec.RequestedBy == r.Spec.ApprovedBy {
			w.breaks("node %s is %s, and %s asked for NodeReboot %s and approved it", node.Name, what, r.Spec.RequestedBy, reboot)
		}
	}
}

// checkApprovalWindow: what starts was approved for the window that is open, not for one that closed in the meantime.
func (w *world) checkApprovalWindow(owner *v1alpha1.RebootPolicy, r *v1alpha1.NodeReboot) {
	schedule := owner.Spec.Schedule
	urgent := r == nil || r.Spec.Urgency == v1alpha1.UrgencyImmediate
	if w.stepped || urgent || owner.Spec.Approval != v1alpha1.Require || r.Status.ApprovedTime == nil {
		return
	}
	opened := false
	for at := r.Status.ApprovedTime.Time; at.Before(w.now); at = at.Add(time.Second) {
		open := leftOfWindow(schedule, at) > 0 && !slices.ContainsFunc(schedule.Freezes, func(f v1alpha1.Freeze) bool {
			return !at.Before(f.From.Time) && at.Before(f.To.Time)
		})
		if opened && !open {
			w.breaks("NodeReboot %s of node %s was granted a slot; it was approved at %s for a window that closed at %s",
				r.Name, r.Spec.NodeName, r.Status.ApprovedTime, at)
			return
		}
		opened = open
	}
}

// checkGroup: no node of the group that needs a reboot is left behind.
func (w *world) checkGroup(v *view, owner *v1alpha1.RebootPolicy, node *Node, granted map[string]Slot, underWay map[string]bool) {
	for _, r := range v.Reboots {
		other := v.node(r.Spec.NodeName)
		if other == nil || ownerOf(v, other) != owner || w.groupOf(owner, other) != w.groupOf(owner, node) {
			continue
		}
		_, skipped := other.Labels[v1alpha1.SkipLabel]
		_, goes := granted[other.Name]
		waits := r.Status.CompletionTime == nil && openAttempt(r) == nil && r.DeletionTimestamp.IsZero() && r.Status.RequiredSince != nil
		before := r.Status.Before != nil && r.Status.Before.BootID == other.BootID && r.Status.NodeUID == other.UID
		asks := r.Status.Report != nil && r.Status.Report.Sentinel == v1alpha1.SentinelRequired
		if waits && before && asks && !goes && !skipped && !underWay[other.Name] {
			w.breaks("node %s was granted a slot, and %s of the same group, which needs a reboot, was not", node.Name, other.Name)
		}
	}
}

// checkCanaries: no more nodes go than may, before as many as are wanted have been proved and have soaked.
func (w *world) checkCanaries(v *view, owner *v1alpha1.RebootPolicy, granted map[string]Slot) {
	if owner.Spec.Rollout.Canary == nil || w.stepped {
		return
	}
	count := owner.Spec.Rollout.Canary.Count.IntValue()
	unproved := map[string]time.Time{}
	for name, slot := range granted {
		node := v.node(name)
		if ownerOf(v, node) != owner {
			continue
		}
		since := w.reboots[slot.Reboot].Status.RequiredSince
		for _, r := range v.Reboots {
			if r.Name == slot.Reboot && r.Status.RequiredSince != nil {
				since = r.Status.RequiredSince
			}
		}
		if since == nil {
			continue // it was made a moment ago, and is granted in the pass that sees it first
		}
		if unit := w.groupOf(owner, node); len(w.canariesSince(v, owner, unit, since.Time, true)) < count {
			if old, ok := unproved[unit]; !ok || since.After(old) {
				unproved[unit] = since.Time
			}
		}
	}
	for unit, since := range unproved {
		going := w.canariesSince(v, owner, unit, since, false)
		soaked := w.canariesSince(v, owner, unit, since, true)
		maps.DeleteFunc(soaked, func(unit string, _ bool) bool { return going[unit] }) // a group with a node that is not done
		proved := len(soaked)
		if proved+len(going)+len(unproved) > max(count, len(unproved)) && proved+len(going)+1 > count {
			w.breaks("%s was granted a slot with %d canaries proved of %d, and %v under way or soaking", unit, proved, count, going)
		}
		if active := w.activeCanaries(v, owner, unproved); len(unproved)+len(active) > count {
			w.breaks("%d canaries begin besides %v, and there may be %d", len(unproved), active, count)
		}
	}
}

// activeCanaries are the units of the policy that began as canaries and are under way or soak, but for some.
func (w *world) activeCanaries(v *view, owner *v1alpha1.RebootPolicy, but map[string]time.Time) map[string]bool {
	active := map[string]bool{}
	for _, r := range v.Reboots {
		attempt := r.Status.Attempt
		if policy, _ := w.countsFor(r); attempt == nil || policy != owner.Name || attempt.Role != v1alpha1.RoleCanary {
			continue
		}
		unit := w.unitOf(v, owner, r)
		soaks := r.Status.Outcome == v1alpha1.OutcomeSucceeded && attempt.Result == v1alpha1.ReasonProved &&
			w.now.Sub(attempt.EndedTime.Time) < seconds(owner.Spec.Rollout.Canary.SoakSeconds)
		if _, begins := but[unit]; !begins && (openAttempt(r) != nil || soaks) {
			active[unit] = true
		}
	}
	return active
}

// canariesSince are the units of the policy, but for one, that began since a time: those that have soaked, or those that may yet.
func (w *world) canariesSince(v *view, owner *v1alpha1.RebootPolicy, but string, since time.Time, soaked bool) map[string]bool {
	found := map[string]bool{}
	for _, r := range v.Reboots {
		attempt := r.Status.Attempt
		if policy, _ := w.countsFor(r); attempt == nil || policy != owner.Name || attempt.GrantedTime.Time.Before(since) {
			continue
		}
		unit := w.unitOf(v, owner, r)
		if n := v.node(r.Spec.NodeName); soaked && (unit == but || n == nil || ownerOf(v, n) != owner) {
			unit = r.Spec.NodeName // what it goes with depends on the policy, and may have been another group
		}
		if unit == but {
			continue
		}
		proved := r.Status.Outcome == v1alpha1.OutcomeSucceeded && attempt.Result == v1alpha1.ReasonProved
		over := proved && w.now.Sub(attempt.EndedTime.Time) >= seconds(owner.Spec.Rollout.Canary.SoakSeconds)
		if soaked && over || !soaked && (openAttempt(r) != nil || proved && !over) {
			found[unit] = true
		}
	}
	return found
}

// checkHooks: what has to be done before an order is done for this attempt, or was not done in time.
func (w *world) checkHooks(r *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus, hooks *v1alpha1.HooksSpec) {
	if w.stepped {
		return
	}
	awaited, since := hooks.BeforeDrain, after.Attempt.CordonedTime
	if after.Order.Action == v1alpha1.ActionReboot {
		awaited, since = hooks.BeforeReboot, after.Attempt.DrainedTime
	}
	for _, hook := range awaited {
		done := w.rules.hooks[hookKey{r.UID, hook.ConditionType}]
		late := w.now.Sub(since.Time) >= seconds(hook.TimeoutSeconds)
		switch {
		case !done.Before(after.Attempt.GrantedTime.Time):
		case !late:
			w.breaks("node %s is ordered to %s, and hook %s is not done since %s", r.Spec.NodeName, after.Order.Action, hook.ConditionType, done)
		case hook.OnTimeout != v1alpha1.TimeoutContinue:
			w.breaks("node %s is ordered to %s without hook %s, which must not be", r.Spec.NodeName, after.Order.Action, hook.ConditionType)
		}
	}
}

// checkForeign: nobody else maintains the node.
func (w *world) checkForeign(node *Node) {
	for _, foreign := range node.OtherMaintenance {
		if !w.stepped && (foreign.Until.IsZero() || w.now.Before(foreign.Until)) {
			w.breaks("node %s is granted a slot while another tool maintains it until %s", node.Name, foreign.Until)
		}
	}
}

// deadlocked: the NodeReboot is about a condition of its node that is still there, and that the policy still names.
func (w *world) deadlocked(v *view, r *v1alpha1.NodeReboot) bool {
	node := v.node(r.Spec.NodeName)
	if r.Spec.Trigger != v1alpha1.TriggerNodeCondition || node == nil || node.UID != r.Status.NodeUID {
		return false
	}
	owner := ownerOf(v, node)
	return owner != nil && owner.Spec.Triggers != nil && conditionOf(node, deadlockCondition) != nil &&
		conditionOf(node, deadlockCondition).Status == corev1.ConditionTrue
}
