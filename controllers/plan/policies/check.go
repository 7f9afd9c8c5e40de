package policies

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/window"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// Finding is something in a policy that cannot be understood, or can never work, and that the API server does not refuse.
type Finding struct {
	// Path of the field below spec, such as schedule.windows[0].cron.
	Path string
	// Message says what is wrong and what to write instead, without a full stop.
	Message string
}

// String is the finding as part of a sentence.
func (f Finding) String() string { return f.Path + ": " + f.Message }

// Check returns everything that is wrong with a policy, in the order of its fields, but for its gates. Parse makes a policy invalid for the
// same reasons.
func Check(obj *v1alpha1.RebootPolicy) []Finding { return understand(obj).findings }

// understand reads all of a policy that does not depend on the time.
func understand(obj *v1alpha1.RebootPolicy) *Policy {
	p := &Policy{Object: obj, Spec: &obj.Spec, Selector: labels.Nothing(), Priority: obj.Spec.Priority}
	p.findRemoved()
	p.readNodeSelector()
	p.readPodSelectors()
	p.checkDuringLabels()
	p.checkNumbers()
	p.readSchedule()
	return p
}

func (p *Policy) found(path, format string, args ...any) {
	p.findings = append(p.findings, Finding{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (p *Policy) readNodeSelector() {
	if p.Spec.Nodes == v1alpha1.NodesAll {
		p.Selector = labels.Everything()
		return
	}
	selector, err := selectors.Labels(p.Spec.NodeSelector)
	switch {
	case err != nil:
		p.found("nodeSelector", "%s", selectorProblem(err))
	case selector.Empty():
		p.found("nodeSelector", "it is empty: write matchLabels or matchExpressions, or nodes: All to take every node")
	default:
		p.Selector = selector
	}
}

// selectorProblem is what Kubernetes says about a selector, with the operators there are.
func selectorProblem(err error) string {
	message := strings.Join(strings.Fields(err.Error()), " ")
	if strings.Contains(message, "is not a valid label selector operator") {
		message += ": write In, NotIn, Exists or DoesNotExist"
	}
	return message
}

// readPodSelectors reads the selectors of pods that a policy has.
func (p *Policy) readPodSelectors() {
	drain := &p.Spec.Drain
	note := func(path string, err error) {
		if err != nil {
			p.found(path, "%s", selectorProblem(err))
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

// checkDuringLabels finds labels that the operator would set during a reboot and that take nodes away from their own policy, zone or group.
func (p *Policy) checkDuringLabels() {
	if p.Spec.NodeLabels == nil {
		return
	}
	rollout := &p.Spec.Rollout
	var keys []string
	for key := range p.Spec.NodeLabels.During {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		path := fmt.Sprintf("nodeLabels.during[%s]", key)
		switch during := (labels.Set{key: string(p.Spec.NodeLabels.During[key])}); {
		case p.deselects(key, during):
			p.found(path, "it takes the nodes out of the policy's own nodeSelector: write a label that nodeSelector does not use")
		case key == rollout.Zones.TopologyKey:
			p.found(path, "it moves the nodes to another zone, because it is rollout.zones.topologyKey: write another label")
		case rollout.Group != nil && key == rollout.Group.Label:
			p.found(path, "it moves the nodes to another group, because it is rollout.group.label: write another label")
		}
	}
}

// deselects says that nodes with the label are not selected.
func (p *Policy) deselects(key string, label labels.Set) bool {
	requirements, _ := p.Selector.Requirements()
	return slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Key() == key && !r.Matches(label) })
}

// checkNumbers finds what should be a number of nodes or a percentage and is neither.
func (p *Policy) checkNumbers() {
	rollout, failure := &p.Spec.Rollout, &p.Spec.Failure
	check := func(path string, value *intstr.IntOrString) {
		if value == nil {
			return
		}
		if _, err := model.Scaled(*value, 1); err != nil {
			p.found(path, "%q is neither a number nor a percentage, or is less than zero: write 1 or \"10%%\"", value.String())
		}
	}
	check("rollout.maxUnavailable", rollout.MaxUnavailable)
	check("rollout.zones.maxUnavailablePerZone", rollout.Zones.MaxUnavailablePerZone)
	if rollout.Canary != nil {
		check("rollout.canary.count", rollout.Canary.Count)
	}
	check("failure.maxFailures", failure.MaxFailures)
	check("failure.maxConsecutiveFailures", failure.MaxConsecutiveFailures)
}

func (p *Policy) readSchedule() {
	schedule, problems := window.New(&p.Spec.Schedule)
	if schedule != nil {
		problems = schedule.Overlaps()
	}
	for _, problem := range problems {
		p.found("schedule."+problem.Path, "%s", problem.Message)
	}
	if len(problems) == 0 {
		p.schedule = schedule
	}
}
