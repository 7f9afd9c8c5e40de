package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// maxNodes is how many nodes an event names.
	maxNodes = 10
	// idLength is how many hexadecimal digits an ID has.
	idLength = 16
)

// Event is what a receiver gets. A webhook gets it as JSON, and a template can use every field of it. All times are in the time zone of
// the policy.
type Event struct {
	// ID is the same whenever the same is sent again, such as by another manager after a crash.
	ID string `json:"id"`
	// Event says what it is about.
	Event v1alpha1.NotificationEvent `json:"event"`
	// Policy is the name of the RebootPolicy.
	Policy string `json:"policy"`
	// Time at which it was so.
	Time time.Time `json:"time"`
	// Ended says that it was so and is no longer: the receiver could not be notified earlier.
	Ended bool `json:"ended"`
	// Title is one line, and Text the message, both in English.
	Title string `json:"title"`
	Text  string `json:"text"`
	// Reason and Message are those of what is in the way, if it is one thing.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Since when it has been so.
	Since time.Time `json:"since,omitzero"`
	// Count is how many nodes it is about, and Nodes are up to 10 of them, those first that are news.
	Count int    `json:"count"`
	Nodes []Node `json:"nodes,omitempty"`
	// Rollout that it belongs to; nil if none has started.
	Rollout *Rollout `json:"rollout,omitempty"`
	// Window says which window closed; only of WindowMissed.
	Window *Window `json:"window,omitempty"`

	keys []string
	// progress says that the receiver was notified of the start of the rollout before, and shown is where and by which message.
	progress bool
	shown    string
}

// AboutRollout says that it is about the start, the progress or the end of a rollout, which one message can show.
func (e *Event) AboutRollout() bool {
	return e.Event == v1alpha1.EventRolloutStarted || e.Event == v1alpha1.EventRolloutFinished
}

// IsProgress says that it is only for a receiver that shows the rollout by a message which it can change.
func (e *Event) IsProgress() bool { return e.progress }

// Shown is where the receiver shows the rollout, and by which message; empty if it has none that it can change.
func (e *Event) Shown() string { return e.shown }

// Show notes where the receiver shows the rollout.
func (e *Event) Show(where string) { e.shown = where }

// Node is one node that an event is about.
type Node struct {
	Name string `json:"name"`
	// NodeReboot is the name of the object.
	NodeReboot string `json:"nodeReboot,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
	// Since when it has been so.
	Since time.Time `json:"since,omitzero"`
	// Seconds it took; only of the slowest one of a rollout.
	Seconds int64 `json:"seconds,omitempty"`
}

// Rollout is how a rollout goes, or went.
type Rollout struct {
	// ID is the same in every event of the rollout: a receiver may show all of them as one message that changes.
	ID string `json:"id"`
	// State is UnderWay or Finished.
	State    string    `json:"state"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	// DurationSeconds from the start to the end, or until now.
	DurationSeconds int64 `json:"durationSeconds"`
	// Duration is the same for people, such as 3h20m.
	Duration string `json:"duration"`
	// Rebooted is how many nodes were rebooted and proved, Failed how many were given up, UnderWay how many hold a slot, and Remaining how
	// many more need a reboot.
	Rebooted  int `json:"rebooted"`
	Failed    int `json:"failed"`
	UnderWay  int `json:"underWay"`
	Remaining int `json:"remaining"`
	// Waiting says what the remaining nodes wait for.
	Waiting []Waiting `json:"waiting,omitempty"`
	// Slowest is the node that took longest from the grant of its slot until that was freed.
	Slowest *Node `json:"slowest,omitempty"`
	// Refused is how many nodes did not let themselves be drained, and RefusedNodes are up to 10 of them.
	Refused      int    `json:"refused"`
	RefusedNodes []Node `json:"refusedNodes,omitempty"`
}

// Waiting is how many nodes wait for one reason.
type Waiting struct {
	Reason string `json:"reason"`
	Nodes  int    `json:"nodes"`
}

// Window is one that closed.
type Window struct {
	Closed time.Time `json:"closed"`
	// Opens is when the next one opens; zero if none does.
	Opens time.Time `json:"opens,omitzero"`
}

// States of a rollout.
const (
	StateUnderWay = "UnderWay"
	StateFinished = "Finished"
)

// idOf is made of what says what it is about, and of nothing else.
func idOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:idLength]
}
