package history

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Input is what a Chart is made of. Nothing in it is changed.
type Input struct {
	Reboots  []v1alpha1.NodeReboot
	Policies []v1alpha1.RebootPolicy
	Nodes    []corev1.Node
	// Events about NodeReboots and Nodes, as far as they can be read. They become entries of stories.
	Events []eventsv1.Event
	// Forecast is what is expected.
	Forecast []Expected

	// From and To are the time that the chart is about; Now is when it is made.
	From, To, Now time.Time
	// Zone is the time zone of times in sentences; not set means UTC.
	Zone *time.Location

	// OnlyNodes and OnlyPolicies limit the chart to the nodes, and to the nodes of the policies, that they name; both empty is all. A node in
	// OnlyNodes has a row even if nothing happened to it.
	OnlyNodes, OnlyPolicies []string
	// AllNodes gives a row to every node, also to those to which nothing happened.
	AllNodes bool
	// Stories fills in the story of each row.
	Stories bool
}

// Expected is when a node is expected to go. Times that are zero are not known.
type Expected struct {
	Node, Policy, Zone, Reboot string
	// Start is when it gets a slot, Reboots when its host is ordered to reboot, Returns when it is back, End when its slot is free.
	Start, Reboots, Returns, End time.Time
	// Note is a sentence about it, for example how sure it is.
	Note string
}

// Build makes a chart.
func Build(in *Input) *Chart {
	return &Chart{Version: Version, From: in.From, To: in.To, Now: in.Now, Lanes: []Lane{}}
}
