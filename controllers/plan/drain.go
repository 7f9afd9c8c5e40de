package plan

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// beforeDrain are asked in this order before the drain begins; the first that does not pass is the reason why it waits.
var beforeDrain = []gate{
	drainDelay,
	loadBalancerLead,
}

func (p *pass) prepareDrain(r *rebootView) {
	if v := firstObstacle(p, r, beforeDrain); !v.passed() {
		r.wait = v
		return
	}
	p.orderDrain(r)
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
	r.tellLateHooks()
	p.order(r, v1alpha1.RebootOrder{
		Action:   v1alpha1.ActionDrain,
		Deadline: metav1.NewMicroTime(p.now.Add(seconds(drain.TimeoutSeconds))),
		Drain: &v1alpha1.DrainOrder{
			GracePeriodSeconds: drain.GracePeriodSeconds, PodSelector: drain.PodSelector, SkipWaitForDeleteSeconds: drain.SkipWaitForDeleteSeconds,
		},
	})
	r.editAttempt(func(a *v1alpha1.Attempt) { a.DrainOrderedTime = p.stamp() })
	if r.next.TaintedTime != nil {
		r.edit().TaintLeadSeconds = ptr.To(max(0, int64(p.now.Sub(r.next.TaintedTime.Time)/time.Second)))
	}
	r.wait = draining(r)
	r.emit(Event{Reason: v1alpha1.ReasonDraining, Message: r.wait.message, OnNode: true})
}

func (p *pass) awaitDrain(r *rebootView) {
	answer := r.answer()
	switch {
	case answer != nil && answer.State == v1alpha1.OrderDone:
		r.editAttempt(func(a *v1alpha1.Attempt) { a.DrainedTime = p.stamp() })
		return
	case r.next.Order == nil || p.passed(r.next.Order.Deadline.Time):
		p.fail(r, v1alpha1.ReasonDrainTimedOut, drainTimeoutMessage(r, answer))
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
