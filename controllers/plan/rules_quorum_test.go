package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// The rules about the quorum of etcd, about policies that are halted, and about what must not happen too often.

// checkQuorum: of the nodes that may run etcd, whatever policies own them, no other one is down, or is on its way down and not back.
func (w *world) checkQuorum(v *view, node *Node, what string) {
	slot := w.rules.held[node.Name]
	if !w.mayRunEtcd(node.Labels) && (slot == nil || !slot.quorum) {
		return
	}
	for i := range v.Nodes {
		other := v.Nodes[i]
		if other.Name == node.Name || !w.mayRunEtcd(other.Labels) {
			continue
		}
		if !other.Ready {
			w.breaks("node %s is %s, and %s, which may run etcd as well, is not Ready", node.Name, what, other.Name)
		}
		for _, pod := range v.allPods[other.Name] {
			if pod.Mirror && !pod.Ready && !w.rules.lagging {
				w.breaks("node %s is %s, and static pod %s of node %s is not Ready", node.Name, what, pod.Name, other.Name)
			}
		}
	}
	for _, other := range w.slotsHeld() {
		if other.quorum && other.node != node.Name && (what == grantedSlot || !other.told.IsZero()) {
			w.breaks("node %s is %s, and %s, which may run etcd as well, is under way", node.Name, what, other.node)
		}
	}
}

const grantedSlot = "granted a slot"

// checkStaticPods: what was ready of them when the attempt began is really ready again.
func (w *world) checkStaticPods(r *v1alpha1.NodeReboot) {
	h := w.heldFor(r.Spec.NodeName, r.UID)
	if h == nil || w.rules.lagging {
		return
	}
	for _, pod := range w.pods {
		if pod.node == h.node && h.static[pod.Name] && pod.healthy.After(w.now) {
			w.breaks("NodeReboot %s succeeded, and static pod %s is not ready since the boot", r.Name, pod.Name)
		}
	}
}

// row is a policy's failures in a row without a reboot.
type row struct {
	nodes map[string]types.UID
	last  time.Time
}

// followRow counts failures in a row.
func (w *world) followRow(before *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	slot := w.heldFor(before.Spec.NodeName, before.UID)
	if slot == nil {
		return
	}
	// That someone uncordoned the node is a wish, and says nothing of drains and hooks.
	fails := count(after.Failures) > count(before.Status.Failures) && after.Failures.LastReason != v1alpha1.ReasonUncordoned
	back := after.Attempt != nil && after.Attempt.BackTime != nil && (before.Status.Attempt == nil || before.Status.Attempt.BackTime == nil)
	switch {
	case back:
		clear(w.rules.rows) // the node may belong to another policy by now, and counts for that one
	case fails && slot.told.IsZero():
		r := w.rules.rows[slot.policy]
		if r == nil {
			r = &row{nodes: map[string]types.UID{}}
			w.rules.rows[slot.policy] = r
		}
		r.nodes[slot.node], r.last = slot.uid, w.now
	}
}

func count(f *v1alpha1.Failures) int32 {
	if f == nil {
		return 0
	}
	return f.Count
}

// checkBreaker: after as many nodes as may have failed in a row, they are tried one at a time, and not at once.
func (w *world) checkBreaker(v *view, owner *v1alpha1.RebootPolicy, node *Node, starts map[string]Slot) {
	r, limit := w.rules.rows[owner.Name], breakerLimit(&owner.Spec.Failure)
	if r == nil || limit == 0 || w.rules.lagging || w.cameBack(owner.Name) {
		return
	}
	failed := 0
	for name, uid := range r.nodes {
		n, reboot := v.node(name), w.rebootByUID(uid)
		waits := reboot != nil && reboot.Status.CompletionTime == nil && reboot.DeletionTimestamp.IsZero()
		if report := rebootReport(reboot); report != nil && report.Sentinel == v1alpha1.SentinelNotRequired {
			continue // this plan may end it
		}
		if n != nil && ownerOf(v, n) == owner && waits && reboot.Status.PolicyName == owner.Name {
			failed++
		}
	}
	if failed < limit {
		return
	}
	units := map[string]bool{w.groupOf(owner, node): true}
	for name := range starts {
		if n := v.node(name); ownerOf(v, n) == owner {
			units[w.groupOf(owner, n)] = true
		}
	}
	for _, h := range w.slotsHeld() {
		if h.policy == owner.Name && h.told.IsZero() {
			units[h.unit] = true
		}
	}
	if len(units) > 1 {
		w.breaks("node %s was granted a slot after %d nodes of policy %s failed in a row, and %d are tried at once",
			node.Name, failed, owner.Name, len(units))
	}
	pause := seconds(owner.Spec.Failure.BackoffSeconds)
	if len(owner.Spec.Schedule.Windows) > 0 {
		pause = 0 // a window that opens ends it
	}
	if !w.stepped && w.now.Sub(r.last) < pause {
		w.breaks("node %s was granted a slot %s after the last of %d nodes of policy %s failed in a row",
			node.Name, w.now.Sub(r.last), failed, owner.Name)
	}
}

// rebootReport is what the helper reported; nil if there is nothing.
func rebootReport(r *v1alpha1.NodeReboot) *v1alpha1.HelperReport {
	if r == nil {
		return nil
	}
	return r.Status.Report
}

// cameBack: a host that a policy ordered to reboot runs another boot, which this plan may be the first to see.
func (w *world) cameBack(policy string) bool {
	for _, h := range w.slotsHeld() {
		if n := w.nodes[h.node]; h.policy == policy && !h.told.IsZero() && n != nil && n.BootID != h.toldInBoot {
			return true
		}
	}
	return false
}

// checkHaltStopsDrains: a host is not ordered to reboot while as many others as may did not come back.
func (w *world) checkHaltStopsDrains(v *view, r *v1alpha1.NodeReboot) {
	slot := w.heldFor(r.Spec.NodeName, r.UID)
	if slot == nil || w.policies[slot.policy] == nil || w.rules.lagging {
		return
	}
	if stalled := w.stalled(v, slot.policy, r.UID); w.halts(stalled, slot.policy) {
		w.breaks("host %s is ordered to reboot, and %d nodes of policy %s did not come back", r.Spec.NodeName, stalled, slot.policy)
	}
}

// stalled counts the nodes of a policy, but for one, that did not come back in time.
func (w *world) stalled(v *view, policy string, but types.UID) int {
	stalled := 0
	for _, other := range v.Reboots {
		a := openAttempt(other)
		h := w.heldFor(other.Spec.NodeName, other.UID)
		if a != nil && a.StalledTime != nil && other.UID != but && h != nil && h.policy == policy {
			stalled++
		}
	}
	return stalled
}

func (w *world) halts(stalled int, policy string) bool {
	p := w.policies[policy]
	return p != nil && stalled > 0 && stalled >= p.Spec.Failure.MaxFailures.IntValue()
}

// checkHalted: while a policy is halted because nodes did not come back, no other node of it is on its way to its reboot.
func (w *world) checkHalted(v *view) {
	for _, r := range v.Reboots {
		a, slot := openAttempt(r), w.heldFor(r.Spec.NodeName, r.UID)
		if a == nil || slot == nil || a.RolledBackTime != nil || a.RebootOrderedTime != nil || a.BackTime != nil || a.StalledTime != nil {
			continue
		}
		if stalled := w.stalled(v, slot.policy, r.UID); w.halts(stalled, slot.policy) {
			w.breaks("node %s is on its way to its reboot, and policy %s is halted by %d nodes that did not come back",
				r.Spec.NodeName, slot.policy, stalled)
		}
	}
}

// often counts what happens to one object, and says whether it happened more often than may be in a time.
type often struct {
	times []time.Time
}

func (o *often) tooOften(now time.Time, within time.Duration, most int) bool {
	for len(o.times) > 0 && now.Sub(o.times[0]) > within {
		o.times = o.times[1:]
	}
	o.times = append(o.times, now)
	return len(o.times) > most
}

const (
	// floodTime, mostDrains and mostWrites: no node is ordered to drain, and no status is written, more often than this.
	floodTime  = 10 * time.Minute
	mostDrains = 12
	mostWrites = 150
)

// checkFlood: nothing is written, and nothing drained, repeatedly.
func (w *world) checkFlood(r *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	each := func(counts map[string]*often, key string, most int, what string) {
		if counts[key] == nil {
			counts[key] = &often{}
		}
		if counts[key].tooOften(w.now, floodTime, most) {
			w.breaks("%s more than %d times in %s: %s is %s %s", what, most, floodTime, r.Name, after.Phase, after.Reason)
		}
	}
	each(w.rules.writes, string(r.UID), mostWrites, "the status of NodeReboot "+r.Name+" was written")
	old := r.Status.Order
	if o := after.Order; o != nil && o.Action == v1alpha1.ActionDrain && (old == nil || old.Sequence != o.Sequence) {
		each(w.rules.drains, r.Spec.NodeName, mostDrains, "node "+r.Spec.NodeName+" was ordered to drain")
	}
}

// checkGivenUp: a NodeReboot is given up only for what its host did, as often as the policy says.
func (w *world) checkGivenUp(r *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	switch after.OutcomeReason {
	case v1alpha1.ReasonNodeGone, v1alpha1.ReasonNodeNotFound:
		return
	}
	slot := w.heldFor(r.Spec.NodeName, r.UID)
	if slot == nil || w.policies[slot.policy] == nil || w.rules.lagging {
		return
	}
	if least := w.rules.attempts[slot.policy]; w.rules.told[r.UID] < int(least) {
		w.breaks("NodeReboot %s is given up for %s; its host was ordered to reboot %d times, and may be %d times",
			r.Name, after.OutcomeReason, w.rules.told[r.UID], least)
	}
}

// checkGivenUpIsVisible: what was given up and is needed still is counted by the status of its policy.
func (w *world) checkGivenUpIsVisible(v *view) {
	given, overdue := map[string]int32{}, map[string]int32{}
	for _, r := range v.Reboots {
		s, n := &r.Status, v.node(r.Spec.NodeName)
		asks := s.Report != nil && n != nil && s.Report.Sentinel == v1alpha1.SentinelRequired && s.Report.BootID == n.BootID
		if s.Outcome != v1alpha1.OutcomeFailed || !asks || r.Spec.Trigger != v1alpha1.TriggerSentinel || !r.DeletionTimestamp.IsZero() {
			continue
		}
		owner := ownerOf(v, n)
		if owner == nil || s.OutcomeReason == v1alpha1.ReasonNodeGone || s.OutcomeReason == v1alpha1.ReasonNodeNotFound {
			continue
		}
		if _, skipped := n.Labels[v1alpha1.SkipLabel]; skipped {
			continue
		}
		given[owner.Name]++
		late := owner.Spec.Schedule.MaxDeferralSeconds
		if late != nil && !w.stepped && w.now.Sub(s.RequiredSince.Time) > seconds(late)+time.Minute {
			overdue[owner.Name]++
		}
	}
	for _, p := range v.Policies {
		if p.Status.Failed < given[p.Name] || p.Status.Overdue < overdue[p.Name] {
			w.breaks("policy %s has given up %d NodeReboots that are needed still, of which %d are overdue; its status has failed %d and overdue %d",
				p.Name, given[p.Name], overdue[p.Name], p.Status.Failed, p.Status.Overdue)
		}
	}
}

func hasTaint(n *Node, key string) bool {
	for i := range n.Taints {
		if n.Taints[i].Key == key {
			return true
		}
	}
	return false
}
