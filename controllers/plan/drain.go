package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// beforeDrain are asked in this order before the drain begins; the first that does not pass is the reason why it waits.
var beforeDrain = []gate{
	drainDelay,
	podWait,
	loadBalancerLead,
}

func (p *pass) prepareDrain(r *rebootView) {
	switch v := firstObstacle(p, r, beforeDrain); {
	case v.reason == v1alpha1.ReasonPodsNotFinished:
		p.fail(r, v.reason, v.message)
	case !v.passed():
		r.wait = v
	case r.policy().spec.Drain.Mode == v1alpha1.DrainModeSkip:
		p.beginDrain(r)
		p.endDrain(r, v1alpha1.DrainSkipped)
		r.emit(Event{Reason: v1alpha1.ReasonDrainSkipped, OnNode: true, Message: fmt.Sprintf(
			"Node %s is not drained, as RebootPolicy %s says.", r.node.Name, r.policy().obj.Name)})
	default:
		p.orderDrain(r)
	}
}

// podWait lets pods finish on the cordoned node. The wait is over for good once the node leaves load balancers.
func podWait(p *pass, r *rebootView) verdict {
	wait, attempt := &r.policy().spec.Drain.WaitForPods, r.next.Attempt
	if wait.PodSelector == "" || attempt.ExcludedTime != nil {
		return verdict{}
	}
	until := attempt.CordonedTime.Add(seconds(r.policy().spec.Drain.DelaySeconds)).Add(seconds(wait.TimeoutSeconds))
	over := p.passed(until)
	if over && wait.OnTimeout == v1alpha1.PodWaitProceed {
		return verdict{}
	}
	p.asks = append(p.asks, r.node.Name)
	pods, known := p.snapshot.Pods[r.node.Name]
	unfinished := unfinishedPods(r.policy().waitFor, pods)
	switch {
	case over && !known:
		return verdict{reason: v1alpha1.ReasonPodsNotFinished, message: fmt.Sprintf(
			"The pods of node %s could not be read until it was too late to wait for them.", r.node.Name)}
	case over && len(unfinished) > 0:
		return verdict{reason: v1alpha1.ReasonPodsNotFinished, message: fmt.Sprintf(
			"Pods on node %s have not finished in time: %s.", r.node.Name, listed(unfinished))}
	case !known:
		return verdict{reason: v1alpha1.ReasonWaitingForPods, message: fmt.Sprintf("The pods of node %s are being read.", r.node.Name)}
	case len(unfinished) > 0:
		return verdict{reason: v1alpha1.ReasonWaitingForPods, message: fmt.Sprintf(
			"Node %s is cordoned; %d pods may finish until %s: %s.", r.node.Name, len(unfinished), clockTime(until), listed(unfinished))}
	}
	return verdict{}
}

// unfinishedPods are those that a selector selects and that will end.
func unfinishedPods(selector labels.Selector, pods []Pod) []string {
	var names []string
	for i := range pods {
		if pod := &pods[i]; !pod.Finished && !pod.stays() && selector.Matches(labels.Set(pod.Labels)) {
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

// stays: no drain evicts the pod.
func (pod *Pod) stays() bool {
	return pod.Mirror || !pod.Finished && slices.ContainsFunc(pod.Workloads, func(key WorkloadKey) bool {
		return key.Kind == v1alpha1.WorkloadDaemonSet
	})
}

// drainGate keeps a node from starting that has a pod which must not be evicted. That is known of nodes whose pods were asked for, which is
// done for those that would start.
func drainGate(p *pass, r *rebootView) verdict {
	drain := r.policy().spec.Drain
	if drain.Mode == v1alpha1.DrainModeSkip || drain.EmptyDir != v1alpha1.EmptyDirRefuse && drain.Unmanaged != v1alpha1.UnmanagedRefuse {
		return verdict{}
	}
	first, message := "", ""
	for i := range p.snapshot.Pods[r.node.Name] {
		pod := &p.snapshot.Pods[r.node.Name][i]
		name := pod.Namespace + "/" + pod.Name
		why := refusal(&drain, pod)
		if why == "" || first != "" && name > first || !r.policy().drained.Matches(labels.Set(pod.Labels)) {
			continue
		}
		first, message = name, fmt.Sprintf("Pod %s on node %s %s of RebootPolicy %s is Refuse.", name, r.node.Name, why, r.policy().obj.Name)
	}
	if first == "" {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonDrainRefused, message: message}
}

// refusal says why a pod must not be evicted, as kubectl drain does without --force and --delete-emptydir-data.
func refusal(drain *v1alpha1.DrainSpec, pod *Pod) string {
	switch {
	case pod.Finished || pod.Terminating || pod.stays():
		return ""
	case drain.Unmanaged == v1alpha1.UnmanagedRefuse && !pod.Controlled:
		return "has no controller, and drain.unmanaged"
	case drain.EmptyDir == v1alpha1.EmptyDirRefuse && pod.EmptyDir:
		return "has an emptyDir volume, and drain.emptyDir"
	}
	return ""
}

func drainDelay(p *pass, r *rebootView) verdict {
	until := r.next.Attempt.CordonedTime.Add(seconds(r.policy().spec.Drain.DelaySeconds))
	if p.passed(until) {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonDrainDelayed, message: fmt.Sprintf(
		"Node %s is cordoned; the drain begins at %s.", r.node.Name, clockTime(until))}
}

// loadBalancerLead takes the node out of external load balancers, as marks.go derives from the time of it, and gives them their time.
func loadBalancerLead(p *pass, r *rebootView) verdict {
	exclusion := r.policy().spec.ExcludeFromLoadBalancers
	if exclusion == nil {
		return verdict{}
	}
	if r.next.Attempt.ExcludedTime == nil {
		r.editAttempt(func(a *v1alpha1.Attempt) { a.ExcludedTime = p.stamp() })
	}
	until := r.next.Attempt.ExcludedTime.Add(seconds(exclusion.LeadSeconds))
	if p.passed(until) {
		return verdict{}
	}
	return verdict{reason: v1alpha1.ReasonLoadBalancerLead, message: fmt.Sprintf(
		"Node %s is taken out of external load balancers; the drain begins at %s.", r.node.Name, clockTime(until))}
}

func (p *pass) orderDrain(r *rebootView) {
	drain := r.policy().spec.Drain
	p.beginDrain(r)
	p.order(r, v1alpha1.RebootOrder{
		Action:   v1alpha1.ActionDrain,
		Deadline: metav1.NewMicroTime(p.now.Add(seconds(drain.TimeoutSeconds))),
		Drain: &v1alpha1.DrainOrder{
			GracePeriodSeconds: drain.GracePeriodSeconds, PodSelector: drain.PodSelector, SkipWaitForDeleteSeconds: drain.SkipWaitForDeleteSeconds,
			EmptyDir: drain.EmptyDir, Unmanaged: drain.Unmanaged, Stages: stageSelectors(drain.Stages),
		},
	})
	r.editAttempt(func(a *v1alpha1.Attempt) { a.DrainOrderedTime = p.stamp() })
	r.wait = draining(r)
	r.emit(Event{Reason: v1alpha1.ReasonDraining, Message: r.wait.message + passedBy(r), OnNode: true})
}

func stageSelectors(stages []v1alpha1.DrainStage) []string {
	var selectors []string
	for _, stage := range stages {
		selectors = append(selectors, stage.PodSelector)
	}
	return selectors
}

// beginDrain notes what ends with the beginning of the drain, also of one that is skipped.
func (p *pass) beginDrain(r *rebootView) {
	r.tellLateHooks()
	if r.next.TaintedTime != nil {
		r.edit().TaintLeadSeconds = ptr.To(max(0, int64(p.now.Sub(r.next.TaintedTime.Time)/time.Second)))
	}
}

func (p *pass) endDrain(r *rebootView, result v1alpha1.DrainResult) {
	r.editAttempt(func(a *v1alpha1.Attempt) { a.DrainedTime, a.Drain = p.stamp(), result })
}

func (p *pass) awaitDrain(r *rebootView) {
	answer := r.answer()
	switch {
	case answer != nil && answer.State == v1alpha1.OrderDone:
		p.endDrain(r, v1alpha1.DrainComplete)
		return
	case r.next.Order == nil || answer != nil && answer.State == v1alpha1.OrderTimedOut || p.passed(r.next.Order.Deadline.Time):
		p.endOverdueDrain(r, answer)
		return
	case answer != nil && answer.State == v1alpha1.OrderFailed:
		p.fail(r, v1alpha1.ReasonDrainFailed, answer.Message)
		return
	}
	r.wait = draining(r)
	if refused := refusedPods(answer); refused != "" {
		r.wait = verdict{reason: v1alpha1.ReasonEvictionRefused, message: fmt.Sprintf("%s; it is tried again until %s.",
			refused, clockTime(r.next.Order.Deadline.Time))}
	}
}

// lastWord is how long after its deadline a drain that may be forced waits for the helper to say that it drained until then.
const lastWord = 30 * time.Second

// endOverdueDrain fails the attempt, or goes on with the reboot if the policy says so. Going on takes a helper that drained until the end,
// and says so: one that did not answer, that died on the way, or could not drain at all, is a failure like any other.
func (p *pass) endOverdueDrain(r *rebootView, answer *v1alpha1.HelperReport) {
	message := drainTimeoutMessage(r, answer)
	forces := r.policy().spec.Drain.OnTimeout == v1alpha1.DrainTimeoutForce && answer != nil && answer.Drain != nil
	switch {
	case forces && answer.State == v1alpha1.OrderTimedOut:
		p.endDrain(r, v1alpha1.DrainForced)
		r.emit(Event{Warning: true, Reason: v1alpha1.ReasonDrainForced, OnNode: true, Message: fmt.Sprintf(
			"%s It reboots all the same, as RebootPolicy %s says.", message, r.policy().obj.Name)})
	case forces && answer.State == v1alpha1.OrderStarted && r.next.Order != nil && !p.passed(r.next.Order.Deadline.Add(lastWord)):
		r.wait = draining(r)
	default:
		p.fail(r, v1alpha1.ReasonDrainTimedOut, message)
	}
}

// afterDrain says how it stands with the drain, for messages about what follows.
func afterDrain(r *rebootView) string {
	switch r.next.Attempt.Drain {
	case v1alpha1.DrainSkipped:
		return "was not drained, as its policy says,"
	case v1alpha1.DrainForced:
		return "was not drained in time"
	}
	return "is drained"
}

func draining(r *rebootView) verdict {
	return verdict{reason: v1alpha1.ReasonDraining, message: fmt.Sprintf("Node %s is being drained, until %s at the latest.",
		r.node.Name, clockTime(r.next.Order.Deadline.Time))}
}

func drainTimeoutMessage(r *rebootView, answer *v1alpha1.HelperReport) string {
	message := fmt.Sprintf("Node %s was not drained in time", r.node.Name)
	switch refused := refusedPods(answer); {
	case answer == nil:
		return message + ": its helper did not answer."
	case refused != "":
		return message + ": " + refused + "."
	case answer.Drain != nil:
		return fmt.Sprintf("%s: %d of %d pods are left.", message, answer.Drain.Remaining, answer.Drain.Total)
	}
	return message + "."
}

// refusedPods says which pods may not be evicted and what refuses it.
func refusedPods(answer *v1alpha1.HelperReport) string {
	if answer == nil || answer.Drain == nil || len(answer.Drain.Refused) == 0 {
		return ""
	}
	const shown = 3
	var parts []string
	for i, pod := range answer.Drain.Refused {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(answer.Drain.Refused)-shown))
			break
		}
		parts = append(parts, fmt.Sprintf("%s refuses the eviction of pod %s/%s", pod.By, pod.Namespace, pod.Name))
	}
	return strings.Join(parts, ", ")
}

// parsePodSelectors reads the selectors of pods that a policy has as text.
func (policy *policyView) parsePodSelectors() {
	policy.drained, policy.waitFor = labels.Everything(), labels.Nothing()
	drain := &policy.spec.Drain
	parse := func(field, text string) labels.Selector {
		selector, err := labels.Parse(text)
		if err != nil {
			policy.invalid = fmt.Sprintf("%s: %v", field, err)
			return labels.Nothing()
		}
		return selector
	}
	if drain.PodSelector != "" {
		policy.drained = parse("drain.podSelector", drain.PodSelector)
	}
	if drain.WaitForPods.PodSelector != "" {
		policy.waitFor = parse("drain.waitForPods.podSelector", drain.WaitForPods.PodSelector)
	}
	for i, stage := range drain.Stages {
		parse(fmt.Sprintf("drain.stages[%d].podSelector", i), stage.PodSelector)
	}
}
