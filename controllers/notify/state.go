package notify

import (
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// maxKeys bounds what is remembered of one event and receiver. Who was told of so many needs not be told of one more.
const maxKeys = 64

// State is what is remembered of a policy's notifications. Its JSON is stored; the zero value is that of nothing sent.
type State struct {
	// Rollout that is going on, or else the last one.
	Rollout *RolloutState `json:"rollout,omitempty"`
	// Receivers by name.
	Receivers map[string]*Told `json:"receivers,omitempty"`
}

// RolloutState is a rollout that was noticed.
type RolloutState struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
}

// Told is what a receiver was told.
type Told struct {
	// Started and Finished are the IDs of the last rollouts of whose start and end it was told.
	Started  string `json:"started,omitempty"`
	Finished string `json:"finished,omitempty"`
	// Keys of the instances by event.
	Keys map[v1alpha1.NotificationEvent][]string `json:"keys,omitempty"`
	// Last is when it was told of an event last.
	Last map[v1alpha1.NotificationEvent]time.Time `json:"last,omitempty"`
}

// Slim is the state without what takes room.
func (s *State) Slim() *State {
	slim := &State{Rollout: s.Rollout, Receivers: make(map[string]*Told, len(s.Receivers))}
	for name, told := range s.Receivers {
		slim.Receivers[name] = &Told{Started: told.Started, Finished: told.Finished, Last: told.Last}
	}
	return slim
}

func (s *State) told(receiver string) *Told {
	if s.Receivers == nil {
		s.Receivers = map[string]*Told{}
	}
	told := s.Receivers[receiver]
	if told == nil {
		told = &Told{}
		s.Receivers[receiver] = told
	}
	return told
}

// Delivered remembers that a receiver was told.
func (s *State) Delivered(receiver string, e *Event, now time.Time) {
	told := s.told(receiver)
	switch e.Event {
	case v1alpha1.EventRolloutStarted:
		told.Started = e.Rollout.ID
		return
	case v1alpha1.EventRolloutFinished:
		told.Started, told.Finished = e.Rollout.ID, e.Rollout.ID
		return
	}
	if told.Keys == nil {
		told.Keys = map[v1alpha1.NotificationEvent][]string{}
	}
	if told.Last == nil {
		told.Last = map[v1alpha1.NotificationEvent]time.Time{}
	}
	keys := slices.Compact(slices.Sorted(slices.Values(slices.Concat(told.Keys[e.Event], e.keys))))
	told.Keys[e.Event] = keys[:min(len(keys), maxKeys)]
	told.Last[e.Event] = now.UTC().Truncate(time.Second)
}

// forget what is no longer so, and receivers that are gone. It says whether anything was forgotten.
func (s *State) forget(current *world, receivers []v1alpha1.Notification) bool {
	changed := false
	for name, told := range s.Receivers {
		i := slices.IndexFunc(receivers, func(r v1alpha1.Notification) bool { return r.Name == name })
		if i < 0 {
			delete(s.Receivers, name)
			changed = true
			continue
		}
		for event, keys := range told.Keys {
			kept := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !current.lasts(event, key) })
			if len(kept) == len(keys) {
				continue
			}
			changed = true
			told.Keys[event] = kept
			if len(kept) == 0 {
				delete(told.Keys, event)
			}
		}
	}
	return changed
}
