package model

import (
	"fmt"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

// Write is a kind of write of the manager.
type Write string

// The writes of the manager, by what can be refused on its own.
const (
	// WriteTaint changes the taint of a Node.
	WriteTaint Write = "Taint"
	// WriteCordon cordons or uncordons a Node.
	WriteCordon Write = "Cordon"
	// WriteLabels changes labels and annotations of a Node.
	WriteLabels Write = "Labels"
	// WriteExclude takes a Node out of external load balancers, with whatever else changes of its labels and annotations.
	WriteExclude Write = "Exclude"
	// WriteMaintenance changes the maintenance conditions of a Node.
	WriteMaintenance Write = "Maintenance"
	// WriteFinalizer adds or removes the finalizer of a NodeReboot.
	WriteFinalizer Write = "Finalizer"
	// WriteOrder is a status of a NodeReboot that begins an attempt or changes the order to its helper.
	WriteOrder Write = "Order"
	// WriteStatus is any other status of a NodeReboot.
	WriteStatus Write = "Status"
	// WriteCreate creates a NodeReboot.
	WriteCreate Write = "Create"
	// WriteDelete deletes a NodeReboot.
	WriteDelete Write = "Delete"
	// WritePolicy is the status of a RebootPolicy.
	WritePolicy Write = "PolicyStatus"
	// WriteSlots is the slots object.
	WriteSlots Write = "Slots"
)

// refusedSentences say what cannot be done. Each has a place for the name of the object.
var refusedSentences = map[Write]string{
	WriteTaint:       "The taint of node %s cannot be changed",
	WriteCordon:      "Node %s cannot be cordoned or uncordoned",
	WriteLabels:      "The labels and annotations of node %s cannot be changed",
	WriteExclude:     "Node %s cannot be taken out of external load balancers",
	WriteMaintenance: "The maintenance conditions of node %s cannot be changed",
	WriteFinalizer:   "The finalizer of NodeReboot %s cannot be changed",
	WriteOrder:       "The next step of the attempt cannot be recorded in the status of NodeReboot %s",
	WriteStatus:      "The status of NodeReboot %s cannot be written",
	WriteCreate:      "NodeReboot %s cannot be created",
	WriteDelete:      "NodeReboot %s cannot be deleted",
	WritePolicy:      "The status of RebootPolicy %s cannot be written",
	WriteSlots:       "ConfigMap %s, which holds the slots, cannot be written",
}

// WriteKey names a write: its kind, and the object that it changes.
type WriteKey struct {
	Write Write
	Name  string
}

// GrantKey tells one grant of a slot of a node from the next.
type GrantKey struct {
	UID              string
	Attempt, Renewed int32
}

// Refusal is a write that the API server refused, not because of the moment, but because admission, validation or a limit of size does not
// let it pass.
type Refusal struct {
	WriteKey
	// Node that the write is about; empty if it is about none.
	Node string
	// Answer of the API server.
	Answer string
	// Since is when it was refused last. Until then the write is not tried again.
	Since, Until time.Time
	// Forgotten is when the refusal does not count anymore if nobody tries again.
	Forgotten time.Time
	// Grant of the slot that was granted for the write; zero if there was none. This manager has begun nothing in it.
	Grant GrantKey
}

// maxAnswer is how much of the API server's answer is kept, in bytes. A message has a place for the rest of what it says.
const maxAnswer = 600

// String says what cannot be done, and quotes the API server.
func (r *Refusal) String() string {
	return fmt.Sprintf(refusedSentences[r.Write]+"; the API server answers: %s.", r.Name, r.Answer)
}

// The time until a refused write is tried again doubles with every refusal.
const (
	firstRefusedRetry = 5 * time.Second
	lastRefusedRetry  = 5 * time.Minute
)

// RefusedWrites remembers the writes that are refused. The zero value is ready to use.
type RefusedWrites struct {
	writes map[WriteKey]*refusedWrite
}

type refusedWrite struct {
	Refusal
	// object is what the object looked like, as far as others change it.
	object string
	wait   time.Duration
}

// Note remembers that a write was refused, and when it is tried again. It says whether that is news.
func (w *RefusedWrites) Note(refused *Refusal, object string, now time.Time) (news bool) {
	if w.writes == nil {
		w.writes = map[WriteKey]*refusedWrite{}
	}
	last, known := w.writes[refused.WriteKey]
	next := &refusedWrite{Refusal: *refused, object: object, wait: firstRefusedRetry}
	if known {
		next.wait = min(2*last.wait, lastRefusedRetry)
	}
	next.Answer = shorten.Marked(next.Answer, maxAnswer)
	next.Since, next.Until = now, now.Add(next.wait)
	next.Forgotten = next.Until.Add(lastRefusedRetry)
	w.writes[refused.WriteKey] = next
	return !known
}

// Made forgets the refusal of a write that was made.
func (w *RefusedWrites) Made(key WriteKey) { delete(w.writes, key) }

// Freed forgets the grants that are not among those that are held.
func (w *RefusedWrites) Freed(held func(GrantKey) bool) {
	for _, write := range w.writes {
		if write.Grant != (GrantKey{}) && !held(write.Grant) {
			write.Grant = GrantKey{}
		}
	}
}

// Current are the refusals that count. The function says what the object of a write looks like, as far as others change it, and whether it
// exists. A write whose object has changed is due at once, and a write that has been due for long is not needed anymore. A write that was
// refused after now is due, too: the clock was set back, and would take a while to catch up.
func (w *RefusedWrites) Current(now time.Time, look func(WriteKey) (object string, exists bool)) map[WriteKey]Refusal {
	if len(w.writes) == 0 {
		return nil
	}
	current := make(map[WriteKey]Refusal, len(w.writes))
	for key, write := range w.writes {
		object, exists := look(key)
		if !exists || !now.Before(write.Forgotten) {
			delete(w.writes, key)
			continue
		}
		if (object != write.object || now.Before(write.Since)) && now.Before(write.Until) {
			write.Until = now
		}
		write.object = object
		current[key] = write.Refusal
	}
	return current
}
