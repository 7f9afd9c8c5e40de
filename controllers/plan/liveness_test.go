package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What must happen: once nothing is in the way, every node that needs a reboot gets it, within a time that is known.

// bound is how long it may take from the end of all faults until every need is met. The longest back-off comes first, and once more for a
// policy that failures in a row have halted; then nodes go one by one. Each waits at most for the next window, a day, and as that is far
// more than an attempt takes with all its timeouts (within an hour), some go in each window: count one in a quarter of a day.
func (w *world) bound() time.Duration {
	const longestBackoff = 24 * time.Hour
	return 2*longestBackoff + 3*24*time.Hour + time.Duration(len(w.hosts))*6*time.Hour
}

// live takes a fleet through faults and out of them again.
func (w *world) live() {
	for range w.random.IntN(2*len(w.hosts)) + w.more {
		w.after(w.between(0, w.chaos), w.randomFault)
	}
	w.after(w.chaos, w.heal)
	w.runUntil(start.Add(w.chaos))
	w.recover()
}

// recover lets the cluster run until every need is met.
func (w *world) recover() {
	end := w.now.Add(w.bound())
	for w.broken == nil && w.now.Before(end.Add(time.Hour)) {
		w.after(0, w.attend)
		w.runUntil(w.now.Add(30 * time.Minute))
		needs := w.needs()
		switch {
		case w.broken != nil:
		case len(needs) == 0:
			w.runUntil(w.now.Add(time.Hour))
			w.checkNothingIsLeft()
			return
		case w.now.After(end):
			w.breaks("everything was healed %s ago, and there are still needs:\n%s", w.bound(), strings.Join(needs, "\n"))
		case w.events.Len() == 0 && !slices.ContainsFunc(slices.Collect(maps.Values(w.reboots)), w.needsAPerson):
			w.breaks("nothing will ever happen anymore, and there are needs:\n%s", strings.Join(needs, "\n"))
		}
	}
}

// needs are the NodeReboots that are not complete, and the hosts that ask for a reboot.
func (w *world) needs() []string {
	var needs []string
	for _, name := range slices.Sorted(maps.Keys(w.reboots)) {
		if r := w.reboots[name]; r.Status.CompletionTime == nil {
			needs = append(needs, fmt.Sprintf("%s: %s %s %s", name, r.Status.Phase, r.Status.Reason, r.Status.Message))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
		if w.hosts[name].sentinel == v1alpha1.SentinelRequired {
			needs = append(needs, "host "+name)
		}
	}
	return needs
}

// heal ends all faults: hosts boot and are registered, helpers start, budgets allow evictions, people undo what they did, and every policy
// allows something.
func (w *world) heal() {
	w.tell("everything is healed")
	w.healed = true
	w.outside, w.refused = newOutside(), nil
	if w.managerClock != 0 {
		w.setManagerClock(0)
	}
	w.healApps()
	w.healPolicies()
	for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
		w.healHost(w.hosts[name])
	}
	if w.clusterMax != nil {
		w.clusterMax = ptr.To(intstr.FromString("100%")) // room for a whole group
	}
}

func (w *world) healHost(h *host) {
	h.fate, h.refuses, h.forgotten, h.static, h.clock, h.obstacle, h.kind = fateNormal, false, false, staticNormal, 0, "", ""
	w.bootHost(h)
	w.register(h)
	if w.rules.cordoned[h.name] {
		w.personUncordons(h)
	}
	w.skipsNoMore(h)
	w.keepsNode(h)
	w.labelsMoveBack(h)
	if n := w.nodes[h.name]; n != nil && conditionOf(&n.Node, deadlockCondition) != nil {
		w.deadlock(h, corev1.ConditionFalse)
	}
	w.updateNode(h.name, func(n *Node) { n.OtherMaintenance, n.Deleting = nil, false })
	for _, pod := range w.pods {
		if pod.node == h.name && pod.Mirror && !pod.Ready && pod.healthy.After(w.now.Add(time.Hour)) {
			w.startPod(pod, 10*time.Second)
		}
	}
	w.allowHelper(h)
	w.hears(h)
	if h.sentinel == v1alpha1.SentinelUnknown {
		w.require(h, v1alpha1.SentinelRequired)
	}
}

// healApps: every application has room, and its budget allows a disruption.
func (w *world) healApps() {
	for key, app := range w.apps {
		if most := int32(max(1, len(w.hosts)-1)); app.spread && app.replicas > most {
			scaled := *app
			scaled.replicas = most
			w.apps[key] = &scaled
			w.dropPod(key, int(most))
		}
	}
	covered := map[string]bool{}
	w.dropBudgets(func(b *budget) bool {
		second := covered[b.app]
		covered[b.app] = true
		return second
	})
	for _, b := range w.budgets {
		b.least = min(b.least, w.apps[deployment(b.app)].replicas-1)
	}
}

// healPolicies: one of them selects every node, and all of them work.
func (w *world) healPolicies() {
	if w.policies["all"] == nil {
		w.makePolicy(newPolicy("all", randomSpec(w.random)))
	}
	for _, name := range slices.Sorted(maps.Keys(w.policies)) {
		w.editPolicy(name, w.healPolicy)
	}
}

func (w *world) healPolicy(p *v1alpha1.RebootPolicy) {
	mode(v1alpha1.ModeEnforce)(p)
	maxUnavailable(pick(w.random, "1", "2", "3"))(p)
	if p.Spec.NodeLabels != nil && p.Spec.NodeLabels.During["pool"] != "" {
		p.Spec.NodeLabels = nil
	}
	if p.Name == "all" {
		p.Spec.Nodes, p.Spec.NodeSelector = v1alpha1.NodesAll, nil
	}
	p.Spec.Drain.TimeoutSeconds, p.Spec.Drain.ReturningPods = ptr.To[int32](300), v1alpha1.ReturningPodsIgnore
}

// attend is what people do from time to time when nothing goes wrong anymore.
func (w *world) attend() {
	for _, name := range slices.Sorted(maps.Keys(w.reboots)) {
		if r := w.reboots[name]; r.DeletionTimestamp.IsZero() && w.hasToBeDeleted(r) {
			w.tell("NodeReboot %s is deleted: %s %s", name, r.Status.Phase, r.Status.Reason)
			w.deleteReboot(name, w.now)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.reboots)) {
		if r := w.reboots[name]; r.Status.Reason == v1alpha1.ReasonDrainImpossible {
			w.tell("the budgets are deleted that keep NodeReboot %s waiting: %s", name, r.Status.Message)
			w.dropBudgets(func(b *budget) bool { return strings.Contains(r.Status.Message, b.name+" ") })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
		w.personApproves(w.hosts[name])
	}
}

// hasToBeDeleted: only deleting the NodeReboot leads on from here. It was given up, its machine is gone permanently, or the hook that it
// waits for after the boot is not awaited anymore.
func (w *world) hasToBeDeleted(r *v1alpha1.NodeReboot) bool {
	s := &r.Status
	return s.Outcome == v1alpha1.OutcomeFailed || w.hosts[r.Spec.NodeName] == nil && s.CompletionTime == nil ||
		s.Phase == v1alpha1.PhaseFailed && s.Reason == v1alpha1.ReasonHookTimedOut
}

// needsAPerson: people do something about the NodeReboot when they look the next time.
func (w *world) needsAPerson(r *v1alpha1.NodeReboot) bool {
	return w.hasToBeDeleted(r) || approvalExpired(r) || r.Status.Reason == v1alpha1.ReasonDrainImpossible
}

// checkNothingIsLeft: with every need met, nothing of the operator's is left on any node, and no policy is halted.
func (w *world) checkNothingIsLeft() {
	for _, n := range w.nodes {
		w.checkMarksAreGone(&n.Node)
		if n.CordonedFor != "" || n.Unschedulable || slices.ContainsFunc(n.Taints, ours) || len(n.Maintenance) > 0 || !n.Ready {
			w.breaks("something is left on node %s: %+v", n.Name, n.Node)
		}
	}
	for _, r := range w.reboots {
		if len(r.Finalizers) > 0 {
			w.breaks("NodeReboot %s keeps its finalizers %v", r.Name, r.Finalizers)
		}
	}
	for _, p := range w.policies {
		if meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionHalted) {
			w.breaks("every need is met, and policy %s is halted: %+v", p.Name, p.Status.Conditions)
		}
	}
	if len(w.needs()) > 0 {
		w.breaks("a need came back: %v", w.needs())
	}
}
