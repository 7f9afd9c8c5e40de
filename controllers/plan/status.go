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
	for _, r := range p.orphans {
		work := NodeWork{Node: r.obj.Spec.NodeName}
		p.addChange(&work, r)
		if len(work.Reboots) > 0 {
			all = append(all, work)
		}
	}
	return all
}

func (p *pass) addChange(work *NodeWork, r *rebootView) {
	if r.atRest && r.next == &r.obj.Status {
		return
	}
	p.derive(r)
	hasFinalizer := slices.Contains(r.obj.Finalizers, v1alpha1.Finalizer)
	add, remove := r.open() && !hasFinalizer && !r.deleted(), !r.open() && hasFinalizer
	changed := r.next != &r.obj.Status && !equality.Semantic.DeepEqual(&r.obj.Status, r.next)
	if !changed && !add && !remove {
		return
	}
	work.Granted = work.Granted || r.granted
	work.Reboots = append(work.Reboots, RebootChange{
		Object: r.obj, Status: *r.next, StatusChanged: changed, AddFinalizer: add, RemoveFinalizer: remove, Events: r.events,
	})
}

// derive fills in what follows from the facts: phase, reason, message, conditions.
func (p *pass) derive(r *rebootView) {
	if r.deleted() && !r.open() && r.wait.passed() {
		r.wait = verdict{reason: v1alpha1.ReasonDeleted, message: "The NodeReboot was deleted; its node was put back as it was."}
	}
	reason, message := r.wait.reason, bounded(r.wait.message)
	if r.complete() {
		reason, message = r.next.OutcomeReason, r.next.OutcomeMessage
	}
	if reason != r.next.Reason && slices.Contains(warnedReasons, reason) {
		r.emit(Event{Warning: true, Reason: reason, Message: message})
	}
	p.noteDeferral(r)
	if !slices.Equal(r.next.PendingHooks, r.pendingHooks) {
		r.edit().PendingHooks = r.pendingHooks
	}
	p.summarize(r, reason, message)
}

// summarize fills in phase, reason, message and the conditions.
func (p *pass) summarize(r *rebootView, reason, message string) {
	phase := phase(r)
	if s := r.next; s.Phase != phase || s.Reason != reason || s.Message != message || s.ObservedGeneration != r.obj.Generation {
		next := r.edit()
		next.Phase, next.Reason, next.Message, next.ObservedGeneration = phase, reason, message, r.obj.Generation
	}
	p.wants = appendConditions(p.wants[:0], r)
	if !conditionsAre(r.next.Conditions, p.wants, r.obj.Generation) {
		next := r.edit()
		next.Conditions = p.conditions(next.Conditions, p.wants, r.obj.Generation)
	}
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
	v1alpha1.ReasonNoPolicy, v1alpha1.ReasonPolicyInvalid, v1alpha1.ReasonHelperNotReady,
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

// want is a condition as it should be. Conditions that are not wanted are removed, but for those of others.
type want struct {
	conditionType, reason, message string
	status                         metav1.ConditionStatus
}

// appendConditions adds the conditions of a NodeReboot as they should be.
func appendConditions(wants []want, r *rebootView) []want {
	s := r.next
	if r.overdue != "" {
		wants = append(wants, want{v1alpha1.ConditionOverdue, v1alpha1.ReasonOverdue, r.overdue, metav1.ConditionTrue})
	}
	switch s.Phase {
	case v1alpha1.PhaseSucceeded:
		return append(wants,
			want{v1alpha1.ConditionReady, s.Reason, s.Message, metav1.ConditionTrue},
			want{v1alpha1.ConditionRebooted, s.Reason, rebootedMessage(s), metav1.ConditionTrue})
	case v1alpha1.PhaseCancelled:
		return append(wants, want{v1alpha1.ConditionCancelled, s.Reason, s.Message, metav1.ConditionTrue})
	case v1alpha1.PhaseFailed:
		return append(wants,
			want{v1alpha1.ConditionReady, s.Reason, s.Message, metav1.ConditionFalse},
			want{v1alpha1.ConditionStalled, s.Reason, s.Message, metav1.ConditionTrue})
	}
	wants = append(wants,
		want{v1alpha1.ConditionReady, s.Reason, s.Message, metav1.ConditionFalse},
		want{v1alpha1.ConditionReconciling, s.Reason, s.Message, metav1.ConditionTrue})
	if r.open() && s.Attempt.DrainedTime != nil {
		wants = append(wants, drainedCondition(s.Attempt))
	}
	if r.open() && s.Attempt.BackTime != nil {
		wants = append(wants, want{v1alpha1.ConditionRebooted, v1alpha1.ConditionRebooted, rebootedMessage(s), metav1.ConditionTrue})
	}
	return wants
}

func drainedCondition(a *v1alpha1.Attempt) want {
	switch a.Drain {
	case v1alpha1.DrainSkipped:
		return want{v1alpha1.ConditionDrained, v1alpha1.ReasonDrainSkipped, "The policy skips drains.", metav1.ConditionFalse}
	case v1alpha1.DrainForced:
		return want{v1alpha1.ConditionDrained, v1alpha1.ReasonDrainForced, "The node was not drained in time, and reboots all the same.",
			metav1.ConditionFalse}
	}
	return want{v1alpha1.ConditionDrained, v1alpha1.ConditionDrained, "The node was drained.", metav1.ConditionTrue}
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
		return !othersCondition(c.Type) && !slices.ContainsFunc(wants, func(w want) bool { return w.conditionType == c.Type })
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
	own := 0
	for i := range current {
		if !othersCondition(current[i].Type) {
			own++
		}
	}
	if own != len(wants) {
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
