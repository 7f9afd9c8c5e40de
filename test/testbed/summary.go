package testbed

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Summary is the summary of a recording.
type Summary struct {
	// Down is the most nodes that were down at once: under way, not Ready, or cordoned.
	Down Peak
	// DownByPolicy and DownByZone are the same for the nodes of each policy and zone. A node belongs to the policy that a NodeReboot
	// of it names.
	DownByPolicy map[string]Peak
	DownByZone   map[string]Peak
	// ControlPlaneDown is the same for control-plane nodes.
	ControlPlaneDown Peak
	// ZonesUnderWay is the most zones that had a node under way at once; its Names are zones.
	ZonesUnderWay Peak
	// Visits is the order in which zones had their turn.
	Visits  []ZoneVisit
	Reboots []RebootSummary
	Apps    []AppSummary
	// Makespan is the time from the first grant of a slot until the last slot was freed.
	Makespan time.Duration
}

// Peak is the most of something at once.
type Peak struct {
	Count int
	At    time.Time
	Names []string // what was counted, by name
}

// ZoneVisit is a time in which one zone after another had its turn.
type ZoneVisit struct {
	Zone         string
	ControlPlane bool
	From, To     time.Time // To is zero while it lasts
	Nodes        []string  // in the order in which they began
}

// RebootSummary is one NodeReboot and how long each part of it took. A time that is not known, or a part that was not reached, is nil.
type RebootSummary struct {
	Name, Node, Zone, Policy string
	Phase                    v1alpha1.Phase
	Outcome                  v1alpha1.Outcome
	Reason, Message          string
	Before, After            v1alpha1.BootInfo
	// SentinelToTaint is from when the host asked for a reboot until its taint was seen.
	SentinelToTaint *time.Duration
	// TaintedBeforeDrain reports whether the node had its taint before its first drain was ordered, or before the end if none was.
	TaintedBeforeDrain bool
	// TaintLead is from when the taint was seen until the first order to drain was seen; 0 if both were seen at once.
	TaintLead *time.Duration
	// Drain is from the order to drain to the end of the drain.
	Drain *time.Duration
	// Downtime is from when the host went down until it was up, by the host's own knowledge.
	Downtime *time.Duration
	// Recovery is from when the host was up until the slot was freed.
	Recovery *time.Duration
	// Held is how long the slot was held in all.
	Held *time.Duration
}

// Summarize judges a recording. The lists of the recording must be in the order of their versions.
func Summarize(recording Recording) Summary {
	summary := Summary{
		Reboots: rebootSummaries(recording),
		Apps:    appSummaries(recording),
	}
	summary.addFleet(recording)
	summary.Makespan = makespan(recording.Reboots)
	return summary
}

// rebootSummaries has one entry for each NodeReboot, in the order in which they were made.
func rebootSummaries(recording Recording) []RebootSummary {
	last := map[string]RebootRecord{}
	first := map[string]RebootRecord{}
	var names []string
	for _, record := range recording.Reboots {
		if _, seen := first[record.Name]; !seen {
			first[record.Name] = record
			names = append(names, record.Name)
		}
		if !record.Gone {
			last[record.Name] = record
		}
	}
	summaries := make([]RebootSummary, 0, len(names))
	for _, name := range names {
		summaries = append(summaries, rebootSummary(recording, first[name], last[name]))
	}
	return summaries
}

func rebootSummary(recording Recording, first, last RebootRecord) RebootSummary {
	status := last.Status
	summary := RebootSummary{
		Name: first.Name, Node: first.Node, Zone: status.Zone, Policy: status.PolicyName,
		Phase: status.Phase, Outcome: status.Outcome, Reason: status.Reason, Message: status.Message,
	}
	if status.Before != nil {
		summary.Before = *status.Before
	}
	if status.After != nil {
		summary.After = *status.After
	}
	events := recording.Hosts[first.Node]
	asked := lastBefore(events, EventSentinelSet, first.At)
	tainted := firstTaint(recording.Nodes, first.Node, asked)
	ordered := firstDrainOrder(recording.Reboots, first.Name)
	summary.TaintedBeforeDrain = tainted != nil && (ordered == nil || tainted.Version < ordered.Version)
	if tainted != nil {
		summary.SentinelToTaint = between(asked, &tainted.At)
	}
	if summary.TaintedBeforeDrain && ordered != nil {
		summary.TaintLead = new(max(ordered.At.Sub(tainted.At), 0)) // the two watches may be out of step
	}
	attempt := status.Attempt
	if attempt == nil {
		return summary
	}
	summary.Drain = between(micro(attempt.DrainOrderedTime), micro(attempt.DrainedTime))
	down := firstAfter(events, EventDown, micro(attempt.RebootOrderedTime))
	up := firstAfter(events, EventUp, down)
	summary.Downtime = between(down, up)
	summary.Recovery = between(up, micro(attempt.EndedTime))
	summary.Held = between(&attempt.GrantedTime.Time, micro(attempt.EndedTime))
	return summary
}

// firstTaint is when the node was first seen with the taint, not before from.
func firstTaint(nodes []NodeRecord, name string, from *time.Time) *Moment {
	for _, node := range nodes {
		if node.Name == name && node.Tainted && (from == nil || !node.At.Before(*from)) {
			return &node.Moment
		}
	}
	return nil
}

// firstDrainOrder is when a NodeReboot was first seen with an order to drain.
func firstDrainOrder(reboots []RebootRecord, name string) *Moment {
	for _, reboot := range reboots {
		if order := reboot.Status.Order; reboot.Name == name && order != nil && order.Action == v1alpha1.ActionDrain {
			return &reboot.Moment
		}
	}
	return nil
}

// lastBefore is when the kind last happened before a time.
func lastBefore(events []HostEvent, kind EventKind, before time.Time) *time.Time {
	var last *time.Time
	for _, event := range events {
		if event.Kind == kind && event.At.Before(before) {
			last = &event.At
		}
	}
	return last
}

// firstAfter is when the kind first happened after a time.
func firstAfter(events []HostEvent, kind EventKind, after *time.Time) *time.Time {
	if after == nil {
		return nil
	}
	for _, event := range events {
		if event.Kind == kind && !event.At.Before(*after) {
			return &event.At
		}
	}
	return nil
}

func between(from, to *time.Time) *time.Duration {
	if from == nil || to == nil {
		return nil
	}
	return new(to.Sub(*from))
}

func micro(value *metav1.MicroTime) *time.Time {
	if value == nil {
		return nil
	}
	return &value.Time
}

// makespan is from the first grant of a slot until the last slot was freed.
func makespan(reboots []RebootRecord) time.Duration {
	var first, last time.Time
	for _, record := range reboots {
		attempt := record.Status.Attempt
		if attempt == nil {
			continue
		}
		if first.IsZero() || attempt.GrantedTime.Time.Before(first) {
			first = attempt.GrantedTime.Time
		}
		if attempt.EndedTime != nil && attempt.EndedTime.After(last) {
			last = attempt.EndedTime.Time
		}
	}
	if last.IsZero() {
		return 0
	}
	return last.Sub(first)
}
