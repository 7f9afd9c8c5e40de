package model

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

// Draft is a NodeReboot with its next status, and the events that go with it. A copy of a Draft is a draft of its own.
type Draft struct {
	Object *v1alpha1.NodeReboot
	// Status is what was read until something changes. Change it through Edit only.
	Status *v1alpha1.NodeRebootStatus
	Events []Event
	edited bool
}

// NewDraft is a draft in which nothing has changed yet.
func NewDraft(obj *v1alpha1.NodeReboot) Draft { return Draft{Object: obj, Status: &obj.Status} }

// Edit returns the next status to change it: the first time, a copy of what was read. The copy is shallow: replace what it points to, never
// modify it.
func (d *Draft) Edit() *v1alpha1.NodeRebootStatus {
	if !d.edited {
		next := *d.Status
		d.Status, d.edited = &next, true
	}
	return d.Status
}

// Edited says that the status may differ from what was read.
func (d *Draft) Edited() bool { return d.edited }

// EditAttempt changes a copy of the current attempt.
func (d *Draft) EditAttempt(change func(*v1alpha1.Attempt)) {
	attempt := *d.Status.Attempt
	change(&attempt)
	d.Edit().Attempt = &attempt
}

// Emit an event once the status is written.
func (d *Draft) Emit(event Event) {
	event.Message = Bounded(event.Message)
	d.Events = append(d.Events, event)
}

// Complete ends the NodeReboot.
func (d *Draft) Complete(at *metav1.MicroTime, outcome v1alpha1.Outcome, reason, message string) {
	next := d.Edit()
	next.Outcome, next.OutcomeReason, next.OutcomeMessage = outcome, reason, Bounded(message)
	next.CompletionTime, next.Order = at, nil
	d.Emit(Event{Warning: outcome == v1alpha1.OutcomeFailed, Reason: reason, Message: message, OnNode: next.Attempt != nil})
}

// Completed says that the NodeReboot ended.
func (d *Draft) Completed() bool { return d.Status.CompletionTime != nil }

// Open says that an attempt is under way and holds a slot.
func (d *Draft) Open() bool { return OpenAttempt(d.Status) }

// Deleted says that the NodeReboot is being deleted.
func (d *Draft) Deleted() bool { return !d.Object.DeletionTimestamp.IsZero() }

// Immediate says that the NodeReboot waits for no window.
func (d *Draft) Immediate() bool { return d.Object.Spec.Urgency == v1alpha1.UrgencyImmediate }

// Approved says that a person approved the reboot, whenever that was, and that it is recorded who.
func (d *Draft) Approved() bool {
	return d.Object.Spec.Approval == v1alpha1.ApprovalGiven && d.Object.Spec.ApprovedBy != ""
}

// Report is what the helper has reported since the node's current boot; nil while it has reported nothing.
func (d *Draft) Report(node *Node) *v1alpha1.HelperReport {
	report := d.Status.Report
	if node == nil || report == nil || report.BootID != node.BootID {
		return nil
	}
	return report
}

// KnownSentinel says whether this manager knows what a state means. A newer helper may report another one.
func KnownSentinel(state v1alpha1.SentinelState) bool {
	return state == v1alpha1.SentinelRequired || state == v1alpha1.SentinelNotRequired || state == v1alpha1.SentinelUnknown
}

// Sentinel is what the helper has reported about the sentinel since the node's current boot. A state that this manager does not know is
// Unknown.
func (d *Draft) Sentinel(node *Node) v1alpha1.SentinelState {
	if report := d.Report(node); report != nil && KnownSentinel(report.Sentinel) {
		return report.Sentinel
	}
	return v1alpha1.SentinelUnknown
}

// NodeGone says that the Node that the NodeReboot is about is gone, or another one has its name.
func (d *Draft) NodeGone(node *Node) bool {
	return d.Status.NodeUID != "" && (node == nil || node.UID != d.Status.NodeUID)
}

// LastAttempt is the number of the last attempt; 0 before the first.
func (d *Draft) LastAttempt() int32 {
	if d.Status.Attempt == nil {
		return 0
	}
	return d.Status.Attempt.Number
}

// OpenAttempt says that the status has an attempt that is under way.
func OpenAttempt(s *v1alpha1.NodeRebootStatus) bool {
	return s.CompletionTime == nil && s.Attempt != nil && s.Attempt.EndedTime == nil
}

// HookCondition says whether a condition of a NodeReboot belongs to a hook. Types without a domain are the operator's.
func HookCondition(conditionType string) bool { return strings.Contains(conditionType, "/") }

// maxMessage is the most bytes of a message. The schema counts characters, and the note of an Event bytes.
const maxMessage = 1024

// Bounded cuts a message to what the API takes.
func Bounded(message string) string { return shorten.Marked(message, maxMessage) }
