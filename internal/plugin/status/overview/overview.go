// Package overview says how policies and their nodes stand. It is pure: an overview is a function of objects, of what a forecast says, and
// of a time.
package overview

import (
	"context"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Overview is how everything stands at a time.
type Overview struct {
	// Time at which it was so.
	Time metav1.Time `json:"time"`
	// Policies by name. The last one may be NoPolicy.
	Policies []Policy `json:"policies"`
}

// Policy is how a policy stands. What is not known is missing.
type Policy struct {
	Name string `json:"name"`
	// Missing says that there are NodeReboots of the policy and it is not there; with an empty name they have no policy at all.
	Missing bool          `json:"missing,omitempty"`
	Mode    v1alpha1.Mode `json:"mode,omitempty"`
	// Summary is the word of the manager, such as Halted or Invalid.
	Summary string `json:"summary,omitempty"`
	// Message says what is wrong, if something is.
	Message string `json:"message,omitempty"`
	// Unseen says that the manager has not looked at the policy as it is now.
	Unseen bool `json:"unseen,omitempty"`

	Window *Window `json:"window,omitempty"`
	Canary *Canary `json:"canary,omitempty"`
	Limits Limits  `json:"limits"`

	// CurrentZone has its turn, where zones go one at a time.
	CurrentZone string `json:"currentZone,omitempty"`
	// Nodes of the policy, as the manager counted them.
	Nodes int `json:"nodes"`
	// UnderWay, Waiting, Done and Failed count nodes; Done and Failed are those of the rollout since Since.
	UnderWay int          `json:"underWay"`
	Waiting  int          `json:"waiting"`
	Done     int          `json:"done"`
	Failed   int          `json:"failed"`
	Since    *metav1.Time `json:"since,omitempty"`
	// WaitingFor counts those that wait by reason, the most first.
	WaitingFor []Reason `json:"waitingFor,omitempty"`
	// Finish is when the forecast expects the end of the rollout, except for Unknown nodes that it does not know to be done.
	Finish  *metav1.Time `json:"finish,omitempty"`
	Unknown int          `json:"unknown,omitempty"`
	Zones   []Zone       `json:"zones,omitempty"`
}

// Total of the nodes that the rollout is about.
func (p *Policy) Total() int { return p.Done + p.Failed + p.UnderWay + p.Waiting }

// Window is where the schedule stands.
type Window struct {
	State  v1alpha1.WindowState `json:"state"`
	Freeze string               `json:"freeze,omitempty"`
	Opens  *metav1.Time         `json:"opens,omitempty"`
	Closes *metav1.Time         `json:"closes,omitempty"`
}

// Canary is the progress of the nodes that go first.
type Canary struct {
	Count    string       `json:"count"`
	UnderWay int          `json:"underWay"`
	Soaking  int          `json:"soaking"`
	Failed   int          `json:"failed"`
	Soaked   *metav1.Time `json:"soaked,omitempty"`
}

// Limits are how many nodes may be unavailable, and are.
type Limits struct {
	MaxUnavailable int `json:"maxUnavailable"`
	Unavailable    int `json:"unavailable"`
	// Spec is what the policy says, such as 10%.
	Spec     string                `json:"spec,omitempty"`
	PerZone  string                `json:"perZone,omitempty"`
	Strategy v1alpha1.ZoneStrategy `json:"strategy,omitempty"`
}

// Reason is how many nodes wait for a reason.
type Reason struct {
	Reason string `json:"reason"`
	Nodes  int    `json:"nodes"`
}

// Zone has the nodes of a zone.
type Zone struct {
	Name string `json:"name"`
	Done int    `json:"done"`
	// Failed counts the nodes whose last reboot was given up.
	Failed   int    `json:"failed"`
	UnderWay []Node `json:"underWay,omitempty"`
	Waiting  []Node `json:"waiting,omitempty"`
	// Finished are NodeReboots that have ended, the last one first.
	Finished []Node `json:"finished,omitempty"`
}

// Node is one NodeReboot.
type Node struct {
	Name   string         `json:"node"`
	Reboot string         `json:"nodeReboot"`
	Phase  v1alpha1.Phase `json:"phase"`
	Reason string         `json:"reason,omitempty"`
	// Message says the same in a sentence.
	Message string `json:"message,omitempty"`
	// Since is when the phase began, and Started when the attempt did. For a waiting node, Since is the time since which the reboot has been
	// required.
	Since   *metav1.Time `json:"since,omitempty"`
	Started *metav1.Time `json:"started,omitempty"`
	// Ended is when a finished one ended.
	Ended *metav1.Time `json:"ended,omitempty"`
	// PodsLeft of PodsTotal have not left the node yet.
	PodsLeft  *int `json:"podsLeft,omitempty"`
	PodsTotal *int `json:"podsTotal,omitempty"`
	// Stuck says that the drain gets nowhere.
	Stuck bool `json:"stuck,omitempty"`
	// Until is when time alone ends what it waits for.
	Until   *metav1.Time `json:"until,omitempty"`
	Attempt int          `json:"attempt,omitempty"`
	Canary  bool         `json:"canary,omitempty"`
	Turn    *Turn        `json:"turn,omitempty"`

	immediate bool
	required  time.Time
}

// Turn is what a forecast says about a node.
type Turn struct {
	// Position of so many in the queue of the zone; zero if not known.
	Position int `json:"position,omitempty"`
	Of       int `json:"of,omitempty"`
	// Start is when the node is expected to start, and Back when it is expected to be back.
	Start *metav1.Time `json:"start,omitempty"`
	Back  *metav1.Time `json:"back,omitempty"`
}

// Outlook is what a forecast says. Unknown values are missing.
type Outlook struct {
	// Turns by node.
	Turns map[string]Turn
	// Finish is when the rollout ends, by policy. Unknown is how many of its nodes are not known to be done; Finish is for the others.
	Finish  map[string]time.Time
	Unknown map[string]int
}

// At is a time as an overview has it.
func At(t time.Time) *metav1.Time { return timeOf(t) }

// timeOf is a time that may be missing.
func timeOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC()}
}

// micro is a time that may be missing.
func micro(t *metav1.MicroTime) *metav1.Time {
	if t == nil {
		return nil
	}
	return timeOf(t.Time)
}

// Forecast finds out what is to be expected. It returns nil if nothing is known.
type Forecast func(ctx context.Context, cluster client.Reader, now time.Time) *Outlook

// Only leaves the policies of these names; without names it leaves all.
func (o *Overview) Only(names []string) {
	if len(names) > 0 {
		o.Policies = slices.DeleteFunc(o.Policies, func(p Policy) bool { return !slices.Contains(names, p.Name) })
	}
}

// HideFinished leaves out what has ended.
func (o *Overview) HideFinished() {
	for i := range o.Policies {
		zones := o.Policies[i].Zones
		for j := range zones {
			zones[j].Finished = nil
		}
	}
}

// Names are those of all policies and of the NodeReboots that are shown, one a line, as kubectl writes them.
func (o *Overview) Names() string {
	var text strings.Builder
	for i := range o.Policies {
		p := &o.Policies[i]
		if !p.Missing {
			text.WriteString("rebootpolicy.reboot-operator.io/" + p.Name + "\n")
		}
		for j := range p.Zones {
			z := &p.Zones[j]
			for _, nodes := range [][]Node{z.UnderWay, z.Waiting, z.Finished} {
				for k := range nodes {
					text.WriteString("nodereboot.reboot-operator.io/" + nodes[k].Reboot + "\n")
				}
			}
		}
	}
	return text.String()
}
