package plan

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// held is a slot from its grant until it is free, with what really happened to the host and to the pods in the meantime. It belongs to the
// policy, zone and group that granted it, whatever becomes of labels, policies and the Node.
type held struct {
	node, reboot string
	uid          types.UID
	attempt      int32
	// policy, zone and unit that it counts for.
	policy, zone, unit string
	oneAtATime         bool
	// quorum: the node may run etcd.
	quorum bool
	// recorded: the attempt has begun.
	recorded bool
	// told is when the host was ordered to reboot, in which boot.
	told       time.Time
	toldInBoot string
	// ready is how ready each application was, at the least between the begin and the first eviction.
	ready map[WorkloadKey]int32
	// away are the pods that were evicted for this attempt and were not ready again since.
	away        map[*simPod]bool
	lastEvicted time.Time
	// here are the pods that were ready on the node when the attempt began, with the number of their starts.
	here map[*simPod]int
	// answers has the applications of which the slot answers for pods that other slots displaced.
	answers map[WorkloadKey]bool
	// static are the static pods that were ready when the attempt began.
	static map[string]bool
	// marked: an autoscaler, or a deletion, was seen to remove the Node. gone is since when there is no Node.
	marked bool
	gone   time.Time
}

// hold remembers new grants.
func (w *world) hold(v *view, granted map[string]Slot) {
	for name, slot := range granted {
		if old := w.rules.held[name]; old != nil {
			w.checkRelease(old)
		}
		w.rules.held[name] = w.newHeld(v, name, slot)
		w.rules.granted[types.UID(slot.UID)] = w.rules.held[name]
	}
}

// claim: an attempt begins, and belongs to the policy that owns the node now, even if another one owned it when the slot was granted.
func (w *world) claim(r *v1alpha1.NodeReboot, node *Node, owner *v1alpha1.RebootPolicy) {
	h := w.heldFor(node.Name, r.UID)
	if h == nil || h.recorded {
		return
	}
	h.policy, h.zone, h.unit = owner.Name, zoneOf(node), w.groupOf(owner, node)
	h.oneAtATime = owner.Spec.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime
}

// countsFor is which policy granted the last attempt of a NodeReboot, and in which zone: that is what its end counts for, even if its
// Node is not there anymore. It is nothing for one without an attempt.
func (w *world) countsFor(r *v1alpha1.NodeReboot) (policy, zone string) {
	if h := w.rules.granted[r.UID]; h != nil {
		return h.policy, h.zone
	}
	return "", ""
}

// unitOf the node of a NodeReboot in a policy that granted it: by its labels, or by those that it had.
func (w *world) unitOf(v *view, owner *v1alpha1.RebootPolicy, r *v1alpha1.NodeReboot) string {
	if n := v.node(r.Spec.NodeName); n != nil && ownerOf(v, n) == owner {
		return w.groupOf(owner, n)
	}
	return w.rules.granted[r.UID].unit
}

func (w *world) newHeld(v *view, name string, slot Slot) *held {
	node := v.node(name)
	owner := ownerOf(v, node)
	return &held{
		node: name, reboot: slot.Reboot, uid: types.UID(slot.UID), attempt: slot.Attempt,
		policy: owner.Name, zone: zoneOf(node), unit: w.groupOf(owner, node),
		oneAtATime: owner.Spec.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime,
		quorum:     w.mayRunEtcd(node.Labels), away: map[*simPod]bool{},
	}
}

// slotsHeld in the order of node names.
func (w *world) slotsHeld() []*held {
	if len(w.rules.held) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(w.rules.held))
	all := make([]*held, len(names))
	for i, name := range names {
		all[i] = w.rules.held[name]
	}
	return all
}

// heldFor is the slot that a NodeReboot holds on a node; nil if there is none.
func (w *world) heldFor(node string, uid types.UID) *held {
	if h := w.rules.held[node]; h != nil && h.uid == uid {
		return h
	}
	return nil
}

// followHeld looks which slots are free now, and whether they may be.
func (w *world) followHeld() {
	for _, h := range w.slotsHeld() {
		maps.DeleteFunc(h.away, func(pod *simPod, _ bool) bool { return pod.Ready || pod.dropped })
		r := w.rebootByUID(h.uid)
		a := (*v1alpha1.Attempt)(nil)
		if r != nil {
			a = openAttempt(r)
		}
		slot := w.slots[h.node]
		unused := r != nil && (r.Status.Attempt == nil || r.Status.Attempt.Number < h.attempt) &&
			slot.UID == string(h.uid) && slot.Attempt == h.attempt
		switch {
		case a != nil && a.Number == h.attempt:
			if !h.recorded {
				h.recorded = true
				w.noteBegin(h)
			}
		case !h.recorded && unused:
		default:
			w.checkRelease(h)
			delete(w.rules.held, h.node)
		}
	}
}

// noteBegin remembers what was ready when an attempt began.
func (w *world) noteBegin(h *held) {
	h.ready, h.static = map[WorkloadKey]int32{}, map[string]bool{}
	h.here, h.answers = map[*simPod]int{}, map[WorkloadKey]bool{}
	for key := range w.apps {
		h.ready[key] = int32(w.readyReplicas(key.Name))
	}
	for _, pod := range w.pods {
		switch {
		case !pod.Ready || pod.node != h.node:
		case pod.Mirror:
			h.static[pod.Name] = true
		default:
			h.here[pod] = pod.starts
		}
	}
}

// noteDrain: a helper begins a drain.
func (w *world) noteDrain(h *host, uid types.UID) {
	if w.heldFor(h.name, uid) == nil {
		w.breaks("node %s is drained without a slot", h.name)
	}
	for _, pod := range w.pods {
		pod.evictions = 0
	}
}

// noteEviction: a drain evicts a pod now.
func (w *world) noteEviction(pod *simPod) {
	h := w.rules.held[pod.node]
	if h == nil || len(pod.Workloads) == 0 {
		w.breaks("pod %s is evicted from node %s, which holds no slot", pod.Name, pod.node)
		return
	}
	key := pod.Workloads[0]
	if len(h.away) == 0 && h.lastEvicted.IsZero() {
		for key := range w.apps {
			h.ready[key] = min(h.ready[key], int32(w.readyReplicas(key.Name)))
		}
	}
	if pod.Ready && w.apps[key] != nil {
		h.away[pod] = true
	}
	h.lastEvicted = w.now
}

// noteTold: a host is ordered to reboot now.
func (w *world) noteTold(h *host, uid types.UID) {
	if w.random == nil {
		return
	}
	slot := w.heldFor(h.name, uid)
	if slot == nil {
		w.breaks("host %s reboots by an order, and its node holds no slot", h.name)
		return
	}
	slot.told, slot.toldInBoot = w.now, h.bootID()
	w.rules.told[uid]++
	w.checkAttempts(h, uid)
	if order := w.orderOf(uid); order != nil && !w.stepped && w.now.After(order.Deadline.Add(time.Second)) {
		w.breaks("host %s reboots at %s by an order that was good until %s", h.name, w.now, order.Deadline)
	}
}

// noteMarked: the Node of a host is marked for deletion now.
func (w *world) noteMarked(h *host) {
	if slot := w.rules.held[h.name]; slot != nil {
		slot.marked = true
	}
}

// noteGone: the Node of a host is deleted now.
func (w *world) noteGone(h *host) {
	if slot := w.rules.held[h.name]; slot != nil {
		slot.gone = w.now
		n := w.nodes[h.name]
		slot.marked = slot.marked || n != nil && (n.Deleting || hasTaint(&n.Node, autoscalerTaint))
	}
}

// checkRelease: the slot is free now. May it be?
func (w *world) checkRelease(h *held) {
	if w.rules.lagging || w.random == nil {
		return
	}
	r := w.rebootByUID(h.uid)
	deleted := r == nil || !r.DeletionTimestamp.IsZero()
	if !h.told.IsZero() && !deleted {
		w.checkHostIsBack(h)
	}
	w.checkPodsAreBack(h, deleted)
}

// checkHostIsBack: a host that was ordered to reboot counts until it is back, with its Node or without.
func (w *world) checkHostIsBack(h *held) {
	node, machine := w.nodes[h.node], w.hosts[h.node]
	timeout := goneTimeout(&w.policySpec(h.policy).Failure)
	switch {
	case node == nil && h.marked:
	case node == nil && timeout > 0 && w.now.Sub(h.gone) >= timeout:
	case node == nil:
		w.breaks("the slot of node %s is free; its host was ordered to reboot at %s, and its Node is gone", h.node, w.since(h.told))
	case !node.Ready && machine != nil:
		w.breaks("the slot of node %s is free; its host was ordered to reboot at %s and is not Ready", h.node, w.since(h.told))
	}
}

// policySpec is the spec of a policy, and an empty one if it is gone.
func (w *world) policySpec(name string) *v1alpha1.RebootPolicySpec {
	if p := w.policies[name]; p != nil {
		return &p.Spec
	}
	return &v1alpha1.RebootPolicySpec{}
}

// since the start, for messages.
func (w *world) since(t time.Time) time.Duration { return t.Sub(start).Truncate(10 * time.Millisecond) }

// checkBudget counts for the policy of a node that is granted a slot, no matter who looks: nodes that it owns, and those that it granted a
// slot.
func (w *world) checkBudget(v *view, owner *v1alpha1.RebootPolicy, node *Node, down map[string]bool) {
	all, allInZone, count, inZone := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	add := func(unit, zone string, unavailable bool) {
		all[unit] = true
		allInZone[unit] = allInZone[unit] || zone == zoneOf(node)
		count[unit] = count[unit] || unavailable
		inZone[unit] = inZone[unit] || unavailable && zone == zoneOf(node)
	}
	for i := range v.Nodes {
		n := v.Nodes[i]
		h := w.rules.held[n.Name]
		moved := h != nil && h.policy == owner.Name && h.zone != zoneOf(n) && w.wasSeen(v, h)
		marked := h != nil && h.policy != owner.Name && n.Labels["pool"] == away // the operator's own mark moves no node
		if ownerOf(v, n) == owner && !moved && !marked {
			add(w.groupOf(owner, n), zoneOf(n), down[n.Name] || h != nil)
		}
	}
	for _, h := range w.slotsHeld() {
		n := v.node(h.node)
		if h.policy == owner.Name && w.wasSeen(v, h) && (n == nil || ownerOf(v, n) != owner || h.zone != zoneOf(n)) {
			add(h.unit, h.zone, true)
		}
	}
	if limit := inNodes(owner.Spec.Rollout.MaxUnavailable, len(all)); truths(count) > limit {
		w.breaks("node %s was granted a slot, and then %d nodes or groups of policy %s are unavailable, of which there may be %d: %v",
			node.Name, truths(count), owner.Name, limit, count)
	}
	perZone := owner.Spec.Rollout.Zones.MaxUnavailablePerZone
	if limit := inNodes(perZone, truths(allInZone)); perZone != nil && truths(inZone) > limit {
		w.breaks("node %s was granted a slot, and then %d nodes or groups of zone %s are unavailable, of which there may be %d: %v",
			node.Name, truths(inZone), zoneOf(node), limit, inZone)
	}
}

// wasSeen: the manager that decides knows of the slot from the NodeReboot, and so whom it counts for. A grant that it only sees in the
// slots object, because the attempt has not begun, counts by the labels of the node.
func (w *world) wasSeen(v *view, h *held) bool {
	if !w.rules.lagging {
		return h.recorded
	}
	r := v.reboot(h.reboot)
	return r != nil && r.UID == h.uid && r.Status.Attempt != nil && r.Status.Attempt.Number >= h.attempt
}

func truths(set map[string]bool) int {
	n := 0
	for _, is := range set {
		if is {
			n++
		}
	}
	return n
}

// checkClusterBudget counts all nodes, and hosts whose Node is gone.
func (w *world) checkClusterBudget(v *view, down map[string]bool) {
	if v.ClusterMaxUnavailable == nil {
		return
	}
	count := maps.Clone(down)
	for _, h := range w.slotsHeld() {
		count[h.node] = true
	}
	if limit := inNodes(v.ClusterMaxUnavailable, len(v.Nodes)); truths(count) > limit {
		w.breaks("after the grant %d nodes of the cluster are unavailable, of which there may be %d: %v", truths(count), limit, count)
	}
}

// checkZones: with OneAtATime no two zones have a node under way, whatever policies and labels are now.
func (w *world) checkZones(v *view, granted map[string]Slot) {
	goes := func(name string) bool {
		p := w.policies[name]
		return p != nil && p.Spec.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime
	}
	var all []*held
	for name, slot := range granted {
		all = append(all, w.newHeld(v, name, slot))
	}
	for _, h := range w.slotsHeld() {
		if _, now := granted[h.node]; now {
			continue
		}
		if n := v.node(h.node); !w.wasSeen(v, h) && n != nil {
			byLabels := *h
			byLabels.zone, byLabels.oneAtATime = zoneOf(n), false
			if owner := ownerOf(v, n); owner != nil {
				byLabels.policy, byLabels.oneAtATime = owner.Name, owner.Spec.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime
			}
			h = &byLabels
		}
		all = append(all, h)
	}
	all = slices.DeleteFunc(all, func(h *held) bool { return !h.oneAtATime || !goes(h.policy) })
	for _, h := range all {
		if _, now := granted[h.node]; !now {
			continue
		}
		for _, other := range all {
			if other.zone != h.zone {
				w.breaks("node %s of zone %q was granted a slot by policy %s while node %s of zone %q is under way by %s",
					h.node, h.zone, h.policy, other.node, other.zone, other.policy)
			}
		}
	}
}
