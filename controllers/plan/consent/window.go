package consent

import (
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// Window lets nodes start while a window is open and long enough, and there is no freeze. An Immediate reboot waits for neither.
func Window(moment *model.Moment, p *policies.Policy, d *model.Draft) model.Verdict {
	shut := p.Shut()
	closes, least := p.Window.Closes, model.Seconds(p.Spec.Schedule.MinRemainingSeconds)
	switch {
	case shut.OK() && closes.IsZero(), d.Immediate():
		return model.Verdict{}
	case !shut.OK():
		return shut
	case !moment.Reached(closes.Add(-least)):
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonWindowEnding,
		"The window of RebootPolicy %s closes at %s, and minRemainingSeconds requires more than %d seconds to be left; %s.",
		p.Name(), p.Clock.At(closes), least/time.Second, p.OpensNext()).Ending(p.Window.Opens)
}

// Closing stops an attempt whose host is not ordered to reboot when the window closes, unless it may finish. A freeze stops that, too. A
// node that delays and hooks have kept from being drained until too little of the window is left is not drained.
func Closing(moment *model.Moment, p *policies.Policy, d *model.Draft) model.Verdict {
	finishes := p.Spec.Schedule.AtClose == v1alpha1.TimeoutContinue
	if attempt := d.Status.Attempt; !finishes && attempt.DrainOrderedTime == nil && attempt.DrainedTime == nil {
		return Window(moment, p, d)
	}
	if d.Immediate() {
		return model.Verdict{}
	}
	v := p.Shut()
	if v.Reason == v1alpha1.ReasonWindowClosed && finishes {
		return model.Verdict{}
	}
	return v
}

// Deadline of an order to reboot: a helper that is slow to take it must not reboot its host after the window closed, unless the attempt may
// finish; in a freeze it must not in any case.
func Deadline(p *policies.Policy, d *model.Draft, deadline time.Time) time.Time {
	end := p.Window.Closes
	if p.Spec.Schedule.AtClose == v1alpha1.TimeoutContinue {
		end = p.Window.Freezes
	}
	if d.Immediate() || end.IsZero() || deadline.Before(end) {
		return deadline
	}
	return end
}

// PassedBy tells, for the record, what would have held up a NodeReboot that is not Immediate.
func PassedBy(p *policies.Policy, d *model.Draft) string {
	v := p.Shut()
	if !d.Immediate() || v.OK() {
		return ""
	}
	return " Its urgency is Immediate, so it did not wait. " + v.Message
}
