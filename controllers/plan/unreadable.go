package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// A NodeReboot that cannot be read is set aside: nothing is decided for it, and what is known of it only ever keeps something from
// happening. If it may have an attempt under way its node counts as unavailable, for the policy and the zone that it names, otherwise for
// those of its node; the node is left as it is, and starts nothing else. So it is until someone repairs the object, or deletes it.

// addSetAside takes in a NodeReboot that cannot be read. The slots object may hold a slot for it.
func (p *planning) addSetAside(r *rebootView) {
	p.setAside = append(p.setAside, r)
	r.attempting = mayBeOpen(r.Object) || p.byUID[string(r.Object.UID)] == r && !r.done
	if r.node == nil {
		return
	}
	r.node.setAside = append(r.node.setAside, r)
	if r.attempting && (r.node.held == nil || r.Object.Name < r.node.held.Object.Name) {
		r.node.held = r
		r.node.controlPlane = r.node.controlPlane || mayHaveRunEtcd(r.Object)
	}
}

// mayBeOpen: an attempt is, or may be, under way.
func mayBeOpen(obj *v1alpha1.NodeReboot) bool {
	return model.OpenAttempt(&obj.Status) || slices.ContainsFunc(obj.Unreadable, func(p decode.Problem) bool {
		return p.Path == "" || p.Path == "status"
	})
}

// mayHaveRunEtcd: the attempt says that its node may run etcd, or that is unknown.
func mayHaveRunEtcd(obj *v1alpha1.NodeReboot) bool {
	if attempt := obj.Status.Attempt; attempt != nil && attempt.NodeRole == v1alpha1.NodeRoleControlPlane {
		return true
	}
	return slices.ContainsFunc(obj.Unreadable, func(p decode.Problem) bool { return p.Covers("status.attempt.nodeRole") })
}

// unknownNodes stand for the nodes of attempts that may be under way on nodes whose names cannot be read.
func (p *planning) unknownNodes() []string {
	var names []string
	for _, r := range p.setAside {
		if r.attempting && r.Object.Spec.NodeName == "" {
			names = append(names, "of NodeReboot "+r.Object.Name)
		}
	}
	slices.Sort(names)
	return names
}

// tried are those that cannot be read and show an attempt: they may halt a policy.
func (p *planning) tried() []*rebootView {
	return slices.DeleteFunc(slices.Clone(p.setAside), func(r *rebootView) bool { return r.node == nil || r.Status.Attempt == nil })
}

// untouched: nobody knows for whom the node is cordoned and marked.
func (n *nodeView) untouched() bool { return n.open == nil && n.held != nil || n.begunUnseen }

// keepsTaint: it is unknown whether the node needs a reboot, or what its policy says about the taint. A taint that it needs is set.
func (n *nodeView) keepsTaint() bool {
	return n.policy != nil && n.policy.Unknown("taint") || n.mayNeedReboot()
}

// mayNeedReboot: no NodeReboot that can be read says that the node needs a reboot, and one that cannot be read may.
func (n *nodeView) mayNeedReboot() bool {
	return !n.needed && slices.ContainsFunc(n.setAside, func(r *rebootView) bool {
		return !r.done || r.Status.Outcome != v1alpha1.OutcomeSucceeded && r.Status.Outcome != v1alpha1.OutcomeCancelled
	})
}

// addReport reports a NodeReboot that cannot be read, and lets it go if it is deleted.
func (p *planning) addReport(work *NodeWork, r *rebootView) {
	change := RebootChange{Object: r.Object, Status: r.Object.Status}
	if !p.held(model.WriteStatus, r.Object.Name) {
		change.Report = p.report(r)
	}
	change.RemoveFinalizer = p.letGo(r) && !p.held(model.WriteFinalizer, r.Object.Name)
	if change.Report != nil {
		change.Events = []model.Event{{Warning: true, Reason: change.Report.Reason, Message: change.Report.Message, OnNode: true}}
	}
	if change.Report != nil || change.RemoveFinalizer {
		work.Reboots = append(work.Reboots, change)
	}
}

// report is what the status of a NodeReboot that cannot be read should say; nil if it does.
func (p *planning) report(r *rebootView) *Report {
	message := fmt.Sprintf("The NodeReboot cannot be read (%s). Repair it, or delete it.", decode.List(r.Object.Unreadable))
	if r.attempting {
		message += fmt.Sprintf(" An attempt may be under way: until then node %s counts as unavailable and starts nothing.",
			cmp.Or(r.Object.Spec.NodeName, "(unknown)"))
	}
	report := &Report{Reason: v1alpha1.ReasonUnreadable, Message: model.Bounded(message)}
	if slices.ContainsFunc(r.Object.Unreadable, func(p decode.Problem) bool { return p.Path == "" || p.Path == "status" }) {
		return report // There is no status that could be changed in part.
	}
	wants := []want{
		{v1alpha1.ConditionReady, report.Reason, report.Message, metav1.ConditionFalse},
		{v1alpha1.ConditionStalled, report.Reason, report.Message, metav1.ConditionTrue},
	}
	s := &r.Object.Status
	conditions := p.replaceUnreadable(p.conditions(s.Conditions, wants, r.Object.Generation), r.Object.Unreadable)
	said := s.Phase == v1alpha1.PhaseFailed && s.Reason == report.Reason && s.Message == report.Message &&
		s.ObservedGeneration == r.Object.Generation
	if said && len(v1alpha1.UnreadableConditions(r.Object.Unreadable)) == 0 && conditionsAre(s.Conditions, wants, r.Object.Generation) {
		return nil
	}
	report.Conditions = conditions
	return report
}

// deletedGrace is how long a deleted NodeReboot that cannot be read is kept while its host may be going down.
const deletedGrace = 15 * time.Minute

// letGo says that a deleted NodeReboot that cannot be read may go: its host was not ordered to reboot, or is back, or had its time.
func (p *planning) letGo(r *rebootView) bool {
	if !r.deleted() || !slices.Contains(r.Object.Finalizers, v1alpha1.Finalizer) {
		return false
	}
	node, attempt := r.modelNode(), r.Status.Attempt
	switch {
	case !r.attempting, node == nil:
		return true
	case (attempt == nil || attempt.RebootOrderedTime == nil) && !mayBeOrdered(r.Object):
		return true
	case node.Ready && r.Status.Before != nil && r.Status.Before.BootID != "" && r.Status.Before.BootID != node.BootID:
		return true
	}
	return p.Reached(r.Object.DeletionTimestamp.Add(deletedGrace))
}

// mayBeOrdered: it is unknown whether the host was ordered to reboot.
func mayBeOrdered(obj *v1alpha1.NodeReboot) bool {
	return slices.ContainsFunc(obj.Unreadable, func(p decode.Problem) bool { return p.Covers("status.attempt.rebootOrderedTime") })
}

// replaceUnreadable puts a condition that says so in the place of each that cannot be read. Those of the operator are derived anyway.
func (p *planning) replaceUnreadable(conditions []metav1.Condition, unreadable []decode.Problem) []metav1.Condition {
	broken := v1alpha1.UnreadableConditions(unreadable)
	if len(broken) == 0 {
		return conditions
	}
	conditions = slices.Clone(conditions)
	for _, conditionType := range slices.Sorted(maps.Keys(broken)) {
		if !model.HookCondition(conditionType) {
			continue
		}
		conditions = append(conditions, metav1.Condition{
			Type: conditionType, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonUnreadable,
			Message: "It could not be read and was replaced: " + broken[conditionType], LastTransitionTime: metav1.NewTime(p.Now),
		})
	}
	return conditions
}

// unreadableEvents report conditions that could not be read.
func unreadableEvents(unreadable []decode.Problem) []model.Event {
	broken := v1alpha1.UnreadableConditions(unreadable)
	events := make([]model.Event, 0, len(broken))
	for _, conditionType := range slices.Sorted(maps.Keys(broken)) {
		events = append(events, model.Event{Warning: true, Reason: v1alpha1.ReasonUnreadable, Message: model.Bounded(fmt.Sprintf(
			"Condition %s could not be read and counts as not set: %s", conditionType, broken[conditionType]))})
	}
	return events
}

// statusUnreadable: the status has to be written as a whole, whatever it says.
func statusUnreadable(policy *v1alpha1.RebootPolicy) bool {
	return slices.ContainsFunc(policy.Unreadable, func(p decode.Problem) bool { return p.Below("status") })
}
