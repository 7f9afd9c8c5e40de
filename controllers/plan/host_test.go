package plan

import (
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// fate is what becomes of a host that is ordered to reboot.
type fate int

const (
	fateNormal fate = iota
	// fateIgnores: it continues running.
	fateIgnores
	// fateNeverBack: it goes down and does not come back by itself.
	fateNeverBack
	// fateSlow: it comes back after long.
	fateSlow
	// fateStillRequired: it comes back and asks for a reboot again.
	fateStillRequired
)

// host is a machine with its kubelet and its helper.
type host struct {
	name string
	// serial is that of the machine; another one may take its name.
	serial string
	// boot is the number of the running boot, and since when it runs.
	boot     int
	bootTime time.Time
	up       bool
	sentinel v1alpha1.SentinelState
	// life is another number after each end and start of the host, so that what was planned for an earlier life does not happen.
	life int
	// helper says that the helper's process runs; process is its number.
	helper  bool
	process int
	// jobs are the orders that the helper's process works on, by the NodeReboot.
	jobs map[types.UID]*job
	// told counts how often the host was ordered to reboot, by NodeReboot and sequence.
	told map[string]int
	fate fate
	// obstacle is what keeps the host from rebooting, and kind of what kind that is.
	obstacle string
	kind     v1alpha1.ObstacleKind
	// asksAgain: the sentinel is there after the next boot, too.
	asksAgain bool
	// refuses: a PodDisruptionBudget refuses evictions on the node.
	refuses bool
	// due: a pass of the helper is planned.
	due bool
	// clock is how far the host's clock is ahead. reportedBoot is when the running boot began, as the helper saw it first.
	clock        time.Duration
	reportedBoot time.Time
	// labels are those that the cloud gives the Node whenever the host is registered.
	labels map[string]string
	// forgotten: the cloud deletes the Node when the host is down, and the kubelet registers it again after the boot.
	forgotten bool
	// static says what becomes of static pods at the next boot.
	static staticFate
	// noHelper: no helper pod can be created. deaf: the helper is Ready and does nothing.
	noHelper, deaf bool
}

// staticFate is what becomes of the static pods of a host at a boot.
type staticFate int

const (
	staticNormal staticFate = iota
	// staticSlow: they take long to be ready.
	staticSlow
	// staticDown: they do not become ready until someone repairs them.
	staticDown
)

// staticStart is how long static pods take to be ready after a boot.
func (h *host) staticStart(usual time.Duration) time.Duration {
	switch h.static {
	case staticSlow:
		return 10 * usual
	case staticDown:
		return downForGood
	}
	return usual
}

// downForGood is longer than anything is simulated.
const downForGood = 365 * 24 * time.Hour

func (h *host) bootID() string { return fmt.Sprintf("%s-boot-%d", h.serial, h.boot) }

// addHost adds a node with a helper and one DaemonSet pod.
func (w *world) addHost(node *Node) *host {
	h := &host{
		name: node.Name, serial: w.uid(node.Name), boot: 1, bootTime: w.now.Add(-24 * time.Hour), up: true, helper: true,
		sentinel: v1alpha1.SentinelNotRequired,
		jobs:     map[types.UID]*job{}, told: map[string]int{}, labels: maps.Clone(node.Labels),
	}
	h.reportedBoot = h.bootTime
	node.UID, node.BootID = w.uid("node"), h.bootID()
	if w.random != nil {
		node.Volumes = []string{"pv-" + node.Name}
	}
	w.hosts[node.Name] = h
	w.nodes[node.Name] = &storedNode{Node: *node, version: w.changed()}
	w.addFixedPods(h, node.Labels, h.bootTime)
	w.setReady(h, true)
	return h
}

// removeHost deletes a node and everything on it but its NodeReboots.
func (w *world) removeHost(name string) {
	h := w.hosts[name]
	w.tell("host %s is removed with its Node", name)
	w.noteGone(h)
	w.evictPods(name)
	w.dropPods(func(p *simPod) bool { return p.node == name })
	w.forgetOthers(name)
	h.up, h.helper = false, false
	h.life++
	h.process++
	delete(w.hosts, name)
	delete(w.nodes, name)
	w.changed()
}

// detachVolumes takes the volumes off a drained node. That takes a while.
func (w *world) detachVolumes(h *host) {
	if w.random == nil {
		return
	}
	life := h.life
	w.after(w.between(0, 2*time.Minute), func() {
		if h.life == life && w.hosts[h.name] == h {
			w.updateNode(h.name, func(n *Node) { n.Volumes = nil })
		}
	})
}

// tellHost tells a host to reboot, and counts it.
func (w *world) tellHost(h *host, uid types.UID, sequence int64) {
	order := fmt.Sprintf("%s/%d", uid, sequence)
	h.told[order]++
	if h.told[order] > 1 {
		w.breaks("host %s was ordered to reboot %d times by order %s", h.name, h.told[order], order)
	}
	w.tell("host %s is ordered to reboot", h.name)
	w.noteTold(h, uid)
	fate := h.fate
	h.fate = fateNormal
	if fate == fateIgnores {
		return
	}
	life := h.life
	downtime := w.between(20*time.Second, 90*time.Second)
	switch fate {
	case fateNeverBack:
		downtime = 0
	case fateSlow:
		downtime = w.between(5*time.Minute, 15*time.Minute)
	case fateStillRequired:
		h.asksAgain = true
	}
	w.after(w.between(time.Second, 3*time.Second), func() {
		if h.life == life {
			w.crash(h, downtime)
		}
	})
}

// crash takes a host down. It comes back after a time, or not by itself if that is 0. A short one may not be noticed by the cluster.
func (w *world) crash(h *host, downtime time.Duration) {
	if w.healed && downtime == 0 {
		downtime = time.Minute // someone is there
	}
	w.tell("host %s goes down", h.name)
	w.endPods(h)
	h.up, h.helper = false, false
	h.life++
	h.process++
	life := h.life
	h.jobs = map[types.UID]*job{}
	notice := w.between(0, 50*time.Second)
	if w.random == nil {
		notice = time.Second
	}
	w.after(notice, func() {
		if h.life == life && w.hosts[h.name] == h {
			w.updateNode(h.name, func(n *Node) { n.Ready, n.HelperReady = false, false })
			w.setReady(h, false)
			w.losePods(h)
			w.forgetSoon(h)
		}
	})
	if downtime > 0 {
		w.after(downtime, func() {
			if h.life == life {
				w.bootHost(h)
			}
		})
	}
}

// bootHost boots a host that is down.
func (w *world) bootHost(h *host) {
	if h.up || w.hosts[h.name] != h {
		return
	}
	w.tell("host %s boots", h.name)
	h.up, h.bootTime = true, w.now
	h.deaf = false
	h.boot++
	h.life++
	life := h.life
	if !h.asksAgain {
		h.sentinel = v1alpha1.SentinelNotRequired
	}
	h.asksAgain = false
	w.bootClock(h)
	w.restartPods(h)
	stillRuns := func() bool { return h.life == life && w.hosts[h.name] == h }
	ready := w.between(0, 10*time.Second)
	w.updateNode(h.name, func(n *Node) {
		n.BootID, n.KernelVersion, n.Ready = h.bootID(), "6.1.0-2", ready == 0
		if w.random != nil {
			n.Volumes = []string{"pv-" + h.name}
		}
	})
	w.after(ready, func() {
		if stillRuns() {
			w.register(h)
			w.updateNode(h.name, func(n *Node) { n.Ready = true })
			w.setReady(h, true)
		}
	})
	w.after(ready+w.between(2*time.Second, 10*time.Second), func() {
		if n := w.nodes[h.name]; stillRuns() && n != nil && conditionOf(&n.Node, deadlockCondition) != nil {
			w.deadlock(h, corev1.ConditionFalse)
		}
		if stillRuns() {
			w.startHelper(h)
		}
	})
}
