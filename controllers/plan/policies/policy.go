package policies

import (
	"cmp"
	"fmt"
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
	// Drained are the pods that its drains evict, WaitFor those that may finish before.
	Drained, WaitFor selectors.Pods

	schedule *window.Schedule
	// spans are what was found out about when the schedule closes.
	spans []span
}

// Parse reads a policy. What cannot be understood is noted in Invalid, and selects nothing.
func Parse(obj *v1alpha1.RebootPolicy, moment *model.Moment) *Policy {
	p := &Policy{Object: obj, Spec: &obj.Spec, Selector: labels.Nothing(), Priority: obj.Spec.Priority}
	p.parsePodSelectors()
	p.Invalid = cmp.Or(removed(p.Spec), p.Invalid)
	p.parseNodeSelector()
	p.readSchedule(moment)
	if p.SetAside() {
		p.parseRest()
	}
	return p
}

// Name of the policy.
func (p *Policy) Name() string { return p.Object.Name }

func (p *Policy) parseNodeSelector() {
	if p.Spec.Nodes == v1alpha1.NodesAll {
		p.Selector = labels.Everything()
		return
	}
	selector, err := selectors.Labels(p.Spec.NodeSelector)
	switch {
	case err != nil:
		p.Invalid = fmt.Sprintf("nodeSelector: %v", err)
	case selector.Empty():
		p.Invalid = "nodeSelector is empty; to take every node write nodes: All"
	default:
		p.Selector = selector
	}
}

// parsePodSelectors reads the selectors of pods that a policy has.
func (p *Policy) parsePodSelectors() {
	drain := &p.Spec.Drain
	note := func(field string, err error) {
		if err != nil {
			p.Invalid = fmt.Sprintf("%s: %v", field, err)
		}
	}
	var err error
	p.Drained, err = selectors.ForPodsOrAll(drain.Selector)
	note("drain.selector", err)
	p.WaitFor, err = selectors.ForPods(drain.WaitForPods.Selector)
	note("drain.waitForPods.selector", err)
	for i, stage := range drain.Stages {
		_, err = selectors.ForPods(stage.Selector)
		note(fmt.Sprintf("drain.stages[%d].selector", i), err)
	}
}

// NeedsApproval says whether the policy's reboots wait until someone approves them. Only one that says Ignore needs none: a word that is
// not known, such as one of before the kind was upgraded, is no leave to reboot.
func (p *Policy) NeedsApproval() bool { return p.Spec.Approval != v1alpha1.Ignore }

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

// readSchedule finds out where the schedule of the policy stands, and asks for a look when that changes: a window opens for those that
// wait, and closes for those that are under way.
func (p *Policy) readSchedule(moment *model.Moment) {
	schedule, err := window.New(&p.Spec.Schedule)
	if err == nil {
		err = schedule.Overlap()
	}
	if err != nil {
		p.Invalid = cmp.Or(p.Invalid, fmt.Sprintf("schedule: %v", err))
		return
	}
	p.schedule, p.Scheduled = schedule, !schedule.Always()
	p.Window = schedule.At(moment.Now)
	moment.WakeAt(p.Window.Look)
}
