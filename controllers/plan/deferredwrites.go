package plan

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Each write goes to every watch of its object. Facts, orders, warnings and what a person changed are written at once. Writes that only
// explain the state wait for a moment, in which more of them may accumulate. A plan remembers nothing, so it says since when something
// waits, and the next snapshot repeats it.
const (
	// firstStatusDelay is how long the first status of a NodeReboot waits for the first report of the helper that made it.
	firstStatusDelay = 500 * time.Millisecond
	// backDelay is how long the record that a host is back waits: until the node is proved, as a rule. The helper reports at that moment,
	// too, and one of the two writes would be in vain.
	backDelay = 10 * time.Second
	// explanationDelay is how long another reason waits that comes with no fact.
	explanationDelay = 5 * time.Second
	// refreshDelay is how long another message of the same reason waits, for each NodeReboot that waits: all of them together are refreshed
	// once a second. It is never shorter than minRefreshDelay and never longer than maxRefreshDelay.
	refreshDelay    = time.Second
	minRefreshDelay = 30 * time.Second
	maxRefreshDelay = 10 * time.Minute
	// countsDelay is how long the numbers and the forecast in the status of a policy wait.
	countsDelay = LastDelay
	// freeDelay is how long an entry of the slots object may stay that counts no longer. Mostly, another node takes the slot in the meantime.
	freeDelay = 5 * time.Second
	// drainDelay is how long a drain has to last to be shown on the Node, and plannedDelay a reboot to be required.
	drainDelay   = 30 * time.Second
	plannedDelay = time.Minute
)

// LastDelay is how long after the end of the last reboot something is written at the latest: nothing that happens then waits for longer.
const LastDelay = 10 * time.Second

// defers says that a write waits still, of those that may wait so long. The key tells it from others.
func (p *planning) defers(key string, delay time.Duration) bool {
	if p.snapshot.Deferred == nil || delay == 0 {
		return false
	}
	since, known := p.snapshot.Deferred[key]
	if !known || since.After(p.Now) { // the clock may have been set back
		since = p.Now
	}
	if p.Reached(since.Add(delay)) {
		return false
	}
	p.remember(key, since)
	return true
}

// remember has the next plan know since when something waits.
func (p *planning) remember(key string, since time.Time) {
	if p.deferred == nil {
		p.deferred = map[string]time.Time{}
	}
	p.deferred[key] = since
}

// statusKey tells the write of a status from others.
func (r *rebootView) statusKey() string {
	if r.comesBack() {
		return r.bootKey(r.Status.After.BootID)
	}
	return string(r.Object.UID)
}

// bootKey tells a boot that is not recorded yet from others.
func (r *rebootView) bootKey(boot string) string { return "back/" + string(r.Object.UID) + "/" + boot }

// unrecordedBoot is when the boot that the Node reports was first seen, if that waits to be recorded, and when the first one before it was
// that does, if any. What ran in that one is noted then, and the record waits no longer.
func (p *planning) unrecordedBoot(r *rebootView) (seen, missed time.Time) {
	if !told(r) || r.Status.Attempt.BackTime != nil {
		return time.Time{}, time.Time{}
	}
	this := r.bootKey(r.node.BootID)
	for key, since := range p.snapshot.Deferred {
		if !strings.HasPrefix(key, r.bootKey("")) {
			continue
		}
		p.remember(key, since) // until it is recorded: the write may fail
		if key != this && (missed.IsZero() || since.Before(missed)) {
			missed = since
		}
	}
	return p.snapshot.Deferred[this], missed
}

// comesBack says that the status tells that the host is back, as it was ordered to be, and nothing else yet.
func (r *rebootView) comesBack() bool {
	before, after := r.Object.Status.Attempt, r.Status.Attempt
	if !r.open() || !model.OpenAttempt(&r.Object.Status) || before.Number != after.Number {
		return false
	}
	reboots := before.RebootOrderedTime != nil && before.BackTime == nil && before.StalledTime == nil && before.RolledBackTime == nil
	return reboots && after.BackTime != nil && after.UncordonedTime == nil && after.StalledTime == nil
}

// statusDelay is how long the changed status of a NodeReboot may wait.
func (p *planning) statusDelay(r *rebootView) time.Duration {
	before, after := &r.Object.Status, r.Status
	switch {
	case p.snapshot.Deferred == nil, len(r.Events) > 0, len(r.Object.Unreadable) > 0, r.deleted(), r.bootMissed:
		return 0
	case before.Phase == "" && before.Report == nil && r.waiting() && r.Object.Spec.Trigger == v1alpha1.TriggerSentinel:
		return firstStatusDelay
	case r.comesBack():
		return backDelay
	case before.ObservedGeneration != after.ObservedGeneration || !sameFacts(before, after):
		return 0
	case before.Reason != after.Reason || !r.waiting():
		return explanationDelay
	}
	return min(maxRefreshDelay, max(minRefreshDelay, time.Duration(p.countWaiting())*refreshDelay))
}

// countWaiting is how many NodeReboots wait.
func (p *planning) countWaiting() int {
	if p.waitingCount == 0 {
		for _, r := range p.reboots {
			if r.waiting() {
				p.waitingCount++
			}
		}
	}
	return p.waitingCount
}

// sameFacts says that two statuses differ in what explains them at most.
func sameFacts(before, after *v1alpha1.NodeRebootStatus) bool {
	if before.Phase != after.Phase || !sameConditions(before.Conditions, after.Conditions) {
		return false
	}
	facts := *after
	facts.Reason, facts.Message, facts.Summary = before.Reason, before.Message, before.Summary
	facts.Until, facts.UntilTime, facts.Conditions = before.Until, before.UntilTime, before.Conditions
	return equality.Semantic.DeepEqual(before, &facts)
}

// sameConditions says that the same conditions have the same status. Those that follow from the phase may have another reason.
func sameConditions(before, after []metav1.Condition) bool {
	if len(before) != len(after) {
		return false
	}
	for i := range after {
		from, to := &before[i], &after[i]
		explains := to.Type == v1alpha1.ConditionReady || to.Type == v1alpha1.ConditionReconciling
		if from.Type != to.Type || from.Status != to.Status || !explains && (from.Reason != to.Reason || from.Message != to.Message) {
			return false
		}
	}
	return true
}

// policyDelay is how long the changed status of a policy may wait: numbers and the forecast may, and what conditions say besides their
// reason. So a forecast is mostly written together with numbers.
func policyDelay(change *PolicyChange) time.Duration {
	before, after := &change.Object.Status, &change.Status
	if len(change.Object.Unreadable) > 0 || len(before.Conditions) != len(after.Conditions) {
		return 0
	}
	for i := range after.Conditions {
		from, to := &before.Conditions[i], &after.Conditions[i]
		if from.Type != to.Type || from.Status != to.Status || from.Reason != to.Reason || from.ObservedGeneration != to.ObservedGeneration {
			return 0
		}
	}
	rest := *after
	rest.Conditions, rest.Required, rest.UnderWay, rest.Unavailable = before.Conditions, before.Required, before.UnderWay, before.Unavailable
	rest.Waiting, rest.WaitingFor, rest.CurrentZone = before.Waiting, before.WaitingFor, before.CurrentZone
	rest.Nodes, rest.NodesWithoutHelper, rest.Overdue = before.Nodes, before.NodesWithoutHelper, before.Overdue
	rest.Canary, rest.AdaptiveDelay, rest.Forecast = before.Canary, before.AdaptiveDelay, before.Forecast
	if !equality.Semantic.DeepEqual(before, &rest) {
		return 0
	}
	return countsDelay
}

// maintenanceDelay is how long changed conditions of a node may wait, and what tells that from other changes: a drain that has just begun
// may end before anyone needs to know, and the taint shows that a reboot is required.
func (n *nodeView) maintenanceDelay() (key string, delay time.Duration) {
	for _, t := range MaintenanceConditions {
		switch is := n.inMaintenance(t); {
		case is == n.Maintenance[t]:
		case t == MaintenancePlanned && is:
			key, delay = "planned/", plannedDelay
		case t == DrainInProgress && is:
			key, delay = "drain/", drainDelay
		default:
			return "", 0
		}
	}
	return key + n.Name, delay
}
