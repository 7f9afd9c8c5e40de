package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// telling is the story of one NodeReboot.
type telling struct {
	r       *v1alpha1.NodeReboot
	entries []Entry
}

// say adds a sentence about a moment; nothing if the moment is not recorded.
func (t *telling) say(when time.Time, reason, format string, args ...any) {
	t.add(when, false, reason, format, args...)
}

// warn adds a sentence about what is or was not as it should be.
func (t *telling) warn(when time.Time, reason, format string, args ...any) {
	t.add(when, true, reason, format, args...)
}

func (t *telling) add(when time.Time, warning bool, reason, format string, args ...any) {
	if when.IsZero() {
		return
	}
	t.entries = append(t.entries, Entry{
		Time: when, Text: full(fmt.Sprintf(format, args...)), Reboot: t.r.Name, Warning: warning, reason: reason,
	})
}

// full ends a sentence with a full stop.
func full(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// story tells what is recorded in a NodeReboot.
func (b *builder) story(r *v1alpha1.NodeReboot) []Entry {
	t := &telling{r: r}
	if r.SetAside() {
		t.warn(beginning(r), v1alpha1.ReasonUnreadable, "A NodeReboot was created that cannot be read completely: %s", r.Unreadable[0].String())
		return t.entries
	}
	t.need()
	if a := r.Status.Attempt; a != nil && !a.GrantedTime.IsZero() {
		t.start(a)
		t.drain(a)
		t.reboot(a)
		t.recovery(a)
	}
	t.end(b.Now)
	slices.SortStableFunc(t.entries, func(x, y Entry) int { return x.Time.Compare(y.Time) })
	return t.entries
}

func (t *telling) need() {
	spec, s := &t.r.Spec, &t.r.Status
	switch spec.Trigger {
	case v1alpha1.TriggerSentinel:
		t.say(beginning(t.r), "", "The host asked for a reboot")
	case v1alpha1.TriggerNodeCondition:
		t.say(beginning(t.r), "", "The condition %s of the Node asked for a reboot", spec.ConditionType)
	default:
		t.say(beginning(t.r), "", "%s asked for a reboot%s", cmp.Or(spec.RequestedBy, "Someone"), after(": ", spec.Reason))
	}
	lead := ""
	if s.TaintLeadSeconds != nil {
		lead = fmt.Sprintf(", %s before its drain", Span(time.Duration(*s.TaintLeadSeconds)*time.Second))
	}
	t.say(moment(s.TaintedTime), "", "The node was tainted%s", lead)
	t.say(moment(s.ApprovedTime), "", "%s approved the reboot", cmp.Or(s.ApprovedBy, "Someone"))
	if f := s.Failures; f != nil && !t.failedLast(f) {
		t.warn(f.LastTime.Time, f.LastReason, "An attempt failed (%s): %s", f.LastReason, f.LastMessage)
	}
}

// failedLast says that the failure is of the recorded attempt, which reports it itself.
func (t *telling) failedLast(f *v1alpha1.Failures) bool {
	a := t.r.Status.Attempt
	return a != nil && (f.LastTime.Equal(a.EndedTime) || f.LastTime.Equal(a.RolledBackTime))
}

func (t *telling) start(a *v1alpha1.Attempt) {
	where := after(" in zone ", a.Zone)
	role := ""
	if a.Role != "" {
		role = " as " + strings.ToLower(string(a.Role))
	}
	policy := after(" under policy ", cmp.Or(a.PolicyName, t.r.Status.PolicyName))
	t.say(a.GrantedTime.Time, v1alpha1.ReasonStarting, "Attempt %d began%s%s%s", a.Number, role, where, policy)
	if a.Cordon == v1alpha1.CordonForeign {
		t.say(a.GrantedTime.Time, "", "The node was already cordoned by someone else, and stays cordoned")
	} else {
		t.say(moment(a.CordonedTime), "", "The node was cordoned")
	}
	t.say(moment(a.ExcludedTime), "", "The node was taken out of external load balancers")
}

func (t *telling) drain(a *v1alpha1.Attempt) {
	began := moment(a.DrainOrderedTime)
	t.say(began, v1alpha1.ReasonDraining, "The drain began")
	t.warn(moment(a.StuckTime), v1alpha1.ReasonDrainStuck, "The drain is stuck: no pod leaves the node")
	drained := moment(a.DrainedTime)
	switch a.Drain {
	case v1alpha1.DrainSkipped:
		t.say(drained, v1alpha1.ReasonDrainSkipped, "The drain was skipped, as the policy says")
	case v1alpha1.DrainForced:
		t.warn(drained, v1alpha1.ReasonDrainForced, "The drain ran out of time, and the node reboots with the pods that are left")
	default:
		t.say(drained, "", "The node was drained%s", took(began, drained))
	}
	if len(a.AttachedVolumes) > 0 {
		t.warn(moment(a.DetachedTime), v1alpha1.ReasonVolumesAttached, "Volumes are still attached: %s", strings.Join(a.AttachedVolumes, ", "))
	} else if !moment(a.DetachedTime).Equal(drained) {
		t.say(moment(a.DetachedTime), "", "No volume is attached anymore")
	}
	t.warn(moment(a.RebootBlockedTime), "", "Something on the host prevented the order to reboot")
}

func (t *telling) reboot(a *v1alpha1.Attempt) {
	ordered, back := moment(a.RebootOrderedTime), moment(a.BackTime)
	t.say(ordered, v1alpha1.ReasonRebooting, "The host was ordered to reboot%s", after(" by the method ", string(a.RebootMethod)))
	t.warn(moment(a.NodeGoneTime), v1alpha1.ReasonNodeGone, "The Node object was gone")
	late := first(moment(a.StalledTime), moment(a.InterruptedTime))
	switch {
	case a.RolledBackTime != nil && a.StalledTime == nil && !late.Before(a.RolledBackTime.Time):
	case a.StalledTime != nil && a.RolledBackTime != nil:
		t.warn(late, v1alpha1.ReasonRecoveryTimedOut, "The evicted pods did not come back in time; they are still watched")
	case a.StalledTime != nil:
		t.warn(late, a.Result, "The attempt ran out of time (%s): %s", a.Result, a.Message)
	case back.IsZero() || late.Before(back):
		t.warn(late, v1alpha1.ReasonNodeNotBack, "The node did not come back in time, and was still watched")
	default:
		t.warn(late, v1alpha1.ReasonRecoveryTimedOut, "The attempt ran out of time, and the node was still watched")
	}
	t.say(back, "", "The node came back with another boot%s%s", took(ordered, back), t.kernels())
}

// kernels says what changed.
func (t *telling) kernels() string {
	before, now := t.r.Status.Before, t.r.Status.After
	if before == nil || now == nil || before.KernelVersion == now.KernelVersion || now.KernelVersion == "" {
		return ""
	}
	return fmt.Sprintf(", with kernel %s in place of %s", now.KernelVersion, cmp.Or(before.KernelVersion, "an unknown one"))
}

func (t *telling) recovery(a *v1alpha1.Attempt) {
	t.say(moment(a.UncordonedTime), "", "The node was proved to be rebooted and healthy%s", uncordoned(a))
	t.say(moment(a.RecoveredTime), "", "Its workloads were as ready as before")
	failed := t.r.Status.Failures != nil && t.failedLast(t.r.Status.Failures)
	if when := moment(a.RolledBackTime); failed {
		t.warn(when, a.Result, "Attempt %d failed (%s), and was rolled back: %s", a.Number, a.Result, a.Message)
	} else {
		t.say(when, a.Result, "Attempt %d was rolled back (%s): %s", a.Number, a.Result, a.Message)
	}
	completed := moment(t.r.Status.CompletionTime)
	switch ended := moment(a.EndedTime); {
	case ended.IsZero() || ended.Equal(completed):
	case a.RolledBackTime != nil:
		t.say(ended, "", "The evicted pods are ready again, or no longer waited for, and the slot is free")
	case failed:
		t.warn(ended, a.Result, "Attempt %d failed (%s): %s", a.Number, a.Result, a.Message)
	default:
		t.say(ended, a.Result, "Attempt %d ended (%s): %s", a.Number, a.Result, a.Message)
	}
}

func uncordoned(a *v1alpha1.Attempt) string {
	if a.Cordon == v1alpha1.CordonOperator {
		return ", and uncordoned"
	}
	return ""
}

// end tells the outcome, or what the NodeReboot says now.
func (t *telling) end(now time.Time) {
	s := &t.r.Status
	completed := moment(s.CompletionTime)
	switch {
	case completed.IsZero() && s.Reason == "":
		t.say(now, "", "The operator has not seen it yet")
	case completed.IsZero():
		t.say(now, s.Reason, "Now it is %s (%s): %s", cmp.Or(strings.ToLower(string(s.Phase)), "there"), s.Reason, s.Message)
	case s.Outcome == v1alpha1.OutcomeFailed:
		t.warn(completed, s.OutcomeReason, "It failed (%s): %s", s.OutcomeReason, s.OutcomeMessage)
	default:
		how := strings.ToLower(cmp.Or(string(s.Outcome), "ended"))
		if s.Outcome == v1alpha1.OutcomeCancelled {
			how = "was cancelled"
		}
		t.say(completed, s.OutcomeReason, "It %s (%s): %s", how, s.OutcomeReason, s.OutcomeMessage)
	}
}

// after is a text with something in front; nothing if it is empty.
func after(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// took says how long something took, if both ends are recorded in their order.
func took(from, to time.Time) string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return ""
	}
	return " after " + Span(to.Sub(from))
}

// Span writes a duration for people: 4.2s, 27s, 1m27s, 2h05m, 3d04h.
func Span(d time.Duration) string {
	if d < 0 {
		return "-" + Span(-max(d, -1<<62))
	}
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	const day = 24 * time.Hour
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}
