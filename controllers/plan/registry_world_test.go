package plan

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Node objects come and go apart from their hosts: a cloud deletes the Node of a machine that is down, a person deletes one by mistake, an
// autoscaler deletes one with its machine. And the clocks of hosts are wrong.

const (
	deadlockCondition corev1.NodeConditionType = "KernelDeadlock"
	autoscalerTaint   string                   = "ToBeDeletedByClusterAutoscaler"
)

// setReady is what the kubelet, or the node controller on its behalf, says about the node, by the clock of the host.
func (w *world) setReady(h *host, ready bool) {
	if w.random == nil {
		return
	}
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	w.updateNode(h.name, func(n *Node) {
		if old := conditionOf(n, corev1.NodeReady); old == nil || old.Status != status {
			setCondition(n, model.NodeCondition{
				Type: corev1.NodeReady, Status: status, Since: w.clock(), Transition: metav1.NewTime(w.now.Add(h.clock).Truncate(time.Second)),
			})
		}
	})
}

// deregister deletes the Node of a host, and so the pods on it.
func (w *world) deregister(h *host) {
	if w.nodes[h.name] == nil {
		return
	}
	w.tell("Node %s is deleted", h.name)
	w.noteGone(h)
	w.evictPods(h.name)
	w.dropPods(func(p *simPod) bool { return p.node == h.name })
	w.forgetOthers(h.name)
	h.helper = false
	h.process++
	delete(w.nodes, h.name)
	w.changed()
}

// forgetOthers: what others did to a Node went with it.
func (w *world) forgetOthers(node string) {
	delete(w.rules.cordoned, node)
	delete(w.rules.foreign, node)
	delete(w.rules.labels, node)
	delete(w.rules.proved, node)
}

// register makes the Node of a host that has none: with another UID, and without what the operator or a person set on the old one.
func (w *world) register(h *host) {
	if w.nodes[h.name] != nil || w.hosts[h.name] != h || !h.up {
		return
	}
	w.tell("Node %s is registered again", h.name)
	node := newNode(h.name, "")
	node.Labels = maps.Clone(h.labels)
	node.UID, node.BootID, node.HelperReady = w.uid("node"), h.bootID(), false
	w.nodes[h.name] = &storedNode{Node: *node, version: w.changed()}
	w.addFixedPods(h, h.labels, w.hostTime(h.name))
	w.setReady(h, true)
	life := h.life
	w.after(w.between(2*time.Second, 10*time.Second), func() {
		if h.life == life && !h.helper {
			w.startHelper(h)
		}
	})
}

// forgetSoon is a cloud that deletes the Node of a machine that is down.
func (w *world) forgetSoon(h *host) {
	if !h.forgotten && !w.forgets || w.healed {
		return
	}
	life := h.life
	w.after(w.between(0, time.Minute), func() {
		if h.life == life && !h.up && w.hosts[h.name] == h {
			h.forgotten = false
			w.deregister(h)
		}
	})
}

// nodeObjectIsDeleted deletes the Node of a host that runs. Its kubelet registers it again, now or after the next boot.
func (w *world) nodeObjectIsDeleted(h *host) {
	if w.nodes[h.name] == nil {
		return
	}
	w.deregister(h)
	if w.random.IntN(3) > 0 {
		w.after(w.between(0, 2*time.Minute), func() { w.register(h) })
	}
}

// autoscalerRemoves marks a node, and mostly removes it with its machine a while later.
func (w *world) autoscalerRemoves(h *host) {
	if w.nodes[h.name] == nil {
		return
	}
	w.editTaints(h.name, func(taints []corev1.Taint) []corev1.Taint {
		return append(taints, corev1.Taint{Key: autoscalerTaint, Effect: corev1.TaintEffectNoSchedule})
	})
	w.noteMarked(h)
	uid := w.nodes[h.name].UID
	w.after(w.between(5*time.Second, 4*time.Minute), func() {
		n := w.nodes[h.name]
		switch {
		case n == nil || n.UID != uid:
		case w.healed || w.random.IntN(4) == 0:
			w.keepsNode(h)
		default:
			w.removeHost(h.name)
		}
	})
}

// keepsNode is an autoscaler that has thought again.
func (w *world) keepsNode(h *host) {
	if w.nodes[h.name] == nil {
		return
	}
	w.editTaints(h.name, func(taints []corev1.Taint) []corev1.Taint {
		return slices.DeleteFunc(taints, func(t corev1.Taint) bool { return t.Key == autoscalerTaint })
	})
}

// editTaints is someone else who changes the taints of a node.
func (w *world) editTaints(node string, change func([]corev1.Taint) []corev1.Taint) {
	w.updateNode(node, func(n *Node) {
		n.Taints = change(slices.Clone(n.Taints))
		w.rules.foreign[node] = slices.DeleteFunc(slices.Clone(n.Taints), ours)
	})
}

// dropPods deletes pods permanently.
func (w *world) dropPods(goes func(*simPod) bool) {
	w.pods = slices.DeleteFunc(w.pods, func(p *simPod) bool {
		if goes(p) {
			p.starts++
			p.dropped = true
			return true
		}
		return false
	})
	w.changed()
}

// bootClock is the clock of a host after a boot: some start with a wrong one, and set it later, before or after the helper's first report.
func (w *world) bootClock(h *host) {
	if w.random != nil && !w.healed && w.random.IntN(8) == 0 && !without("boot with a wrong clock") {
		h.clock = w.clockStep()
		life := h.life
		w.after(w.between(0, 40*time.Second), func() {
			if h.life == life {
				h.clock = 0
			}
		})
	}
	h.reportedBoot = w.now.Add(h.clock)
}

// clockStep is by how much a clock is set.
func (w *world) clockStep() time.Duration {
	by := w.between(time.Minute, 9*time.Hour)
	if w.random.IntN(2) == 0 {
		return -by
	}
	return by
}

// hostClockSteps sets the clock of a host, and sets it right later.
func (w *world) hostClockSteps(h *host) {
	h.clock = w.clockStep()
	w.tell("the clock of host %s is off by %s", h.name, h.clock)
	w.after(w.between(time.Second, time.Hour), func() { h.clock = 0 })
}

// managerClockSteps sets the clock of the managers for a while. Nobody is woken by that.
func (w *world) managerClockSteps(*host) {
	w.setManagerClock(w.clockStep() / 3)
	w.after(w.between(time.Minute, 20*time.Minute), func() { w.setManagerClock(0) })
}

func (w *world) setManagerClock(offset time.Duration) {
	w.tell("the clock of the managers is off by %s", offset)
	w.managerClock, w.stepped = offset, true
	w.manager.idleVersion, w.manager.woken = -1, time.Time{}
	w.wakeManager(w.between(0, time.Minute))
}
