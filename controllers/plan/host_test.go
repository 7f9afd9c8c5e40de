package plan

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// fate is what becomes of a host that is told to reboot.
type fate int

const (
	fateNormal fate = iota
	// fateIgnores: it goes on running.
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
	// told counts how often the host was told to reboot, by NodeReboot and sequence.
	told map[string]int
	fate fate
	// obstacle is what keeps the host from rebooting.
	obstacle string
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

// job is an order that a helper works on.
type job struct {
	sequence int64
	state    v1alpha1.OrderState
	message  string
	drain    *v1alpha1.DrainProgress
}

func (h *host) bootID() string { return fmt.Sprintf("%s-boot-%d", h.serial, h.boot) }

// addHost adds a node with a helper and one DaemonSet pod.
func (w *world) addHost(node Node) *host {
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
	w.nodes[node.Name] = &storedNode{Node: node, version: w.changed()}
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

// require sets what the sentinel says.
func (w *world) require(h *host, state v1alpha1.SentinelState) {
	h.sentinel = state
	w.wakeHelper(h)
}

// wakeHelpers wakes those with a NodeReboot that changed.
func (w *world) wakeHelpers() {
	changed := w.touched
	if w.random == nil {
		changed = slices.Collect(maps.Keys(w.hosts))
	}
	slices.Sort(changed)
	for _, name := range slices.Compact(changed) {
		if h := w.hosts[name]; h != nil {
			w.wakeHelper(h)
		}
	}
	w.touched = w.touched[:0]
}

func (w *world) wakeHelper(h *host) {
	if h.due || !h.helper || !h.up || h.deaf {
		return
	}
	h.due = true
	w.after(w.between(200*time.Millisecond, 2*time.Second), func() {
		h.due = false
		if h.helper && h.up && w.hosts[h.name] == h && !h.deaf {
			w.helperPass(h)
		}
	})
}

// helperPass does what package helper does: it reports, carries out orders at most once, and asks for a reboot.
func (w *world) helperPass(h *host) {
	carried := false
	name := v1alpha1.SentinelRebootName(h.name, h.bootID())
	for _, reboot := range slices.Sorted(maps.Keys(w.reboots)) {
		r := w.reboots[reboot]
		if r.Spec.NodeName != h.name {
			continue
		}
		complete, gaveUp := r.Status.CompletionTime != nil, gaveUp(h, r)
		carried = carried || r.Name == name || r.Spec.Trigger == v1alpha1.TriggerSentinel && !complete || gaveUp
		if complete && !gaveUp && (r.Status.Outcome != v1alpha1.OutcomeCancelled || r.Name != name) {
			delete(h.jobs, r.UID)
			continue
		}
		w.report(h, r)
	}
	if h.sentinel == v1alpha1.SentinelRequired && !carried {
		w.ask(h.name, name, v1alpha1.TriggerSentinel)
	}
}

// gaveUp: the manager gave up on the boot that runs now.
func gaveUp(h *host, r *v1alpha1.NodeReboot) bool {
	s := &r.Status
	return r.Spec.Trigger == v1alpha1.TriggerSentinel && s.Outcome == v1alpha1.OutcomeFailed &&
		(s.Before != nil && s.Before.BootID == h.bootID() || s.After != nil && s.After.BootID == h.bootID())
}

// ask makes a NodeReboot.
func (w *world) ask(node, name string, trigger v1alpha1.Trigger) {
	w.tell("NodeReboot %s is made (%s)", name, trigger)
	w.putReboot(&v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(w.uid("reboot")), Generation: 1, CreationTimestamp: metav1.NewTime(w.now)},
		Spec:       v1alpha1.NodeRebootSpec{NodeName: node, Trigger: trigger, Urgency: v1alpha1.UrgencyNormal},
	})
	if w.random != nil {
		w.after(w.between(0, 5*time.Minute), func() { w.personApproves(w.hosts[node]) })
	}
}

// askAtOnce is ask with urgency.
func (w *world) askAtOnce(node, name string) {
	w.ask(node, name, v1alpha1.TriggerManual)
	urgent := *w.reboots[name]
	urgent.Spec.Urgency = v1alpha1.UrgencyImmediate
	w.putReboot(&urgent)
}

// report writes the helper's report, and begins the order that it records.
func (w *world) report(h *host, r *v1alpha1.NodeReboot) {
	bootTime := metav1.NewMicroTime(h.reportedBoot)
	report := v1alpha1.HelperReport{BootID: h.bootID(), BootTime: &bootTime, Sentinel: h.sentinel, Methods: byLogind(h.obstacle)}
	if old := r.Status.Report; old != nil {
		report.Sequence, report.State, report.Message, report.Drain = old.Sequence, old.State, old.Message, old.Drain
	}
	order := r.Status.Order
	if order == nil || !r.DeletionTimestamp.IsZero() || r.Status.CompletionTime != nil {
		delete(h.jobs, r.UID)
		order = nil
	}
	begin := w.judge(h, r.UID, order, &report)
	if old := r.Status.Report; old == nil || !sameReport(old, &report) {
		w.updateReboot(r.Name, func(r *v1alpha1.NodeReboot) { r.Status.Report = &report })
	}
	if begin {
		w.begin(h, r.UID, order)
	}
}

// judge brings the report up to date with the order, and says whether to begin it.
func (w *world) judge(h *host, uid types.UID, order *v1alpha1.RebootOrder, report *v1alpha1.HelperReport) bool {
	if order == nil {
		return false
	}
	if j := h.jobs[uid]; j != nil && j.sequence == order.Sequence {
		report.State, report.Message, report.Drain = j.state, j.message, j.drain
		return false
	}
	delete(h.jobs, uid)
	inForce := order.BootID == h.bootID() && w.now.Before(order.Deadline.Time)
	switch {
	case order.Sequence > report.Sequence && inForce:
		report.Sequence, report.State, report.Message, report.Drain = order.Sequence, v1alpha1.OrderStarted, "", nil
		return true
	case order.Sequence == report.Sequence && report.State == v1alpha1.OrderStarted && order.Action == v1alpha1.ActionDrain:
		return inForce
	}
	return false
}

func sameReport(a, b *v1alpha1.HelperReport) bool {
	return a.BootID == b.BootID && a.BootTime.Equal(b.BootTime) && a.Sentinel == b.Sentinel &&
		a.Sequence == b.Sequence && a.State == b.State && a.Message == b.Message && a.Drain == b.Drain &&
		slices.Equal(a.Methods, b.Methods)
}

// begin carries out an order.
func (w *world) begin(h *host, uid types.UID, order *v1alpha1.RebootOrder) {
	j := &job{sequence: order.Sequence, state: v1alpha1.OrderStarted}
	h.jobs[uid] = j
	process := h.process
	current := func() bool { return h.process == process && h.jobs[uid] == j && w.hosts[h.name] == h }
	if order.Action == v1alpha1.ActionDrain {
		w.tell("helper of %s drains (order %d)", h.name, order.Sequence)
		w.noteDrain(h, uid)
		w.after(w.between(5*time.Second, 60*time.Second), func() { w.endDrain(h, j, uid, current) })
		return
	}
	w.after(500*time.Millisecond, func() {
		if !current() {
			return
		}
		w.tellHost(h, uid, order.Sequence)
		j.state = v1alpha1.OrderDone
		w.wakeHelper(h)
	})
}

// endDrain evicts what may be evicted, and comes back for the rest until the deadline, which may be changed meanwhile.
func (w *world) endDrain(h *host, j *job, uid types.UID, current func() bool) {
	order := w.orderOf(uid)
	if !current() || order == nil || order.Sequence != j.sequence {
		return
	}
	left, refused := 0, []v1alpha1.RefusedPod{{Namespace: "apps", Name: "web-0", By: "PodDisruptionBudget web"}}
	switch {
	case w.random != nil:
		left, refused = w.drainStep(h, ignoresReturning(order))
	case h.refuses:
		left = 1
	default:
		w.evictPods(h.name)
	}
	switch {
	case left == 0:
		w.detachVolumes(h)
		j.state, j.drain = v1alpha1.OrderDone, &v1alpha1.DrainProgress{}
		w.wakeHelper(h)
		return
	case j.drain != nil && !w.now.Before(order.Deadline.Time):
		j.state, j.message = v1alpha1.OrderTimedOut, "1 pod is left"
		w.wakeHelper(h)
		return
	case j.drain == nil || len(j.drain.Refused) != len(refused):
		j.drain = &v1alpha1.DrainProgress{Total: int32(left + 1), Remaining: int32(left), Refused: refused}
		w.wakeHelper(h)
	}
	w.after(w.between(5*time.Second, 10*time.Second), func() { w.endDrain(h, j, uid, current) })
}

// orderOf a NodeReboot; nil if there is none.
func (w *world) orderOf(uid types.UID) *v1alpha1.RebootOrder {
	if r := w.rebootByUID(uid); r != nil {
		return r.Status.Order
	}
	return nil
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
		w.breaks("host %s was told to reboot %d times by order %s", h.name, h.told[order], order)
	}
	w.tell("host %s is told to reboot", h.name)
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

// startHelper starts the helper's pod, if one can be created.
func (w *world) startHelper(h *host) {
	if h.noHelper || w.nodes[h.name] == nil {
		return
	}
	h.helper = true
	w.updateNode(h.name, func(n *Node) { n.HelperReady = true })
	w.wakeHelper(h)
}

// killHelper ends the helper's process. What it was working on is forgotten.
func (w *world) killHelper(h *host) {
	h.helper = false
	h.process++
	h.jobs = map[types.UID]*job{}
	w.updateNode(h.name, func(n *Node) { n.HelperReady = false })
}
