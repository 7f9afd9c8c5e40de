package bench

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/bench/bound"
	"github.com/reboot-operator/reboot-operator/test/bench/ideal"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// Goals of a rollout. They are those of the design.
const (
	goalMakespan       = 1.05
	goalMakespanProbes = 1.10
	goalLatency        = time.Second
	goalRequests       = 40
	goalWrites         = 20
)

// rolloutFigures are the figures that every rollout has.
func (o *outcome) rolloutFigures() []Figure {
	goal := goalMakespan
	if o.scenario.kubelet {
		goal = goalMakespanProbes
	}
	attainable := o.ideal()
	least := bound.Of(attainable)
	moved, again := o.moves()
	figures := []Figure{
		ratio("makespan / bound", o.summary.Makespan.Seconds()/max(least.Seconds(), 1e-3)).goal(goal),
		count("replicas moved more than once", float64(again)),
		count("replicas moved more than once, at least", float64(bound.MovedAgain(attainable))),
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

// ideal is what was there when the nodes asked.
func (o *outcome) ideal() bound.Rollout {
	spec := o.scenario.policy().Spec
	return ideal.Rollout(&spec, o.scenario.slots, o.scenario.nodes, o.scenario.apps, o.initial, o.recording)
}

// slotEventKind is what happens to a slot.
type slotEventKind int

const (
	drainOrdered slotEventKind = iota
	nodeBack                   // it takes pods again
	slotFreed
)

type slotEvent struct {
	version uint64
	at      time.Time
	node    string
	kind    slotEventKind
}

// turns follows who has to wait for what.
type turns struct {
	oneZone bool
	zones   map[string]string
	// left are the nodes of each zone that are not done, and opened is when its first one took pods again: it goes alone until then.
	left   map[string]int
	opened map[string]time.Time
	begun  map[string]bool
	free   []time.Time
	// zoneEnded is when the last node of a zone was done, if zones go one at a time.
	zoneEnded time.Time
}

// slotToOrder is how long after a slot became free the next drain was ordered, both as a watch shows them. Orders and free slots belong
// together in their order. Where zones go one at a time, the first of a zone waits for the last node of the zone before; and the second
// one until the first takes pods again.
func (o *outcome) slotToOrder() []time.Duration {
	t := turns{
		oneZone: o.scenario.zones != v1alpha1.ZonesAnyOrder,
		zones:   map[string]string{}, left: map[string]int{}, opened: map[string]time.Time{}, begun: map[string]bool{},
	}
	for _, node := range o.scenario.nodes {
		t.zones[node.Name] = node.Zone
		t.left[node.Zone]++
	}
	var took []time.Duration
	for _, event := range slotEvents(o.recording.Reboots) {
		switch zone := t.zones[event.node]; event.kind {
		case nodeBack:
			if t.opened[zone].IsZero() {
				t.opened[zone] = event.at
			}
		case slotFreed:
			t.freed(zone, event.at)
		case drainOrdered:
			if since := t.mayBeginSince(zone); !since.IsZero() {
				took = append(took, max(0, event.at.Sub(since)))
			}
			t.begun[zone] = true
		}
	}
	return took
}

func (t *turns) freed(zone string, at time.Time) {
	t.free = append(t.free, at)
	if t.left[zone]--; t.left[zone] == 0 && t.oneZone {
		t.zoneEnded = at
	}
}

// mayBeginSince is since when nothing has been in the way of the next node of a zone; zero if nothing ever was.
func (t *turns) mayBeginSince(zone string) time.Time {
	since := t.zoneEnded
	if len(t.free) > 0 {
		since = model.Latest(since, t.free[0])
		t.free = t.free[1:]
	}
	if t.begun[zone] {
		since = model.Latest(since, t.opened[zone])
	}
	return since
}

func slotEvents(reboots []testbed.RebootRecord) []slotEvent {
	type seen struct {
		name string
		kind slotEventKind
	}
	known := map[seen]bool{}
	var events []slotEvent
	for _, record := range reboots {
		attempt := record.Status.Attempt
		if attempt == nil {
			continue
		}
		for kind, at := range []*metav1.MicroTime{attempt.DrainOrderedTime, attempt.UncordonedTime, attempt.EndedTime} {
			if key := (seen{record.Name, slotEventKind(kind)}); at != nil && !known[key] {
				known[key] = true
				events = append(events, slotEvent{version: record.Version, at: record.At, node: record.Node, kind: key.kind})
			}
		}
	}
	slices.SortStableFunc(events, func(a, b slotEvent) int { return cmp.Compare(a.version, b.version) })
	return events
}
