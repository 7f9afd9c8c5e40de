// Package history says what happened: from NodeReboots, policies and nodes it makes a Chart, which the terminal, SVG, JSON and the
// dashboard draw. It is pure. Everything in a Chart was recorded; what is no longer known, such as when earlier attempts were made, is left
// out, and the Chart says so.
package history

import "time"

// Version of the JSON form of a Chart. It changes when a field changes its meaning or goes away, and not when one is added.
const Version = "timeline/v1"

// Chart is what happened to nodes in a time. It is the output of "kubectl reboots timeline -o json".
type Chart struct {
	// Version is the version of this form: timeline/v1.
	Version string `json:"version"`
	// From and To are the time that the chart is about. Bars that overlap it are in the chart, with their true beginning and end.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Now is when the chart was made. Bars that are open end here.
	Now time.Time `json:"now"`
	// Lanes are the zones, in the order in which the policies take them, then by name. The one without a name has the nodes without a zone.
	Lanes []Lane `json:"lanes"`
	// Shades are the times in which windows are open and freezes hold, by policy, then by time.
	Shades []Shade `json:"shades,omitempty"`
	// Policies sum up what happened, by name of the policy. NodeReboots without a policy are under the name "".
	Policies []Summary `json:"policies,omitempty"`
	// Notes say what the chart lacks, for example objects that cannot be read.
	Notes []string `json:"notes,omitempty"`
}

// Lane is a zone.
type Lane struct {
	// Zone is its name. It is empty for nodes without a zone.
	Zone string `json:"zone"`
	// Rows are its nodes, by name; numbers in names count as numbers.
	Rows []Row `json:"rows"`
}

// Row is a node.
type Row struct {
	// Node is its name.
	Node string `json:"node"`
	// Policy of its last NodeReboot.
	Policy string `json:"policy,omitempty"`
	// Gone says that there is no Node with the name now.
	Gone bool `json:"gone,omitempty"`
	// Bars are spans of time, by their beginning. Those of different NodeReboots may overlap: the later one in the list goes on top.
	Bars []Bar `json:"bars"`
	// Marks are moments, by time.
	Marks []Mark `json:"marks,omitempty"`
	// Story is what happened, by time. It is missing if it was not asked for.
	Story []Entry `json:"story,omitempty"`
}

// Kind says what a bar is.
type Kind string

const (
	// Waiting has no slot yet. The result is the reason, if the bar is open.
	Waiting Kind = "Waiting"
	// Earlier is a time with attempts whose exact times are not recorded.
	Earlier Kind = "Earlier"
	// Draining holds a slot, and the host was not ordered to reboot yet.
	Draining Kind = "Draining"
	// Stuck is a drain during which no pod leaves the node.
	Stuck Kind = "Stuck"
	// Rebooting has been ordered to reboot, and its host has not come back.
	Rebooting Kind = "Rebooting"
	// Recovering is back, and its workloads are not as ready as before.
	Recovering Kind = "Recovering"
	// RolledBack was given up before the host was ordered to reboot, and waits for the pods that were evicted.
	RolledBack Kind = "RolledBack"
	// Stalled has run out of time, and is still watched.
	Stalled Kind = "Stalled"
	// Unknown is a NodeReboot that cannot be read.
	Unknown Kind = "Unknown"
	// UnderWay is expected to hold a slot. Only a forecast has it.
	UnderWay Kind = "UnderWay"
)

// Kinds are all kinds of bars, in the order in which a reboot goes through them.
func Kinds() []Kind {
	return []Kind{Waiting, Earlier, Draining, Stuck, Rebooting, Recovering, RolledBack, Stalled, Unknown, UnderWay}
}

// Bar is a span of time in which a node was in one state.
type Bar struct {
	// Kind is the state.
	Kind Kind `json:"kind"`
	// Forecast says that it has not happened yet, and is expected.
	Forecast bool `json:"forecast,omitempty"`
	// Start and End of the bar. The end is never before the start.
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Open says that the state lasts. The end is then the time at which the chart was made.
	Open bool `json:"open,omitempty"`
	// Reboot is the name of the NodeReboot, and UID its UID: names are used again.
	Reboot string `json:"reboot,omitempty"`
	UID    string `json:"uid,omitempty"`
	// Attempt is the number of the attempt, from 1; 0 outside attempts.
	Attempt int32 `json:"attempt,omitempty"`
	// Result is the reason of the state that the bar leads to, such as Proved or DrainTimedOut; of an open bar, of its own state.
	Result string `json:"result,omitempty"`
	// Note is a sentence about the bar.
	Note string `json:"note,omitempty"`
}

// MarkKind says what a mark is.
type MarkKind string

const (
	// Tainted is when the node was tainted.
	Tainted MarkKind = "Tainted"
	// Approved is when the approval was seen that is in force.
	Approved MarkKind = "Approved"
	// Failed is when an attempt failed, or the NodeReboot was given up.
	Failed MarkKind = "Failed"
	// Proved is when the reboot was proved and its slot was free.
	Proved MarkKind = "Proved"
	// Cancelled is when the reboot was no longer needed.
	Cancelled MarkKind = "Cancelled"
)

// Mark is a moment.
type Mark struct {
	Kind MarkKind  `json:"kind"`
	Time time.Time `json:"time"`
	// Reboot is the name of the NodeReboot, and UID its UID.
	Reboot string `json:"reboot"`
	UID    string `json:"uid,omitempty"`
	// Reason in one word, such as NodeNotBack.
	Reason string `json:"reason,omitempty"`
	// Note is a sentence that says more.
	Note string `json:"note,omitempty"`
}

// Entry is a sentence of a story.
type Entry struct {
	Time time.Time `json:"time"`
	// Text is a sentence with a full stop.
	Text string `json:"text"`
	// Reboot is the name of the NodeReboot that it is about.
	Reboot string `json:"reboot,omitempty"`
	// Warning says that something is or was not as it should be.
	Warning bool `json:"warning,omitempty"`
	// Event says that the sentence is that of an Event.
	Event bool `json:"event,omitempty"`
	// reason in one word, by which what is said twice is found.
	reason string
}

// ShadeKind says what a shade is.
type ShadeKind string

const (
	// Window is a time in which nodes may start.
	Window ShadeKind = "Window"
	// Freeze is a time in which none may, whatever windows say.
	Freeze ShadeKind = "Freeze"
)

// Shade is a span of time in the background. It is cut to the time of the chart.
type Shade struct {
	Policy string    `json:"policy"`
	Kind   ShadeKind `json:"kind"`
	// Name of the freeze.
	Name string    `json:"name,omitempty"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Summary sums up the NodeReboots of a policy that are in the chart.
type Summary struct {
	Policy string `json:"policy"`
	// Reboots is how many there are, and the next ones how far they are.
	Reboots   int `json:"reboots"`
	Proved    int `json:"proved"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	UnderWay  int `json:"underWay"`
	Waiting   int `json:"waiting"`
	// Unreadable is how many of them cannot be read. They count nowhere else but in Reboots.
	Unreadable int `json:"unreadable,omitempty"`
	// Longest is the node whose proved attempt took the longest from its slot to its end, and how long.
	Longest        string  `json:"longest,omitempty"`
	LongestSeconds float64 `json:"longestSeconds,omitempty"`
	// MedianSeconds is the median of proved attempts.
	MedianSeconds float64 `json:"medianSeconds,omitempty"`
	// Tainted is how many drains began after the node was tainted, and TaintLeadSeconds the sum of the times between.
	Tainted          int   `json:"tainted,omitempty"`
	TaintLeadSeconds int64 `json:"taintLeadSeconds,omitempty"`
	// FirstStart is when the first slot was granted, and LastEnd when the last attempt ended, as far as recorded.
	FirstStart *time.Time `json:"firstStart,omitempty"`
	LastEnd    *time.Time `json:"lastEnd,omitempty"`
}
