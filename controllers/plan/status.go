package plan

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// work is what has to be written, by node.
func (p *pass) work() []NodeWork {
	var all []NodeWork
	for _, n := range p.nodeOrder {
		n.needed = n.needsReboot()
		work := NodeWork{Node: n.Name, Patch: n.nodePatch(), Maintenance: n.maintenanceChange()}
		for _, r := range n.reboots {
			p.addChange(&work, r)
		}
		if work.Patch != nil || work.Maintenance != nil || len(work.Reboots) > 0 {
			all = append(all, work)
		}
	}
	return append(all, p.workWithoutNode()...)
}

// workWithoutNode is for the NodeReboots whose Node is not there.
func (p *pass) workWithoutNode() []NodeWork {
	var all []NodeWork
	for _, r := range p.reboots {
		if r.node != nil {
			continue
		}
		work := NodeWork{Node: r.obj.Spec.NodeName}
		p.addChange(&work, r)
		if len(work.Reboots) > 0 {
			all = append(all, work)
		}
	}
	return all
}

func (p *pass) addChange(work *NodeWork, r *rebootView) {
	if r.unchanging() {
		return
	}
	p.derive(r)
	hasFinalizer := slices.Contains(r.obj.Finalizers, v1alpha1.Finalizer)
	add, remove := r.open() && !hasFinalizer && !r.deleted(), !r.open() && hasFinalizer
	changed := !sameStatus(&r.obj.Status, &r.next)
	if !changed && !add && !remove {
		return
	}
	work.Granted = work.Granted || r.granted
	work.Reboots = append(work.Reboots, RebootChange{
		Object: r.obj, Status: r.next, StatusChanged: changed, AddFinalizer: add, RemoveFinalizer: remove, Events: r.events,
	})
}

// unchanging: the NodeReboot was complete when it was read, and is what it was. Most are.
func (r *rebootView) unchanging() bool {
	s := &r.obj.Status
	return s.CompletionTime != nil && r.next.CompletionTime == s.CompletionTime && r.next.Attempt == s.Attempt &&
		s.Phase == v1alpha1.Phase(s.Outcome) && s.ObservedGeneration == r.obj.Generation && !slices.Contains(r.obj.Finalizers, v1alpha1.Finalizer)
}

// sameStatus is cheap for the thousands that did not change: they share everything with what was read.
func sameStatus(a, b *v1alpha1.NodeRebootStatus) bool {
	shared := a.Attempt == b.Attempt && a.Failures == b.Failures && a.Order == b.Order && a.Report == b.Report && a.Before == b.Before &&
		a.After == b.After && a.RequiredSince == b.RequiredSince && a.TaintedTime == b.TaintedTime && a.CompletionTime == b.CompletionTime &&
		a.TaintLeadSeconds == b.TaintLeadSeconds && len(a.Workloads) == len(b.Workloads) && len(a.Conditions) == len(b.Conditions) &&
		(len(a.Conditions) == 0 || &a.Conditions[0] == &b.Conditions[0])
	scalars := a.Phase == b.Phase && a.Reason == b.Reason && a.Message == b.Message && a.PolicyName == b.PolicyName && a.Zone == b.Zone &&
		a.ObservedGeneration == b.ObservedGeneration
	return shared && scalars || equality.Semantic.DeepEqual(a, b)
}

// derive fills in what follows from the facts: phase, reason, message, conditions.
func (p *pass) derive(r *rebootView) {
	s := &r.next
	previous := s.Reason
	if r.deleted() && !r.open() && r.wait.passed() {
		r.wait = verdict{reason: v1alpha1.ReasonDeleted, message: "The NodeReboot was deleted; its node was put back as it was."}
	}
	s.ObservedGeneration = r.obj.Generation
	s.Phase = phase(r)
	s.Reason, s.Message = r.wait.reason, bounded(r.wait.message)
	if r.complete() {
		s.Reason, s.Message = s.OutcomeReason, s.OutcomeMessage
	}
	if s.Reason != previous && slices.Contains(warnedReasons, s.Reason) {
		r.emit(Event{Warning: true, Reason: s.Reason, Message: s.Message})
	}
	s.Conditions = p.conditions(s.Conditions, p.rebootConditions(r), r.obj.Generation)
}

// maxMessage is the most bytes of a message. The schema counts characters, and the note of an Event bytes.
const maxMessage = 1024

// bounded cuts a message to what the API takes.
func bounded(message string) string {
	const mark = "..."
	if len(message) <= maxMessage {
		return message
	}
	end := maxMessage - len(mark)
	for !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + mark
}

// warnedReasons of a waiting NodeReboot are told by an event, for they are about something that a person should mend.
var warnedReasons = []string{
	v1alpha1.ReasonNoPolicy, v1alpha1.ReasonPolicyInvalid, v1alpha1.ReasonHalted, v1alpha1.ReasonHelperNotReady,
}

func phase(r *rebootView) v1alpha1.Phase {
	attempt := r.next.Attempt
	switch {
	case r.complete():
		return v1alpha1.Phase(r.next.Outcome)
	case !r.open():
		return v1alpha1.PhasePending
	case attempt.StalledTime != nil:
		return v1alpha1.PhaseFailed
	case attempt.BackTime != nil:
		return v1alpha1.PhaseRecovering
	case attempt.RebootOrderedTime != nil:
		return v1alpha1.PhaseRebooting
	}
	return v1alpha1.PhaseDraining
}

// want is a condition as it should be. Conditions that are not wanted are removed.
type want struct {
	conditionType, reason, message string
	status                         metav1.ConditionStatus
}

// rebootConditions are good until they are asked for again.
func (p *pass) rebootConditions(r *rebootView) []want {
	s, wants := &r.next, p.wants[:0]
	switch s.Phase {
	case v1alpha1.PhaseSucceeded:
		wants = append(wants,
			want{v1alpha1.ConditionReady, s.Reason, s.Message, metav1.ConditionTrue},
			want{v1alpha1.ConditionRebooted, s.Reason, rebootedMessage(s), metav1.ConditionTrue})
	case v1alpha1.PhaseFailed, v1alpha1.PhaseCancelled:
		wants = append(wants,
			want{v1alpha1.ConditionReady, s.Reason, s.Message, metav1.ConditionFalse},
			want{v1alpha1.ConditionStalled, s.Reason, s.Message, metav1.ConditionTrue})
	default:
		wants = append(wants,
			want{v1alpha1.ConditionReady, s.Reason, s.Message, metav1.ConditionFalse},
			want{v1alpha1.ConditionReconciling, s.Reason, s.Message, metav1.ConditionTrue})
		wants = append(wants, milestones(r)...)
	}
	p.wants = wants
	return wants
}

// milestones that the open attempt has passed.
func milestones(r *rebootView) []want {
	if !r.open() {
		return nil
	}
	var wants []want
	if r.next.Attempt.DrainedTime != nil {
		wants = append(wants, want{v1alpha1.ConditionDrained, v1alpha1.ConditionDrained, "The node was drained.", metav1.ConditionTrue})
	}
	if r.next.Attempt.BackTime != nil {
		wants = append(wants, want{v1alpha1.ConditionRebooted, v1alpha1.ConditionRebooted, rebootedMessage(&r.next), metav1.ConditionTrue})
	}
	return wants
}

func rebootedMessage(s *v1alpha1.NodeRebootStatus) string {
	if s.Before == nil || s.After == nil {
		return "The node runs another boot."
	}
	return fmt.Sprintf("The node runs boot %s; before it was %s.", s.After.BootID, s.Before.BootID)
}

// conditions are the current ones, changed to what is wanted; the very same slice if nothing changes.
func (p *pass) conditions(current []metav1.Condition, wants []want, generation int64) []metav1.Condition {
	if conditionsAre(current, wants, generation) {
		return current
	}
	next := slices.DeleteFunc(slices.Clone(current), func(c metav1.Condition) bool {
		return !slices.ContainsFunc(wants, func(w want) bool { return w.conditionType == c.Type })
	})
	for _, w := range wants {
		meta.SetStatusCondition(&next, metav1.Condition{
			Type: w.conditionType, Status: w.status, Reason: w.reason, Message: w.message,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(p.now),
		})
	}
	return next
}

func conditionsAre(current []metav1.Condition, wants []want, generation int64) bool {
	if len(current) != len(wants) {
		return false
	}
	for _, w := range wants {
		c := meta.FindStatusCondition(current, w.conditionType)
		if c == nil || c.Status != w.status || c.Reason != w.reason || c.Message != w.message || c.ObservedGeneration != generation {
			return false
		}
	}
	return true
}
