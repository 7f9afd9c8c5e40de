package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/window"
)

const (
	// recent is how long ago what is over may have happened and still be worth a notification.
	recent = 24 * time.Hour
	// lookBack is how far back to look for a closed window, and lookStep is no longer than the shortest window.
	lookBack = 6 * time.Hour
	lookStep = time.Minute
	// anyGate is the key of what gates hold up.
	anyGate = "gate"
)

// Facts are the objects of one policy, as they are stored.
type Facts struct {
	Policy *v1alpha1.RebootPolicy
	// Reboots whose status names the policy.
	Reboots []*v1alpha1.NodeReboot
}

// Group finds the facts of every policy that has notifications, in the order of the policies.
func Group(policies []*v1alpha1.RebootPolicy, reboots []*v1alpha1.NodeReboot) []*Facts {
	var all []*Facts
	byName := map[string]*Facts{}
	for _, policy := range policies {
		if len(policy.Spec.Notifications) > 0 {
			facts := &Facts{Policy: policy}
			all, byName[policy.Name] = append(all, facts), facts
		}
	}
	if len(all) == 0 {
		return nil
	}
	for _, reboot := range reboots {
		if facts := byName[reboot.Status.PolicyName]; facts != nil {
			facts.Reboots = append(facts.Reboots, reboot)
		}
	}
	return all
}

// instance is one thing that is so.
type instance struct {
	key     string
	since   time.Time
	reason  string
	message string
	// nodes that it is about; count is how many there are.
	nodes []Node
	count int
}

// world is what is so now.
type world struct {
	*Facts
	now      time.Time
	memory   *Memory
	zone     *time.Location
	schedule *window.Schedule
	// instances by event; thresholds of receivers do not count.
	instances map[v1alpha1.NotificationEvent][]instance
	missed    *Window
}

func newWorld(facts *Facts, memory *Memory, now time.Time) *world {
	w := &world{Facts: facts, now: now, memory: memory, zone: time.UTC, instances: map[v1alpha1.NotificationEvent][]instance{}}
	if memory.began.IsZero() {
		memory.began = now
	}
	if schedule, problems := window.New(&facts.Policy.Spec.Schedule); len(problems) == 0 {
		w.schedule, w.zone = schedule, schedule.Zone()
	}
	w.findHalt()
	held := map[string][]*v1alpha1.NodeReboot{}
	for _, r := range facts.Reboots {
		w.findNotBack(r)
		w.findRefused(r)
		w.findWaiting(r, held)
	}
	w.findGates(held)
	memory.keepSince(now)
	w.findMissed(memory)
	for event := range w.instances {
		slices.SortFunc(w.instances[event], func(a, b instance) int {
			if c := a.since.Compare(b.since); c != 0 {
				return c
			}
			return strings.Compare(a.key, b.key)
		})
	}
	return w
}

func key(event v1alpha1.NotificationEvent, of string) string { return string(event) + "/" + of }

func (w *world) add(event v1alpha1.NotificationEvent, i instance) {
	w.instances[event] = append(w.instances[event], i)
}

// lasts says that the instance of a key is there, or may come back as the same one, and is to be looked for again then.
func (w *world) lasts(event v1alpha1.NotificationEvent, of string) (lasts bool, again time.Time) {
	if slices.ContainsFunc(w.instances[event], func(i instance) bool { return i.key == of }) {
		return true, time.Time{}
	}
	if w.memory.recalls(key(event, of), w.now) {
		return true, w.now.Add(forgiven + time.Second)
	}
	return false, time.Time{}
}

func (w *world) in(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(w.zone).Truncate(time.Second)
}

func (w *world) node(r *v1alpha1.NodeReboot, since time.Time) Node {
	reason, message := r.Status.Reason, r.Status.Message
	if a := r.Status.Attempt; a != nil && a.StalledTime != nil {
		reason, message = a.Result, a.Message
	}
	// If a rollout has been finished for some time, the manager keeps only its summary.
	message = cmp.Or(message, r.Status.Message, r.Status.Summary)
	return Node{Name: r.Spec.NodeName, NodeReboot: r.Name, Reason: reason, Message: plain(message), Since: w.in(since)}
}

// addNode adds an instance that is about one node.
func (w *world) addNode(event v1alpha1.NotificationEvent, key string, r *v1alpha1.NodeReboot, since time.Time) {
	w.add(event, instance{key: key, since: since, nodes: []Node{w.node(r, since)}, count: 1})
}

// short is a UID in little room: its first digits are random enough among the nodes of one policy.
func short(uid string) string { return uid[:min(len(uid), 13)] }

func (w *world) findHalt() {
	halted := meta.FindStatusCondition(w.Policy.Status.Conditions, v1alpha1.ConditionHalted)
	if halted == nil || halted.Status != metav1.ConditionTrue {
		return
	}
	since := halted.LastTransitionTime.Time
	w.add(v1alpha1.EventHalted, instance{
		key: fmt.Sprint(since.Unix()), since: since, reason: halted.Reason, message: halted.Message, count: int(w.Policy.Status.Required),
	})
}

// findNotBack finds out whether the host was ordered to reboot and its node did not come back as it should.
func (w *world) findNotBack(r *v1alpha1.NodeReboot) {
	a := r.Status.Attempt
	if a == nil || a.RebootOrderedTime == nil {
		return
	}
	id := fmt.Sprintf("%s/%d", short(string(r.UID)), a.Number)
	switch {
	case a.EndedTime == nil && a.StalledTime != nil:
		w.addNode(v1alpha1.EventNodeNotBack, id, r, a.StalledTime.Time)
	case r.Status.Outcome == v1alpha1.OutcomeFailed && r.Status.OutcomeReason != v1alpha1.ReasonNodeGone && r.Status.CompletionTime != nil &&
		w.now.Before(r.Status.CompletionTime.Add(recent)):
		w.addNode(v1alpha1.EventNodeNotBack, id, r, r.Status.CompletionTime.Time)
	}
}

// refusing says that the node does not let itself be drained, and since when that is recorded, if it is.
func refusing(r *v1alpha1.NodeReboot) (since time.Time, refuses bool) {
	if r.Status.CompletionTime != nil {
		return time.Time{}, false
	}
	if open(r) {
		if a := r.Status.Attempt; a.StuckTime != nil && a.DrainedTime == nil && a.RolledBackTime == nil {
			return a.StuckTime.Time, true
		}
		// Another try of a drain that failed before is the same refusal until it is done.
		return refusedBefore(r, r.Status.Attempt.DrainedTime == nil)
	}
	if slices.Contains(refusals, r.Status.Reason) {
		return time.Time{}, true
	}
	return refusedBefore(r, r.Status.Reason == v1alpha1.ReasonBackingOff || r.Status.Reason == v1alpha1.ReasonHalted)
}

func refusedBefore(r *v1alpha1.NodeReboot, counts bool) (since time.Time, refuses bool) {
	if f := r.Status.Failures; counts && f != nil && slices.Contains(drainFailures, f.LastReason) {
		return f.LastTime.Time, true
	}
	return time.Time{}, false
}

func (w *world) findRefused(r *v1alpha1.NodeReboot) {
	recorded, refuses := refusing(r)
	if !refuses {
		return
	}
	if recorded.IsZero() {
		recorded = w.now
	}
	since := w.memory.since(key(v1alpha1.EventDrainRefused, short(string(r.UID))), recorded, w.now)
	w.addNode(v1alpha1.EventDrainRefused, short(string(r.UID)), r, since)
}

// findWaiting finds what a NodeReboot that waits is an instance of, and adds it to those that a gate holds up, by its reason.
func (w *world) findWaiting(r *v1alpha1.NodeReboot, held map[string][]*v1alpha1.NodeReboot) {
	if r.Status.CompletionTime != nil {
		return
	}
	if r.Status.RequiredSince != nil {
		w.addNode(v1alpha1.EventOverdue, short(string(r.UID)), r, r.Status.RequiredSince.Time)
	}
	if open(r) {
		return
	}
	reason := r.Status.Reason
	switch {
	case reason == v1alpha1.ReasonAwaitingApproval || reason == v1alpha1.ReasonSelfApproved:
		since := w.memory.since(key(v1alpha1.EventApprovalNeeded, short(string(r.UID))), w.now, w.now)
		w.addNode(v1alpha1.EventApprovalNeeded, short(string(r.UID)), r, since)
	case slices.Contains(gateReasons, reason):
		held[reason] = append(held[reason], r)
	}
}

// findGates finds out whether gates are in the way. All gates are one instance, so that two gates that fail in turn do not begin a new
// instance each time. Its message is the message of most nodes.
func (w *world) findGates(held map[string][]*v1alpha1.NodeReboot) {
	if len(held) == 0 {
		return
	}
	reasons := slices.SortedFunc(maps.Keys(held), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(held[b]), len(held[a])), strings.Compare(a, b))
	})
	gate := instance{key: anyGate, reason: reasons[0], message: held[reasons[0]][0].Status.Message}
	gate.since = w.memory.since(key(v1alpha1.EventGateFailing, anyGate), w.now, w.now)
	for _, reason := range reasons {
		gate.count += len(held[reason])
		for _, r := range held[reason] {
			if len(gate.nodes) < maxNodes {
				gate.nodes = append(gate.nodes, w.node(r, time.Time{}))
			}
		}
	}
	w.add(v1alpha1.EventGateFailing, gate)
}

// findMissed finds the nodes that needed a reboot before the last window closed, and wait for the next one.
func (w *world) findMissed(memory *Memory) {
	if w.schedule == nil || w.schedule.Always() {
		return
	}
	state := w.schedule.At(w.now)
	if state.Open {
		memory.closed, memory.searched = time.Time{}, false
		return
	}
	if !memory.searched || !memory.closedUntil.Equal(state.Opens) {
		memory.closed, memory.closedUntil, memory.searched = w.lastClosing(), state.Opens, true
	}
	closed := memory.closed
	if closed.IsZero() || w.now.After(closed.Add(lookBack)) {
		return
	}
	missed := instance{key: fmt.Sprint(closed.Unix()), since: closed}
	for _, r := range w.Reboots {
		if !missedWindow(r, closed) {
			continue
		}
		missed.count++
		if len(missed.nodes) < maxNodes {
			missed.nodes = append(missed.nodes, w.node(r, r.Status.RequiredSince.Time))
		}
	}
	if missed.count > 0 {
		w.missed = &Window{Closed: w.in(closed), Opens: w.in(state.Opens)}
		w.add(v1alpha1.EventWindowMissed, missed)
	}
}

// missedWindow says that the NodeReboot was there before a window closed, and waits for the next one.
func missedWindow(r *v1alpha1.NodeReboot, closed time.Time) bool {
	waits := r.Status.CompletionTime == nil && !open(r) && slices.Contains(windowReasons, r.Status.Reason)
	return waits && r.Status.RequiredSince != nil && r.Status.RequiredSince.Time.Before(closed)
}

// lastClosing is when the schedule was open last; zero if that is too long ago to be considered.
func (w *world) lastClosing() time.Time {
	for at := w.now; !at.Before(w.now.Add(-lookBack)); at = at.Add(-lookStep) {
		if state := w.schedule.At(at); state.Open {
			return state.Closes
		}
	}
	return time.Time{}
}

// open says that the NodeReboot holds a slot.
func open(r *v1alpha1.NodeReboot) bool {
	a := r.Status.Attempt
	return a != nil && a.EndedTime == nil && r.Status.CompletionTime == nil
}
