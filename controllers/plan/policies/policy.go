package policies

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/window"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// Policy is a RebootPolicy, understood.
type Policy struct {
	Object *v1alpha1.RebootPolicy
	Spec   *v1alpha1.RebootPolicySpec
	// Selector of its nodes.
	Selector labels.Selector
	// Priority over other policies of the same node; of equal ones the older policy goes first.
	Priority int32
	// Invalid says why the policy cannot be understood; empty if it can.
	Invalid string
	// Window is where the schedule stands at the moment; Scheduled says that it is not always open.
	Window    window.State
	Scheduled bool
	// Clock writes times in the time zone of the policy.
	Clock model.Clock
	// Drained are the pods that its drains evict, WaitFor those that may finish before.
	Drained, WaitFor selectors.Pods

	schedule *window.Schedule
	findings []Finding
	// spans are what was found out about when the schedule closes.
	spans []span
}

// Parse reads a policy. If there is something to find in it, Invalid names the first thing, and what cannot be understood selects nothing.
func Parse(obj *v1alpha1.RebootPolicy, moment *model.Moment) *Policy {
	understood := Understand(obj)
	return understood.At(moment)
}

// Understood is all of a policy that does not depend on the time. It is never changed.
type Understood struct{ policy *Policy }

// Understand reads what does not depend on the time. That takes most of the time of Parse if there are windows.
func Understand(obj *v1alpha1.RebootPolicy) Understood {
	p := understand(obj)
	if len(p.findings) > 0 {
		p.Invalid = p.findings[0].String()
	}
	if p.SetAside() {
		p.parseRest()
	}
	return Understood{p}
}

// At is the policy at a moment. It asks for a look when its schedule changes.
func (u Understood) At(moment *model.Moment) *Policy {
	p := *u.policy
	p.Clock.Now = moment.Now
	p.lookAtSchedule(moment)
	return &p
}

// Name of the policy.
func (p *Policy) Name() string { return p.Object.Name }

// NeedsApproval says whether the policy's reboots wait until someone approves them. Only a policy that says Ignore needs none: an unknown
// word, such as one from before the kind was upgraded, is not permission to reboot.
func (p *Policy) NeedsApproval() bool { return p.Spec.Approval != v1alpha1.Ignore }

// PodKeys are the keys of the labels and annotations of pods that decisions about a policy look at.
func PodKeys(obj *v1alpha1.RebootPolicy) []string {
	p := &Policy{Object: obj, Spec: &obj.Spec}
	p.readPodSelectors()
	return slices.Concat(slices.Concat(p.Drained.Keys()), slices.Concat(p.WaitFor.Keys()))
}

// Hooks of the policy; of none, none.
func (p *Policy) Hooks() v1alpha1.HooksSpec {
	if p == nil || p.Spec.Hooks == nil {
		return v1alpha1.HooksSpec{}
	}
	return *p.Spec.Hooks
}

// Trigger of the policy for a condition of its nodes; nil if it has none, or there is no policy.
func (p *Policy) Trigger(conditionType string) *v1alpha1.NodeConditionTrigger {
	if p == nil || p.Spec.Triggers == nil {
		return nil
	}
	for i := range p.Spec.Triggers.NodeConditions {
		if trigger := &p.Spec.Triggers.NodeConditions[i]; trigger.Type == conditionType {
			return trigger
		}
	}
	return nil
}

// Calls says whether a trigger calls for a reboot of a node, and from when on: its condition has had the status, and the node has been
// Ready, for long enough. For some time after a boot the condition may be that of before.
func Calls(node *model.Node, trigger *v1alpha1.NodeConditionTrigger) (from time.Time, calls bool) {
	if trigger == nil {
		return time.Time{}, false
	}
	found := node.Condition(trigger.Type)
	if found == nil || string(found.Status) != string(trigger.Status) {
		return time.Time{}, false
	}
	from = found.Since
	if ready := node.Condition("Ready"); ready != nil {
		from = model.Latest(from, ready.Since)
	}
	return from.Add(model.Seconds(trigger.MinSeconds)), true
}

// lookAtSchedule finds out where the schedule of the policy stands, and asks for a look when that changes: a window opens for those that
// wait, and closes for those that are under way.
func (p *Policy) lookAtSchedule(moment *model.Moment) {
	if p.schedule == nil {
		return
	}
	p.Scheduled, p.Clock.Zone = !p.schedule.Always(), p.schedule.Zone()
	p.Window = p.schedule.At(moment.Now)
	moment.WakeAt(p.Window.Look)
}
