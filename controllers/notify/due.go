package notify

import (
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	// spacing is after how long at the earliest a receiver gets the same event again.
	spacing = 10 * time.Minute
	// gathers is how long the first instance waits for others that come at the same time.
	gathers = 5 * time.Second
	// pace is after how long at the earliest a message that shows a rollout is changed again before its end.
	pace = time.Minute
)

// Outcome is what has to be done about the notifications of a policy.
type Outcome struct {
	// Due are the events that each receiver has to be notified of, by its name, in order.
	Due map[string][]*Event
	// Changed says that the state has to be stored although nothing is sent.
	Changed bool
	// Wake is when to look again if nothing happens before; zero means never.
	Wake time.Time
}

// Look finds out what is due. It changes the state by what happened, and not by what is due: that is remembered once it was delivered.
func (s *State) Look(facts *Facts, memory *Memory, now time.Time) *Outcome {
	w := newWorld(facts, memory, now)
	o := &Outcome{Due: map[string][]*Event{}}
	news, wake := s.advance(w, memory)
	forgot, again := s.forget(w, facts.Policy.Spec.Notifications)
	o.Wake, o.Changed = soonest(wake, again), forgot || news
	for i := range facts.Policy.Spec.Notifications {
		receiver := &facts.Policy.Spec.Notifications[i]
		record := s.record(receiver.Name)
		for _, event := range v1alpha1.NotificationEvents {
			if !gets(receiver, event) {
				continue
			}
			e, wake := w.due(event, receiver, record, s.Rollout)
			o.Wake = soonest(o.Wake, wake)
			if e != nil {
				o.Due[receiver.Name] = append(o.Due[receiver.Name], e)
			}
		}
	}
	return o
}

// due is the event if the receiver has to be notified, or when that may be so.
func (w *world) due(
	event v1alpha1.NotificationEvent, receiver *v1alpha1.Notification, record *Record, rollout *RolloutState,
) (e *Event, wake time.Time) {
	starts := event == v1alpha1.EventRolloutStarted && rollout.goesOn()
	switch {
	case starts && record.Started != rollout.ID:
		return w.aboutRollout(event, rollout, false), time.Time{}
	case starts && gets(receiver, v1alpha1.EventRolloutFinished):
		return w.progress(record, rollout)
	case event == v1alpha1.EventRolloutFinished && w.ended(rollout) && record.Finished != rollout.ID:
		return w.aboutRollout(event, rollout, false), time.Time{}
	case event == v1alpha1.EventRolloutStarted, event == v1alpha1.EventRolloutFinished:
		return nil, time.Time{}
	case event == v1alpha1.EventWindowMissed && w.summed(receiver, record, rollout):
		return nil, time.Time{}
	}
	return w.dueInstances(event, receiver, record, rollout)
}

// gets says that a receiver gets an event.
func gets(receiver *v1alpha1.Notification, event v1alpha1.NotificationEvent) bool {
	return len(receiver.Events) == 0 || slices.Contains(receiver.Events, event)
}

func (r *RolloutState) goesOn() bool { return r != nil && r.Finished.IsZero() }

// ended says that the rollout is over, and was not long ago.
func (w *world) ended(r *RolloutState) bool {
	return r != nil && !r.Finished.IsZero() && !w.now.After(r.Finished.Add(recent))
}

// summed says that the summary of a rollout that continued until the window closed tells the receiver which nodes remain, in a separate
// message: no one notices the change of a message.
func (w *world) summed(receiver *v1alpha1.Notification, record *Record, rollout *RolloutState) bool {
	if w.missed == nil || rollout == nil || !rollout.Started.Before(w.missed.Closed) || record.silent(rollout) {
		return false
	}
	return gets(receiver, v1alpha1.EventRolloutFinished) && (rollout.goesOn() || !rollout.Finished.Before(w.missed.Closed.Add(-givesUp)))
}

func (w *world) dueInstances(
	event v1alpha1.NotificationEvent, receiver *v1alpha1.Notification, record *Record, rollout *RolloutState,
) (e *Event, wake time.Time) {
	known := record.Keys[event]
	if len(known) >= maxKeys {
		return nil, time.Time{}
	}
	limit, sends := w.threshold(event, receiver)
	if !sends {
		return nil, time.Time{}
	}
	var fresh, old []instance
	for _, i := range w.instances[event] {
		from := i.since.Add(limit)
		switch {
		case w.now.Before(from):
			wake = soonest(wake, from)
		case slices.Contains(known, i.key), record.More[event] && !from.After(record.Last[event]):
			old = append(old, i)
		default:
			fresh = append(fresh, i)
		}
	}
	if len(fresh) == 0 {
		return nil, wake
	}
	if next := record.Last[event].Add(spacing); event != v1alpha1.EventHalted && w.now.Before(next) {
		return nil, soonest(wake, next)
	}
	return w.aboutInstances(event, fresh, old, rollout, record.Last[event]), wake
}

// threshold is how long an instance has to last before the receiver gets the event, and whether it gets it at all.
func (w *world) threshold(event v1alpha1.NotificationEvent, receiver *v1alpha1.Notification) (limit time.Duration, sends bool) {
	switch event {
	case v1alpha1.EventDrainRefused:
		return max(model.Seconds(receiver.DrainRefusedSeconds), gathers), true
	case v1alpha1.EventGateFailing:
		return max(model.Seconds(receiver.GateFailingSeconds), gathers), true
	case v1alpha1.EventOverdue:
		seconds := receiver.OverdueSeconds
		if seconds == nil {
			seconds = w.Policy.Spec.Schedule.MaxDeferralSeconds
		}
		return model.Seconds(seconds), seconds != nil
	case v1alpha1.EventWindowMissed:
		return 2 * gathers, true
	case v1alpha1.EventApprovalNeeded:
		return gathers, true
	}
	return 0, true
}

func (w *world) event(event v1alpha1.NotificationEvent, rollout *RolloutState, about ...string) *Event {
	return &Event{
		ID: idOf(append([]string{string(w.Policy.UID), string(event)}, about...)...), Event: event, Policy: w.Policy.Name, Time: w.in(w.now),
		Rollout: w.rollout(rollout),
	}
}

// progress is what a receiver should show of a rollout instead of what it shows now, if it can, or when it may.
func (w *world) progress(record *Record, rollout *RolloutState) (e *Event, wake time.Time) {
	if record.Shown == "" {
		return nil, time.Time{}
	}
	e = w.aboutRollout(v1alpha1.EventRolloutStarted, rollout, true)
	if e.Text == record.text {
		return nil, time.Time{}
	}
	if next := record.since.Add(pace); w.now.Before(next) && !w.now.Before(record.since) {
		return nil, next
	}
	return e, time.Time{}
}

func (w *world) aboutRollout(event v1alpha1.NotificationEvent, rollout *RolloutState, progress bool) *Event {
	e := w.event(event, rollout, rollout.ID)
	e.progress = progress
	e.Count = e.Rollout.UnderWay + e.Rollout.Remaining
	if event == v1alpha1.EventRolloutFinished {
		e.Count = e.Rollout.Rebooted
	}
	e.Title, e.Text = e.say()
	return e
}

// aboutInstances reports new instances, and old ones that still exist. Its ID differs from the stored ID of the last time: something that
// recurs is not a copy of what was before.
func (w *world) aboutInstances(
	event v1alpha1.NotificationEvent, fresh, old []instance, rollout *RolloutState, last time.Time,
) *Event {
	keys := make([]string, 0, len(fresh))
	for _, i := range fresh {
		keys = append(keys, i.key)
	}
	e := w.event(event, rollout, strings.Join(keys, ","), last.UTC().Format(time.RFC3339))
	e.keys = keys
	e.Reason, e.Message, e.Since = fresh[0].reason, plain(fresh[0].message), w.in(fresh[0].since)
	if event == v1alpha1.EventWindowMissed {
		e.Window = w.missed
	}
	for _, i := range slices.Concat(fresh, old) {
		e.Count += i.count
		for _, node := range i.nodes {
			if len(e.Nodes) < maxNodes {
				e.Nodes = append(e.Nodes, node)
			}
		}
	}
	e.Title, e.Text = e.say()
	return e
}
