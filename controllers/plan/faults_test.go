package plan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// faults are what may go wrong or change at any time, to a random host.
var faults = map[string]func(*world, *host){
	"sentinel appears":      func(w *world, h *host) { w.require(h, v1alpha1.SentinelRequired) },
	"sentinel goes away":    func(w *world, h *host) { w.require(h, v1alpha1.SentinelNotRequired) },
	"sentinel check fails":  func(w *world, h *host) { w.blink(h, v1alpha1.SentinelUnknown) },
	"host cannot reboot":    (*world).hostCannotReboot,
	"helper dies":           (*world).helperDies,
	"host crashes":          func(w *world, h *host) { w.crashIfUp(h, w.between(30*time.Second, 5*time.Minute)) },
	"host crashes for good": func(w *world, h *host) { w.crashIfUp(h, 0) },
	"host will not reboot":  func(_ *world, h *host) { h.fate = fateIgnores },
	"host will not be back": func(_ *world, h *host) { h.fate = fateNeverBack },
	"host will be late":     func(_ *world, h *host) { h.fate = fateSlow },
	"host will ask again":   func(_ *world, h *host) { h.fate = fateStillRequired },
	"evictions are refused": (*world).refuseEvictions,
	"person cordons":        (*world).personCordons,
	"person uncordons":      (*world).personUncordons,
	"person asks":           func(w *world, h *host) { w.ask(h.name, w.uid("by-hand"), v1alpha1.TriggerManual) },
	"person asks at once":   func(w *world, h *host) { w.askAtOnce(h.name, w.uid("at-once")) },
	"policy is frozen":      func(w *world, _ *host) { w.freezeNow() },
	"person deletes":        (*world).personDeletes,
	"person skips": func(w *world, h *host) {
		w.relabel(h, func(labels map[string]string) { labels[v1alpha1.SkipLabel] = "" })
	},
	"person skips no more":   (*world).skipsNoMore,
	"kernel deadlocks":       func(w *world, h *host) { w.deadlock(h, corev1.ConditionTrue) },
	"somebody maintains":     (*world).somebodyMaintains,
	"person approves":        (*world).personApproves,
	"person withdraws":       (*world).personWithdraws,
	"policy wants approval":  func(w *world, _ *host) { w.editAnyPolicy(approvalRequired()) },
	"person taints":          (*world).personTaints,
	"person runs a pod":      (*world).personRunsAPod,
	"person labels":          (*world).personLabels,
	"policy pauses":          func(w *world, _ *host) { w.editAnyPolicy(mode(v1alpha1.ModePaused)) },
	"policy observes":        func(w *world, _ *host) { w.editAnyPolicy(mode(v1alpha1.ModeObserve)) },
	"policy enforces":        func(w *world, _ *host) { w.editAnyPolicy(mode(v1alpha1.ModeEnforce)) },
	"policy has other limit": func(w *world, _ *host) { w.editAnyPolicy(maxUnavailable(pick(w.random, "0", "1", "2", "30%"))) },
	"policy is deleted":      (*world).policyIsDeleted,
	"policy has other order": func(w *world, _ *host) { w.editAnyPolicy(zoneOrder(pick(w.random, "z1", "z2", "z3"))) },
	"node is deleted":        (*world).nodeIsDeleted,
	"node is added":          func(w *world, _ *host) { w.addRandomHost() },
	"manager crashes":        func(w *world, _ *host) { w.manager.crashAfter = w.random.IntN(15) },
	"manager crashes early":  func(w *world, _ *host) { w.manager.crashAtGrant = true },
	"another manager leads":  (*world).laggingPass,
	"application is scaled":  (*world).scaleApp,
	"job runs on node":       func(w *world, h *host) { w.outsideFor(func(o *outside, on bool) { o.busy[h.name] = on }) },
	"room is short":          func(w *world, h *host) { w.outsideFor(func(o *outside, on bool) { o.full[h.name] = on }) },
	"alert fires":            func(w *world, _ *host) { w.outsideFor(func(o *outside, on bool) { o.alert = on }) },
	"object is ill":          func(w *world, _ *host) { w.outsideFor(func(o *outside, on bool) { o.ill = on }) },
	"gates are away":         func(w *world, _ *host) { w.outsideFor(func(o *outside, on bool) { o.away = on }) },
	"gates are slow":         func(w *world, _ *host) { w.outsideFor(func(o *outside, on bool) { o.slow = on }) },
}

// faultNames in an order that does not change.
var faultNames = slices.Sorted(maps.Keys(faults))

func pick[T any](random *rand.Rand, choices ...T) T { return choices[random.IntN(len(choices))] }

func (w *world) randomHost() *host {
	names := slices.Sorted(maps.Keys(w.hosts))
	if len(names) == 0 {
		return nil
	}
	return w.hosts[pick(w.random, names...)]
}

func (w *world) randomFault() {
	h := w.randomHost()
	if h == nil {
		return
	}
	name := pick(w.random, faultNames...)
	w.tell("fault: %s (%s)", name, h.name)
	faults[name](w, h)
}

// blink shows another state of the sentinel for a while.
func (w *world) blink(h *host, state v1alpha1.SentinelState) {
	before := h.sentinel
	w.require(h, state)
	w.after(w.between(5*time.Second, time.Minute), func() {
		if h.sentinel == state {
			w.require(h, before)
		}
	})
}

// hostCannotReboot lasts for a while.
func (w *world) hostCannotReboot(h *host) {
	obstacle := func(what string) {
		h.obstacle = what
		w.wakeHelper(h)
	}
	obstacle("no logind")
	w.after(w.between(5*time.Second, 5*time.Minute), func() { obstacle("") })
}

func (w *world) helperDies(h *host) {
	if !h.up || !h.helper {
		return
	}
	w.killHelper(h)
	process := h.process
	w.after(w.between(5*time.Second, 5*time.Minute), func() {
		if h.process == process && h.up && w.hosts[h.name] == h {
			w.startHelper(h)
		}
	})
}

func (w *world) crashIfUp(h *host, downtime time.Duration) {
	if h.up {
		w.crash(h, downtime)
	}
}

func (w *world) refuseEvictions(h *host) {
	h.refuses = true
	w.after(w.between(30*time.Second, 5*time.Minute), func() { h.refuses = false })
}

func (w *world) personCordons(h *host) {
	if n := w.nodes[h.name]; n.Unschedulable || n.CordonedFor != "" {
		return
	}
	w.rules.cordoned[h.name] = true
	w.updateNode(h.name, func(n *Node) { n.Unschedulable = true })
}

func (w *world) personUncordons(h *host) {
	delete(w.rules.cordoned, h.name)
	w.updateNode(h.name, func(n *Node) { n.Unschedulable = false })
}

func (w *world) personDeletes(*host) {
	if names := slices.Sorted(maps.Keys(w.reboots)); len(names) > 0 {
		name := pick(w.random, names...)
		w.tell("NodeReboot %s is deleted", name)
		w.deleteReboot(name, w.now)
	}
}

func (w *world) personTaints(h *host) {
	taint := corev1.Taint{Key: fmt.Sprintf("example.com/taint-%d", w.random.IntN(5)), Effect: corev1.TaintEffectNoSchedule}
	w.updateNode(h.name, func(n *Node) {
		at := 0
		if len(n.Taints) > 0 {
			at = w.random.IntN(len(n.Taints) + 1)
		}
		rest := slices.DeleteFunc(slices.Clone(n.Taints), func(t corev1.Taint) bool { return t.Key == taint.Key })
		n.Taints = slices.Insert(rest, min(at, len(rest)), taint)
		w.rules.foreign[h.name] = slices.DeleteFunc(slices.Clone(n.Taints), func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintKey })
	})
}

// personRunsAPod runs a pod without a controller on a node for a while.
func (w *world) personRunsAPod(h *host) {
	pod := &simPod{Pod: readyPod(w.uid("bare"), w.now, deployment("none")), node: h.name}
	w.pods = append(w.pods, pod)
	w.changed()
	w.after(w.between(10*time.Second, 10*time.Minute), func() {
		w.pods = slices.DeleteFunc(w.pods, func(p *simPod) bool { return p == pod })
		w.changed()
	})
}

// personLabels sets or removes the labels that policies set, too.
func (w *world) personLabels(h *host) {
	key, value := pick(w.random, stateLabel, v1alpha1.ExcludeLabel), pick(w.random, "", "theirs")
	if w.rules.labels[h.name] == nil {
		w.rules.labels[h.name] = map[string]string{}
	}
	w.rules.labels[h.name][key] = value
	w.updateNode(h.name, func(n *Node) {
		n.Labels = maps.Clone(n.Labels)
		delete(n.Labels, key)
		if value != "" {
			n.Labels[key] = value
		}
	})
}

func (w *world) editAnyPolicy(option policyOption) {
	if names := slices.Sorted(maps.Keys(w.policies)); len(names) > 0 {
		w.editPolicy(pick(w.random, names...), option)
	}
}

func (w *world) editPolicy(name string, option policyOption) {
	policy := w.policies[name].DeepCopy()
	option(policy)
	policy.Generation++
	w.policies[name] = policy
	w.tell("policy %s: mode %s, maxUnavailable %s", name, policy.Spec.Mode, policy.Spec.Rollout.MaxUnavailable)
	w.changed()
}

// policyIsDeleted deletes a policy, and makes it again after a while.
func (w *world) policyIsDeleted(*host) {
	names := slices.Sorted(maps.Keys(w.policies))
	if len(names) == 0 {
		return
	}
	name := pick(w.random, names...)
	policy := w.policies[name].DeepCopy()
	delete(w.policies, name)
	w.changed()
	w.after(w.between(10*time.Second, 2*time.Minute), func() {
		policy.UID, policy.Status = types.UID(w.uid("policy")), v1alpha1.RebootPolicyStatus{}
		if w.mended {
			policy.Spec.Mode = v1alpha1.ModeEnforce
			policy.Spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt32(1))
		}
		w.policies[name] = policy
		w.changed()
	})
}

// nodeIsDeleted deletes a node, and sometimes makes another one of the same name.
func (w *world) nodeIsDeleted(h *host) {
	node := newNode(h.name, zoneOf(&w.nodes[h.name].Node))
	node.Labels = maps.Clone(w.nodes[h.name].Labels)
	for _, key := range []string{stateLabel, doneLabel, v1alpha1.ExcludeLabel} {
		delete(node.Labels, key) // the cloud does not know of them
	}
	delete(w.rules.cordoned, h.name)
	delete(w.rules.foreign, h.name)
	delete(w.rules.labels, h.name)
	delete(w.rules.proved, h.name)
	w.removeHost(h.name)
	if w.random.IntN(2) == 0 {
		w.after(w.between(0, time.Minute), func() { w.addHost(node) })
	}
}

// addRandomHost adds a node in a random zone, or in none, to a random pool.
func (w *world) addRandomHost() {
	node := newNode(fmt.Sprintf("node-%02d", len(w.hosts)+w.created%7*50), pick(w.random, "", "z1", "z1", "z2", "z2", "z3", "z3"))
	if w.nodes[node.Name] != nil {
		return
	}
	node.Labels["pool"] = pick(w.random, "blue", "green")
	if rack := pick(w.random, "", "r1", "r2", "r3"); rack != "" {
		node.Labels["rack"] = rack
	}
	if w.random.IntN(5) == 0 {
		controlPlane(&node)
	}
	h := w.addHost(node)
	w.after(w.between(0, 3*time.Minute), func() { w.require(h, pick(w.random, v1alpha1.SentinelNotRequired, v1alpha1.SentinelRequired)) })
}

// laggingPass is a pass of a second manager that also believes that it leads, and sees the cluster of some time ago.
func (w *world) laggingPass(*host) {
	for range 1 + w.random.IntN(4) {
		w.after(w.between(0, 20*time.Second), func() {
			if len(w.manager.seen) == 0 {
				return
			}
			v := *pick(w.random, w.manager.seen...)
			if w.random.IntN(2) == 0 { // its watches are not equally late
				other := pick(w.random, w.manager.seen...)
				v.Nodes, v.nodeVersions = other.Nodes, other.nodeVersions
			}
			w.readSlots(&v)
			w.tell("a manager that lags makes a pass")
			w.rules.lagging = true
			w.execute(&v, w.plan(&v, nil), -1)
			w.rules.lagging = false
		})
	}
}

func (w *world) scaleApp(*host) {
	for _, key := range slices.SortedFunc(maps.Keys(w.apps), compareNames) {
		scaled := *w.apps[key]
		scaled.replicas = max(1, scaled.replicas-1)
		w.apps[key] = &scaled
		w.dropPod(key, int(scaled.replicas))
		w.changed()
	}
}

func compareNames(a, b WorkloadKey) int {
	if a.Name < b.Name {
		return -1
	}
	return 1
}

// dropPod deletes the pods of an application beyond a number.
func (w *world) dropPod(key WorkloadKey, keep int) {
	kept := 0
	w.pods = slices.DeleteFunc(w.pods, func(p *simPod) bool {
		if p.Workloads[0] != key {
			return false
		}
		kept++
		p.starts++
		if kept <= keep {
			p.starts--
		}
		return kept > keep
	})
}

// heal ends all faults: hosts boot, helpers start, people take back what they did, and every policy allows something.
func (w *world) heal() {
	w.tell("everything is mended")
	w.mended = true
	w.outside = newOutside()
	for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
		h := w.hosts[name]
		h.fate, h.refuses = fateNormal, false
		w.personUncordonsIfTheirs(h)
		w.skipsNoMore(h)
		w.deadlock(h, corev1.ConditionFalse)
		w.bootHost(h)
		if !h.helper && w.nodes[name].Ready {
			w.startHelper(h)
		}
		if h.sentinel == v1alpha1.SentinelUnknown {
			w.require(h, v1alpha1.SentinelRequired)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.policies)) {
		w.editPolicy(name, mode(v1alpha1.ModeEnforce))
		w.editPolicy(name, maxUnavailable(pick(w.random, "1", "2", "3")))
	}
	if w.clusterMax != nil {
		w.clusterMax = ptr.To(intstr.FromInt32(int32(max(2, len(w.hosts))))) // the largest group must be able to go
		for _, policy := range w.policies {
			if policy.Spec.Rollout.GroupLabel != "" {
				w.clusterMax = ptr.To(intstr.FromString("100%")) // room for a whole group
			}
		}
	}
}

func (w *world) personUncordonsIfTheirs(h *host) {
	if w.rules.cordoned[h.name] {
		w.personUncordons(h)
	}
}

// attend is what people do from time to time when nothing goes wrong any more.
func (w *world) attend() {
	w.clearFailures()
	for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
		w.personApproves(w.hosts[name])
	}
}

func failed(r *v1alpha1.NodeReboot) bool { return r.Status.Phase == v1alpha1.PhaseFailed }

// needsAPerson: people do something about the NodeReboot when they look the next time.
func needsAPerson(r *v1alpha1.NodeReboot) bool { return failed(r) || approvalExpired(r) }

// clearFailures is a person who deletes the NodeReboots that failed, as their messages say: what is needed is tried again, and no policy
// stays halted.
func (w *world) clearFailures() {
	for _, name := range slices.Sorted(maps.Keys(w.reboots)) {
		if failed(w.reboots[name]) {
			w.tell("NodeReboot %s is deleted, for it failed", name)
			w.deleteReboot(name, w.now)
		}
	}
}
