package notifier

import (
	"context"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
)

// changedFor is for how long the end of a rollout is tried to be shown by the message that shows the rollout. After that it is a message of
// its own.
const changedFor = 10 * time.Minute

// changes is what came of changing the message that shows a rollout. It is apart from what came of messages, so that a
// service which changes none, or seldom, holds up no message.
type changes struct {
	failures  int
	notBefore time.Time
}

// take replaces the waiting event with a new one.
func (p *pending) take(e *notify.Event, now time.Time) {
	if p.event.ID != e.ID { // of each rollout there is one
		p.same = now
	}
	if p.event.IsProgress() { // it is not given up, nor is the start of the next rollout because of it
		p.since = now
	}
	p.event = e
}

// changing is where the receiver shows the rollout that a message is about, if that is to be changed; empty if the message is a new one.
func (r *receiver) changing(p *pending, state *notify.State, now time.Time) string {
	where := state.Shown(r.spec.Name, p.event)
	if p.event.IsProgress() || where == "" {
		return where
	}
	// What begins next does not wait for a change either, and comes after the end.
	begins := r.pending[v1alpha1.EventRolloutStarted]
	if begins != nil && !begins.event.IsProgress() || !ahead(p.same.Add(changedFor), now, changedFor) {
		return ""
	}
	return where
}

// putOff is until when the change of a message waits; zero if it does not.
func (r *receiver) putOff(p *pending, state *notify.State, now time.Time) time.Time {
	if !ahead(r.changes.notBefore, now, maxRetryAfter) || r.changing(p, state, now) == "" {
		return time.Time{}
	}
	if p.event.IsProgress() {
		return r.changes.notBefore
	}
	p.tried = true // it is sent even if the next rollout begins meanwhile
	return soonest(r.changes.notBefore, p.same.Add(changedFor))
}

// failChange takes that a message could not be changed. New messages wait only if the service takes no request at all.
func (r *receiver) failChange(p *problem, now time.Time) {
	r.changes.failures++
	r.changes.notBefore = now.Add(jittered(max(backoff(r.changes.failures), p.after)))
	if p.ofAll {
		r.notBefore, r.alone = now.Add(jittered(p.after)), now.Add(p.after)
	}
}

// own is an event whose sender notes where it is shown; nil if there is none.
func (r *receiver) own(e *notify.Event, state *notify.State, now time.Time) *notify.Event {
	if e == nil {
		return nil
	}
	p := r.pending[e.Event]
	p.tried = true
	own := *e
	own.Show(r.changing(p, state, now))
	return &own
}

// changes says that it is of a message that is changed. It is asked before that is sent.
func (r *result) changes() bool {
	return r.event != nil && (r.event.Shown() != "" || r.event.IsProgress())
}

// turn is one of the limited number of turns.
type turn struct {
	of chan struct{}
	// orNot says that it is not waited for: a receiver that waits for its turn gets no other message.
	orNot bool
}

// take waits for a turn. It says whether it has one.
func (t turn) take(ctx context.Context) bool {
	if t.orNot {
		select {
		case t.of <- struct{}{}:
			return true
		default:
			return false
		}
	}
	select {
	case t.of <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
