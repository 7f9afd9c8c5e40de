package notify

import (
	"maps"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// maxKeys bounds what is remembered of one event and receiver. A receiver that was notified of that many does not have to be notified of
// one more.
const maxKeys = 64

// State is what is remembered of a policy's notifications. Its JSON is stored; the zero value means that nothing was sent.
type State struct {
	// Rollout that is going on, otherwise the last one.
	Rollout *RolloutState `json:"rollout,omitempty"`
	// Receivers by name.
	Receivers map[string]*Record `json:"receivers,omitempty"`
}

// RolloutState is a rollout that was noticed.
type RolloutState struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
}

// Record is what a receiver was notified of.
type Record struct {
	// Started and Finished are the IDs of the last rollouts of whose start and end it was notified.
	Started  string `json:"started,omitempty"`
	Finished string `json:"finished,omitempty"`
	// Keys of the instances by event.
	Keys map[v1alpha1.NotificationEvent][]string `json:"keys,omitempty"`
	// More says for which events the receiver was notified of more than the keys: of everything that applied when it was last notified.
	More map[v1alpha1.NotificationEvent]bool `json:"more,omitempty"`
	// Last is when it was notified of an event last.
	Last map[v1alpha1.NotificationEvent]time.Time `json:"last,omitempty"`
	// Shown is where the receiver shows the current rollout, and in which message; empty if it has no message that it can change.
	Shown string `json:"shown,omitempty"`
	// Silent says that the end of the last rollout was a change of a message, which chat services do not announce.
	Silent bool `json:"silent,omitempty"`

	// text is what the receiver shows of it, and since when. A manager that has just begun to lead does not know, and has it shown once more.
	text  string
	since time.Time
}

// maxShown bounds where a receiver shows a rollout, in bytes.
const maxShown = 255

// skew is how far a remembered time may be in the future.
const skew = 5 * time.Minute

// Sound says whether a state can be one that was remembered. One that people wrote by hand may lack parts, or be of times to come.
func (s *State) Sound(now time.Time) bool {
	future := now.Add(skew)
	if r := s.Rollout; r != nil && (r.ID == "" || r.Started.IsZero() || r.Started.After(future) || r.Finished.After(future)) {
		return false
	}
	for _, record := range s.Receivers {
		if record == nil || len(record.Shown) > maxShown {
			return false
		}
		for _, last := range record.Last {
			if last.After(future) {
				return false
			}
		}
	}
	return true
}

// Slim is the state without what takes room.
func (s *State) Slim() *State {
	slim := &State{Rollout: s.Rollout, Receivers: make(map[string]*Record, len(s.Receivers))}
	for name, record := range s.Receivers {
		short := &Record{
			Started: record.Started, Finished: record.Finished, Shown: record.Shown, Silent: record.Silent, Last: record.Last,
			More: maps.Clone(record.More),
		}
		for event := range record.Keys {
			short.overflow(event)
		}
		slim.Receivers[name] = short
	}
	return slim
}

func (s *State) record(receiver string) *Record {
	if s.Receivers == nil {
		s.Receivers = map[string]*Record{}
	}
	record := s.Receivers[receiver]
	if record == nil {
		record = &Record{}
		s.Receivers[receiver] = record
	}
	return record
}

// Shown is where a receiver shows the rollout that an event is about; empty if nowhere.
func (s *State) Shown(receiver string, e *Event) string {
	record := s.Receivers[receiver]
	if record == nil || !e.AboutRollout() || e.Rollout == nil || record.Started != e.Rollout.ID {
		return ""
	}
	return record.Shown
}

// Delivered records that a receiver was notified.
func (s *State) Delivered(receiver string, e *Event, now time.Time) {
	record := s.record(receiver)
	switch e.Event {
	case v1alpha1.EventRolloutStarted:
		record.Started, record.Shown, record.text, record.since = e.Rollout.ID, e.shown, e.Text, now
		return
	case v1alpha1.EventRolloutFinished:
		record.Silent, record.Finished = e.shown != "" && e.shown == s.Shown(receiver, e), e.Rollout.ID
		if s.Rollout == nil || record.Started != s.Rollout.ID || e.Rollout.ID == s.Rollout.ID { // it does not show another one by now
			record.Started, record.Shown = e.Rollout.ID, ""
		}
		return
	}
	if record.Keys == nil {
		record.Keys = map[v1alpha1.NotificationEvent][]string{}
	}
	if record.Last == nil {
		record.Last = map[v1alpha1.NotificationEvent]time.Time{}
	}
	keys := slices.Compact(slices.Sorted(slices.Values(slices.Concat(record.Keys[e.Event], e.keys))))
	if len(keys) > maxKeys {
		record.overflow(e.Event)
	}
	record.Keys[e.Event] = keys[:min(len(keys), maxKeys)]
	// Everything that applied a moment ago was in the message.
	record.Last[e.Event] = now.UTC().Truncate(time.Second)
}

// silent says that the end of a rollout is or was a change of a message.
func (t *Record) silent(rollout *RolloutState) bool {
	if t.Finished == rollout.ID {
		return t.Silent
	}
	return t.Started == rollout.ID && t.Shown != ""
}

func (t *Record) overflow(event v1alpha1.NotificationEvent) {
	if t.More == nil {
		t.More = map[v1alpha1.NotificationEvent]bool{}
	}
	t.More[event] = true
}

// forget what is no longer so, and receivers that are gone. It says whether anything was forgotten, and when to look for more; zero means
// never.
func (s *State) forget(current *world, receivers []v1alpha1.Notification) (changed bool, wake time.Time) {
	for name, record := range s.Receivers {
		i := slices.IndexFunc(receivers, func(r v1alpha1.Notification) bool { return r.Name == name })
		if i < 0 {
			delete(s.Receivers, name)
			changed = true
			continue
		}
		forgot, again := record.forget(current)
		changed, wake = changed || forgot, soonest(wake, again)
	}
	return changed, wake
}

func (t *Record) forget(current *world) (changed bool, wake time.Time) {
	for event, keys := range t.Keys {
		kept := slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
			lasts, again := current.lasts(event, key)
			wake = soonest(wake, again)
			return !lasts
		})
		if len(kept) == len(keys) {
			continue
		}
		changed = true
		t.Keys[event] = kept
		if len(kept) == 0 {
			delete(t.Keys, event)
		}
	}
	for event := range t.More {
		if len(t.Keys[event]) == 0 && len(current.instances[event]) == 0 {
			delete(t.More, event)
			changed = true
		}
	}
	return changed, wake
}
