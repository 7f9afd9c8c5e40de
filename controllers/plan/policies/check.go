package policies

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/window"
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
	p := &Policy{Object: obj, Spec: &obj.Spec, Selector: labels.Nothing()}
	p.readNodeSelector()
	p.readPodSelectors()
	p.checkDuringLabels()
	p.checkMaxUnavailable()
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
	selector, err := metav1.LabelSelectorAsSelector(p.Spec.NodeSelector)
	switch {
	case err != nil:
		p.found("nodeSelector", "%s", selectorProblem(err))
	case selector.Empty():
		p.found("nodeSelector", "it is empty: write matchLabels or matchExpressions, or nodes: All to take every node")
	default:
		p.Selector = selector
	}
}

// selectorProblem is what Kubernetes says of a selector, with the operators there are.
func selectorProblem(err error) string {
	message := strings.Join(strings.Fields(err.Error()), " ")
	if strings.Contains(message, "is not a valid label selector operator") {
		message += ": write In, NotIn, Exists or DoesNotExist"
	}
	return message
}

// readPodSelectors reads the selectors of pods that a policy has as text.
func (p *Policy) readPodSelectors() {
	p.Drained, p.WaitFor = labels.Everything(), labels.Nothing()
	drain := &p.Spec.Drain
	read := func(path, text string) labels.Selector {
		selector, err := labels.Parse(text)
		if err != nil {
			p.found(path, "%v: write a selector such as app=web,tier!=cache or \"app in (web, shop)\"", err)
			return labels.Nothing()
		}
		return selector
	}
	if drain.PodSelector != "" {
		p.Drained = read("drain.podSelector", drain.PodSelector)
	}
	if drain.WaitForPods.PodSelector != "" {
		p.WaitFor = read("drain.waitForPods.podSelector", drain.WaitForPods.PodSelector)
	}
	for i, stage := range drain.Stages {
		read(fmt.Sprintf("drain.stages[%d].podSelector", i), stage.PodSelector)
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
			p.found(path, "it takes the nodes out of the policy's own nodeSelector: write a label that nodeSelector does not look at")
		case key == rollout.Zones.TopologyKey:
			p.found(path, "it moves the nodes to another zone, because it is rollout.zones.topologyKey: write another label")
		case rollout.GroupLabel != "" && key == rollout.GroupLabel:
			p.found(path, "it moves the nodes to another group, because it is rollout.groupLabel: write another label")
		}
	}
}

// deselects says that nodes with the label are not selected.
func (p *Policy) deselects(key string, label labels.Set) bool {
	requirements, _ := p.Selector.Requirements()
	return slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Key() == key && !r.Matches(label) })
}

func (p *Policy) checkMaxUnavailable() {
	limit := p.Spec.Rollout.MaxUnavailable
	if limit == nil {
		return
	}
	if _, err := intstr.GetScaledValueFromIntOrPercent(limit, 1, false); err != nil {
		p.found("rollout.maxUnavailable", "%q is neither a number of nodes nor a percentage: write 1 or \"10%%\"", limit.String())
	}
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
