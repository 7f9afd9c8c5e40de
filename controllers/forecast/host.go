package forecast

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// What helpers, hosts and pods do in the model.

// event is something that happens at a time. Events of the same time happen in the order in which they were planned.
type event struct {
	at     time.Time
	number int
	// happens says whether anything changed that a plan may depend on.
	happens func() bool
}

// events is a heap.
type events struct {
	queue   []event
	planned int
}

// Len implements heap.Interface.
func (e *events) Len() int { return len(e.queue) }

// Less implements heap.Interface.
func (e *events) Less(i, j int) bool {
	a, b := &e.queue[i], &e.queue[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.number < b.number
}

// Swap implements heap.Interface.
func (e *events) Swap(i, j int) { e.queue[i], e.queue[j] = e.queue[j], e.queue[i] }

// Push implements heap.Interface.
func (e *events) Push(x any) {
	if next, is := x.(event); is {
		e.queue = append(e.queue, next)
	}
}

// Pop implements heap.Interface.
func (e *events) Pop() any {
	last := len(e.queue) - 1
	next := e.queue[last]
	e.queue[last] = event{}
	e.queue = e.queue[:last]
	return next
}

// rounded is a time as events happen; one of the past is now. In runs that draw their durations, times are rounded up and down as often as
// it takes for the mean to stay: else a step of 40 s would always take 60.
func (r *run) rounded(t time.Time) time.Time {
	began := r.fleet.in.Now
	after := t.Sub(began)
	if r.sample > 0 {
		after += time.Duration(mix(uint64(after)^mix(uint64(r.sample)))%uint64(r.grid)) - r.grid/2
	}
	return model.Latest(began.Add(after.Round(r.grid)), r.now)
}

// at plans an event.
func (r *run) at(t time.Time, happens func() bool) { r.plan(r.rounded(t), happens) }

func (r *run) plan(at time.Time, happens func() bool) {
	r.events.planned++
	heap.Push(&r.events, event{at: at, number: r.events.planned, happens: happens})
}

// happen lets all events happen that are due. It says whether a plan may say something else now.
func (r *run) happen() bool {
	changed := false
	for r.events.Len() > 0 && !r.events.queue[0].at.After(r.now) {
		if next, is := heap.Pop(&r.events).(event); is {
			changed = next.happens() || changed
		}
	}
	return changed
}

// follow has the helper, the host and the pods do what the new status of a NodeReboot says. It says whether that is news to a plan.
func (r *run) follow(c change) bool {
	before, after := c.before, r.reboot(c.after.Name)
	if after == nil {
		return false
	}
	r.note(before, after)
	if hooks := after.Status.PendingHooks; len(hooks) > 0 {
		r.assumed.hooks = true
		r.setHooks(after, hooks)
		return true
	}
	order := after.Status.Order
	if order == nil || before.Status.Order != nil && before.Status.Order.Sequence == order.Sequence {
		return false
	}
	r.take(after, 0)
	return false
}

// setHooks has others do what is awaited.
func (r *run) setHooks(reboot *v1alpha1.NodeReboot, hooks []string) {
	next := *reboot
	next.Status.Conditions = slices.DeleteFunc(slices.Clone(next.Status.Conditions), func(c metav1.Condition) bool {
		return slices.Contains(hooks, c.Type)
	})
	for _, hook := range hooks {
		next.Status.Conditions = append(next.Status.Conditions, metav1.Condition{
			Type: hook, Status: metav1.ConditionTrue, Reason: "Assumed", LastTransitionTime: metav1.NewTime(r.now),
		})
	}
	r.putReboot(&next)
}

// durations of an attempt of a NodeReboot.
func (r *run) durations(reboot *v1alpha1.NodeReboot) Durations {
	a := reboot.Status.Attempt
	return r.fleet.source.draw(a.PolicyName, reboot.Spec.NodeName, a.Number, r.sample, r.fleet.in.Seed)
}

// remaining is how long something still takes that has gone on for a while. What is overdue takes a tenth of its time.
func remaining(takes, elapsed time.Duration) time.Duration { return max(takes-elapsed, takes/10) }

// take has the helper take the order that a NodeReboot has, which was given a while ago.
func (r *run) take(reboot *v1alpha1.NodeReboot, ago time.Duration) {
	order, d := reboot.Status.Order, r.durations(reboot)
	name, sequence := reboot.Name, order.Sequence
	inForce := func() *v1alpha1.NodeReboot {
		current := r.reboot(name)
		if current == nil || current.Status.Order == nil || current.Status.Order.Sequence != sequence {
			return nil
		}
		return current
	}
	if order.Action == v1alpha1.ActionDrain {
		r.report(reboot, func(report *v1alpha1.HelperReport) {
			report.Sequence, report.State, report.Drain = sequence, v1alpha1.OrderStarted, nil
		})
		drain := &drain{
			reboot: name, node: reboot.Spec.NodeName, inForce: inForce, takes: d.Drain, earliest: r.rounded(r.now.Add(remaining(d.Drain, ago))),
		}
		r.drains = append(r.drains, drain)
		r.plan(r.now, func() bool { return r.advanceDrain(drain) }) // once it is known what other drains evicted before
		r.plan(drain.earliest, func() bool { return r.advanceDrain(drain) })
		return
	}
	r.report(reboot, func(report *v1alpha1.HelperReport) {
		report.Sequence, report.State, report.Drain = sequence, v1alpha1.OrderDone, nil
	})
	r.at(r.now.Add(remaining(d.Reboot+d.Proof, ago)), func() bool { return inForce() != nil && r.boot(name) })
}

// report changes what the helper of a NodeReboot says.
func (r *run) report(reboot *v1alpha1.NodeReboot, change func(*v1alpha1.HelperReport)) {
	next := *reboot
	report := v1alpha1.HelperReport{}
	if reboot.Status.Report != nil {
		report = *reboot.Status.Report
	} else if node := r.node(reboot.Spec.NodeName); node != nil {
		report = *r.reportOf(node)
	}
	change(&report)
	next.Status.Report = &report
	r.putReboot(&next)
}

// reportOf a helper that has nothing to do.
func (c *cluster) reportOf(node *model.Node) *v1alpha1.HelperReport {
	booted := metav1.NewMicroTime(c.now)
	return &v1alpha1.HelperReport{
		Protocol: v1alpha1.ProtocolLevel, BootID: node.BootID, BootTime: &booted, Sentinel: v1alpha1.SentinelNotRequired,
		Methods: []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}},
	}
}

// boot has the host of a NodeReboot be back from its reboot, with its helper and the pods that stayed.
func (r *run) boot(name string) bool {
	reboot := r.reboot(name)
	if reboot == nil {
		return false
	}
	node := reboot.Spec.NodeName
	r.created++
	boot := fmt.Sprintf("forecast-%d", r.created)
	r.updateNode(node, func(n *model.Node) {
		n.BootID, n.Ready, n.HelperReady, n.Volumes = boot, true, true, nil
		if condition := reboot.Spec.ConditionType; condition != "" {
			n.Conditions = slices.DeleteFunc(slices.Clone(n.Conditions), func(c model.NodeCondition) bool { return string(c.Type) == condition })
		}
	})
	r.prove(node, boot)
	return true
}

// prove has the helper of a node report after a boot, and the pods that stayed there start again.
func (r *run) prove(node, boot string) {
	pods := slices.Clone(r.snapshot.Pods[node])
	for i := range pods {
		if !pods[i].Finished {
			pods[i].Ready, pods[i].Containers = pods[i].Ready || pods[i].Stays(), []string{boot}
		}
	}
	r.snapshot.Pods[node] = pods
	for _, reboot := range r.rebootsOf(node) {
		if reboot.Status.CompletionTime != nil {
			continue
		}
		r.report(reboot, func(report *v1alpha1.HelperReport) {
			booted := metav1.NewMicroTime(r.now)
			report.BootID, report.BootTime, report.Sentinel = boot, &booted, v1alpha1.SentinelNotRequired
		})
	}
}

// rebootsOf a node that are not finished.
func (r *run) rebootsOf(node string) []*v1alpha1.NodeReboot {
	var reboots []*v1alpha1.NodeReboot
	for _, name := range r.fleet.named[node] {
		if reboot := r.reboot(name); reboot != nil {
			reboots = append(reboots, reboot)
		}
	}
	return reboots
}

// resume has an attempt continue that was under way when the forecast began.
func (r *run) resume(reboot *v1alpha1.NodeReboot) {
	if hooks := reboot.Status.PendingHooks; len(hooks) > 0 {
		r.assumed.hooks = true
		r.setHooks(reboot, hooks)
		reboot = r.reboot(reboot.Name)
	}
	a, d := reboot.Status.Attempt, r.durations(reboot)
	if a.StalledTime != nil {
		return // nobody can know when the node, or what it evicted, is back
	}
	if t := cmp.Or(a.DrainedTime, a.RolledBackTime, a.DrainOrderedTime); t != nil {
		r.returnAfter(reboot, remaining(d.Recovery, r.since(t)))
	}
	switch {
	case a.RolledBackTime != nil, a.UncordonedTime != nil:
	case a.BackTime != nil:
		r.at(r.now.Add(remaining(d.Proof, r.since(a.BackTime))), func() bool { return r.proveLate(reboot.Name) })
	case reboot.Status.Order != nil:
		r.resumeOrder(reboot)
	}
}

// resumeOrder has a helper continue with its order.
func (r *run) resumeOrder(reboot *v1alpha1.NodeReboot) {
	a := reboot.Status.Attempt
	switch reboot.Status.Order.Action {
	case v1alpha1.ActionDrain:
		if a.DrainOrderedTime != nil && !isStuck(reboot) {
			r.take(reboot, r.since(a.DrainOrderedTime))
		}
	case v1alpha1.ActionReboot:
		if a.RebootOrderedTime != nil {
			r.take(reboot, r.since(a.RebootOrderedTime))
		}
	}
}

// since is how long ago a time was.
func (r *run) since(t *metav1.MicroTime) time.Duration { return max(0, r.now.Sub(t.Time)) }

// isStuck: the drain does not get on, and nobody can know whether it will.
func isStuck(reboot *v1alpha1.NodeReboot) bool {
	report, order := reboot.Status.Report, reboot.Status.Order
	return report != nil && report.Sequence == order.Sequence && report.Drain != nil && report.Drain.Activity == v1alpha1.DrainStuck
}

// proveLate has the helper report that had not since the boot.
func (r *run) proveLate(name string) bool {
	reboot := r.reboot(name)
	if reboot == nil || !model.OpenAttempt(&reboot.Status) || reboot.Status.Attempt.UncordonedTime != nil {
		return false
	}
	node := r.node(reboot.Spec.NodeName)
	if node == nil {
		return false
	}
	report := reboot.Status.Report
	if report != nil && report.BootID == node.BootID && report.Sentinel == v1alpha1.SentinelRequired {
		return false // it asks for another reboot
	}
	r.updateNode(node.Name, func(n *model.Node) { n.Ready, n.HelperReady = true, true })
	r.prove(node.Name, node.BootID)
	return true
}

func uidOf(what string, number int) types.UID {
	return types.UID(fmt.Sprintf("forecast-%s-%d", what, number))
}
