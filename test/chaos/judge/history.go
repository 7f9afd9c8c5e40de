// Package judge says which promises of docs/safety.md a history of a cluster breaks. A history is what an outsider saw: every version of
// every object in the order of the API server's changes, and what the hosts themselves know. The judge is a function of it and nothing
// else, and knows nothing of how the operator decides.
package judge

import (
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Moment is where something belongs: Version is the revision of the change, by which things are ordered, and At is when it was seen.
type Moment struct {
	Version uint64
	At      time.Time
}

// History is what was seen, each list in the order of its changes. It begins with the versions of what there was at first.
type History struct {
	Nodes    []Node
	Reboots  []Reboot
	Policies []Policy
	Slots    []Slots
	Pods     []Pod
	// Hosts is what happened to each host, by its own knowledge.
	Hosts map[string][]HostEvent
	// People is what others than the operator did on purpose, by the revision of their write.
	People []Deed
	// Quiet are spans in which nobody had anything to do.
	Quiet []Span
}

// Node is a version of a Node.
type Node struct {
	Moment
	Name, UID    string
	Labels       map[string]string
	Zone         string
	ControlPlane bool
	Skipped      bool
	Ready        bool
	Cordoned     bool
	// Ours says that the cordon has the operator's annotation.
	Ours bool
	// Taints are the keys of all taints.
	Taints []string
	BootID string
	// Marks names what the operator has left on the node: taints, annotations, labels, conditions.
	Marks []string
	Gone  bool
}

func (n *Node) tainted(key string) bool { return slices.Contains(n.Taints, key) }

// Reboot is a version of a NodeReboot.
type Reboot struct {
	Moment
	Name, UID  string
	Node       string
	Finalizers []string
	Deleting   bool
	Gone       bool
	Status     v1alpha1.NodeRebootStatus
}

// open says that an attempt holds its slot.
func (r *Reboot) open() bool {
	return !r.Gone && r.Status.Attempt != nil && r.Status.Attempt.EndedTime == nil && r.Status.Outcome == ""
}

// Policy is a version of a RebootPolicy.
type Policy struct {
	Moment
	Name string
	Spec v1alpha1.RebootPolicySpec
	Gone bool
}

// Slots is a version of the slots object.
type Slots struct {
	Moment
	// Grants has the readable entries, by node.
	Grants map[string]Grant
	// Entries is how many there are, unreadable ones included.
	Entries int
	Gone    bool
}

// Grant is an entry of the slots object.
type Grant struct {
	UID     string `json:"uid"`
	Attempt int32  `json:"attempt"`
}

// Pod is a version of a pod of an application.
type Pod struct {
	Moment
	App, Name, UID string
	Node           string
	Ready          bool
	Gone           bool
}

// HostEventKind is what happened to a host.
type HostEventKind string

// What happens to hosts.
const (
	HostRequired HostEventKind = "Required" // it began to ask for a reboot
	HostCleared  HostEventKind = "Cleared"  // it no longer asks
	HostAccepted HostEventKind = "Accepted" // it said yes to an order to reboot, given by the operator
	HostDown     HostEventKind = "Down"     // it went down
	HostUp       HostEventKind = "Up"       // it booted
	HostRemoved  HostEventKind = "Removed"  // the machine is no more
)

// HostEvent is something that happened to a host. BootID is the boot that an accepted order was about, or that began with HostUp.
type HostEvent struct {
	At     time.Time
	Kind   HostEventKind
	BootID string
}

// DeedKind is what others did on purpose.
type DeedKind string

// What others do to nodes that the operator has to respect.
const (
	PersonCordoned   DeedKind = "Cordoned"
	PersonUncordoned DeedKind = "Uncordoned"
	PersonTainted    DeedKind = "Tainted"
	PersonUntainted  DeedKind = "Untainted"
)

// Deed is what someone else wrote to a node.
type Deed struct {
	Moment
	Kind  DeedKind
	Node  string
	Taint string // the key
}

// Span is from one revision to another, both included.
type Span struct{ From, To uint64 }

// Rules say how strict the judge is. The zero value is strict beyond reason: everything is known everywhere at once.
type Rules struct {
	// Grace is how long ago something must have changed before the operator has to know of it. What it does itself, it knows at once.
	Grace time.Duration
	// ClusterLimit is --max-unavailable; 0 means none.
	ClusterLimit int
	// TaintsMayFail says that someone refused taints.
	TaintsMayFail bool
	// SlotsMayVanish says that others changed the slots object, so that a grant may be gone before its attempt is recorded.
	SlotsMayVanish bool
	// LeaveWorkloads says that applications were disturbed by others, so that how ready they are says nothing.
	LeaveWorkloads bool
	// Unfinished says that the history ends before everything was done.
	Unfinished bool
}
