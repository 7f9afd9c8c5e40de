package why

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// explainIdle explains a node for which nothing has to be done. last is the node's NodeReboot that ended last; nil if there is none.
func (f *Facts) explainIdle(node *corev1.Node, last *v1alpha1.NodeReboot) Answer {
	answer := Answer{Found: true, Node: node.Name, Reason: ReasonNoNeed}
	if last != nil {
		answer = f.explainReboot(last)
	} else {
		answer.Explanation = fmt.Sprintf("Node %s has no NodeReboot: no one has asked for a reboot.", node.Name)
	}
	say := func(text string) { answer.Explanation = paragraph(answer.Explanation, text) }
	owner, also := f.owners(node)
	if owner != nil {
		answer.Policy = owner.Name
	}
	if last != nil && last.Status.Outcome == v1alpha1.OutcomeFailed {
		answer.Type = append(f.fill([]string{retry}, &answer, ""), answer.Type...)
		say("It was given up. Fix the cause, then retry.")
	}
	if _, skipped := node.Labels[v1alpha1.SkipLabel]; skipped {
		answer.Reason = cmp.Or(reasonOf(last), v1alpha1.ReasonSkipped)
		say(fmt.Sprintf("It has the label %s: it would be neither tainted nor rebooted.", v1alpha1.SkipLabel))
		answer.Type = append(answer.Type, "kubectl reboots unskip "+node.Name)
	}
	f.sayOwner(&answer, node, owner, also)
	f.sayHelper(&answer, node, owner, last)
	return answer
}

func reasonOf(last *v1alpha1.NodeReboot) string {
	if last == nil {
		return ""
	}
	return last.Status.Reason
}

// owners are the policy that owns a node, and the others that select it. Precedence is that of the planner.
func (f *Facts) owners(node *corev1.Node) (owner *v1alpha1.RebootPolicy, also []string) {
	var selecting []*v1alpha1.RebootPolicy
	for i := range f.Policies {
		if p := &f.Policies[i]; p.DeletionTimestamp.IsZero() && selects(p, node.Labels) {
			selecting = append(selecting, p)
		}
	}
	slices.SortFunc(selecting, func(a, b *v1alpha1.RebootPolicy) int {
		return cmp.Or(cmp.Compare(b.Spec.Priority, a.Spec.Priority),
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for i, p := range selecting {
		if i > 0 {
			also = append(also, fmt.Sprintf("%s (priority %d)", p.Name, p.Spec.Priority))
		}
	}
	if len(selecting) == 0 {
		return nil, nil
	}
	return selecting[0], also
}

func selects(p *v1alpha1.RebootPolicy, of map[string]string) bool {
	if p.Spec.Nodes == v1alpha1.NodesAll {
		return true
	}
	selector, err := selectors.Labels(p.Spec.NodeSelector)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(of))
}

func (f *Facts) sayOwner(answer *Answer, node *corev1.Node, owner *v1alpha1.RebootPolicy, also []string) {
	say := func(text string) { answer.Explanation = paragraph(answer.Explanation, text) }
	if owner == nil {
		answer.Reason = cmp.Or(finishedReason(answer), v1alpha1.ReasonNoPolicy)
		say("No RebootPolicy selects it, so nothing would be done.")
		near, command := f.nearest(node)
		say(near)
		answer.Type = append(answer.Type, command)
		return
	}
	text := fmt.Sprintf("It belongs to RebootPolicy %s", owner.Name)
	if len(also) > 0 {
		text += fmt.Sprintf(" (priority %d), which takes precedence over %s: the highest priority owns a node, then the oldest policy",
			owner.Spec.Priority, strings.Join(also, ", "))
	}
	switch {
	case owner.SetAside():
		text += ", which cannot be read: " + decode.List(owner.Unreadable)
		answer.Type = append(answer.Type, "kubectl edit rebootpolicy "+owner.Name)
	case owner.Spec.Mode == v1alpha1.ModePaused:
		text += ", which is paused: nothing starts"
		answer.Type = append(answer.Type, "kubectl reboots resume "+owner.Name)
	case owner.Spec.Mode == v1alpha1.ModeObserve:
		text += ", which only observes: nothing is drained or rebooted"
		answer.Type = append(answer.Type, f.fill([]string{enforce}, answer, "")...)
	}
	say(text + ".")
	for i := range owner.Status.Conditions {
		if c := &owner.Status.Conditions[i]; c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionFalse {
			say(sentence(f.localize(c.Message)))
			answer.Type = append(answer.Type, f.fill([]string{whyPolicy}, answer, "")...)
		}
	}
}

// finishedReason is the reason of a NodeReboot that the answer is about.
func finishedReason(answer *Answer) string {
	if answer.NodeReboot != "" {
		return answer.Reason
	}
	return ""
}

// nearest says which policy selects the node but for the fewest labels, and which those are.
func (f *Facts) nearest(node *corev1.Node) (text, command string) {
	var (
		best   *v1alpha1.RebootPolicy
		differ []string
		label  string
	)
	for i := range f.Policies {
		p := &f.Policies[i]
		selector, err := selectors.Labels(p.Spec.NodeSelector)
		if err != nil {
			continue
		}
		wants, fix := misses(selector, node.Labels)
		if len(wants) > 0 && (best == nil || len(wants) < len(differ)) {
			best, differ, label = p, wants, fix
		}
	}
	if best == nil {
		return "There is no RebootPolicy with a selector that could select it.", "kubectl get rebootpolicies"
	}
	text = fmt.Sprintf("The nearest is %s, which requires %s.", best.Name, strings.Join(differ, " and "))
	if label == "" {
		return text, "kubectl edit rebootpolicy " + best.Name
	}
	return text, "kubectl label node " + node.Name + " " + label
}

// misses are the requirements that labels do not meet, with what the labels say instead, and the labels that would meet all of them; empty
// if labels cannot be chosen for someone.
func misses(selector labels.Selector, of map[string]string) (wants []string, fix string) {
	requirements, _ := selector.Requirements()
	var set []string
	for _, r := range requirements {
		if r.Matches(labels.Set(of)) {
			continue
		}
		has := "the node has no such label"
		if value, is := of[r.Key()]; is {
			has = fmt.Sprintf("the node has %s=%s", r.Key(), value)
		}
		wants = append(wants, fmt.Sprintf("%s (%s)", r.String(), has))
		if values := r.Values().List(); len(values) == 1 && r.Operator() != selection.NotIn {
			set = append(set, r.Key()+"="+values[0])
		}
	}
	if len(set) < len(wants) {
		return wants, ""
	}
	return wants, strings.Join(set, " ")
}

// sayHelper says whether a helper would see that the host needs a reboot, and by what.
func (f *Facts) sayHelper(answer *Answer, node *corev1.Node, owner *v1alpha1.RebootPolicy, last *v1alpha1.NodeReboot) {
	if f.Installed == nil {
		return
	}
	say := func(text string) { answer.Explanation = paragraph(answer.Explanation, text) }
	if err, unknown := f.Installed.Unknown[install.Pods]; unknown {
		say(fmt.Sprintf("Whether its helper runs is not known, because you may not list pods in namespace %s: %v.", f.Installed.Namespace, err))
		answer.Type = append(answer.Type, fmt.Sprintf("kubectl auth can-i list pods -n %s", f.Installed.Namespace))
		return
	}
	pod := f.Installed.Helper(node.Name)
	switch {
	case pod == nil:
		why, notMeant := f.Installed.Sets().Missing(node)
		if notMeant {
			say("No helper is meant to run there, because the node selector or affinity of the DaemonSet excludes the node: only people and " +
				"node conditions could ask for a reboot, and nothing could carry it out.")
		} else {
			say("No helper runs there, so nothing detects whether it needs a reboot: " + why + ".")
		}
		answer.Reason = cmp.Or(finishedReason(answer), specific(answer.Reason), ReasonNoHelper)
		answer.Type = append(answer.Type, f.fill([]string{"kubectl -n {namespace} describe daemonset {helpers}", "kubectl reboots check"},
			answer, "")...)
	case !install.Ready(pod):
		say(fmt.Sprintf("Its helper is not Ready, so nothing detects whether it needs a reboot: %s.",
			strings.TrimSuffix(projection.HelperOf(pod).Problem, ".")))
		answer.Object = fmt.Sprintf("Pod %s/%s", pod.Namespace, pod.Name)
		answer.Reason = cmp.Or(finishedReason(answer), specific(answer.Reason), v1alpha1.ReasonHelperNotReady)
		answer.Type = append(answer.Type, fmt.Sprintf("kubectl -n %s describe pod %s", pod.Namespace, pod.Name))
	default:
		f.sayWatched(answer, node, owner, pod, last)
	}
}

// specific is a reason that says more than that there is no need.
func specific(reason string) string {
	if reason == ReasonNoNeed {
		return ""
	}
	return reason
}

func (f *Facts) sayWatched(answer *Answer, node *corev1.Node, owner *v1alpha1.RebootPolicy, pod *corev1.Pod, last *v1alpha1.NodeReboot) {
	text := fmt.Sprintf("Its helper (pod %s) is Ready and has seen no sentinel", pod.Name)
	if last != nil {
		text += " since"
	}
	if watches := f.Installed.Watches(); watches != "" {
		text += ": it looks at " + watches
	}
	if owner != nil && owner.Spec.Triggers != nil && len(owner.Spec.Triggers.NodeConditions) > 0 {
		var conditions []string
		for _, trigger := range owner.Spec.Triggers.NodeConditions {
			conditions = append(conditions, fmt.Sprintf("%s=%s", trigger.Type, trigger.Status))
		}
		text += "; its policy also reboots it for the node conditions " + strings.Join(conditions, ", ")
	}
	answer.Explanation = paragraph(answer.Explanation, text+".")
	if instead := f.Installed.Sets().NoDetector(node); instead != "" {
		answer.Reason = cmp.Or(finishedReason(answer), v1alpha1.ReasonNoDetector)
		answer.Explanation = paragraph(answer.Explanation, "But no program of this host is known to create such a file: "+sentence(instead))
		answer.Type = append(answer.Type, f.fill([]string{editHelper}, answer, "")...)
	}
	if owner != nil && owner.Spec.Mode == v1alpha1.ModeEnforce {
		answer.Type = append(answer.Type, fmt.Sprintf("kubectl reboots now %s --reason=%q", node.Name, "kernel update"))
	}
}
