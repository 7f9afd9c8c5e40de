package plan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// faults are what may go wrong or change at any time, to a random host.
var faults = map[string]func(*world, *host){
	"sentinel appears":      func(w *world, h *host) { w.require(h, v1alpha1.SentinelRequired) },
	"sentinel goes away":    func(w *world, h *host) { w.require(h, v1alpha1.SentinelNotRequired) },
	"sentinel check fails":  func(w *world, h *host) { w.blink(h, v1alpha1.SentinelUnknown) },
	"host cannot reboot":    (*world).hostCannotReboot,
	"host is locked":        func(w *world, h *host) { w.block(h, "apt holds a lock", v1alpha1.ObstacleInhibited, w.lasting()) },
	"host is locked often":  func(w *world, h *host) { w.lockOften(h, 1+w.random.IntN(20)) },
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
	"person skips no more":     (*world).skipsNoMore,
	"kernel deadlocks":         func(w *world, h *host) { w.deadlock(h, corev1.ConditionTrue) },
	"another maintains":        (*world).anotherMaintains,
	"person approves":          (*world).personApproves,
	"person withdraws":         (*world).personWithdraws,
	"approval is required":     func(w *world, _ *host) { w.editAnyPolicy(approvalRequired()) },
	"person taints":            (*world).personTaints,
	"person runs a pod":        (*world).personRunsAPod,
	"person labels":            (*world).personLabels,
	"policy pauses":            func(w *world, _ *host) { w.editAnyPolicy(mode(v1alpha1.ModePaused)) },
	"policy observes":          func(w *world, _ *host) { w.editAnyPolicy(mode(v1alpha1.ModeObserve)) },
	"policy enforces":          func(w *world, _ *host) { w.editAnyPolicy(mode(v1alpha1.ModeEnforce)) },
	"policy has other limit":   func(w *world, _ *host) { w.editAnyPolicy(maxUnavailable(pick(w.random, "0", "1", "2", "30%"))) },
	"policy is deleted":        (*world).policyIsDeleted,
	"policy has other order":   func(w *world, _ *host) { w.editAnyPolicy(zoneOrder(pick(w.random, "z1", "z2", "z3"))) },
	"node is deleted":          (*world).nodeIsDeleted,
	"node is added":            func(w *world, _ *host) { w.addRandomHost() },
	"manager crashes":          func(w *world, _ *host) { w.manager.crashAfter = w.random.IntN(15) },
	"manager crashes early":    func(w *world, _ *host) { w.manager.crashAtGrant = true },
	"another manager leads":    (*world).laggingPass,
	"application is scaled":    (*world).scaleApp,
	"job runs on node":         func(w *world, h *host) { w.outsideFor(func(o *outside, on bool) { o.busy[h.name] = on }) },
	"room is short":            func(w *world, h *host) { w.outsideFor(func(o *outside, on bool) { o.full[h.name] = on }) },
	"alert fires":              func(w *world, _ *host) { w.outsideFor(func(o *outside, on bool) { o.alert = on }) },
	"object is ill":            func(w *world, _ *host) { w.outsideFor(func(o *outside, on bool) { o.ill = on }) },
	"gates are away":           func(w *world, _ *host) { w.outsideFor(func(o *outside, on bool) { o.away = on }) },
	"labels move the node":     (*world).labelsMove,
	"labels move it back":      (*world).labelsMoveBack,
	"labels move for a while":  (*world).labelsMoveForAWhile,
	"cloud forgets the node":   func(_ *world, h *host) { h.forgotten = true },
	"node object is deleted":   (*world).nodeObjectIsDeleted,
	"autoscaler removes":       (*world).autoscalerRemoves,
	"host clock steps":         (*world).hostClockSteps,
	"managers' clock steps":    (*world).managerClockMayStep,
	"static pods will be late": func(_ *world, h *host) { h.static = staticSlow },
	"static pods will be down": func(_ *world, h *host) { h.static = staticDown },
	"no helper can be made":    (*world).noHelperForAWhile,
	"helper is deaf":           (*world).helperIsDeaf,
	"budget allows nothing":    (*world).budgetAllowsNothing,
	"two budgets on a pod":     (*world).twoBudgets,
	"all drains are refused":   func(w *world, _ *host) { w.outsideForLong(func(o *outside, on bool) { o.refuses = on }) },
	"policy is swapped":        (*world).policyIsSwapped,
	"priorities change":        func(w *world, _ *host) { w.editAnyPolicy(priority(w.random.Int32N(3))) },
	"selector changes":         (*world).selectorChanges,
	"labels during deselect":   (*world).labelsDuringDeselect,
	"drain has other limits":   (*world).drainHasOtherLimits,
	"gates are slow":           func(w *world, _ *host) { w.outsideFor(func(o *outside, on bool) { o.slow = on }) },
}

// faultNames in an order that does not change, without those that SIMULATE_WITHOUT names: to find out which one a failure takes.
var faultNames = slices.DeleteFunc(slices.Sorted(maps.Keys(faults)), without)

func without(fault string) bool {
	return slices.Contains(strings.Split(os.Getenv("SIMULATE_WITHOUT"), ","), fault)
}

func pick[T any](random *rand.Rand, choices ...T) T { return choices[random.IntN(len(choices))] }

// randomHost is often one that is under way: that is where a fault does most harm.
func (w *world) randomHost() *host {
	if busy := w.slotsHeld(); len(busy) > 0 && w.random.IntN(2) == 0 {
		if h := w.hosts[pick(w.random, busy...).node]; h != nil {
			return h
		}
	}
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
	w.block(h, "no logind", "", w.between(5*time.Second, 5*time.Minute))
}

// block keeps a host from rebooting for a while.
func (w *world) block(h *host, by string, kind v1alpha1.ObstacleKind, lasts time.Duration) {
	obstacle := func(by string, kind v1alpha1.ObstacleKind) {
		h.obstacle, h.kind = by, kind
		w.wakeHelper(h)
	}
	obstacle(by, kind)
	w.after(lasts, func() { obstacle("", "") })
}

// lockOften takes an inhibitor lock so many times, each for some seconds.
func (w *world) lockOften(h *host, times int) {
	if times == 0 || w.healed {
		return
	}
	w.block(h, "apt holds a lock", v1alpha1.ObstacleInhibited, w.between(time.Second, 20*time.Second))
	w.after(w.between(20*time.Second, time.Minute), func() { w.lockOften(h, times-1) })
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
	if n := w.nodes[h.name]; n == nil || n.Unschedulable || n.CordonedFor != "" {
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
	w.editTaints(h.name, func(taints []corev1.Taint) []corev1.Taint {
		at := w.random.IntN(len(taints) + 1)
		rest := slices.DeleteFunc(taints, func(t corev1.Taint) bool { return t.Key == taint.Key })
		return slices.Insert(rest, min(at, len(rest)), taint)
	})
}

// personRunsAPod runs a pod without a controller on a node for a while.
func (w *world) personRunsAPod(h *host) {
	pod := &simPod{Pod: readyPod(w.uid("bare"), w.now, deployment("none")), node: h.name, container: w.containerID()}
	if w.nodes[h.name] == nil {
		return
	}
	w.pods = append(w.pods, pod)
	w.changed()
	w.after(w.between(10*time.Second, 10*time.Minute), func() { w.dropPods(func(p *simPod) bool { return p == pod }) })
}

// personLabels sets or removes the labels that policies set, too.
func (w *world) personLabels(h *host) {
	if w.nodes[h.name] == nil {
		return
	}
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
	w.setPolicy(policy)
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
	w.removePolicy(name)
	w.after(w.between(10*time.Second, 2*time.Minute), func() {
		if w.policies[name] == nil {
			w.makePolicy(policy)
		}
	})
}

func (w *world) removePolicy(name string) {
	w.tell("policy %s is deleted", name)
	delete(w.policies, name)
	delete(w.rules.rows, name)
	w.changed()
}

// makePolicy is a policy with a name that there was before.
func (w *world) makePolicy(policy *v1alpha1.RebootPolicy) {
	policy.UID, policy.Status = types.UID(w.uid("policy")), v1alpha1.RebootPolicyStatus{}
	if w.healed {
		w.healPolicy(policy)
	}
	w.tell("policy %s is made", policy.Name)
	w.setPolicy(policy)
}

func (w *world) setPolicy(policy *v1alpha1.RebootPolicy) {
	w.policies[policy.Name] = policy
	w.rules.notePolicy(policy)
	w.changed()
}

// nodeIsDeleted deletes a node with its machine, and sometimes makes another one of the same name.
func (w *world) nodeIsDeleted(h *host) {
	node := newNode(h.name, "")
	node.Labels = maps.Clone(h.labels) // the cloud does not know of others
	if n := w.nodes[h.name]; n != nil && w.random.IntN(2) == 0 {
		w.updateNode(h.name, func(n *Node) { n.Deleting = true })
		w.noteMarked(h)
		w.after(w.between(time.Second, 30*time.Second), func() { w.destroy(h, node) })
		return
	}
	w.destroy(h, node)
}

func (w *world) destroy(h *host, node *Node) {
	if w.hosts[h.name] != h {
		return
	}
	w.removeHost(h.name)
	if w.random.IntN(2) == 0 {
		w.after(w.between(0, time.Minute), func() {
			if w.hosts[node.Name] == nil {
				w.addHost(node)
			}
		})
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
	switch w.random.IntN(10) {
	case 0, 1:
		controlPlane(node)
	case 2:
		node.Labels["node-role.kubernetes.io/etcd"] = "true"
	case 3:
		node.Labels[quorumLabel] = ""
	}
	h := w.addHost(node)
	w.after(w.between(0, 3*time.Minute), func() { w.require(h, pick(w.random, v1alpha1.SentinelNotRequired, v1alpha1.SentinelRequired)) })
}

// laggingPass is a pass of a second manager that also believes that it leads, and sees the cluster of some time ago.
func (w *world) laggingPass(*host) {
	for range 1 + w.random.IntN(4) {
		w.after(w.between(0, 20*time.Second), func() {
			if len(w.manager.seen) == 0 || w.loses {
				return
			}
			v := *pick(w.random, w.manager.seen...)
			if w.random.IntN(2) == 0 { // its watches are not equally late
				other := pick(w.random, w.manager.seen...)
				v.Nodes, v.nodeVersions = other.Nodes, other.nodeVersions
			}
			if w.version%2 == 0 { // it has read the slots object since
				w.readSlots(&v)
			}
			w.tell("a manager that lags makes a pass")
			w.rules.lagging = true
			v.Refusals = nil
			w.execute(&v, w.plan(&v, nil), -1, nil)
			w.followHeld()
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
	w.dropPods(func(p *simPod) bool {
		if p.Mirror || p.Workloads[0] != key {
			return false
		}
		kept++
		return kept > keep
	})
}
