package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// policyChanges are the policies whose status is not what it should be.
func (p *planning) policyChanges() []PolicyChange {
	var changes []PolicyChange
	down, granted := p.downNow(), p.grantedReboots()
	for _, policy := range p.policies {
		status := p.policyStatus(policy, &down)
		status.Canary = p.canaryStatus(policy, granted[policy])
		if status.Required > 0 || status.UnderWay > 0 {
			p.rollouts = append(p.rollouts, Rollout{Policy: policy.Object, UnderWay: status.UnderWay > 0})
			status.Forecast = p.forecastStatus(policy)
		}
		same := !statusUnreadable(policy.Object) && equality.Semantic.DeepEqual(&policy.Object.Status, &status)
		if same || p.held(model.WritePolicy, policy.Name()) {
			continue
		}
		change := PolicyChange{Object: policy.Object, Status: status, Events: slices.Concat(
			policyEvents(policy.Object.Status.Conditions, status.Conditions), unreadableEvents(policy.Object.Unreadable))}
		if !p.defers(string(policy.Object.UID), policyDelay(&change)) {
			changes = append(changes, change)
		}
	}
	return changes
}

// forecastStatus is when the nodes of a rollout are expected to be done: what the snapshot says, else what was written before.
func (p *planning) forecastStatus(policy *policyView) *v1alpha1.ForecastStatus {
	if forecast, is := p.snapshot.Forecasts[policy.Name()]; is {
		return forecast
	}
	return policy.Object.Status.Forecast
}

func (p *planning) policyStatus(policy *policyView, down *limits) v1alpha1.RebootPolicyStatus {
	status := v1alpha1.RebootPolicyStatus{
		ObservedGeneration: policy.Object.Generation,
		Nodes:              int32(len(policy.nodes)),
		Unavailable:        int32(down.byPolicy[policy]),
		MaxUnavailable:     int32(policy.maxUnavailable),
		Failed:             policy.failed(),
		CurrentZone:        p.lastRound.of(policy).turn.zone,
		Window:             policy.windowStatus(),
		AdaptiveDelay:      policy.paceStatus(),
		NodesWithoutHelper: int32(len(p.lostHelpers(policy))),
	}
	waiting := map[string]*v1alpha1.WaitingCount{}
	for _, n := range policy.nodes {
		countNode(&status, waiting, n)
	}
	for _, count := range waiting {
		status.Waiting = append(status.Waiting, *count)
	}
	slices.SortFunc(status.Waiting, func(a, b v1alpha1.WaitingCount) int { return strings.Compare(a.Reason, b.Reason) })
	status.WaitingFor, status.Summary = mostWaitFor(status.Waiting), policy.summary()
	wants := fitting(policy.Object.Status.Conditions, p.policyConditions(policy), maxPolicyConditions)
	status.Conditions = p.replaceUnreadable(
		p.conditions(policy.Object.Status.Conditions, wants, policy.Object.Generation), policy.Object.Unreadable)
	return status
}

// mostWaitFor is the reason that most nodes wait for; of several the first.
func mostWaitFor(waiting []v1alpha1.WaitingCount) string {
	most := v1alpha1.WaitingCount{}
	for _, count := range waiting {
		if count.Nodes > most.Nodes {
			most = count
		}
	}
	return most.Reason
}

// What kubectl get shows as the status of a policy. None is longer than 9 characters.
const (
	summaryInvalid   = "Invalid"
	summaryNoNodes   = "NoNodes"
	summaryHalted    = "Halted"
	summaryShadowed  = "Shadowed"
	summaryOverlap   = "Overlap"
	summaryObserving = "Observing"
	summaryPaused    = "Paused"
	summaryInForce   = "InForce"
)

// summary is what matters most about the policy, in one word.
func (policy *policyView) summary() string {
	switch {
	case policy.Invalid != "":
		return summaryInvalid
	case policy.selected == 0:
		return summaryNoNodes
	case !policy.halted().OK():
		return summaryHalted
	case len(policy.nodes) == 0:
		return summaryShadowed
	case policy.overlaps != "":
		return summaryOverlap
	case policy.Spec.Mode == v1alpha1.ModeObserve:
		return summaryObserving
	case policy.Spec.Mode == v1alpha1.ModeEnforce:
		return summaryInForce
	}
	return summaryPaused
}

// countNode counts a node once, by the NodeReboot that is under way, otherwise by the one that goes first.
func countNode(status *v1alpha1.RebootPolicyStatus, waiting map[string]*v1alpha1.WaitingCount, n *nodeView) {
	if slices.ContainsFunc(n.reboots, func(r *rebootView) bool { return r.overdue }) {
		status.Overdue++
	}
	if len(n.setAside) > 0 {
		countWaiting(waiting, v1alpha1.ReasonUnreadable, n.setAside[0])
	}
	if n.holder() != nil {
		status.UnderWay++
		status.CurrentZone = cmp.Or(status.CurrentZone, n.zone)
		return
	}
	first := n.firstWaiting()
	if first == nil {
		return
	}
	status.Required++
	countWaiting(waiting, first.wait.Reason, first)
}

func countWaiting(waiting map[string]*v1alpha1.WaitingCount, reason string, r *rebootView) {
	if count := waiting[reason]; count != nil {
		count.Nodes++
		return
	}
	waiting[reason] = &v1alpha1.WaitingCount{Reason: reason, Nodes: 1, Example: r.Object.Name}
}

// standing is whether the policy is in force, otherwise what a person has to do.
func (policy *policyView) standing() []want {
	reason, message := "", ""
	switch {
	case policy.SetAside():
		reason, message = v1alpha1.ReasonUnreadable, fmt.Sprintf("The policy is not in force: %s.", policy.Invalid)
	case policy.Invalid != "":
		reason, message = v1alpha1.ReasonPolicyInvalid, policy.Invalid
	case len(policy.nodes) == 0 && policy.overlaps != "":
		reason, message = v1alpha1.ReasonShadowed, policy.tellShadowed()
	case policy.selected == 0:
		reason, message = v1alpha1.ReasonNoNodes, "The policy selects no node: compare nodeSelector with the labels of your nodes."
	case !policy.halted().OK():
		reason, message = policy.whyHalted()
	default:
		return []want{{v1alpha1.ConditionReady, v1alpha1.ReasonInForce, policy.inForce(), metav1.ConditionTrue}}
	}
	message = model.Bounded(message)
	wants := []want{
		{v1alpha1.ConditionReady, reason, message, metav1.ConditionFalse},
		{v1alpha1.ConditionStalled, reason, message, metav1.ConditionTrue},
	}
	if reason == v1alpha1.ReasonNodesNotBack || reason == v1alpha1.ReasonDrainsFailing {
		wants = append(wants, want{v1alpha1.ConditionHalted, reason, message, metav1.ConditionTrue})
	}
	return wants
}

func (p *planning) policyConditions(policy *policyView) []want {
	wants := policy.standing()
	if given := policy.givenUp(); len(given) > 0 {
		wants = append(wants, want{
			v1alpha1.ConditionGivenUp, v1alpha1.ReasonRebootsGivenUp, model.Bounded(tellGivenUp(given)), metav1.ConditionTrue,
		})
	}
	if policy.overlaps != "" {
		wants = append(wants, want{v1alpha1.ConditionOverlapping, v1alpha1.ReasonOverlap, fmt.Sprintf(
			"RebootPolicy %s selects some of the same nodes, for example %s; the policy with the higher priority, otherwise the older one, owns "+
				"them.",
			policy.overlaps, policy.overlapNode), metav1.ConditionTrue})
	}
	if refused := p.tellRefused(policy); refused != "" {
		wants = append(wants, want{v1alpha1.ConditionWritesRefused, v1alpha1.ReasonWriteRefused, model.Bounded(refused), metav1.ConditionTrue})
	}
	if lost := p.lostHelpers(policy); len(lost) > 0 {
		wants = append(wants, want{
			v1alpha1.ConditionHelpersNotReady, v1alpha1.ReasonHelpersNotReady, model.Bounded(tellLost(policy.Clock, lost)), metav1.ConditionTrue,
		})
	}
	if blind := policy.withoutDetector(); len(blind) > 0 {
		wants = append(wants, want{
			v1alpha1.ConditionNoDetector, v1alpha1.ReasonNoDetector, model.Bounded(tellNoDetector(blind)), metav1.ConditionTrue,
		})
	}
	if nodes := policy.nameless(); len(nodes) > 0 {
		wants = append(wants, want{
			v1alpha1.ConditionNamesTaken, v1alpha1.ReasonNamesTaken, model.Bounded(tellNameless(nodes)), metav1.ConditionTrue,
		})
	}
	if problem, is := p.snapshot.NotificationProblems[policy.Name()]; is {
		wants = append(wants, want{
			v1alpha1.ConditionNotificationsFailing, problem.Reason, model.Bounded(problem.Message), metav1.ConditionTrue,
		})
	}
	if tooLarge := policy.canaryTooLarge(); tooLarge != "" {
		wants = append(wants, want{v1alpha1.ConditionCanaryTooLarge, v1alpha1.ReasonCanaryTooLarge, tooLarge, metav1.ConditionTrue})
	}
	if reason, failing := tellSilences(policy.Clock, p.snapshot.SilenceFailures[policy.Name()]); failing != "" {
		wants = append(wants, want{v1alpha1.ConditionSilencesFailing, reason, model.Bounded(failing), metav1.ConditionTrue})
	}
	if unknown := policy.unknownZones(); len(unknown) > 0 {
		wants = append(wants, want{v1alpha1.ConditionUnknownZones, v1alpha1.ReasonZoneNotFound, fmt.Sprintf(
			"No node of the policy has %s %s: remove it from rollout.zones.order, or fix its name.",
			policy.Spec.Rollout.Zones.TopologyKey, strings.Join(unknown, ", ")), metav1.ConditionTrue})
	}
	return wants
}

// isGivenUp says that the reboot was given up, and is still needed.
func (r *rebootView) isGivenUp() bool { return r.complete() && r.needsReboot() }

// givenUp are the reboots of the policy that were given up and are still needed.
func (policy *policyView) givenUp() []*rebootView {
	var given []*rebootView
	for _, n := range policy.nodes {
		for _, r := range n.reboots {
			if r.isGivenUp() {
				given = append(given, r)
			}
		}
	}
	return given
}

func tellGivenUp(given []*rebootView) string {
	var names []string
	for _, r := range given {
		names = append(names, fmt.Sprintf("%s (NodeReboot %s, %s)", r.node.Name, r.Object.Name, r.Status.OutcomeReason))
	}
	if len(names) == 1 {
		return "Node " + names[0] + " still needs a reboot that was given up: find out why, then delete the NodeReboot to try again."
	}
	return fmt.Sprintf("%d nodes still need a reboot that was given up: find out why, then delete their NodeReboots to try again.%s",
		len(given), sentence("Nodes", names))
}

// failed counts the reboots whose node did not come back as it should, and those that were given up.
func (policy *policyView) failed() int32 {
	failed := sets.New(policy.halt.notBack...)
	return int32(failed.Insert(policy.givenUp()...).Len())
}

// tellShadowed says whose the nodes are that the policy selects.
func (policy *policyView) tellShadowed() string {
	if policy.selected == 1 {
		return fmt.Sprintf("The policy does nothing: the only node that it selects, %s, belongs to RebootPolicy %s, which has a higher "+
			"priority or is older.", policy.overlapNode, policy.overlaps)
	}
	return fmt.Sprintf("The policy does nothing: all %d nodes that it selects belong to other policies, for example %s to RebootPolicy %s, "+
		"which has a higher priority or is older.", policy.selected, policy.overlapNode, policy.overlaps)
}

func (policy *policyView) inForce() string {
	switch policy.Spec.Mode {
	case v1alpha1.ModeEnforce:
		return policy.enforced()
	case v1alpha1.ModeObserve:
		return "The policy only observes: nothing is drained or rebooted."
	}
	return "The policy is paused: nothing starts."
}

func (policy *policyView) enforced() string {
	const rebooted = "Nodes that need it are rebooted"
	switch {
	case len(policy.nodes) == 0:
		return "The policy owns no node yet: reboots that other policies started are under way on all that it selects."
	case policy.maxUnavailable == 0:
		return fmt.Sprintf("Nothing starts: maxUnavailable is %s.", policy.nothing())
	case policy.units < len(policy.nodes):
		return fmt.Sprintf("%s, at most %d of %s at once.", rebooted, policy.maxUnavailable,
			model.Counted(policy.units, "node or group", "nodes or groups"))
	}
	return fmt.Sprintf("%s, at most %d of %d at once.", rebooted, policy.maxUnavailable, len(policy.nodes))
}

// nothing is maxUnavailable of a policy for which it results in 0.
func (policy *policyView) nothing() string {
	return zeroOf(policy.Spec.Rollout.MaxUnavailable, policy.units)
}

// zeroOf writes a limit that results in 0 of a number of nodes or groups.
func zeroOf(limit *intstr.IntOrString, units int) string {
	if text := limit.String(); text != "0" {
		return text + ", which is 0 of " + model.Counted(units, "node or group", "nodes or groups")
	}
	return "0"
}

// unknownZones are the zones that the order names and none of the policy's nodes is in.
func (policy *policyView) unknownZones() []string {
	if len(policy.Spec.Rollout.Zones.Order) == 0 {
		return nil
	}
	known := map[string]bool{}
	for _, n := range policy.nodes {
		known[n.zone] = true
	}
	var unknown []string
	for _, zone := range policy.Spec.Rollout.Zones.Order {
		if !known[zone] {
			unknown = append(unknown, zone)
		}
	}
	return unknown
}

// policyEvents reports conditions that have become true, or false in the case of Ready.
func policyEvents(before, after []metav1.Condition) []model.Event {
	var events []model.Event
	for _, c := range after {
		if c.Type == v1alpha1.ConditionReady || c.Status != metav1.ConditionTrue {
			continue
		}
		if old := meta.FindStatusCondition(before, c.Type); old == nil || old.Reason != c.Reason {
			events = append(events, model.Event{Warning: true, Reason: c.Reason, Message: model.Bounded(c.Message)})
		}
	}
	return events
}

// noteDeferral finds out whether the reboot has been required for longer than the policy allows, also of one that was given up. That opens
// no gate; it is only reported.
func (p *planning) noteDeferral(r *rebootView) {
	policy := r.policy()
	if r.complete() && !r.isGivenUp() || policy == nil || policy.Spec.Schedule.MaxDeferralSeconds == nil || r.Status.RequiredSince == nil {
		return
	}
	limit := r.Status.RequiredSince.Add(model.Seconds(policy.Spec.Schedule.MaxDeferralSeconds))
	if !p.Reached(limit) {
		return
	}
	r.overdue = true
	r.warn(v1alpha1.ConditionOverdue, v1alpha1.ReasonOverdue, fmt.Sprintf(
		"A reboot has been required since %s, and RebootPolicy %s requires it by %s.",
		policy.Clock.At(r.Status.RequiredSince.Time), policy.Object.Name, policy.Clock.At(limit)), true)
}

// windowStatus is where the schedule stands; nil for one that is always open.
func (policy *policyView) windowStatus() *v1alpha1.WindowStatus {
	if !policy.Scheduled {
		return nil
	}
	status := &v1alpha1.WindowStatus{
		State: v1alpha1.WindowOpen, Freeze: policy.Window.Freeze,
		NextOpeningTime: stampOf(policy.Window.Opens), NextClosingTime: stampOf(policy.Window.Closes),
	}
	switch {
	case policy.Window.Freeze != "":
		status.State = v1alpha1.WindowFrozen
	case !policy.Window.Open:
		status.State = v1alpha1.WindowClosed
	}
	return status
}

func stampOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	stamp := metav1.NewTime(t)
	return &stamp
}
