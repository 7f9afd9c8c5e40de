package plan

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What the helper on a host does.

// job is an order that a helper works on.
type job struct {
	sequence int64
	state    v1alpha1.OrderState
	message  string
	drain    *v1alpha1.DrainProgress
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
	names := v1alpha1.SentinelRebootNames(h.name, h.bootID())
	for _, reboot := range slices.Sorted(maps.Keys(w.reboots)) {
		r := w.reboots[reboot]
		if r.Spec.NodeName != h.name {
			continue
		}
		complete, gaveUp := r.Status.CompletionTime != nil, gaveUp(h, r)
		ofThisBoot := r.Spec.BootID == h.bootID() && r.Status.OutcomeReason != v1alpha1.ReasonSuperseded
		carried = carried || ofThisBoot || r.Spec.Trigger == v1alpha1.TriggerSentinel && !complete || gaveUp
		if complete && !gaveUp && (r.Status.Outcome != v1alpha1.OutcomeCancelled || !ofThisBoot) {
			delete(h.jobs, r.UID)
			continue
		}
		w.report(h, r)
	}
	if h.sentinel != v1alpha1.SentinelRequired || carried {
		return
	}
	names = slices.DeleteFunc(names, func(name string) bool { return w.reboots[name] != nil })
	if len(names) == 0 {
		panic("node " + h.name + " has no name left for a NodeReboot")
	}
	w.ask(h.name, names[0], v1alpha1.TriggerSentinel)
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
	reboot := &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(w.uid("reboot")), Generation: 1, CreationTimestamp: metav1.NewTime(w.now)},
		Spec:       v1alpha1.NodeRebootSpec{NodeName: node, Trigger: trigger, Urgency: v1alpha1.UrgencyNormal},
	}
	switch trigger {
	case v1alpha1.TriggerManual:
		reboot.Spec.RequestedBy = "alice"
	case v1alpha1.TriggerSentinel:
		reboot.Spec.BootID = w.hosts[node].bootID()
	case v1alpha1.TriggerNodeCondition:
	}
	w.putReboot(reboot)
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
	report := v1alpha1.HelperReport{
		Protocol: v1alpha1.ProtocolLevel, BootID: h.bootID(), BootTime: &bootTime, Sentinel: h.sentinel, Methods: h.methods(),
	}
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

// methods are what the helper says about them.
func (h *host) methods() []v1alpha1.MethodReport {
	methods := byLogind(h.obstacle)
	methods[0].Kind = h.kind
	return methods
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
		if h.obstacle != "" {
			j.state, j.message = v1alpha1.OrderFailed, h.obstacle
		} else {
			w.tellHost(h, uid, order.Sequence)
			j.state = v1alpha1.OrderDone
		}
		w.wakeHelper(h)
	})
}

// endDrain evicts what may be evicted, and comes back for the rest until the deadline, which may be changed in the meantime.
func (w *world) endDrain(h *host, j *job, uid types.UID, current func() bool) {
	order := w.orderOf(uid)
	if !current() || order == nil || order.Sequence != j.sequence {
		return
	}
	left, refused := 0, []v1alpha1.RefusedPod{{Namespace: "apps", Name: "web-0", By: "PodDisruptionBudget web"}}
	switch {
	case w.random != nil:
		left, refused = w.drainStep(h, order)
	case h.refuses:
		left = 1
	default:
		w.evictPods(h.name)
	}
	switch {
	case left == 0:
		w.detachVolumes(h)
		j.state, j.drain = v1alpha1.OrderDone, &v1alpha1.DrainProgress{BudgetWaitMilliseconds: 1}
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
