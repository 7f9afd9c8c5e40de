package model

import (
	"cmp"
	"time"
)

// GateKind says in which list of a policy a gate stands that is asked outside of this package.
type GateKind string

// The kinds of gates that are asked.
const (
	GatePods         GateKind = "gates.pods"
	GatePrometheus   GateKind = "gates.prometheus"
	GateAlertmanager GateKind = "gates.alertmanager"
	GateObjects      GateKind = "gates.objects"
	GateCapacity     GateKind = "gates.capacity"
	GateRecovery     GateKind = "recovery.objects"
)

// GateKey names what a plan has to know from a gate before it can continue.
type GateKey struct {
	// Policy that the gate stands in, and the generation of its spec: an answer about an older one says nothing.
	Policy     string
	Generation int64
	Kind       GateKind
	// Gate is the gate's name; the one of capacity has none.
	Gate string
	// About is, for capacity, which nodes are under way and not back yet, separated by commas. For recovery it is the attempt, so that
	// no answer of before the reboot is taken for one of after it.
	About string
}

// GateQuery asks a gate; for capacity it has the nodes for which it is asked, in the order in which they are to start.
type GateQuery struct {
	GateKey
	Nodes []string
}

// AttemptID tells an attempt from all others, of any cluster.
type AttemptID struct {
	Node, RebootUID string
	Number          int32
}

// CompareAttempts puts attempts into an order.
func CompareAttempts(a, b AttemptID) int {
	return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.RebootUID, b.RebootUID), cmp.Compare(a.Number, b.Number))
}

// Excused is what a gate has in the way that attempts under way bring about themselves.
type Excused struct {
	// By are the attempts, in order.
	By []AttemptID
	// Obstacle is what is in the way once none of them is under way.
	Obstacle string
}

// GateAnswer is the answer of a gate. It has to stay the same as long as nothing changes, because it is written to NodeReboots.
type GateAnswer struct {
	// Obstacle is what is in the way, as a sentence; empty is nothing.
	Obstacle string
	// Nodes has what is in the way of single nodes. For gates of pods, a missing node has nothing in its way. For capacity, a missing node was
	// not checked; a node that may go has an empty sentence.
	Nodes map[string]string
	// Excused is in the way as well, unless one of the attempts is under way that it is about.
	Excused []Excused
	// Stale says that the answer is too old to start on. Its obstacles count until there is a newer answer.
	Stale bool
	// Failure is why the gate could not be asked, and Since when that has been so.
	Failure string
	Since   time.Time
	// Until is when to ask the gate again; zero if it is being asked, or reports changes itself.
	Until time.Time
}
