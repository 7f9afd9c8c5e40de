package check

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
	"github.com/reboot-operator/reboot-operator/internal/plugin/why"
)

// tagOf an image, such as v1.2.3; empty if it has none.
func tagOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		return image[at+1:]
	}
	return ""
}

func images(template *corev1.PodTemplateSpec) []string {
	var all []string
	for i := range template.Spec.Containers {
		all = append(all, template.Spec.Containers[i].Image)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var released = regexp.MustCompile(`^v\d+\.\d+\.\d+`)

func (f *Facts) versions() Line {
	const check = "versions"
	var manager, helpers []string
	for i := range f.Installed.Managers {
		manager = append(manager, images(&f.Installed.Managers[i].Spec.Template)...)
	}
	for i := range f.Installed.HelperSets {
		helpers = append(helpers, images(&f.Installed.HelperSets[i].Spec.Template)...)
	}
	slices.Sort(helpers)
	helpers = slices.Compact(helpers)
	if len(manager) == 0 || len(helpers) == 0 {
		return Line{check, Warn, "the versions of manager and helpers are not known", []string{"kubectl reboots version"}}
	}
	if len(helpers) > 1 || !slices.Contains(manager, helpers[0]) {
		return Line{check, Warn, fmt.Sprintf("the manager runs %s, and helpers run %s: install both from one release", manager[0],
			strings.Join(helpers, " and ")),
			[]string{applyAgain}}
	}
	if tag := tagOf(manager[0]); released.MatchString(tag) && released.MatchString(f.Plugin) && tag != f.Plugin {
		return Line{check, Warn, fmt.Sprintf("the plugin is %s, and the operator %s: use a plugin of the same version", f.Plugin, tag),
			[]string{"kubectl krew upgrade reboots"}}
	}
	return ok(check, "manager and helpers run %s; the plugin is %s", manager[0], f.Plugin)
}

func (f *Facts) helpers() Line {
	const check = "helpers"
	in := "kubectl -n " + f.Installed.Namespace + " "
	if err := f.Installed.Unknown[install.Helpers]; err != nil {
		return Line{check, Warn, fmt.Sprintf("the DaemonSet of the helpers cannot be read: %v", err), []string{in + "get daemonsets"}}
	}
	if len(f.Installed.HelperSets) == 0 {
		return Line{check, Fail, "there is no DaemonSet of helpers in namespace " + f.Installed.Namespace + ": no reboot is detected or " +
			"carried out",
			[]string{applyAgain}}
	}
	var want, ready, updated int32
	for i := range f.Installed.HelperSets {
		s := &f.Installed.HelperSets[i].Status
		want, ready, updated = want+s.DesiredNumberScheduled, ready+s.NumberReady, updated+s.UpdatedNumberScheduled
	}
	pods := []string{in + "get pods -l app.kubernetes.io/component=helper -o wide",
		in + "describe daemonset " + f.Installed.HelperSets[0].Name}
	switch {
	case want == 0:
		return Line{check, Warn, "the DaemonSet of the helpers is meant for no node", pods}
	case ready == 0:
		return Line{check, Fail, fmt.Sprintf("none of %d helpers is ready", want), pods}
	case ready < want:
		return Line{check, Warn, fmt.Sprintf("%d of %d helpers are ready", ready, want), pods}
	case updated < want && outdated(f.Installed.HelperSets):
		return Line{check, Warn, fmt.Sprintf("%d of %d helpers run the current template of their DaemonSet", updated, want), pods}
	}
	return ok(check, "all %d helpers are ready", want)
}

// outdated: a DaemonSet has observed its template, and pods do not follow it yet.
func outdated(all []appsv1.DaemonSet) bool {
	return slices.ContainsFunc(all, func(set appsv1.DaemonSet) bool { return set.Status.ObservedGeneration >= set.Generation })
}

// nodes finds those without a helper, and those whose need nothing would see.
func (f *Facts) nodes() []Line {
	if f.FleetError != nil || f.Fleet == nil || len(f.Installed.HelperSets) == 0 || f.Installed.Unknown[install.Pods] != nil {
		return nil
	}
	without, blind, left := f.uncovered()
	edit := []string{"kubectl -n " + f.Installed.Namespace + " edit daemonset " + f.Installed.HelperSets[0].Name}
	lines := make([]Line, 0, 1+len(without)+len(blind))
	for _, reason := range slices.Sorted(maps.Keys(without)) {
		lines = append(lines, Line{"nodes", Fail, fmt.Sprintf("%s no helper: %s", some(without[reason], "has", "have"), reason), edit})
	}
	for _, instead := range slices.Sorted(maps.Keys(blind)) {
		lines = append(lines, Line{"detectors", Warn, fmt.Sprintf("nothing would detect that %s a reboot: %s", some(blind[instead], "needs",
			"need"), instead), edit})
	}
	if len(without) == 0 {
		text := fmt.Sprintf("%s covered by helpers", model.Counted(len(f.Fleet.Nodes)-left, "node is", "nodes are"))
		if left > 0 {
			text += fmt.Sprintf("; the DaemonSet leaves %d out", left)
		}
		lines = append(lines, ok("nodes", "%s", text))
	}
	return lines
}

// uncovered are nodes without a helper by the reason for that, those whose need nothing would see by what to install, and how many the
// DaemonSet leaves out.
func (f *Facts) uncovered() (without, blind map[string][]string, left int) {
	sets := f.Installed.Sets()
	without, blind = map[string][]string{}, map[string][]string{}
	for i := range f.Fleet.Nodes {
		node := &f.Fleet.Nodes[i]
		if f.Installed.Helper(node.Name) == nil {
			reason, notMeant := sets.Missing(node)
			if notMeant {
				left++
				continue
			}
			without[reason] = append(without[reason], node.Name)
		}
		if instead := sets.NoDetector(node); instead != "" {
			blind[instead] = append(blind[instead], node.Name)
		}
	}
	return without, blind, left
}

// some names up to three of many nodes.
func some(names []string, one, many string) string {
	const shown = 3
	switch more := len(names) - shown; {
	case len(names) == 1:
		return "node " + names[0] + " " + one
	case more > 0:
		return fmt.Sprintf("nodes %s and %d more %s", strings.Join(names[:shown], ", "), more, many)
	}
	return "nodes " + strings.Join(names, ", ") + " " + many
}

func (f *Facts) policies() []Line {
	if f.FleetError != nil {
		return []Line{{"policies", Fail, f.FleetError.Error(), nil}}
	}
	if len(f.Fleet.Policies) == 0 {
		return []Line{{"policies", Warn, "there is no RebootPolicy, so nothing is ever rebooted", []string{"kubectl apply -f policy.yaml"}}}
	}
	facts := &why.Facts{Now: f.Now, Zone: f.Zone, Policies: f.Fleet.Policies, Reboots: f.Fleet.Reboots, Nodes: f.Fleet.Nodes,
		Installed: f.Installed}
	lines := make([]Line, 0, len(f.Fleet.Policies))
	for i := range f.Fleet.Policies {
		p := &f.Fleet.Policies[i]
		check := "policy " + p.Name
		if p.SetAside() {
			answer := why.Explain(facts, "rebootpolicy/"+p.Name)
			lines = append(lines, Line{check, Fail, answer.Explanation, answer.Type})
			continue
		}
		found := troubles(p)
		if len(found) == 0 {
			lines = append(lines, ok(check, "%s, %s", cmp.Or(p.Status.Summary, "Unknown"), model.Counted(int(p.Status.Nodes), "node", "nodes")))
			continue
		}
		for _, c := range found {
			line := Line{check, Warn, fmt.Sprintf("%s: %s", c.Reason, c.Message), []string{"kubectl reboots why rebootpolicy/" + p.Name}}
			if c.Type == v1alpha1.ConditionReady {
				line.Status = Fail
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// troubles are the conditions of a policy that someone should look at. Nodes with the same reason share one line.
func troubles(p *v1alpha1.RebootPolicy) []metav1.Condition {
	var found []metav1.Condition
	for i := range p.Status.Conditions {
		c := p.Status.Conditions[i]
		trouble := c.Status == metav1.ConditionTrue
		switch c.Type {
		case v1alpha1.ConditionReady:
			trouble = c.Status == metav1.ConditionFalse
		case v1alpha1.ConditionReconciling:
			trouble = false
		}
		if trouble && !strings.Contains(c.Type, "/") && !slices.ContainsFunc(found,
			func(other metav1.Condition) bool { return other.Reason == c.Reason }) {
			found = append(found, c)
		}
	}
	if len(found) == 0 && len(p.Status.Conditions) == 0 {
		found = append(found, metav1.Condition{Reason: why.ReasonNotLookedAt, Message: "the manager has not seen the policy yet"})
	}
	return found
}
