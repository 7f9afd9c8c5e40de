// Package bound has the least time that a rollout can take, no matter who schedules it: what is measured is divided by it. It is a function
// of what the rollout consists of, and knows no cluster.
package bound

import (
	"maps"
	"slices"
	"time"
)

// Rollout is what has to be done, and within which limits.
type Rollout struct {
	Nodes []Node
	// Slots is how many nodes may be under way at once; at least 1.
	Slots int
	// SlotsPerZone is how many nodes of one zone may be; 0 means no limit other than Slots.
	SlotsPerZone int
	// OneZoneAtATime has a zone finished before the next begins, and Soak is how long after it that may be.
	OneZoneAtATime bool
	Soak           time.Duration
	// FirstAlone has no node of a zone begin after its first one until one of its nodes is back.
	FirstAlone bool
	// Budgets is how many pods of an application may be unavailable at once, by its name. An application without one has no limit.
	Budgets map[string]int
}

// Node is drained, is down, and gives its slot back when it is back and what was evicted from it is ready again.
type Node struct {
	Zone string
	// ControlPlane has it go alone, before or after all that are not of the control plane, wherever it is.
	ControlPlane bool
	// Delay is from when it takes its slot until its drain may begin.
	Delay time.Duration
	// Down is from the end of the drain until the node is back, and Settle from then on until it may give its slot back.
	Down, Settle time.Duration
	Pods         []Pod
}

// Pod has to leave its node.
type Pod struct {
	App string
	// Ends is from the eviction until the pod is gone.
	Ends time.Duration
	// Out is from the eviction until the replacement is ready on another node. With Stays it does not count.
	Out time.Duration
	// Stays says that the replacement fits nowhere else: it is ready Ready after the node is back.
	Stays bool
	Ready time.Duration
}

// Of is the least time from the first slot that is taken until the last slot is given back. No schedule is faster; if only one of the
// limits matters, some schedule is as fast.
func Of(r Rollout) time.Duration {
	var sum time.Duration
	var others []Node
	for _, node := range r.Nodes {
		if !node.ControlPlane {
			others = append(others, node)
			continue
		}
		_, free := r.node(node)
		sum += free
	}
	if !r.OneZoneAtATime {
		return sum + r.group(others)
	}
	zones := byZone(others)
	for _, nodes := range zones {
		sum += r.group(nodes)
	}
	return sum + time.Duration(max(0, len(zones)-1))*r.Soak
}

// MovedAgain is how many replicas are evicted a second time at least. Whichever node is drained first, all others are still to come: what
// was on it goes to one of them and has to leave that one as well, unless it waits for its own node to be back.
func MovedAgain(r Rollout) int {
	least := -1
	for _, node := range r.Nodes {
		leaving := 0
		for _, pod := range node.Pods {
			if !pod.Stays {
				leaving++
			}
		}
		if least < 0 || leaving < least {
			least = leaving
		}
	}
	return max(least, 0)
}

// group is the least time for nodes that may overlap: as much as the scarcest of slots and budgets asks for.
func (r Rollout) group(nodes []Node) time.Duration {
	least := machines(r.alone(nodes), r.Slots)
	for _, zone := range byZone(nodes) {
		least = max(least, r.zone(zone))
	}
	unavailable := map[string][]time.Duration{}
	for _, node := range nodes {
		for _, pod := range node.Pods {
			unavailable[pod.App] = append(unavailable[pod.App], pod.unavailable(node))
		}
	}
	for app, times := range unavailable {
		if budget := r.Budgets[app]; budget > 0 {
			least = max(least, machines(times, budget))
		}
	}
	return least
}

// zone is the least time for the nodes of one zone. Where the first goes alone, that is the best of them, and all others share the slots
// with what is left of its own time when it is back.
func (r Rollout) zone(nodes []Node) time.Duration {
	slots := r.Slots
	if r.SlotsPerZone > 0 {
		slots = min(slots, r.SlotsPerZone)
	}
	if !r.FirstAlone {
		return machines(r.alone(nodes), slots)
	}
	least, times := time.Duration(-1), r.alone(nodes)
	for first, node := range nodes {
		back, free := r.node(node)
		times[first] = free - back
		if with := back + machines(times, slots); least < 0 || with < least {
			least = with
		}
		times[first] = free
	}
	return max(least, 0)
}

// alone is how long each node holds its slot at least.
func (r Rollout) alone(nodes []Node) []time.Duration {
	times := make([]time.Duration, len(nodes))
	for i, node := range nodes {
		_, times[i] = r.node(node)
	}
	return times
}

// node is after which time a node is back, and gives its slot back, if no other node is in its way. Pods of one application leave as its
// budget allows: the last of them is evicted when replacements of others are ready.
func (r Rollout) node(node Node) (back, free time.Duration) {
	pods := map[string][]Pod{}
	for _, pod := range node.Pods {
		pods[pod.App] = append(pods[pod.App], pod)
	}
	var drain, elsewhere, here time.Duration
	for app, of := range pods {
		drained, ready := drain1(of, r.Budgets[app])
		drain, elsewhere = max(drain, drained), max(elsewhere, ready)
		for _, pod := range of {
			if pod.Stays {
				here = max(here, pod.Ready)
			}
		}
	}
	back = node.Delay + drain + node.Down
	return back, max(back+max(here, node.Settle), node.Delay+elsewhere)
}

// drain1 is how long at least the pods of one application on one node take to end, and until those that go elsewhere are ready there. A
// pod that stays cannot make room in the budget for another one of its node.
func drain1(pods []Pod, budget int) (drained, ready time.Duration) {
	var outs []time.Duration
	ends, longest := pods[0].Ends, time.Duration(0)
	for _, pod := range pods {
		ends, longest = min(ends, pod.Ends), max(longest, pod.Ends)
		if !pod.Stays {
			outs = append(outs, pod.Out)
			ready = max(ready, pod.Out)
		}
	}
	if budget <= 0 || len(outs) == 0 {
		return longest, ready
	}
	ready = max(ready, machines(outs, budget))
	waves := time.Duration((len(pods) - 1) / budget)
	return max(longest, waves*slices.Min(outs)+ends), ready
}

// unavailable is how long a pod of a node counts against its budget at least.
func (p Pod) unavailable(node Node) time.Duration {
	if p.Stays {
		return p.Ends + node.Down + p.Ready
	}
	return p.Out
}

// machines is the least time in which so many machines can do all jobs, none of which is divided: as long as the longest, as the sum spread
// evenly, and, of any k*count+1 longest jobs, as the k+1 shortest, because one machine does k+1 of them.
func machines(jobs []time.Duration, count int) time.Duration {
	count = max(count, 1)
	sorted := slices.Sorted(slices.Values(jobs))
	slices.Reverse(sorted)
	var sum, least time.Duration
	for _, job := range sorted {
		sum += job
	}
	least = (sum + time.Duration(count) - 1) / time.Duration(count)
	for k := 0; k*count < len(sorted); k++ {
		var some time.Duration
		for j := 0; j <= k; j++ {
			some += sorted[k*count-j]
		}
		least = max(least, some)
	}
	return least
}

func byZone(nodes []Node) [][]Node {
	zones := map[string][]Node{}
	for _, node := range nodes {
		zones[node.Zone] = append(zones[node.Zone], node)
	}
	return slices.Collect(maps.Values(zones))
}
