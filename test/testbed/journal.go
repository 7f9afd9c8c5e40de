package testbed

import (
	"slices"
	"sync"
	"time"
)

// EventKind is what happened to a host.
type EventKind string

// What happens to a host.
const (
	EventSentinelSet     EventKind = "SentinelSet"
	EventSentinelCleared EventKind = "SentinelCleared"
	EventRebootAccepted  EventKind = "RebootAccepted"
	EventRebootRefused   EventKind = "RebootRefused"
	EventDown            EventKind = "Down"
	EventUp              EventKind = "Up"
)

// HostEvent is something that happened to a host, by the host's own knowledge.
type HostEvent struct {
	At     time.Time
	Kind   EventKind
	Detail string // the boot ID of EventUp, the method of EventRebootAccepted
	BootID string // of EventUp, and of the boot that an order was about
}

// journal records what happened to one host.
type journal struct {
	mu     sync.Mutex
	events []HostEvent
}

func (j *journal) add(event HostEvent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, event)
}

func (j *journal) list() []HostEvent {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

func (j *journal) forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = nil
}

// ForgetEvents forgets what happened to the host so far, so that a host may live for long.
func (h *Host) ForgetEvents() { h.journal.forget() }

// Events lists what happened to the host so far, oldest first.
func (h *Host) Events() []HostEvent { return h.journal.list() }
