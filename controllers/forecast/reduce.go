package forecast

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// A plan looks at every node, and a rollout takes several plans for each node: together that is too much for thousands of nodes. So runs
// over large fleets show the planner the nodes that can have a part in its next decisions: those that are under way, those that are next in
// line of each zone, those that were done last, and those that count for something else. Percentages become the numbers that they are of
// the whole fleet. The planner decides as it would; smallFleet and reduce_test.go say when and how that is held.

// smallFleet is how many nodes are shown in any case.
const smallFleet = 64

// Times in large fleets are rounded: nodes that come back within seconds of each other make one plan, and not many. Where many are down at
// once, runs that draw their durations would make one for nearly every second. There, times are rounded to a fifth of what an attempt
// takes.
const (
	coarseGrid, coarsestGrid = 5 * time.Second, time.Minute
	// manyDown is from how many on.
	manyDown = 4
)

// sampleGrid is to what runs that draw their durations round times.
func (f *fleet) sampleGrid() time.Duration {
	grid := f.grid
	for name, status := range f.status {
		if status.MaxUnavailable >= manyDown {
			d := f.source.chancesOf(name).median
			grid = max(grid, min(((d.Drain+d.Reboot+d.Proof)/5).Truncate(coarseGrid), coarsestGrid))
		}
	}
	return grid
}

const (
	// lookahead is how many members are shown of each line besides those that may be down at once. The planner compares the first 16.
	lookahead = 18
	// afar is how many are shown of a zone that does not have its turn.
	afar = 2
	// keptDone is how many of the nodes that were done last are shown, and keptAdaptive if a delay follows how long they took: the last 20.
	keptDone, keptAdaptive = 3, 24
)

// queue are members of a policy that go in order, in one zone.
type queue struct {
	key     queueKey
	members []*member
}

type queueKey struct{ policy, zone string }

// reduce leaves out of the runs what has no part in them.
func (f *fleet) reduce() {
	s := &f.first.snapshot
	grouped := func(p *v1alpha1.RebootPolicy) bool { return p.Spec.Rollout.Group != nil }
	if len(s.Nodes) <= smallFleet || slices.ContainsFunc(s.Policies, grouped) {
		return
	}
	f.reduced, f.grid = true, coarseGrid
	f.begins = f.first.copied()
	small := &f.begins.snapshot
	small.Policies = nil
	for _, policy := range s.Policies {
		small.Policies = append(small.Policies, f.inNumbers(policy))
	}
	if limit := s.ClusterMaxUnavailable; limit != nil {
		small.ClusterMaxUnavailable = number(limit, len(s.Nodes), 0)
	}
	shown := f.keptNodes()
	f.lineUp(shown)
	small.Nodes = slices.DeleteFunc(small.Nodes, func(n *model.Node) bool { return !shown[n.Name] })
	small.Reboots = slices.DeleteFunc(small.Reboots, func(r *v1alpha1.NodeReboot) bool {
		m := f.byNode[r.Spec.NodeName]
		return !shown[r.Spec.NodeName] && f.first.node(r.Spec.NodeName) != nil || m != nil && m.apart
	})
}

// lineUp puts members into queues, but for those that are shown in any case.
func (f *fleet) lineUp(shown map[string]bool) {
	waiting := map[queueKey][]*member{}
	for _, m := range f.members {
		switch {
		case m.attempt != nil || f.special(m.node):
			shown[m.node.Name] = true
		case m.apart:
		default:
			m.queued = true
			key := f.keyOf(m.policy, m.zone)
			waiting[key] = append(waiting[key], m)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(waiting), func(a, b queueKey) int {
		return cmp.Or(cmp.Compare(a.policy, b.policy), cmp.Compare(a.zone, b.zone))
	}) {
		slices.SortFunc(waiting[key], func(a, b *member) int { return compareTurn(a.reboot, b.reboot) })
		f.queues = append(f.queues, queue{key, waiting[key]})
	}
}

// keyOf the queue that members of a policy in a zone stand in: where zones make no difference there is one for all.
func (f *fleet) keyOf(policy, zone string) queueKey {
	p := f.parsed[policy]
	if p == nil {
		return queueKey{policy, zone}
	}
	rollout := &p.Spec.Rollout
	same := rollout.Zones.Strategy == v1alpha1.ZonesAnyOrder && rollout.Zones.MaxUnavailablePerZone == nil &&
		rollout.NodeOrder == v1alpha1.NodeOrderLongestRequired
	if same {
		return queueKey{policy, ""}
	}
	return queueKey{policy, zone}
}

// special nodes count for more than their own reboot: those that may run etcd, and those that managers run on.
func (f *fleet) special(n *model.Node) bool {
	s := &f.first.snapshot
	for _, label := range append([]string{
		v1alpha1.ControlPlaneLabel, "node-role.kubernetes.io/master", "node-role.kubernetes.io/etcd",
	}, s.QuorumLabels...) {
		if _, is := n.Labels[label]; is {
			return true
		}
	}
	return n.Name == s.LeaderNode || slices.ContainsFunc(s.ManagerPods, func(pod model.ManagerPod) bool { return pod.Node == n.Name })
}

// inNumbers is a policy with numbers instead of percentages of nodes that are left out.
func (f *fleet) inNumbers(policy *v1alpha1.RebootPolicy) *v1alpha1.RebootPolicy {
	status := f.status[policy.Name]
	if status == nil {
		return policy
	}
	next := *policy
	nodes := int(status.Nodes)
	rollout := &next.Spec.Rollout
	rollout.MaxUnavailable = number(rollout.MaxUnavailable, nodes, 0)
	next.Spec.Failure.MaxFailures = number(next.Spec.Failure.MaxFailures, nodes, 1)
	next.Spec.Failure.MaxConsecutiveFailures = number(next.Spec.Failure.MaxConsecutiveFailures, nodes, 1)
	f.keep[policy.Name] = keptDone
	if rollout.AdaptiveDelay.MaxSeconds > 0 {
		f.keep[policy.Name] = keptAdaptive
	}
	if canary := rollout.Canary; canary != nil {
		copied := *canary
		copied.Count = number(canary.Count, nodes, 1)
		rollout.Canary = &copied
		if copied.Count != nil { // a file may lack it
			f.keep[policy.Name] += copied.Count.IntValue()
		}
	}
	if limit := rollout.Zones.MaxUnavailablePerZone; limit != nil && limit.Type == intstr.String {
		rollout.Zones.MaxUnavailablePerZone = f.zoneNumber(policy, limit)
	}
	return &next
}

// zoneNumber is what a percentage of the nodes of a zone is: if it differs from zone to zone, the least.
func (f *fleet) zoneNumber(policy *v1alpha1.RebootPolicy, limit *intstr.IntOrString) *intstr.IntOrString {
	zones := map[string]int{}
	for _, n := range f.first.snapshot.Nodes {
		if p := f.parsed[policy.Name]; p.Selector.Matches(labelsOf(n)) {
			zones[n.Labels[policy.Spec.Rollout.Zones.TopologyKey]]++
		}
	}
	least, most := -1, 0
	for _, nodes := range zones {
		is := number(limit, nodes, 0).IntValue()
		if least < 0 || is < least {
			least = is
		}
		most = max(most, is)
	}
	if least != most {
		f.roughly = "maxUnavailablePerZone of RebootPolicy " + policy.Name + " is assumed to be what it is in its smallest zone"
	}
	return ptr.To(intstr.FromInt(max(0, least)))
}

// number is a percentage of a total as a number, rounded down as the planner does it. A value that is not a percentage stays.
func number(value *intstr.IntOrString, total, least int) *intstr.IntOrString {
	if value == nil || value.Type != intstr.String {
		return value
	}
	scaled, err := model.Scaled(*value, total)
	if err != nil {
		return value
	}
	return ptr.To(intstr.FromInt(max(scaled, least)))
}

// keptNodes are nodes that need no reboot and matter regardless: those that are unavailable, those that were done last, those whose last
// reboot failed, special ones, and some of each zone that take pods.
func (f *fleet) keptNodes() map[string]bool {
	s := &f.first.snapshot
	kept, refuges := map[string]bool{}, map[queueKey]int{}
	for name := range s.Slots {
		kept[name] = true
	}
	for _, n := range s.Nodes {
		unavailable := !n.Ready || n.Unschedulable || n.CordonedFor != ""
		idle := f.byNode[n.Name] == nil
		if unavailable || idle && f.special(n) {
			kept[n.Name] = true
		}
		if key := f.placeOf(n); idle && n.TakesPods() && refuges[key] < afar {
			refuges[key]++
			kept[n.Name] = true
		}
	}
	f.keepDone(kept)
	return kept
}

// keepDone keeps the nodes of the reboots of each policy that ended last, and of those that failed.
func (f *fleet) keepDone(kept map[string]bool) {
	ends := map[string][]*v1alpha1.NodeReboot{}
	for _, r := range f.first.snapshot.Reboots {
		attempt := r.Status.Attempt
		switch {
		case r.SetAside(), r.Status.Outcome == v1alpha1.OutcomeFailed:
			kept[r.Spec.NodeName] = true
		case r.Status.CompletionTime != nil && attempt != nil && attempt.EndedTime != nil:
			policy := cmp.Or(attempt.PolicyName, r.Status.PolicyName)
			ends[policy] = append(ends[policy], r)
		}
	}
	for policy, reboots := range ends {
		slices.SortFunc(reboots, func(a, b *v1alpha1.NodeReboot) int {
			return cmp.Or(b.Status.Attempt.EndedTime.Compare(a.Status.Attempt.EndedTime.Time), compareReboots(a, b))
		})
		for i, r := range reboots {
			last := i < max(keptDone, f.keep[policy]) || f.soaks(policy, r.Status.Attempt.EndedTime.Time, f.in.Now)
			if last && f.byNode[r.Spec.NodeName] == nil {
				kept[r.Spec.NodeName] = true
			}
		}
	}
}

// placeOf a node among the zones of the policy that selects it first.
func (f *fleet) placeOf(n *model.Node) queueKey {
	for _, name := range slices.Sorted(maps.Keys(f.parsed)) {
		if p := f.parsed[name]; p.Selector.Matches(labelsOf(n)) {
			return queueKey{name, n.Labels[p.Spec.Rollout.Zones.TopologyKey]}
		}
	}
	return queueKey{}
}

// soaks says whether what ended at a time is watched still.
func (f *fleet) soaks(policy string, ended, now time.Time) bool {
	p := f.parsed[policy]
	if p == nil || p.Spec.Rollout.Canary == nil {
		return false
	}
	return now.Before(ended.Add(model.Seconds(p.Spec.Rollout.Canary.SoakSeconds)))
}

// refilled says what came of a refill: whether members were shown, and whether nobody of theirs was left in line.
type refilled struct{ shown, awaited bool }

// refill shows members whose turn comes near.
func (r *run) refill() (did refilled) {
	if len(r.queues) == 0 {
		return did
	}
	able, open := map[queueKey]int{}, map[string]int{}
	for _, reboot := range r.snapshot.Reboots {
		switch s := &reboot.Status; {
		case s.CompletionTime != nil:
		case model.OpenAttempt(s):
			open[s.PolicyName]++
		case r.inLine(reboot):
			able[r.fleet.keyOf(s.PolicyName, s.Zone)]++
		}
	}
	for i := range r.queues {
		q := &r.queues[i]
		free := r.free(q.key.policy, open[q.key.policy])
		least := r.wanted(q.key, free)
		if able[q.key] >= least {
			continue
		}
		did.shown, did.awaited = true, did.awaited || able[q.key] < free
		for missing := least + least/4 - able[q.key]; missing > 0 && len(q.members) > 0; missing-- {
			r.show(q.members[0])
			q.members = q.members[1:]
		}
	}
	r.queues = slices.DeleteFunc(r.queues, func(q queue) bool { return len(q.members) == 0 })
	return did
}

// inLine says that a waiting NodeReboot could go if it were its turn, and that its node was in a queue.
func (r *run) inLine(reboot *v1alpha1.NodeReboot) bool {
	m := r.fleet.byNode[reboot.Spec.NodeName]
	return m != nil && m.queued && !r.aside[reboot.Name] && !waitsAlone(r.says(reboot).reason)
}

// free is how many nodes of a policy may start if so many are under way.
func (r *run) free(policy string, underWay int) int {
	if status := r.fleet.status[policy]; status != nil {
		return max(0, int(status.MaxUnavailable)-underWay)
	}
	return 0
}

// wanted is how many members of a queue are to be shown at least: those that may start, and some more.
func (r *run) wanted(key queueKey, free int) int {
	policy := r.fleet.parsed[key.policy]
	if policy == nil {
		return afar
	}
	rollout := &policy.Spec.Rollout
	if rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime && r.zones[key.policy] != key.zone {
		return afar
	}
	if rollout.NodeOrder == v1alpha1.NodeOrderLongestRequired {
		return free + afar
	}
	return free + lookahead
}

// show a member to the planner.
func (r *run) show(m *member) {
	r.addNode(m.node)
	for _, reboot := range r.fleet.every[m.node.Name] {
		r.putReboot(reboot)
	}
}

// forget the nodes that were done long ago.
func (r *run) forget() {
	if !r.fleet.reduced {
		return
	}
	for len(r.recent) > 0 {
		oldest := r.recent[0]
		keep := max(keptDone, r.fleet.keep[oldest.node.policy])
		// Enough canaries have soaked without this one.
		if len(r.recent) <= keep || r.fleet.soaks(oldest.node.policy, r.recent[keep].at, r.now) {
			return
		}
		if _, held := r.snapshot.Slots[oldest.node.node.Name]; held {
			return
		}
		r.recent = r.recent[1:]
		node := r.node(oldest.node.node.Name)
		if r.fleet.special(oldest.node.node) || node != nil && (!node.Ready || node.Unschedulable) {
			continue
		}
		for _, reboot := range r.fleet.every[oldest.node.node.Name] {
			r.removeReboot(reboot.Name)
		}
		r.removeNode(oldest.node.node.Name)
	}
}
