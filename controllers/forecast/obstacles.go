package forecast

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
	"github.com/reboot-operator/reboot-operator/controllers/window"
)

func labelsOf(n *model.Node) labels.Set { return n.Labels }

// permanentReasons are those that only a person, or another object, ends.
var permanentReasons = []string{
	v1alpha1.ReasonNoPolicy, v1alpha1.ReasonSkipped, v1alpha1.ReasonPolicyInvalid, v1alpha1.ReasonUnreadable, v1alpha1.ReasonPaused,
	v1alpha1.ReasonObserving, v1alpha1.ReasonHostUnsupported, v1alpha1.ReasonEvictionForbidden, v1alpha1.ReasonAwaitingApproval,
	v1alpha1.ReasonSelfApproved, v1alpha1.ReasonDrainRefused, v1alpha1.ReasonDrainImpossible, v1alpha1.ReasonCanaryFailed,
}

// lastingReasons are more reasons that nothing in a run ends: what is known of them does not change in it. Those of a helper are gone as
// soon as it is replaced or its host answers, and HelperNotReady is permanent on a node that can have none.
var lastingReasons = []string{
	v1alpha1.ReasonNodeNotReady, v1alpha1.ReasonMarkedForDeletion, v1alpha1.ReasonRebootInhibited, v1alpha1.ReasonBlockedByPod,
	v1alpha1.ReasonHelperNotReady, v1alpha1.ReasonHelperTooOld, v1alpha1.ReasonHostCannotReboot, v1alpha1.ReasonSentinelCheckFails,
}

// turnReasons can be permanent, and depend on what others do.
var turnReasons = []string{
	v1alpha1.ReasonDrainRefused, v1alpha1.ReasonDrainImpossible, v1alpha1.ReasonCanaryFailed, v1alpha1.ReasonObserving,
}

// isLasting says that nothing in a run lets a node start which waits for that.
func isLasting(s saying) bool {
	if !s.until.IsZero() || slices.Contains(turnReasons, s.reason) {
		return false
	}
	return slices.Contains(permanentReasons, s.reason) || slices.Contains(lastingReasons, s.reason)
}

// mayEnd says that time may end what a NodeReboot waits for.
func mayEnd(s saying) bool {
	switch s.reason {
	case v1alpha1.ReasonWindowClosed, v1alpha1.ReasonFreeze, v1alpha1.ReasonWindowEnding, v1alpha1.ReasonBackingOff,
		v1alpha1.ReasonMinInterval, v1alpha1.ReasonZoneSoaking, v1alpha1.ReasonCanarySoaking, v1alpha1.ReasonAdaptiveDelay,
		v1alpha1.ReasonManagerNodeLast, v1alpha1.ReasonStarting, v1alpha1.ReasonForeignMaintenance:
		return true
	}
	return !s.until.IsZero()
}

// blocksNode says that a reason is about what is in the way of the node that has its turn, and not about its turn.
func blocksNode(reason string) bool {
	switch reason {
	case v1alpha1.ReasonDrainRefused, v1alpha1.ReasonDrainImpossible, v1alpha1.ReasonInsufficientCapacity, v1alpha1.ReasonBlockedByAlert,
		v1alpha1.ReasonBlockedByQuery, v1alpha1.ReasonBlockedByObject, v1alpha1.ReasonBlockedByPod, v1alpha1.ReasonGateError,
		v1alpha1.ReasonControlPlaneNotReady:
		return true
	}
	return false
}

// holdsTurn says that a reason is about other nodes that are unavailable. A node is asked for that while its window is open.
func holdsTurn(reason string) bool {
	switch reason {
	case v1alpha1.ReasonBudgetExhausted, v1alpha1.ReasonZoneBudgetExhausted, v1alpha1.ReasonClusterBudgetExhausted,
		v1alpha1.ReasonFirstNodeAlone, v1alpha1.ReasonZoneBusy:
		return true
	}
	return false
}

// waitsAlone says that a NodeReboot waits for something of its own, so that the next one in line may go before it.
func waitsAlone(reason string) bool {
	switch reason {
	case v1alpha1.ReasonSameNode, v1alpha1.ReasonBackingOff, v1alpha1.ReasonMinInterval, v1alpha1.ReasonForeignMaintenance,
		v1alpha1.ReasonControlPlaneNotReady, v1alpha1.ReasonWriteRefused, v1alpha1.ReasonInsufficientCapacity, v1alpha1.ReasonGroupNotReady:
		return true
	}
	return reason != v1alpha1.ReasonObserving && slices.Contains(permanentReasons, reason) || slices.Contains(lastingReasons, reason)
}

// permanent says whether time alone does not end what a member waits for.
func (f *fleet) permanent(m *member, s saying) bool {
	status, policy := f.status[m.policy], f.parsed[m.policy]
	switch s.reason {
	case v1alpha1.ReasonHalted:
		return s.until.IsZero()
	case v1alpha1.ReasonHelperNotReady:
		return m.node.HelperImpossible
	case v1alpha1.ReasonBudgetExhausted:
		return status != nil && status.MaxUnavailable == 0
	case v1alpha1.ReasonZoneBudgetExhausted:
		return policy != nil && f.zoneLimit(policy, m.zone) == 0
	case v1alpha1.ReasonClusterBudgetExhausted:
		limit := f.first.snapshot.ClusterMaxUnavailable
		return limit != nil && number(limit, len(f.first.snapshot.Nodes), 0).IntValue() <= 0
	case v1alpha1.ReasonWindowClosed, v1alpha1.ReasonFreeze, v1alpha1.ReasonWindowEnding:
		return f.hopeless[m.policy] != nil && isOfSchedule(f.hopeless[m.policy].Reason)
	}
	return s.until.IsZero() && slices.Contains(permanentReasons, s.reason)
}

// zoneLimit of a zone in nodes; a negative number means none.
func (f *fleet) zoneLimit(policy *policies.Policy, zone string) int {
	limit := policy.Spec.Rollout.Zones.MaxUnavailablePerZone
	if limit == nil {
		return -1
	}
	if limit.Type == intstr.Int {
		return limit.IntValue()
	}
	if f.zoneUnits[policy.Name()] == nil {
		f.zoneUnits[policy.Name()] = f.countZones(policy)
	}
	return number(limit, f.zoneUnits[policy.Name()][zone], 0).IntValue()
}

// countZones counts the nodes and groups of a policy in each zone.
func (f *fleet) countZones(policy *policies.Policy) map[string]int {
	type unit struct{ zone, group, node string }
	units, count := map[unit]bool{}, map[string]int{}
	for _, n := range f.first.snapshot.Nodes {
		if !policy.Selector.Matches(labelsOf(n)) {
			continue
		}
		own := unit{zone: n.Labels[policy.Spec.Rollout.Zones.TopologyKey], node: n.Name}
		if group := policy.Spec.Rollout.Group; group != nil && n.Labels[group.Label] != "" {
			own.group, own.node = n.Labels[group.Label], ""
		}
		if !units[own] {
			units[own] = true
			count[own.zone]++
		}
	}
	return count
}

func isOfSchedule(reason string) bool {
	return reason == v1alpha1.ReasonWindowClosed || reason == v1alpha1.ReasonFreeze || reason == v1alpha1.ReasonWindowEnding
}

// findHopeless finds the policies that start nothing until someone changes something.
func (f *fleet) findHopeless() {
	for name, policy := range f.parsed {
		status := f.status[name]
		var o *Obstacle
		switch {
		case policy.Spec.Mode == v1alpha1.ModePaused:
			o = &Obstacle{Reason: v1alpha1.ReasonPaused, Message: fmt.Sprintf("RebootPolicy %s is paused: write 'mode: Enforce' to continue.", name)}
		case policy.Spec.Mode == v1alpha1.ModeObserve:
			o = &Obstacle{Reason: v1alpha1.ReasonObserving, Message: fmt.Sprintf(
				"RebootPolicy %s only observes: write 'mode: Enforce' to reboot its nodes.", name)}
		case status != nil && status.Nodes > 0 && status.MaxUnavailable == 0:
			o = &Obstacle{Reason: v1alpha1.ReasonBudgetExhausted, Message: fmt.Sprintf(
				"maxUnavailable of RebootPolicy %s allows no unavailable node: write a larger value to let nodes start.", name)}
		default:
			o = f.shutForGood(policy)
		}
		if o != nil {
			o.Permanent = true
			f.hopeless[name] = o
		}
	}
}

const (
	// yearAhead is how far ahead windows are looked at.
	yearAhead = 366 * 24 * time.Hour
	// maxSpans is how many of them are.
	maxSpans = 20000
)

// shutForGood says that no window of the coming year is long enough for a node to start; nil if one is.
func (f *fleet) shutForGood(policy *policies.Policy) *Obstacle {
	schedule, problems := window.New(&policy.Spec.Schedule)
	if len(problems) > 0 || schedule.Always() {
		return nil
	}
	least, longest := model.Seconds(policy.Spec.Schedule.MinRemainingSeconds), time.Duration(0)
	opened := false
	for span := range spansOf(schedule, f.in.Now, f.in.Now.Add(yearAhead)) {
		opened = true
		if span.Close.IsZero() || span.Close.Sub(span.Open) > least {
			return nil
		}
		longest = max(longest, span.Close.Sub(span.Open))
	}
	switch {
	case !opened && !schedule.At(f.in.Now).Opens.IsZero():
		return nil // it opens later than that
	case !opened:
		return &Obstacle{Reason: v1alpha1.ReasonWindowClosed, Message: fmt.Sprintf(
			"RebootPolicy %s has no window that opens, so nothing starts: write another schedule.", policy.Name())}
	}
	return &Obstacle{Reason: v1alpha1.ReasonWindowEnding, Message: fmt.Sprintf(
		"No window of RebootPolicy %s in the coming year is long enough: the longest is %s, and minRemainingSeconds requires more than %s. "+
			"Write longer windows, or a smaller minRemainingSeconds.", policy.Name(), spoken(longest), spoken(least))}
}

// hadLongest says that who started at a time had all of a window than which none of the coming year is longer. Times are rounded.
func (f *fleet) hadLongest(name string, started time.Time) bool {
	policy := f.parsed[name]
	if policy == nil {
		return false
	}
	schedule, problems := window.New(&policy.Spec.Schedule)
	if len(problems) > 0 || schedule.Always() {
		return false
	}
	longest, known := f.longest[name]
	if !known {
		for span := range spansOf(schedule, f.in.Now, f.in.Now.Add(yearAhead)) {
			if span.Close.IsZero() {
				longest = yearAhead
				break
			}
			longest = max(longest, span.Close.Sub(span.Open))
		}
		f.longest[name] = longest
	}
	closes := schedule.At(started).Closes
	return !closes.IsZero() && closes.Sub(started)+2*coarsestGrid >= longest
}

// spansOf a schedule are the times at which it is open, from one time to another. The first may have opened before.
func spansOf(schedule *window.Schedule, from, to time.Time) func(yield func(Window) bool) {
	return func(yield func(Window) bool) {
		at := from
		for range maxSpans {
			state := schedule.At(at)
			if state.Open && !yield(Window{Open: at, Close: state.Closes}) {
				return
			}
			if state.Opens.IsZero() || state.Open && state.Closes.IsZero() || state.Opens.After(to) || !state.Opens.After(at) {
				return
			}
			at = state.Opens
		}
	}
}

// behind what a member says about the window, or the zone, is what was in its way when it could have gone.
func (f *fate) behind(said saying) saying {
	switch {
	case !isOfSchedule(said.reason) && said.reason != v1alpha1.ReasonZoneBusy:
	case f.blocked.reason != "":
		return f.blocked
	case f.held.reason != "":
		return f.held
	}
	return said
}

// obstacleOf a member that is not known to be done.
func (f *fleet) obstacleOf(m *member, r *run) *Obstacle {
	said := m.said
	fate := &r.fates[m.number]
	switch {
	case m.apart:
	case fate.settled && fate.failed.reason != "":
		said = fate.failed
	default:
		for _, reboot := range r.rebootsOf(m.node.Name) {
			if said = r.says(reboot); model.OpenAttempt(&reboot.Status) || reboot.Name == m.reboot.Name {
				break
			}
		}
		said = fate.behind(said)
	}
	return &Obstacle{
		Reason: cmp.Or(said.reason, v1alpha1.ReasonStarting), Message: said.message, Nodes: []string{m.node.Name},
		Permanent: m.apart && f.hopeless[m.policy] != nil || fate.tooShort || f.permanent(m, said),
	}
}
