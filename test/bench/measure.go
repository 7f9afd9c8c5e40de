package bench

import (
	"cmp"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/bench/bound"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// Goals of a rollout. They are those of the design.
const (
	goalMakespan        = 1.05
	goalMakespanProbes  = 1.10
	goalLatency         = time.Second
	goalRequests        = 40
	goalWrites          = 20
	idealShutdownLeeway = 100 * time.Millisecond
)

// rolloutFigures are the figures that every rollout has.
func (o *outcome) rolloutFigures() []Figure {
	goal := goalMakespan
	if o.scenario.kubelet {
		goal = goalMakespanProbes
	}
	ideal := o.ideal()
	least := bound.Of(ideal)
	moved, again := o.moves()
	figures := []Figure{
		ratio("makespan / bound", o.summary.Makespan.Seconds()/max(least.Seconds(), 1e-3)).goal(goal),
		count("replicas moved more than once", float64(again)),
		count("replicas moved more than once, at least", float64(bound.MovedAgain(ideal))),
		count("evictions", float64(moved)),
		seconds("makespan", o.summary.Makespan),
		seconds("bound", least),
	}
	figures = append(figures, latencies("need to taint", o.needToTaint(), goalLatency)...)
	return append(figures, latencies("slot free to next order", o.slotToOrder(), goalLatency)...)
}

// moves counts evictions of the applications' pods, and those that hit a replica again. The manager's own pods do not count.
func (o *outcome) moves() (evictions, again int) {
	for _, app := range o.summary.Apps {
		if !slices.ContainsFunc(o.scenario.apps, func(a testbed.App) bool { return a.Name == app.App.Name }) {
			continue
		}
		evictions += app.Evictions
		again += app.Repeated
	}
	return evictions, again
}

func (o *outcome) needToTaint() []time.Duration {
	var all []time.Duration
	for _, reboot := range o.summary.Reboots {
		if reboot.SentinelToTaint != nil {
			all = append(all, *reboot.SentinelToTaint)
		}
	}
	return all
}

// ideal is what was there when the nodes asked. How long hosts are down and pods take to end is what the testbed needed.
func (o *outcome) ideal() bound.Rollout {
	apps := map[string]testbed.App{}
	r := bound.Rollout{
		Slots: o.scenario.slots, OneZoneAtATime: o.scenario.zones != v1alpha1.ZonesAnyOrder, Budgets: map[string]int{},
	}
	for _, app := range o.scenario.apps {
		apps[app.Name] = app
		if app.MaxUnavailable != nil {
			r.Budgets[app.Name] = *app.MaxUnavailable
		}
	}
	ends := terminations(o.recording.Pods)
	for _, options := range o.scenario.nodes {
		node := bound.Node{Zone: options.Zone, Down: downtime(o.recording.Hosts[options.Name], options.RebootDuration)}
		for _, pod := range o.initial[options.Name] {
			if app, ours := apps[pod.App.Name]; ours { // and none of the manager's
				node.Pods = append(node.Pods, o.boundPod(pod, app, ends))
			}
		}
		r.Nodes = append(r.Nodes, node)
	}
	return r
}

func (o *outcome) boundPod(pod testbed.PodRecord, app testbed.App, ends map[string]time.Duration) bound.Pod {
	took, known := ends[string(pod.UID)]
	if !known {
		took = app.TerminateAfter
	}
	out := app.ReadyAfter
	if app.Kind == testbed.StatefulSet { // the next one is made when the last is gone
		out += took
	}
	stays := app.AntiAffinity && int(app.Replicas) >= len(o.scenario.nodes)
	return bound.Pod{App: app.Name, Ends: took, Out: out, Stays: stays, Ready: app.ReadyAfter}
}

// terminations are how long evicted pods took to end, by UID.
func terminations(pods []testbed.PodRecord) map[string]time.Duration {
	began, took := map[string]time.Time{}, map[string]time.Duration{}
	for _, pod := range pods {
		uid := string(pod.UID)
		if _, known := began[uid]; !known && pod.Terminating {
			began[uid] = pod.At
		}
		if since, known := began[uid]; known && pod.Gone {
			took[uid] = pod.At.Sub(since)
		}
	}
	return took
}

// downtime is from when the host accepted the order until it was up, by its own knowledge.
func downtime(events []testbed.HostEvent, planned time.Duration) time.Duration {
	var accepted time.Time
	for _, event := range events {
		switch {
		case event.Kind == testbed.EventRebootAccepted:
			accepted = event.At
		case event.Kind == testbed.EventUp && !accepted.IsZero():
			return event.At.Sub(accepted)
		}
	}
	return planned + idealShutdownLeeway
}

// slotEvent is a slot that was given back, or an order to drain.
type slotEvent struct {
	version uint64
	at      time.Time
	node    string
	free    bool
}

// slotToOrder is how long after a slot became free the next drain was ordered, both as a watch shows them. Orders and free slots belong
// together in their order. Where zones go one at a time, the first of a zone do not wait for a slot, but for the last node of the zone
// before.
func (o *outcome) slotToOrder() []time.Duration {
	zones := map[string]string{}
	left := map[string]int{} // nodes of a zone that are not done
	for _, node := range o.scenario.nodes {
		zones[node.Name] = node.Zone
		left[node.Zone]++
	}
	var took []time.Duration
	var free []time.Time
	var zoneEnded time.Time
	for _, event := range slotEvents(o.recording.Reboots) {
		if event.free {
			free = append(free, event.at)
			if left[zones[event.node]]--; left[zones[event.node]] == 0 && o.scenario.zones != v1alpha1.ZonesAnyOrder {
				zoneEnded = event.at
			}
			continue
		}
		since := zoneEnded
		if len(free) > 0 {
			if free[0].After(since) {
				since = free[0]
			}
			free = free[1:]
		}
		if !since.IsZero() {
			took = append(took, max(0, event.at.Sub(since)))
		}
	}
	return took
}

func slotEvents(reboots []testbed.RebootRecord) []slotEvent {
	ordered, ended := map[string]bool{}, map[string]bool{}
	var events []slotEvent
	for _, record := range reboots {
		attempt := record.Status.Attempt
		if attempt == nil {
			continue
		}
		if !ordered[record.Name] && attempt.DrainOrderedTime != nil {
			ordered[record.Name] = true
			events = append(events, slotEvent{version: record.Version, at: record.At, node: record.Node})
		}
		if !ended[record.Name] && attempt.EndedTime != nil {
			ended[record.Name] = true
			events = append(events, slotEvent{version: record.Version, at: record.At, node: record.Node, free: true})
		}
	}
	slices.SortStableFunc(events, func(a, b slotEvent) int { return cmp.Compare(a.version, b.version) })
	return events
}
