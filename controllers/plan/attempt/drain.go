package attempt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/consent"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// beforeDrain are asked in this order before the drain begins; the first that does not pass is the reason why it waits.
var beforeDrain = []gate{
	(*attempt).quorum,
	(*attempt).drainDelay,
	(*attempt).podWait,
	(*attempt).loadBalancerLead,
}

func (a *attempt) prepareDrain() {
	v := a.firstObstacle(beforeDrain)
	switch obstacle := a.inTheWay(); {
	case v.Reason == v1alpha1.ReasonPodsNotFinished:
		a.fail(v.Reason, v.Message)
	case !v.OK():
		a.wait = v
	case !obstacle.OK(): // Nothing was evicted yet, so the slot is of more use to others.
		a.rollBack(obstacle)
	case a.Policy.Spec.Drain.Mode == v1alpha1.DrainModeSkip:
		a.beginDrain()
		a.endDrain(v1alpha1.DrainSkipped)
		a.Emit(model.Event{Reason: v1alpha1.ReasonDrainSkipped, OnNode: true, Message: fmt.Sprintf(
			"Node %s is not drained, as RebootPolicy %s says.", a.Node.Name, a.Policy.Name())})
	default:
		a.orderDrain()
	}
}

// podWait lets pods finish on the cordoned node. The wait is over permanently once the node leaves load balancers.
func (a *attempt) podWait() model.Verdict {
	wait, attempt := &a.Policy.Spec.Drain.WaitForPods, a.Status.Attempt
	if wait.Selector == nil || attempt.ExcludedTime != nil {
		return model.Verdict{}
	}
	until := attempt.CordonedTime.Add(model.Seconds(a.Policy.Spec.Drain.DelaySeconds)).Add(model.Seconds(wait.TimeoutSeconds))
	over := a.Reached(until)
	if over && wait.OnTimeout == v1alpha1.TimeoutContinue {
		return model.Verdict{}
	}
	a.needPods = true
	pods, known := a.Pods, a.PodsKnown
	unfinished := unfinishedPods(a.Policy.WaitFor, pods)
	switch {
	case over && !known:
		return model.Blocked(v1alpha1.ReasonPodsNotFinished,
			"The pods of node %s could not be read until it was too late to wait for them.", a.Node.Name)
	case over && len(unfinished) > 0:
		return model.Blocked(v1alpha1.ReasonPodsNotFinished, "Pods on node %s did not finish in time: %s.", a.Node.Name, listed(unfinished))
	case !known:
		return model.Blocked(v1alpha1.ReasonWaitingForPods, "The pods of node %s are being read.", a.Node.Name)
	case len(unfinished) > 0:
		return model.Blocked(v1alpha1.ReasonWaitingForPods, "Node %s is cordoned; %s may finish until %s: %s.",
			a.Node.Name, model.Count(len(unfinished), "pod"), a.times().Until(until), listed(unfinished)).Ending(until)
	}
	return model.Verdict{}
}

// unfinishedPods are those that a selector selects and that will end.
func unfinishedPods(selector selectors.Pods, pods []model.Pod) []string {
	var names []string
	for i := range pods {
		if pod := &pods[i]; !pod.Finished && !pod.Stays() && selector.Matches(pod.Labels, pod.Annotations) {
			names = append(names, pod.Namespace+"/"+pod.Name)
		}
	}
	slices.Sort(names)
	return names
}

// listed names some of many.
func listed(names []string) string {
	const shown = 10
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

func (a *attempt) drainDelay() model.Verdict {
	until := a.Status.Attempt.CordonedTime.Add(model.Seconds(a.Policy.Spec.Drain.DelaySeconds))
	if a.Reached(until) {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonDrainDelayed, "Node %s is cordoned; the drain begins at %s.",
		a.Node.Name, a.times().Until(until)).Ending(until)
}

// loadBalancerLead takes the node out of external load balancers, as marks.go derives from the time of it, and gives them their time.
func (a *attempt) loadBalancerLead() model.Verdict {
	exclusion := a.Policy.Spec.Drain.ExcludeFromLoadBalancers
	if exclusion == nil {
		return model.Verdict{}
	}
	if a.Status.Attempt.ExcludedTime == nil {
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.ExcludedTime = a.Stamp() })
	}
	until := a.Status.Attempt.ExcludedTime.Add(model.Seconds(exclusion.LeadSeconds))
	if a.Reached(until) {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonLoadBalancerLead,
		"Node %s is being taken out of external load balancers; the drain begins at %s.", a.Node.Name, a.times().Until(until)).Ending(until)
}

func (a *attempt) orderDrain() {
	a.beginDrain()
	a.order(v1alpha1.RebootOrder{
		Action: v1alpha1.ActionDrain, Protocol: a.drainProtocol(), Deadline: a.drainDeadline(*a.Stamp()), Drain: a.drainOrder(),
	})
	a.EditAttempt(func(at *v1alpha1.Attempt) { at.DrainOrderedTime = a.Stamp() })
	a.wait = a.draining()
	a.Emit(model.Event{Reason: v1alpha1.ReasonDraining, Message: a.wait.Message + consent.PassedBy(a.Policy, &a.Draft), OnNode: true})
}

func (a *attempt) drainOrder() *v1alpha1.DrainOrder {
	drain := a.Policy.Spec.Drain
	return &v1alpha1.DrainOrder{
		GracePeriodSeconds: drain.GracePeriodSeconds, Selector: drain.Selector, SkipWaitForDeleteSeconds: drain.SkipWaitForDeleteSeconds,
		EmptyDir: drain.EmptyDir, Unmanaged: drain.Unmanaged, ReturningPods: drain.ReturningPods, Stages: stageSelectors(drain.Stages),
		Leave: a.left(), Retry: a.Retry, Hold: a.Hold,
	}
}

func (a *attempt) drainDeadline(ordered metav1.MicroTime) metav1.MicroTime {
	return metav1.NewMicroTime(ordered.Add(model.Seconds(a.Policy.Spec.Drain.TimeoutSeconds)))
}

// updateDrainOrder makes the order in force say what the policy says now. Its sequence stays: it is the same drain.
func (a *attempt) updateDrainOrder(answer *v1alpha1.HelperReport) {
	if a.Status.Order == nil || answer != nil && ended(answer.State) {
		return
	}
	order := *a.Status.Order
	order.Deadline, order.Drain = a.drainDeadline(*a.Status.Attempt.DrainOrderedTime), a.drainOrder()
	order.Protocol = a.drainProtocol()
	if equality.Semantic.DeepEqual(a.Status.Order, &order) {
		return
	}
	a.Edit().Order = &order
	a.WakeAt(order.Deadline.Time)
}

func stageSelectors(stages []v1alpha1.DrainStage) []v1alpha1.PodSelector {
	var each []v1alpha1.PodSelector
	for _, stage := range stages {
		each = append(each, ptr.Deref(stage.Selector, v1alpha1.PodSelector{}))
	}
	return each
}

// beginDrain notes what ends with the beginning of the drain, also of one that is skipped.
func (a *attempt) beginDrain() {
	a.tellLateHooks()
	if a.Status.TaintedTime != nil {
		a.Edit().TaintLeadSeconds = ptr.To(max(0, int64(a.Now.Sub(a.Status.TaintedTime.Time)/time.Second)))
	}
}

func (a *attempt) endDrain(result v1alpha1.DrainResult) {
	a.EditAttempt(func(at *v1alpha1.Attempt) { at.DrainedTime, at.Drain = a.Stamp(), result })
}

func (a *attempt) awaitDrain() {
	answer := a.answer()
	if a.Refused.OK() {
		a.updateDrainOrder(answer)
	}
	switch {
	case answer != nil && answer.State == v1alpha1.OrderDone:
		a.endDrain(v1alpha1.DrainComplete)
		return
	case a.Status.Order == nil || answer != nil && answer.State == v1alpha1.OrderTimedOut || a.Reached(a.Status.Order.Deadline.Time):
		a.endOverdueDrain(answer)
		return
	case answer != nil && answer.State == v1alpha1.OrderFailed:
		a.fail(v1alpha1.ReasonDrainFailed, a.times().Localize(answer.Message))
		return
	}
	a.tellDrain(answer)
}

// tellDrain says how a drain is going that is not over. Where the order cannot be changed, the drain continues as it was ordered.
func (a *attempt) tellDrain(answer *v1alpha1.HelperReport) {
	a.wait = a.draining()
	if answer != nil && !knownState(answer.State) {
		a.wait.Message += " " + unknownState(answer.State)
	}
	if refused := a.refusedPods(answer); refused != "" {
		a.wait = model.Blocked(v1alpha1.ReasonEvictionRefused, "%s. It is tried again until %s.%s",
			refused, a.times().Until(a.Status.Order.Deadline.Time), a.withPods()).Ending(a.Status.Order.Deadline.Time)
	}
	a.noteStuck(answer)
	if !a.Refused.OK() {
		a.wait = a.Refused
	}
}

// noteStuck warns of a drain that does not get anywhere, once for each time that it is stuck. While it is, the message names what is left.
func (a *attempt) noteStuck(answer *v1alpha1.HelperReport) {
	stuck := answer != nil && answer.Drain != nil && answer.Drain.Activity == v1alpha1.DrainStuck
	switch since := a.Status.Attempt.StuckTime; {
	case !stuck && since != nil:
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.StuckTime = nil })
	case !stuck:
		return
	case since == nil:
		a.EditAttempt(func(at *v1alpha1.Attempt) { at.StuckTime = a.Stamp() })
		a.Emit(model.Event{Warning: true, Reason: v1alpha1.ReasonDrainStuck, OnNode: true, Message: fmt.Sprintf(
			"The drain of node %s has made no progress for a minute: %s.", a.Node.Name, a.whatIsLeft(answer.Drain))})
	}
	if stuck && a.wait.Reason == v1alpha1.ReasonDraining {
		a.wait = model.Blocked(v1alpha1.ReasonDrainStuck, "The drain of node %s makes no progress: %s. It has until %s.",
			a.Node.Name, a.whatIsLeft(answer.Drain), a.times().Until(a.Status.Order.Deadline.Time)).Ending(a.Status.Order.Deadline.Time)
	}
}

// lastWord is how long after its deadline a drain that may be forced waits for the helper to say that it drained until then.
const lastWord = 30 * time.Second

// endOverdueDrain fails the attempt, or continues with the reboot if the policy says so. Continuing requires a helper that drained until
// the end, and says so: if it did not answer, died on the way, or could not drain at all, that is a failure like any other.
func (a *attempt) endOverdueDrain(answer *v1alpha1.HelperReport) {
	message := a.drainTimeoutMessage(answer)
	forces := a.Policy.Spec.Drain.OnTimeout == v1alpha1.DrainTimeoutForce && answer != nil && answer.Drain != nil
	switch {
	case forces && answer.State == v1alpha1.OrderTimedOut:
		a.endDrain(v1alpha1.DrainForced)
		a.Emit(model.Event{Warning: true, Reason: v1alpha1.ReasonDrainForced, OnNode: true, Message: fmt.Sprintf(
			"%s It reboots regardless, as RebootPolicy %s says.", message, a.Policy.Name())})
	case forces && answer.State == v1alpha1.OrderStarted && a.Status.Order != nil && !a.Reached(a.Status.Order.Deadline.Add(lastWord)):
		a.wait = a.draining()
	default:
		a.fail(v1alpha1.ReasonDrainTimedOut, message)
	}
}

// afterDrain says how it stands with the drain, for messages about what follows.
func (a *attempt) afterDrain() string {
	switch a.Status.Attempt.Drain {
	case v1alpha1.DrainSkipped:
		return "was not drained, as its policy says,"
	case v1alpha1.DrainForced:
		return "was not drained in time"
	}
	return "is drained"
}

func (a *attempt) draining() model.Verdict {
	deadline := a.Status.Order.Deadline.Time
	return model.Blocked(v1alpha1.ReasonDraining, "Node %s is being drained, until %s at the latest.",
		a.Node.Name, a.times().Until(deadline)).Ending(deadline)
}

func (a *attempt) drainTimeoutMessage(answer *v1alpha1.HelperReport) string {
	message := fmt.Sprintf("Node %s was not drained in time", a.Node.Name)
	switch {
	case answer == nil:
		return message + ": its helper did not answer."
	case !knownState(answer.State):
		return message + ". " + unknownState(answer.State)
	case answer.Drain != nil && len(answer.Drain.Refused) > 0:
		return message + ": " + a.whatIsLeft(answer.Drain) + "." + a.withPods()
	case answer.Drain != nil:
		return message + ": " + a.whatIsLeft(answer.Drain) + "."
	}
	return message + "."
}

// whatIsLeft names the pods that a drain has left, and what keeps each.
func (a *attempt) whatIsLeft(drain *v1alpha1.DrainProgress) string {
	var parts []string
	for i := range drain.Refused {
		parts = append(parts, a.refusal(&drain.Refused[i]))
	}
	for i := range drain.Terminating {
		pod := &drain.Terminating[i]
		parts = append(parts, fmt.Sprintf("pod %s/%s was evicted and does not terminate "+
			"(%s)", pod.Namespace, pod.Name, a.times().Localize(pod.HeldBy)))
	}
	for i := range drain.Returned {
		pod := &drain.Returned[i]
		parts = append(parts, fmt.Sprintf("pod %s/%s was put back by %s", pod.Namespace, pod.Name, pod.Owner))
	}
	left := fmt.Sprintf("%d of %s %s left", drain.Remaining, model.Count(drain.Total, "pod"), model.Form(drain.Remaining, "is", "are"))
	if len(parts) == 0 {
		return left
	}
	return left + ": " + some(parts)
}

// refusedPods says which pods may not be evicted and what refuses it, or would.
func (a *attempt) refusedPods(answer *v1alpha1.HelperReport) string {
	var refused []v1alpha1.RefusedPod
	if answer != nil && answer.Drain != nil {
		refused = answer.Drain.Refused
	}
	var parts []string
	for i := range refused {
		parts = append(parts, a.refusal(&refused[i]))
	}
	for _, pod := range a.heldForLong() {
		if !slices.ContainsFunc(refused, func(r v1alpha1.RefusedPod) bool { return r.Namespace == pod.Namespace && r.Name == pod.Name }) {
			by := v1alpha1.RefusedByBudget + pod.Budget
			parts = append(parts, a.refusal(&v1alpha1.RefusedPod{Namespace: pod.Namespace, Name: pod.Name, By: by}))
		}
	}
	return some(parts)
}

// holdPatience is for how long it is no news that budgets hold pods back: those that go first have to be ready elsewhere.
const holdPatience = 15 * time.Second

// heldForLong are the pods that budgets hold back, once the drain has lasted for a while.
func (a *attempt) heldForLong() []v1alpha1.HeldPod {
	if len(a.Hold) == 0 || !a.Reached(a.Status.Attempt.DrainOrderedTime.Add(holdPatience)) {
		return nil
	}
	return a.Hold
}

// refusal has the API server's own answer, no matter who refused.
func (a *attempt) refusal(pod *v1alpha1.RefusedPod) string {
	text := fmt.Sprintf("%s refuses the eviction of pod %s/%s", cmp.Or(pod.By, "The API server"), pod.Namespace, pod.Name)
	if pod.Message == "" {
		return text
	}
	return text + " (" + strings.TrimSuffix(a.times().Localize(pod.Message), ".") + ")"
}

// some of many sentences.
func some(parts []string) string {
	const shown = 3
	if len(parts) > shown {
		parts = append(parts[:shown:shown], fmt.Sprintf("and %d more", len(parts)-shown))
	}
	return strings.Join(parts, ", ")
}
