package policies

import (
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Shut says why nothing may start now, as far as the schedule goes.
func (p *Policy) Shut() model.Verdict {
	switch {
	case p.Window.Freeze != "":
		return model.Blocked(v1alpha1.ReasonFreeze, "RebootPolicy %s has the freeze %q; %s.", p.Name(), p.Window.Freeze, p.OpensNext()).
			Ending(p.Window.Opens)
	case !p.Window.Open:
		return model.Blocked(v1alpha1.ReasonWindowClosed, "The window of RebootPolicy %s is closed; %s.", p.Name(), p.OpensNext()).
			Ending(p.Window.Opens)
	}
	return model.Verdict{}
}

// OpensNext says when the schedule opens next, as part of a sentence.
func (p *Policy) OpensNext() string {
	if p.Window.Opens.IsZero() {
		return "it does not open again"
	}
	return "it opens next at " + p.Clock.Until(p.Window.Opens)
}

// ShutAt says whether the schedule, open at a time, shut at the end of it: ReasonFreeze or ReasonWindowClosed, or nothing. Without a policy
// there is no schedule.
func (p *Policy) ShutAt(open, end time.Time) string {
	if p == nil || !p.Scheduled {
		return ""
	}
	switch state := p.schedule.At(open); {
	case state.Freezes.Equal(end):
		return v1alpha1.ReasonFreeze
	case state.Closes.Equal(end):
		return v1alpha1.ReasonWindowClosed
	}
	return ""
}

// RetryTime is when to try again what failed at a time: after a back-off, or when a window opens before that.
func (p *Policy) RetryTime(failed time.Time, backoff time.Duration) time.Time {
	until := failed.Add(backoff)
	if !p.Scheduled {
		return until
	}
	if opens := p.schedule.At(failed).Opens; !opens.IsZero() && opens.Before(until) {
		return opens
	}
	return until
}

// FirstClosing is when what was open at a time, otherwise opened next, closed or will close; zero if no end is in sight.
func (p *Policy) FirstClosing(since time.Time) time.Time {
	if !p.Scheduled {
		return time.Time{}
	}
	for _, s := range p.spans {
		if !since.Before(s.from) && since.Before(s.closes) {
			return s.closes
		}
	}
	state := p.schedule.At(since)
	if !state.Open && !state.Opens.IsZero() {
		state = p.schedule.At(state.Opens)
	}
	p.remember(span{from: since, closes: state.Closes})
	return state.Closes
}

// span is a time from which on the first closing is known to be the same, up to that. Thousands of approvals are for few windows, and to
// ask the schedule takes long.
type span struct{ from, closes time.Time }

// remember a span that is not known, or begins before one that is.
func (p *Policy) remember(found span) {
	for i := range p.spans {
		if known := &p.spans[i]; known.closes.Equal(found.closes) {
			known.from = found.from
			return
		}
	}
	p.spans = append(p.spans, found)
}
