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
	// Zone is the time zone of the person. A chart has no times in sentences; those who write it need the zone.
	Zone *time.Location

	// OnlyNodes and OnlyPolicies limit the chart to the nodes, and to the nodes of the policies, that they name; both empty means all. A node
	// in OnlyNodes has a row even if nothing happened to it.
	OnlyNodes, OnlyPolicies []string
	// AllNodes gives a row to every node, also to those to which nothing happened.
	AllNodes bool
	// NoShades leaves out windows and freezes.
	NoShades bool
	// Stories fills in the story of each row.
	Stories bool
}

// Expected is when a node is expected to go. Times that are zero are not known.
type Expected struct {
	Node, Policy, Zone, Reboot string
	// Start is when it gets a slot, or now if it has one; End is when its slot is free.
	Start, End time.Time
	// Note is a sentence about it, for example how sure it is.
	Note string
}

// bars of what is expected, as far as it is in a time.
func (e *Expected) bars(from, to time.Time) []Bar {
	if e.Start.IsZero() {
		return nil
	}
	bar := Bar{Kind: UnderWay, Forecast: true, Start: e.Start, End: e.End, Reboot: e.Reboot, Note: e.Note}
	if bar.End.Before(bar.Start) {
		bar.End = bar.Start
	}
	if !overlaps(bar.Start, bar.End, from, to) {
		return nil
	}
	return []Bar{bar}
}

// overlaps says whether a span has something in common with the time from one moment to another.
func overlaps(start, end, from, to time.Time) bool { return !end.Before(from) && !start.After(to) }
