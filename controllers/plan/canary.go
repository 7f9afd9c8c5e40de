package plan

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// A canary speaks for the nodes that needed their reboot when it began: what made the reboot necessary was there, and went into the boot
// that the canary is proved with. A need that arises later gets canaries of its own, after those that are under way or soak. So it follows
// from the facts of the NodeReboots who may go, and no rollout has to be remembered. Any node that began since then counts as a canary for
// the nodes that waited, even if it went because earlier canaries had spoken for it.

// canaries is what is known of a policy's canaries.
type canaries struct {
	// proved is when each unit began that was proved and has soaked, the latest first.
	proved []time.Time
	// alone are the nodes that go alone and were proved in the past, and have soaked.
	alone []canary
	// pending are under way, or soak; in the order in which they began.
	pending []canary
	// failed are canaries that failed; nothing goes before they succeed or are deleted.
	failed []*rebootView
	// failedUnits are theirs.
	failedUnits map[string]bool
	// waits are the pending canaries of each need that waits, by their number, and active those for which others have to wait. They are
	// found once for all that wait, until another one starts.
	waits  map[int]*canaryWait
	active *canaryWait
}

// canaryWait is what is known of pending canaries that others wait for.
type canaryWait struct {
	canaries []canary
	units    map[string]bool
	// verdicts by how many of the canaries are missing.
	verdicts map[int]model.Verdict
}

func newCanaryWait(pending []canary) *canaryWait {
	w := &canaryWait{canaries: pending, units: map[string]bool{}, verdicts: map[int]model.Verdict{}}
	for _, c := range pending {
		w.units[c.unit] = true
	}
	return w
}

// canary is a unit that began at a time.
type canary struct {
	unit, node string
	began      time.Time
	// soaked is when it will have soaked; zero while it is under way.
	soaked time.Time
	// marked: others had to wait for it when it began.
	marked bool
}

// batchKey is what goes together: nodes of a unit that began in one plan.
type batchKey struct {
	unit  string
	began int64
}

// findCanaries collects the canaries of a policy; nil if it has none.
func (p *planning) findCanaries(policy *policyView, granted *grantedAttempts) *canaries {
	if policy.Spec.Rollout.Canary == nil {
		return nil
	}
	found := &canaries{failedUnits: map[string]bool{}}
	batches := map[batchKey]*canary{}
	if granted != nil {
		for _, r := range granted.reboots {
			p.noteCanary(policy, found, batches, r)
		}
		p.notePastCanaries(policy, found, batches, granted.past)
	}
	for _, n := range policy.nodes {
		if p.heldUnseen(n) {
			found.pending = append(found.pending, canary{unit: n.unit, node: n.Name, began: p.Now})
		}
	}
	p.sortCanaries(found, batches)
	return found
}

// unit that the node of the NodeReboot goes with; one that is gone went alone.
func (r *rebootView) unit() string {
	if r.node == nil {
		return r.Object.Spec.NodeName
	}
	return r.node.unit
}

// noteCanary adds what a NodeReboot says to the batch that it belongs to. One that is under way keeps the whole batch under way.
func (p *planning) noteCanary(policy *policyView, found *canaries, batches map[batchKey]*canary, r *rebootView) {
	attempt := r.Status.Attempt
	if attempt == nil {
		return
	}
	if r.failedAsCanary() {
		found.failed = append(found.failed, r)
		found.failedUnits[r.unit()] = true
		return
	}
	// An end that is not written yet frees nobody.
	underWay := r.open() || model.OpenAttempt(&r.Object.Status)
	if proved := r.Status.Outcome == v1alpha1.OutcomeSucceeded && attempt.Result == v1alpha1.ReasonProved; !proved && !underWay {
		return
	}
	key := batchKey{r.unit(), attempt.GrantedTime.UnixMicro()}
	c := batches[key]
	if c == nil {
		c = &canary{unit: r.unit(), node: r.Object.Spec.NodeName, began: attempt.GrantedTime.Time, soaked: time.Unix(0, 0)}
		batches[key] = c
	}
	c.marked = c.marked || attempt.Role == v1alpha1.RoleCanary
	switch {
	case c.soaked.IsZero():
	case underWay:
		c.soaked, c.node = time.Time{}, r.Object.Spec.NodeName
	default:
		c.soak(attempt.EndedTime.Add(model.Seconds(policy.Spec.Rollout.Canary.SoakSeconds)))
	}
}

// soak until a time. A batch that is under way has not soaked, whatever else is in it.
func (c *canary) soak(until time.Time) {
	if !c.soaked.IsZero() {
		c.soaked = model.Latest(c.soaked, until)
	}
}

// failedAsCanary: the last attempt was a canary, and failed.
func (r *rebootView) failedAsCanary() bool {
	attempt, failures := r.Status.Attempt, r.Status.Failures
	if attempt.Role != v1alpha1.RoleCanary || attempt.EndedTime == nil || failures == nil || r.deleted() || r.nodeGone() {
		return false
	}
	unresolved := r.waiting() || r.Status.Outcome == v1alpha1.OutcomeFailed && !r.node.succeededSince(r)
	return unresolved && (failures.LastTime.Equal(attempt.EndedTime) || failures.LastTime.Equal(attempt.RolledBackTime))
}

// heldUnseen: another manager granted the node a slot, for an attempt that this one has not seen, or cannot read.
func (p *planning) heldUnseen(n *nodeView) bool {
	if n.held != nil || !n.slotHeld {
		return n.held != nil
	}
	slot := p.slots[n.Name]
	r := p.byUID[slot.UID]
	return r == nil || r.LastAttempt() < slot.Attempt
}

func (p *planning) sortCanaries(found *canaries, batches map[batchKey]*canary) {
	proved := map[string]time.Time{}
	for _, c := range batches {
		switch {
		case c.soaked.IsZero():
			found.pending = append(found.pending, *c)
		case p.Now.Before(c.soaked):
			found.pending = append(found.pending, *c)
		default:
			proved[c.unit] = model.Latest(proved[c.unit], c.began)
		}
	}
	for i := range found.alone {
		if began, more := proved[found.alone[i].unit]; more {
			proved[found.alone[i].unit] = model.Latest(began, found.alone[i].began)
			continue
		}
		found.proved = append(found.proved, found.alone[i].began)
	}
	for _, began := range proved {
		found.proved = append(found.proved, began)
	}
	slices.SortFunc(found.proved, func(a, b time.Time) int { return b.Compare(a) })
	slices.SortFunc(found.pending, compareCanaries)
}

func compareCanaries(a, b canary) int {
	return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.node, b.node))
}

// start adds one that starts in this plan, or would.
func (c *canaries) start(r *rebootView, now time.Time) {
	starts := canary{unit: r.node.unit, node: r.node.Name, began: now, marked: c.roleOf(r) == v1alpha1.RoleCanary}
	i, _ := slices.BinarySearchFunc(c.pending, starts, compareCanaries)
	c.pending = slices.Insert(c.pending, i, starts)
	c.waits, c.active = nil, nil
}

// roleOf an attempt that begins now: a canary, unless enough have spoken for it.
func (c *canaries) roleOf(r *rebootView) v1alpha1.AttemptRole {
	if c.provedFor(r.required) >= r.policy().canaryCount {
		return ""
	}
	return v1alpha1.RoleCanary
}

// provedFor counts the canaries that have spoken for a need.
func (c *canaries) provedFor(since time.Time) int {
	return sort.Search(len(c.proved), func(i int) bool { return c.proved[i].Before(since) })
}

// pendingFor are the canaries that will speak for a need.
func (c *canaries) pendingFor(since time.Time) *canaryWait {
	first := sort.Search(len(c.pending), func(i int) bool { return !c.pending[i].began.Before(since) })
	wait := c.waits[first]
	if wait == nil {
		if c.waits == nil {
			c.waits = map[int]*canaryWait{}
		}
		wait = newCanaryWait(c.pending[first:])
		c.waits[first] = wait
	}
	return wait
}

// canaryGate lets the first nodes go, and the others when those have soaked.
func canaryGate(p *planning, r *rebootView) model.Verdict {
	policy := r.policy()
	c := policy.canaries
	if c == nil {
		return model.Verdict{}
	}
	if failed := c.failure(r); failed != nil {
		return canaryFailed(failed)
	}
	since, count := r.required, policy.canaryCount
	proved, pending := c.provedFor(since), c.pendingFor(since)
	switch active := c.findActive(); {
	case proved >= count || pending.units[r.node.unit]:
		return model.Verdict{}
	case proved+len(pending.units) >= count:
		return p.awaitCanaries(policy.Clock, pending, count-proved)
	case len(active.units) >= count:
		return p.awaitCanaries(policy.Clock, active, len(active.units)-count+1)
	}
	return model.Verdict{}
}

// findActive finds those canaries for which others had to wait when they began, whatever they speak for.
func (c *canaries) findActive() *canaryWait {
	if c.active == nil {
		c.active = newCanaryWait(slices.DeleteFunc(slices.Clone(c.pending), func(pending canary) bool { return !pending.marked }))
	}
	return c.active
}

// failure is the failed canary for which one has to wait; a canary that failed itself, and its group, may go again.
func (c *canaries) failure(r *rebootView) *rebootView {
	if c.failedUnits[r.node.unit] {
		return nil
	}
	if i := slices.IndexFunc(c.failed, func(failed *rebootView) bool { return !failed.open() }); i >= 0 {
		return c.failed[i]
	}
	return nil
}

func canaryFailed(failed *rebootView) model.Verdict {
	return model.Blocked(v1alpha1.ReasonCanaryFailed,
		"NodeReboot %s went first as a canary and failed (%s). The other nodes continue when it succeeds; delete it to let another node be the "+
			"canary.",
		failed.Object.Name, failed.Status.Failures.LastReason)
}

// awaitCanaries waits for so many of the canaries.
func (p *planning) awaitCanaries(clock model.Clock, pending *canaryWait, missing int) model.Verdict {
	v, known := pending.verdicts[missing]
	if !known {
		v = p.judgeCanaries(clock, pending, missing)
		pending.verdicts[missing] = v
	}
	return v
}

func (p *planning) judgeCanaries(clock model.Clock, wait *canaryWait, missing int) model.Verdict {
	pending := wait.canaries
	var soaked []time.Time
	for _, c := range pending {
		if !c.soaked.IsZero() {
			soaked = append(soaked, c.soaked)
		}
	}
	if len(soaked) < missing {
		i := slices.IndexFunc(pending, func(c canary) bool { return c.soaked.IsZero() })
		return model.Blocked(v1alpha1.ReasonCanaryFirst, "Node %s goes first, as a canary.", pending[i].node)
	}
	slices.SortFunc(soaked, time.Time.Compare)
	until := soaked[missing-1]
	p.WakeAt(until)
	watched := model.Form(len(wait.units), "The canary was rebooted and is", "The canaries were rebooted and are")
	return model.Blocked(v1alpha1.ReasonCanarySoaking, "%s watched until %s.", watched, clock.Until(until)).Ending(until)
}

// roleOf an attempt that begins now.
func (p *planning) roleOf(r *rebootView) v1alpha1.AttemptRole {
	c := r.policy().canaries
	if c == nil {
		return ""
	}
	return c.roleOf(r)
}

// canaryStatus is how far those are that others had to wait for when they began; nil if there are none.
func (p *planning) canaryStatus(policy *policyView, granted *grantedAttempts) *v1alpha1.CanaryStatus {
	c := p.findCanaries(policy, granted)
	if c == nil {
		return nil
	}
	status := v1alpha1.CanaryStatus{Failed: int32(len(c.failed))}
	for _, pending := range c.pending {
		switch {
		case !pending.marked:
		case pending.soaked.IsZero():
			status.UnderWay++
		default:
			status.Soaking++
			p.WakeAt(pending.soaked)
			if status.SoakedTime == nil || pending.soaked.After(status.SoakedTime.Time) {
				status.SoakedTime = ptr.To(metav1.NewMicroTime(pending.soaked))
			}
		}
	}
	if status == (v1alpha1.CanaryStatus{}) {
		return nil
	}
	return &status
}

// canaryTooLarge says that there are not enough nodes to wait for the canaries.
func (policy *policyView) canaryTooLarge() string {
	if policy.Spec.Rollout.Canary == nil || policy.canaryCount <= policy.units {
		return ""
	}
	return fmt.Sprintf("rollout.canary.count is %d, and the policy has only %s: all of them are canaries, so none waits for a canary.",
		policy.canaryCount, model.Counted(policy.units, "node or group", "nodes or groups"))
}
