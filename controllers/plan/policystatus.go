package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// policyChanges are the policies whose status is not what it should be.
func (p *pass) policyChanges() []PolicyChange {
	var changes []PolicyChange
	for _, policy := range p.policies {
		status := p.policyStatus(policy)
		if equality.Semantic.DeepEqual(&policy.obj.Status, &status) {
			continue
		}
		changes = append(changes, PolicyChange{
			Object: policy.obj, Status: status, Events: policyEvents(policy.obj.Status.Conditions, status.Conditions),
		})
	}
	return changes
}

func (p *pass) policyStatus(policy *policyView) v1alpha1.RebootPolicyStatus {
	status := v1alpha1.RebootPolicyStatus{
		ObservedGeneration: policy.obj.Generation,
		Nodes:              int32(len(policy.nodes)),
		Unavailable:        int32(p.limits.byPolicy[policy]),
		MaxUnavailable:     int32(policy.maxUnavailable),
		Failed:             int32(len(policy.unreturned)),
		CurrentZone:        policy.turn.zone,
		Window:             policy.windowStatus(),
		Canary:             p.canaryStatus(policy),
		AdaptiveDelay:      policy.paceStatus(),
	}
	waiting := map[string]*v1alpha1.WaitingCount{}
	for _, n := range policy.nodes {
		countNode(&status, waiting, n)
	}
	for _, count := range waiting {
		status.Waiting = append(status.Waiting, *count)
	}
	slices.SortFunc(status.Waiting, func(a, b v1alpha1.WaitingCount) int { return strings.Compare(a.Reason, b.Reason) })
	status.Conditions = p.conditions(policy.obj.Status.Conditions, p.policyConditions(policy), policy.obj.Generation)
	return status
}

// countNode counts a node once, by the NodeReboot that is under way or else goes first.
func countNode(status *v1alpha1.RebootPolicyStatus, waiting map[string]*v1alpha1.WaitingCount, n *nodeView) {
	if slices.ContainsFunc(n.reboots, func(r *rebootView) bool { return r.overdue != "" }) {
		status.Overdue++
	}
	if n.open != nil {
		status.UnderWay++
		status.CurrentZone = cmp.Or(status.CurrentZone, n.zone)
		return
	}
	first := n.firstWaiting()
	if first == nil {
		return
	}
	status.Required++
	reason := first.wait.reason
	if count := waiting[reason]; count != nil {
		count.Nodes++
		return
	}
	waiting[reason] = &v1alpha1.WaitingCount{Reason: reason, Nodes: 1, Example: first.obj.Name}
}

func (p *pass) policyConditions(policy *policyView) []want {
	wants := []want{}
	stalled := func(reason, message string) {
		message = bounded(message)
		wants = append(wants,
			want{v1alpha1.ConditionReady, reason, message, metav1.ConditionFalse},
			want{v1alpha1.ConditionStalled, reason, message, metav1.ConditionTrue})
	}
	switch {
	case policy.invalid != "":
		stalled(v1alpha1.ReasonPolicyInvalid, policy.invalid)
	case policy.selected == 0:
		stalled(v1alpha1.ReasonNoNodes, "The policy selects no node: compare nodeSelector with the labels of your nodes.")
	case policy.halted():
		message := policy.haltedBy() + ": nothing more starts until they succeed or are deleted."
		stalled(v1alpha1.ReasonNodesNotBack, message)
		wants = append(wants, want{v1alpha1.ConditionHalted, v1alpha1.ReasonNodesNotBack, message, metav1.ConditionTrue})
	default:
		wants = append(wants, want{v1alpha1.ConditionReady, v1alpha1.ReasonInForce, policy.inForce(), metav1.ConditionTrue})
	}
	if policy.overlaps != "" {
		wants = append(wants, want{v1alpha1.ConditionOverlapping, v1alpha1.ReasonOverlap, fmt.Sprintf(
			"RebootPolicy %s selects some of the same nodes, for example %s; the one of higher priority, else the older one, owns them.",
			policy.overlaps, policy.overlapNode), metav1.ConditionTrue})
	}
	if lost := p.lostHelpers(policy); len(lost) > 0 {
		wants = append(wants, want{
			v1alpha1.ConditionHelpersNotReady, v1alpha1.ReasonHelpersNotReady, bounded(tellLost(lost)), metav1.ConditionTrue,
		})
	}
	if tooLarge := policy.canaryTooLarge(); tooLarge != "" {
		wants = append(wants, want{v1alpha1.ConditionCanaryTooLarge, v1alpha1.ReasonCanaryTooLarge, tooLarge, metav1.ConditionTrue})
	}
	if unknown := policy.unknownZones(); len(unknown) > 0 {
		wants = append(wants, want{v1alpha1.ConditionUnknownZones, v1alpha1.ReasonZoneNotFound, fmt.Sprintf(
			"No node of the policy has %s %s: take it out of rollout.zones.order or mend its name.",
			policy.spec.Rollout.Zones.TopologyKey, strings.Join(unknown, ", ")), metav1.ConditionTrue})
	}
	return wants
}

func (policy *policyView) inForce() string {
	switch policy.spec.Mode {
	case v1alpha1.ModeEnforce:
		return fmt.Sprintf("Nodes that need it are rebooted, at most %d of %d at once.", policy.maxUnavailable, len(policy.nodes))
	case v1alpha1.ModeObserve:
		return "The policy only observes: nothing is drained or rebooted."
	}
	return "The policy is paused: nothing starts."
}

// unknownZones are the zones that the order names and none of the policy's nodes is in.
func (policy *policyView) unknownZones() []string {
	known := map[string]bool{}
	for _, n := range policy.nodes {
		known[n.zone] = true
	}
	var unknown []string
	for _, zone := range policy.spec.Rollout.Zones.Order {
		if !known[zone] {
			unknown = append(unknown, zone)
		}
	}
	return unknown
}

// policyEvents tells of conditions that have become true, or false in the case of Ready.
func policyEvents(before, after []metav1.Condition) []Event {
	var events []Event
	for _, c := range after {
		if c.Type == v1alpha1.ConditionReady || c.Status != metav1.ConditionTrue {
			continue
		}
		if old := meta.FindStatusCondition(before, c.Type); old == nil || old.Reason != c.Reason {
			events = append(events, Event{Warning: true, Reason: c.Reason, Message: bounded(c.Message)})
		}
	}
	return events
}
