package plan

import (
	"cmp"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/window"
)

// readSchedule finds out where the schedule of a policy stands, and asks for a look when that changes: a window opens for those that wait,
// and closes for those that are under way.
func (p *pass) readSchedule(policy *policyView) {
	schedule, err := window.New(&policy.spec.Schedule)
	if err == nil {
		err = schedule.Overlap()
	}
	if err != nil {
		policy.invalid = cmp.Or(policy.invalid, fmt.Sprintf("schedule: %v", err))
		return
	}
	policy.schedule, policy.scheduled = schedule, !schedule.Always()
	policy.window = schedule.At(p.now)
	p.wakeAt(policy.window.Look)
}

// windowGate lets nodes start while a window is open and long enough, and there is no freeze. What is Immediate waits for neither.
func windowGate(p *pass, r *rebootView) verdict {
	if r.immediate() {
		return verdict{}
	}
	policy := r.policy()
	if v := policy.shut(); !v.passed() {
		return v
	}
	closes, least := policy.window.Closes, seconds(policy.spec.Schedule.MinRemainingSeconds)
	if closes.IsZero() || !p.passed(closes.Add(-least)) {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonWindowEnding, message: fmt.Sprintf(
		"The window of RebootPolicy %s closes at %s, and minRemainingSeconds wants more than %d to be left; %s.",
		policy.obj.Name, clockTime(closes), least/time.Second, policy.opensNext())}
}

// closeGate takes back what is not told to reboot when the window closes, unless it may finish. A freeze takes back that, too. What delays
// and hooks have kept from being drained until too little of the window is left is not drained in vain.
func closeGate(p *pass, r *rebootView) verdict {
	finishes := r.policy().spec.Schedule.AtClose == v1alpha1.AtCloseFinish
	if attempt := r.next.Attempt; !finishes && attempt.DrainOrderedTime == nil && attempt.DrainedTime == nil {
		return windowGate(p, r)
	}
	if r.immediate() {
		return verdict{}
	}
	v := r.policy().shut()
	if v.reason == v1alpha1.ReasonWindowClosed && finishes {
		return verdict{}
	}
	return v
}

// beforeClose is the deadline of an order to reboot: a helper that is slow to take it must not reboot its host after the window closed,
// unless the attempt may finish; in a freeze it must not in any case.
func beforeClose(r *rebootView, deadline time.Time) time.Time {
	policy := r.policy()
	end := policy.window.Closes
	if policy.spec.Schedule.AtClose == v1alpha1.AtCloseFinish {
		end = policy.window.Freezes
	}
	if r.immediate() || end.IsZero() || deadline.Before(end) {
		return deadline
	}
	return end
}

// shut says why nothing may start now, as far as the schedule goes.
func (policy *policyView) shut() verdict {
	switch {
	case policy.window.Freeze != "":
		return verdict{reason: v1alpha1.ReasonFreeze, message: fmt.Sprintf(
			"RebootPolicy %s has the freeze %q; %s.", policy.obj.Name, policy.window.Freeze, policy.opensNext())}
	case !policy.window.Open:
		return verdict{reason: v1alpha1.ReasonWindowClosed, message: fmt.Sprintf(
			"The window of RebootPolicy %s is closed; %s.", policy.obj.Name, policy.opensNext())}
	}
	return verdict{}
}

// passedBy tells, for the record, what would have held up a NodeReboot that is not Immediate.
func passedBy(r *rebootView) string {
	v := r.policy().shut()
	if !r.immediate() || v.passed() {
		return ""
	}
	return " Its urgency is Immediate, so it did not wait. " + v.message
}

// firstClosing is when what was open at a time, or else opened next, closed or will close; zero if no end is in sight.
func (policy *policyView) firstClosing(since time.Time) time.Time {
	if !policy.scheduled {
		return time.Time{}
	}
	for _, s := range policy.spans {
		if !since.Before(s.from) && since.Before(s.closes) {
			return s.closes
		}
	}
	state := policy.schedule.At(since)
	if !state.Open && !state.Opens.IsZero() {
		state = policy.schedule.At(state.Opens)
	}
	policy.remember(span{from: since, closes: state.Closes})
	return state.Closes
}

// span is a time from which on the first closing is known to be the same, up to that. Thousands of approvals are for few windows, and to
// ask the schedule takes long.
type span struct{ from, closes time.Time }

// remember a span that is not known, or begins before one that is.
func (policy *policyView) remember(found span) {
	for i := range policy.spans {
		if known := &policy.spans[i]; known.closes.Equal(found.closes) {
			known.from = found.from
			return
		}
	}
	policy.spans = append(policy.spans, found)
}

func (policy *policyView) opensNext() string {
	if policy.window.Opens.IsZero() {
		return "it does not open any more"
	}
	return "it opens next at " + clockTime(policy.window.Opens)
}

// windowStatus is where the schedule stands; nil for one that is always open.
func (policy *policyView) windowStatus() *v1alpha1.WindowStatus {
	if !policy.scheduled {
		return nil
	}
	status := &v1alpha1.WindowStatus{
		State: v1alpha1.WindowOpen, Freeze: policy.window.Freeze,
		NextOpeningTime: stampOf(policy.window.Opens), NextClosingTime: stampOf(policy.window.Closes),
	}
	switch {
	case policy.window.Freeze != "":
		status.State = v1alpha1.WindowFrozen
	case !policy.window.Open:
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
