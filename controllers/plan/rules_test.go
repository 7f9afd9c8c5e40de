package plan

import (
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// rules is what has to be remembered to check the promises. The checks are written without a look at the planner's code: they count and
// select in their own way.
type rules struct {
	// foreign are the taints that others put on a node, cordoned the nodes that a person cordoned.
	foreign  map[string][]corev1.Taint
	cordoned map[string]bool
	// labels are those that a person set last, or removed, of those that policies set, too; proved the nodes with a reboot that was proved.
	labels map[string]map[string]string
	proved map[string]bool
	// sequences are the highest sequence of any order, by NodeReboot.
	sequences map[types.UID]int64
	// hooks are when someone set a condition to True last, by NodeReboot and type.
	hooks map[hookKey]time.Time
	// lagging: the writes that are made now are those of a manager that sees an old cluster.
	lagging bool
	// grants and reboots count what was checked.
	grants, reboots, proofs int
	// scheduled counts what was compared with a schedule.
	scheduled int
	// held are the slots that are not free, by node; told is how often a host was ordered to reboot, by NodeReboot.
	held map[string]*held
	told map[types.UID]int
	// lost are the attempts whose slots someone took out of the slots object.
	lost map[types.UID]int32
	// granted are the last grants, by NodeReboot.
	granted map[types.UID]*held
	// rows are failures in a row without a reboot, by policy.
	rows map[string]*row
	// writes and drains are the last ones, by NodeReboot and by node.
	writes, drains map[string]*often
	// ignored are the policies that once did not wait for workloads, attempts the fewest attempts that one has ever allowed,
	// most the most that any has.
	ignored  map[string]bool
	attempts map[string]int32
	most     int32
}

func newRules() rules {
	return rules{
		foreign: map[string][]corev1.Taint{}, cordoned: map[string]bool{}, sequences: map[types.UID]int64{},
		hooks: map[hookKey]time.Time{}, labels: map[string]map[string]string{}, proved: map[string]bool{},
		held: map[string]*held{}, lost: map[types.UID]int32{}, granted: map[types.UID]*held{}, told: map[types.UID]int{}, rows: map[string]*row{},
		writes: map[string]*often{}, drains: map[string]*often{}, ignored: map[string]bool{}, attempts: map[string]int32{},
	}
}

// notePolicy remembers what a policy has allowed once.
func (r *rules) notePolicy(p *v1alpha1.RebootPolicy) {
	r.ignored[p.Name] = r.ignored[p.Name] || p.Spec.Recovery.Workloads == v1alpha1.Ignore
	least := *p.Spec.Failure.MaxAttempts
	if old, known := r.attempts[p.Name]; known {
		least = min(least, old)
	}
	r.attempts[p.Name] = least
	r.most = max(r.most, *p.Spec.Failure.MaxAttempts)
}

// checkGrants is about grants just before they are written: no limit is passed, no two zones have a node under way, nothing starts while
// its policy is paused, observes or is halted.
func (w *world) checkGrants(v *view, p *Plan, starts map[string]Slot) {
	for name, h := range w.rules.held { // a grant in which nothing was begun may be given back with the same write
		if p.Slots[name].UID != string(h.uid) && !h.recorded {
			delete(w.rules.held, name)
			delete(w.slots, name)
		}
	}
	if len(starts) == 0 {
		return
	}
	seen := map[string]*Node{}
	for i := range v.Nodes {
		seen[v.Nodes[i].Name] = v.Nodes[i]
	}
	underWay := w.underWay()
	for name := range starts {
		underWay[name] = true
	}
	down := maps.Clone(underWay)
	for name, n := range seen {
		if !n.Ready || n.Unschedulable {
			down[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(starts)) {
		w.rules.grants++
		node := seen[name]
		owner := ownerOf(v, node)
		if owner == nil || owner.Spec.Mode != v1alpha1.ModeEnforce {
			w.breaks("node %s was granted a slot, and its policy %v does not allow it", name, owner)
			return
		}
		if reboot := w.reboots[starts[name].Reboot]; !w.rules.lagging && !reboot.DeletionTimestamp.IsZero() {
			w.breaks("node %s was granted a slot for a NodeReboot that is being deleted", name)
		}
		w.checkGrant(v, owner, node, starts, down)
		w.checkPatience(v, owner, node)
		if !w.rules.lagging {
			w.checkGroup(v, owner, node, starts, underWay)
		}
		if n := unreturnedAfter(v, p, owner); n >= owner.Spec.Failure.MaxFailures.IntValue() {
			w.breaks("node %s was granted a slot, and policy %s is halted by %d nodes that did not come back", name, owner.Name, n)
		}
		w.checkCanaries(v, owner, starts)
	}
	w.checkZones(v, starts)
	w.checkClusterBudget(v, down)
	w.hold(v, starts)
}

// checkGrant is about one of them.
func (w *world) checkGrant(v *view, owner *v1alpha1.RebootPolicy, node *Node, starts map[string]Slot, down map[string]bool) {
	reboot := v.reboot(starts[node.Name].Reboot)
	if w.rules.lagging && reboot != nil && openAttempt(reboot) != nil {
		return // what it sees as under way belongs to the policy that granted it
	}
	w.checkConsent(v, owner, node, starts[node.Name].Reboot, grantedSlot)
	w.checkForeign(node)
	if node.Deleting || hasTaint(node, autoscalerTaint) {
		w.breaks("node %s was granted a slot, and is about to be removed", node.Name)
	}
	w.checkHost(v, node, starts[node.Name].Reboot)
	w.checkSchedule(owner, node, reboot, false, grantedSlot)
	w.checkApprovalWindow(owner, reboot)
	w.checkGates(owner, node)
	w.checkBudget(v, owner, node, down)
	w.checkQuorum(v, node, grantedSlot)
	w.checkBreaker(v, owner, node, starts)
	w.checkRefused(v, owner, node)
	w.checkDeselecting(owner)
	w.checkDrainIsPossible(owner, node)
}

// checkDeselecting: a policy whose own labels take its nodes away from it starts nothing.
func (w *world) checkDeselecting(owner *v1alpha1.RebootPolicy) {
	deselects := owner.Spec.NodeLabels != nil && owner.Spec.NodeLabels.During["pool"] != ""
	if deselects && owner.Spec.Nodes == v1alpha1.NodesSelected && owner.Spec.NodeSelector.MatchLabels["pool"] != "" {
		w.breaks("policy %s, whose labels during a reboot take its nodes away from it, grants a slot", owner.Name)
	}
}

// underWay are the nodes that are under way now, whatever any manager sees: with an open attempt, or a grant that was not used yet.
func (w *world) underWay() map[string]bool {
	underWay := map[string]bool{}
	recorded := map[string]*v1alpha1.NodeReboot{}
	for _, r := range w.reboots {
		recorded[string(r.UID)] = r
		if openAttempt(r) != nil {
			underWay[r.Spec.NodeName] = true
		}
	}
	for name, slot := range w.slots {
		r := recorded[slot.UID]
		if r == nil || r.Status.CompletionTime != nil || r.Status.Attempt != nil && r.Status.Attempt.Number >= slot.Attempt {
			continue
		}
		underWay[name] = true
	}
	return underWay
}

// checkHost: the helper said, in this boot, that nothing is in the way of a reboot, and that it can see what the host asks for.
func (w *world) checkHost(v *view, node *Node, reboot string) {
	for _, r := range v.Reboots {
		if r.Name != reboot {
			continue
		}
		said := r.Status.Report
		if said == nil || said.BootID != node.BootID || len(said.Methods) == 0 {
			w.breaks("node %s was granted a slot, and nobody said that its host can reboot", node.Name)
		} else if said.Methods[0].Obstacle != "" || said.Sentinel == v1alpha1.SentinelUnknown {
			w.breaks("node %s was granted a slot, and its helper says %+v", node.Name, said)
		}
	}
}

// checkPatience: the node was not rebooted a moment ago, and no other zone of the policy was finished a moment ago.
func (w *world) checkPatience(v *view, owner *v1alpha1.RebootPolicy, node *Node) {
	if w.stepped {
		return
	}
	interval, soak := seconds(owner.Spec.Rollout.MinIntervalSeconds), seconds(owner.Spec.Rollout.Zones.SoakSeconds)
	ends := map[string]time.Time{}
	for _, r := range v.Reboots {
		attempt := r.Status.Attempt
		if attempt == nil {
			continue
		}
		policy, zone := w.countsFor(r)
		here := zone == zoneOf(node) && r.Status.PolicyName == owner.Name // what ended in the own zone, however it ended, makes it the last one
		counts := attempt.EndedTime != nil && (here || policy == owner.Name && attempt.BackTime != nil)
		if r.Spec.NodeName == node.Name && attempt.BackTime != nil && w.now.Sub(attempt.BackTime.Time) < interval {
			w.breaks("node %s was granted a slot %s after it was back, and the least interval is %s",
				node.Name, w.now.Sub(attempt.BackTime.Time), interval)
		}
		pause := owner.Spec.Rollout.AdaptiveDelay
		if counts && policy == owner.Name && pause.MaxSeconds > 0 && attempt.Result == v1alpha1.ReasonProved &&
			w.now.Sub(attempt.EndedTime.Time) < seconds(pause.MinSeconds) {
			w.breaks("node %s was granted a slot %s after node %s recovered", node.Name, w.now.Sub(attempt.EndedTime.Time), r.Spec.NodeName)
		}
		if counts && attempt.EndedTime.After(ends[zone]) {
			ends[zone] = attempt.EndedTime.Time
		}
	}
	for zone, end := range ends {
		byZone := owner.Spec.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime
		if byZone && zone != zoneOf(node) && end.After(ends[zoneOf(node)]) && w.now.Sub(end) < soak {
			w.breaks("node %s of zone %q was granted a slot %s after zone %q was finished, which soaks for %s",
				node.Name, zoneOf(node), w.now.Sub(end), zone, soak)
		}
	}
}

// unreturnedAfter counts the nodes of a policy that did not come back, as the plan leaves them.
func unreturnedAfter(v *view, p *Plan, owner *v1alpha1.RebootPolicy) int {
	next := map[types.UID]*v1alpha1.NodeRebootStatus{}
	for i := range p.Work {
		for j := range p.Work[i].Reboots {
			change := &p.Work[i].Reboots[j]
			next[change.Object.UID] = &change.Status
		}
	}
	count := 0
	for _, r := range v.Reboots {
		status := next[r.UID]
		if status == nil {
			status = &r.Status
		}
		node := v.node(r.Spec.NodeName)
		goes := !r.DeletionTimestamp.IsZero() && status.CompletionTime != nil
		if node == nil || node.UID != status.NodeUID || ownerOf(v, node) != owner || status.PolicyName != owner.Name || goes {
			continue
		}
		stalled := status.CompletionTime == nil && status.Attempt != nil && status.Attempt.StalledTime != nil
		gaveUp := status.Outcome == v1alpha1.OutcomeFailed &&
			(status.OutcomeReason == v1alpha1.ReasonRebootNotObserved || status.OutcomeReason == v1alpha1.ReasonSentinelStillPresent)
		later := func(other *v1alpha1.NodeReboot) bool {
			o := &other.Status
			if next[other.UID] != nil {
				o = next[other.UID]
			}
			return other.Spec.NodeName == r.Spec.NodeName && o.Outcome == v1alpha1.OutcomeSucceeded &&
				o.CompletionTime.After(status.CompletionTime.Time)
		}
		if stalled || gaveUp && !slices.ContainsFunc(v.Reboots, later) {
			count++
		}
	}
	return count
}

// checkAlways is about what holds at every moment.
func (w *world) checkAlways() {
	for _, n := range w.nodes {
		others := slices.DeleteFunc(slices.Clone(n.Taints), ours)
		if !slices.Equal(others, w.rules.foreign[n.Name]) {
			w.breaks("the taints of others on node %s changed:\n%s", n.Name, cmp.Diff(w.rules.foreign[n.Name], others))
		}
		if w.rules.cordoned[n.Name] && !n.Unschedulable {
			w.breaks("node %s was cordoned by a person and is not anymore", n.Name)
		}
	}
	for _, r := range w.reboots {
		slot := w.slotOf(r.Spec.NodeName)
		slot.Renewed = 0
		if a := openAttempt(r); a != nil && slot != (Slot{Reboot: r.Name, UID: string(r.UID), Attempt: a.Number}) {
			w.breaks("attempt %d of NodeReboot %s is open without a slot", a.Number, r.Name)
		}
	}
}

// checkSettled is about what holds when the manager has nothing to do.
func (w *world) checkSettled(v *view) {
	w.checkGivenUpIsVisible(v)
	w.checkOrders(v)
	w.checkHalted(v)
	w.checkRemoved()
	w.checkUnavailable(v)
	needed, open := map[string]bool{}, map[string]string{}
	for _, r := range v.Reboots {
		s := &r.Status
		a := openAttempt(r)
		if a != nil && a.RolledBackTime == nil {
			open[r.Spec.NodeName] = string(r.UID)
		}
		waits := s.CompletionTime == nil && a == nil && r.DeletionTimestamp.IsZero()
		asks := s.Report != nil && s.Report.Sentinel == v1alpha1.SentinelRequired && w.nodes[r.Spec.NodeName] != nil &&
			s.Report.BootID == w.nodes[r.Spec.NodeName].BootID
		givenUp := s.Outcome == v1alpha1.OutcomeFailed && (r.Spec.Trigger == v1alpha1.TriggerSentinel && asks || w.deadlocked(v, r)) &&
			r.DeletionTimestamp.IsZero()
		here := a != nil && (a.RolledBackTime == nil || w.nodes[r.Spec.NodeName] != nil && w.nodes[r.Spec.NodeName].UID == s.NodeUID)
		if waits || givenUp || here && (a.UncordonedTime == nil || asks) {
			needed[r.Spec.NodeName] = true
		}
		told := s.Reason != "" && s.Message != "" && len(s.Message) <= 1024
		if s.CompletionTime == nil && !told && !v.refuses(r.Spec.NodeName, model.WriteStatus) {
			w.breaks("NodeReboot %s is %s for the reason %q: %q", r.Name, s.Phase, s.Reason, s.Message)
		}
	}
	for i := range v.Nodes {
		w.checkMarks(v, v.Nodes[i], needed, open)
	}
}

// checkMarks: a node has the taint, the cordon and the marks that its NodeReboots are to give it, as far as they can be written.
func (w *world) checkMarks(v *view, n *Node, needed map[string]bool, open map[string]string) {
	if v.refuses(n.Name, model.WriteStatus) {
		return // what is written is not what is so
	}
	owner, known := w.ownerNow(v, n)
	_, skipped := n.Labels[v1alpha1.SkipLabel]
	want := needed[n.Name] && owner != nil && (!skipped || open[n.Name] != "") && owner.Spec.Taint.Effect != v1alpha1.TaintNone
	if hasOurTaint(n) != want && known && !v.refuses(n.Name, model.WriteTaint) {
		w.breaks("node %s is tainted: %v, want %v", n.Name, !want, want)
	}
	if n.CordonedFor != "" && n.CordonedFor != open[n.Name] && !v.refuses(n.Name, model.WriteCordon) {
		w.breaks("node %s is cordoned for %s, and the open attempt on it is that of %q", n.Name, n.CordonedFor, open[n.Name])
	}
	// Marks go with the cordon.
	if v.refuses(n.Name, model.WriteLabels) || v.refuses(n.Name, model.WriteExclude) || v.refuses(n.Name, model.WriteCordon) {
		return
	}
	if v.refuses("", model.WriteSlots) || w.lostSlot(n.Name) {
		return // a Node that was registered again is not marked without the slot
	}
	if uid := parseMarks(n.Annotations[v1alpha1.MarksAnnotation]).For; uid != open[n.Name] {
		w.breaks("node %s is marked for %q, and the open attempt on it is that of %q", n.Name, uid, open[n.Name])
	}
	if held := n.Annotations[v1alpha1.DoNotDisruptAnnotation] == "true"; held != (open[n.Name] != "") {
		w.breaks("autoscalers are held off from node %s: %v, and the open attempt on it is that of %q", n.Name, held, open[n.Name])
	}
}

// refuses says whether a kind of write about a node is refused.
func (v *view) refuses(node string, write model.Write) bool {
	for key := range v.Refusals {
		if key.Write == write && v.Refusals[key].Node == node {
			return true
		}
	}
	return false
}

// ownerNow is the policy that a node belongs to: while it holds a slot, the policy that granted it. It is not known if that policy is gone.
func (w *world) ownerNow(v *view, n *Node) (owner *v1alpha1.RebootPolicy, known bool) {
	h := w.rules.held[n.Name]
	if h == nil || !h.recorded {
		return ownerOf(v, n), true
	}
	owner = v.policy(h.policy)
	return owner, owner != nil
}

// checkNobodyHadToBeWoken: between a plan that had nothing to do and the time at which it asked to be woken, time alone changes nothing.
func (w *world) checkNobodyHadToBeWoken(until time.Time) {
	m := &w.manager
	// A plan that was missed is seen at the next look, too: the longer nothing happens, the rarer it has to be looked for.
	spacing := max(10*time.Second, m.checked.Sub(m.idleSince))
	if w.version != m.idleVersion || until.Before(m.checked.Add(spacing)) || !m.idleUntil.IsZero() && !until.Before(m.idleUntil) {
		return
	}
	m.checked = until
	v := w.look()
	now := w.now
	w.now = until
	defer func() { w.now = now }()
	if p := w.plan(v, m.asked); !idle(p) {
		w.breaks("at %s there is something to do, and the last plan asked to be woken at %s:\n%s",
			until.Sub(start), m.idleUntil.Sub(start), describe(p))
	}
}
