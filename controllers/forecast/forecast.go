package forecast

import (
	"time"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// Input is everything that a forecast depends on. Nothing of it is changed. The order of what is in it does not matter, and the same input
// gives the same forecast.
type Input struct {
	// Snapshot of the cluster, as a plan takes it: with Pods of all nodes and the Workloads they belong to, as far as they are known. A node
	// that Pods does not have is assumed to have no pods, and the forecast says so.
	Snapshot *plan.Snapshot
	// Now is when the forecast begins.
	Now time.Time
	// History is how long things took; the zero value takes it from the NodeReboots of the snapshot.
	History History
	// Samples is how many runs draw their durations from History, in addition to the run with the medians. Zero means DefaultSamples, and a
	// negative number means none.
	Samples int
	// Seed of what is drawn.
	Seed uint64
	// Budget bounds what the forecast costs; the zero value is DefaultBudget.
	Budget Budget
}

// Budget bounds what a forecast costs. It counts work and not time, so that the same input gives the same forecast on every machine.
type Budget struct {
	// Work is how many objects all plans of the forecast may look at: each plan looks at every Node and NodeReboot that is simulated. Zero is
	// that of DefaultBudget.
	Work int
	// Plans is how many plans one run may make. Zero is that of DefaultBudget.
	Plans int
	// Ahead is how far a run looks ahead. Zero means the value of DefaultBudget.
	Ahead time.Duration
}

// Forecast says what will happen if nothing but time and the operator changes the cluster.
type Forecast struct {
	// Computed is when the forecast was made.
	Computed time.Time `json:"computed"`
	// Nodes that need a reboot, in the order in which they start. Those that are not known to start come last, by name.
	Nodes []Node `json:"nodes"`
	// Policies by name.
	Policies []Policy `json:"policies"`
	// Assumptions are sentences about what the forecast takes for granted because it cannot be known, and where its durations come from.
	Assumptions []string `json:"assumptions,omitempty"`
	// Coarse says that the forecast took less than it could, and Why is a sentence about what it left out.
	Coarse bool   `json:"coarse"`
	Why    string `json:"why,omitempty"`
	// Cut says that the run with the medians was ended before all nodes were done that would be. The last ones are left out.
	Cut bool `json:"-"`
	// Samples is how many runs the percentiles come from.
	Samples int `json:"samples"`
}

// State of a node in a forecast.
type State string

const (
	// Waiting nodes have not begun their next attempt.
	Waiting State = "Waiting"
	// UnderWay nodes have an attempt that has not ended.
	UnderWay State = "UnderWay"
)

// Node is the forecast for one node.
type Node struct {
	Name   string `json:"name"`
	Policy string `json:"policy,omitempty"`
	Zone   string `json:"zone,omitempty"`
	// Reboot is the name of the NodeReboot.
	Reboot string `json:"nodeReboot"`
	State  State  `json:"state"`
	// Position of a waiting node among the Of waiting nodes of its policy and zone, from 1, in the order in which they start. It is 0 for a
	// node that is under way, and for a node that is not known to start.
	Position int `json:"position,omitempty"`
	Of       int `json:"of,omitempty"`
	// Start is when the attempt starts, or started if it is under way; Back is when it has ended and its slot is free.
	Start Times `json:"start"`
	Back  Times `json:"back"`
	// Obstacle is why the node is not known to start, or to be back; nil if it is.
	Obstacle *Obstacle `json:"obstacle,omitempty"`
}

// Policy is the forecast for one policy.
type Policy struct {
	Name string `json:"name"`
	// Waiting and UnderWay count the nodes that need a reboot.
	Waiting  int `json:"waiting"`
	UnderWay int `json:"underWay"`
	// Unknown counts those that are not known to be done: Finish is for the others.
	Unknown int `json:"unknown"`
	// Finish is when the last node is back that is known to be. It is not known if no node is.
	Finish Times `json:"finish"`
	// Windows are those in which nodes start, in order.
	Windows []Window `json:"windows,omitempty"`
	// Obstacles are what keeps nodes from being done, the permanent ones first.
	Obstacles []Obstacle `json:"obstacles,omitempty"`
}

// Window is one in which nodes start.
type Window struct {
	Open  time.Time `json:"open"`
	Close time.Time `json:"close"`
	// Starts is how many nodes start in it.
	Starts int `json:"starts"`
}

// Obstacle is what keeps nodes from being done.
type Obstacle struct {
	// Reason is one of the reasons of the API.
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Nodes that it is about, by name.
	Nodes []string `json:"nodes,omitempty"`
	// Permanent says that time alone does not end it: a person, or another object, has to change.
	Permanent bool `json:"permanent"`
}

// Times is a time that is not known exactly. A time that is not known at all is nil.
type Times struct {
	// P50 is the time that half of the runs do not exceed, and P90 the time that nine of ten runs do not exceed. P90 is nil if there were too
	// few runs.
	P50 *time.Time `json:"p50,omitempty"`
	P90 *time.Time `json:"p90,omitempty"`
}

// Known says whether there is a time.
func (t Times) Known() bool { return t.P50 != nil }

// Median is P50, or the zero time if that is not known.
func (t Times) Median() time.Time {
	if t.P50 == nil {
		return time.Time{}
	}
	return *t.P50
}

// Late is P90, or P50 if that is not known, or the zero time if neither is.
func (t Times) Late() time.Time {
	if t.P90 == nil {
		return t.Median()
	}
	return *t.P90
}

// Node with a name; nil if the forecast has none.
func (f *Forecast) Node(name string) *Node {
	for i := range f.Nodes {
		if f.Nodes[i].Name == name {
			return &f.Nodes[i]
		}
	}
	return nil
}

// Policy with a name; nil if the forecast has none.
func (f *Forecast) Policy(name string) *Policy {
	for i := range f.Policies {
		if f.Policies[i].Name == name {
			return &f.Policies[i]
		}
	}
	return nil
}

// Permanent says whether there is an obstacle that time alone does not end.
func (f *Forecast) Permanent() bool {
	for i := range f.Policies {
		for _, obstacle := range f.Policies[i].Obstacles {
			if obstacle.Permanent {
				return true
			}
		}
	}
	return false
}
