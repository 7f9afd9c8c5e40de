package why

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

// Explain answers why a node, a NodeReboot or a RebootPolicy is where it is. It is pure.
func Explain(f *Facts, asked string) Answer {
	answer := f.explain(asked)
	answer.Asked = asked
	if answer.Found {
		answer.Explanation = paragraph(answer.Explanation, f.aboutManager(&answer))
	}
	return answer
}

func (f *Facts) explain(asked string) Answer {
	named := app.ParseName(asked)
	kind, name := named.Kind, named.Name
	switch {
	case kind == app.RebootKind:
		if r := f.reboot(name); r != nil {
			return f.explainReboot(r)
		}
		return missing("NodeReboot", name, "nodereboot/", f.rebootNames())
	case kind == app.PolicyKind:
		if p := f.policy(name); p != nil {
			return f.explainPolicy(p)
		}
		return missing("RebootPolicy", name, "rebootpolicy/", f.policyNames())
	case named.Unknown != "":
		return Answer{Reason: ReasonNoSuchObject, Explanation: fmt.Sprintf(
			"%q is not a kind that can be explained: write the name of a node, nodereboot/NAME or rebootpolicy/NAME.",
			strings.TrimSuffix(named.Unknown, "/"))}
	}
	return f.explainNode(named)
}

// explainNode explains a node, or what else has that name if no kind was typed.
func (f *Facts) explainNode(named app.Named) Answer {
	name := named.Name
	r := f.latest(name)
	switch node := f.node(name); {
	case r != nil && (r.Status.CompletionTime == nil || node == nil):
		return f.explainReboot(r)
	case node != nil:
		return f.explainIdle(node, r)
	}
	if r = f.reboot(name); r != nil && named.Kind.Empty() {
		return f.explainReboot(r)
	}
	return missing("Node", name, "", f.nodeNames())
}

// missing suggests what may have been meant.
func missing(kind, name, prefix string, among []string) Answer {
	answer := Answer{Reason: ReasonNoSuchObject, Explanation: fmt.Sprintf("There is no %s %s.", kind, name)}
	near := closest(name, among)
	if len(near) > 0 {
		answer.Explanation += " Did you mean " + strings.Join(near, " or ") + "?"
		answer.Type = []string{"kubectl reboots why " + prefix + near[0]}
		return answer
	}
	answer.Type = []string{"kubectl get " + strings.ToLower(kind) + "s"}
	if kind == "RebootPolicy" {
		answer.Type = []string{"kubectl get rebootpolicies"}
	}
	return answer
}

func (f *Facts) nodeNames() []string {
	names := make([]string, 0, len(f.Nodes))
	for i := range f.Nodes {
		names = append(names, f.Nodes[i].Name)
	}
	return names
}

func (f *Facts) rebootNames() []string {
	names := make([]string, 0, len(f.Reboots))
	for i := range f.Reboots {
		names = append(names, f.Reboots[i].Name)
	}
	return names
}

func (f *Facts) policyNames() []string {
	names := make([]string, 0, len(f.Policies))
	for i := range f.Policies {
		names = append(names, f.Policies[i].Name)
	}
	return names
}

// does says what a NodeReboot does, by its phase.
var does = map[v1alpha1.Phase]string{
	v1alpha1.PhasePending:    "waits for its reboot",
	v1alpha1.PhaseDraining:   "is being prepared for its reboot",
	v1alpha1.PhaseRebooting:  "reboots",
	v1alpha1.PhaseRecovering: "recovers",
	v1alpha1.PhaseSucceeded:  "was rebooted",
	v1alpha1.PhaseFailed:     "was not rebooted successfully",
	v1alpha1.PhaseCancelled:  "is not rebooted, because it no longer needs to be",
}

func (f *Facts) explainReboot(r *v1alpha1.NodeReboot) Answer {
	status := &r.Status
	answer := Answer{
		Found: true, Node: r.Spec.NodeName, NodeReboot: r.Name, Policy: status.PolicyName, Phase: string(status.Phase), Reason: status.Reason,
	}
	switch {
	case r.SetAside():
		answer.Reason = v1alpha1.ReasonUnreadable
		answer.Explanation = fmt.Sprintf("NodeReboot %s of node %s cannot be read: %s.", r.Name, r.Spec.NodeName, decode.List(r.Unreadable))
	case status.Phase == "" || status.Reason == "":
		answer.Reason = ReasonNotLookedAt
		answer.Explanation = fmt.Sprintf("The manager has not seen NodeReboot %s of node %s yet.", r.Name, r.Spec.NodeName)
		answer.Type = f.fill([]string{managerLogs}, &answer, "")
		return answer
	default:
		what := cmp.Or(does[status.Phase], "is in phase "+string(status.Phase))
		answer.Explanation = paragraph(
			fmt.Sprintf("Node %s %s (%s).", r.Spec.NodeName, what, status.Reason), sentence(f.localize(status.Message)))
	}
	f.setUntil(&answer, r)
	f.addProof(&answer, r)
	f.advise(&answer, answer.Reason, status.Message)
	f.addConditions(&answer, r)
	return answer
}

// setUntil says when time alone helps, if the message does not.
func (f *Facts) setUntil(answer *Answer, r *v1alpha1.NodeReboot) {
	until := r.Status.UntilTime
	if until == nil || r.Status.CompletionTime != nil {
		return
	}
	answer.Until = &metav1.Time{Time: until.Time}
	if when := f.when(until.Time); !strings.Contains(answer.Explanation, strings.SplitN(when, " (", 2)[0]) && until.After(f.Now) {
		verb := "It has until "
		if r.Status.Phase == v1alpha1.PhasePending {
			verb = "It waits until "
		}
		answer.Explanation = paragraph(answer.Explanation, verb+when+".")
	}
}

// advise adds what can be done about a reason, and what to type.
func (f *Facts) advise(answer *Answer, reason, message string) {
	found, known := adviceFor(reason)
	if !known { // The manager may be newer than the plugin.
		found = do("This plugin does not know the reason: it may be older than the manager.", "kubectl reboots check")
	}
	if first := f.others(answer, message); len(first) > 0 && answer.Object == "" {
		answer.Object = first[0].String()
	}
	answer.Explanation = paragraph(answer.Explanation, found.text)
	for _, command := range f.fill(found.commands, answer, message) {
		if !slices.Contains(answer.Type, command) {
			answer.Type = append(answer.Type, command)
		}
	}
}

// others are the objects that a message names, besides those that the answer is about.
func (f *Facts) others(answer *Answer, message string) []object {
	return slices.DeleteFunc(objectsIn(message), func(o object) bool {
		return o.kind == "Node" && (o.name == answer.Node || f.node(o.name) == nil) || o.kind == "NodeReboot" && (o.name == answer.NodeReboot ||
			f.reboot(o.name) == nil) ||
			o.kind == "RebootPolicy" && (o.name == answer.Policy || f.policy(o.name) == nil)
	})
}

// mostCommands for objects of one message.
const mostCommands = 3

// fill makes commands of patterns. A pattern with a name that is not known is left out.
func (f *Facts) fill(patterns []string, answer *Answer, message string) []string {
	installed := cmp.Or(f.Installed, &install.Installation{})
	names := map[string]string{
		"{node}": answer.Node, "{reboot}": answer.NodeReboot, "{policy}": answer.Policy, "{namespace}": installed.Namespace,
		"{helpers}": "", "{manager}": "",
	}
	if f.policy(answer.Policy) == nil {
		names["{policy}"] = ""
	}
	if len(installed.HelperSets) > 0 {
		names["{helpers}"] = installed.HelperSets[0].Name
	}
	if len(installed.Managers) > 0 {
		names["{manager}"] = installed.Managers[0].Name
	}
	var commands []string
	for _, pattern := range patterns {
		if pattern == objects {
			for i, o := range f.others(answer, message) {
				if i < mostCommands {
					commands = append(commands, o.command())
				}
			}
			continue
		}
		known := true
		for placeholder, name := range names {
			if strings.Contains(pattern, placeholder) {
				known = known && name != ""
				pattern = strings.ReplaceAll(pattern, placeholder, name)
			}
		}
		if known {
			commands = append(commands, pattern)
		}
	}
	return commands
}

// addProof says what proves a reboot that ended well: the boot before and the one after.
func (f *Facts) addProof(answer *Answer, r *v1alpha1.NodeReboot) {
	before, after := r.Status.Before, r.Status.After
	if r.Status.CompletionTime != nil {
		answer.Explanation = paragraph(answer.Explanation, "That was at "+f.when(r.Status.CompletionTime.Time)+".")
	}
	if r.Status.Phase != v1alpha1.PhaseSucceeded || before == nil || after == nil {
		return
	}
	answer.Explanation = paragraph(answer.Explanation, fmt.Sprintf("Boot %s replaced boot %s%s.", after.BootID, before.BootID,
		kernels(before, after)))
}

func kernels(before, after *v1alpha1.BootInfo) string {
	switch {
	case after.KernelVersion == "":
		return ""
	case before.KernelVersion == after.KernelVersion:
		return ", with the same kernel " + after.KernelVersion
	}
	return fmt.Sprintf(", and kernel %s replaced kernel %s", after.KernelVersion, before.KernelVersion)
}

// addConditions adds what else there is to say of a NodeReboot.
func (f *Facts) addConditions(answer *Answer, r *v1alpha1.NodeReboot) {
	f.addAttempt(answer, r)
	for i := range r.Status.Conditions {
		c := &r.Status.Conditions[i]
		if strings.Contains(c.Type, "/") {
			continue // it belongs to others, who may write any reason
		}
		_, extra := besides[c.Reason]
		drained := c.Type == v1alpha1.ConditionDrained && c.Status == metav1.ConditionFalse &&
			(c.Reason == v1alpha1.ReasonDrainSkipped || c.Reason == v1alpha1.ReasonDrainForced)
		if extra && c.Status == metav1.ConditionTrue || drained {
			answer.Explanation = paragraph(withoutEase(answer.Explanation), sentence(f.localize(c.Message)))
			f.advise(answer, c.Reason, c.Message)
		}
	}
	if p := f.policy(r.Status.PolicyName); p != nil && r.Status.CompletionTime == nil {
		f.addStall(answer, p)
	}
}

// addAttempt says how the last attempt ended, if that is not what the NodeReboot says already.
func (f *Facts) addAttempt(answer *Answer, r *v1alpha1.NodeReboot) {
	a := r.Status.Attempt
	if a == nil || a.Result == "" || a.Result == r.Status.Reason || a.Result == v1alpha1.ReasonProved {
		return
	}
	how := fmt.Sprintf("Attempt %d ended (%s).", a.Number, a.Result)
	if strings.Contains(answer.Explanation, "("+a.Result+")") {
		how = ""
	}
	answer.Explanation = paragraph(withoutEase(answer.Explanation), how, unlessSaid(answer.Explanation, sentence(f.localize(a.Message))))
	f.advise(answer, a.Result, a.Message)
}

// ease is how an advice begins if there is nothing to do.
const ease = "No action is needed"

// withoutEase leaves out that there is nothing to do, because there is.
func withoutEase(text string) string {
	before, after, _ := strings.Cut(text, ease)
	_, rest, _ := strings.Cut(after, ".")
	return paragraph(strings.TrimSpace(before), strings.TrimSpace(rest))
}

func unlessSaid(text, more string) string {
	if strings.Contains(text, strings.TrimSuffix(more, ".")) {
		return ""
	}
	return more
}

// addStall says that writes about the nodes of the policy are refused: the status of a NodeReboot may be among them, and old.
func (f *Facts) addStall(answer *Answer, p *v1alpha1.RebootPolicy) {
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionWritesRefused)
	if c == nil || c.Status != metav1.ConditionTrue || answer.Reason == v1alpha1.ReasonWriteRefused {
		return
	}
	answer.Explanation = paragraph(answer.Explanation, "The API server refuses writes of the manager, so this information may be old:",
		sentence(f.localize(c.Message)))
}

func (f *Facts) explainPolicy(p *v1alpha1.RebootPolicy) Answer {
	answer := Answer{Found: true, Policy: p.Name}
	if p.SetAside() {
		answer.Reason = v1alpha1.ReasonUnreadable
		answer.Explanation = fmt.Sprintf("RebootPolicy %s cannot be read: %s. Repair the field that is named.", p.Name, decode.List(p.Unreadable))
		answer.Type = []string{"kubectl edit rebootpolicy " + p.Name}
		return answer
	}
	ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		answer.Reason = ReasonNotLookedAt
		answer.Explanation = fmt.Sprintf("The manager has not seen RebootPolicy %s yet.", p.Name)
		answer.Type = f.fill([]string{managerLogs}, &answer, "")
		return answer
	}
	answer.Reason = ready.Reason
	answer.Explanation = paragraph(fmt.Sprintf("RebootPolicy %s owns %s: %d waiting, %d under way (%s).", p.Name,
		model.Counted(int(p.Status.Nodes), "node", "nodes"), p.Status.Required, p.Status.UnderWay, ready.Reason),
		sentence(f.localize(ready.Message)))
	if ready.Reason != v1alpha1.ReasonInForce {
		f.advise(&answer, ready.Reason, ready.Message)
	}
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		if _, known := adviceFor(c.Reason); !known || c.Status != metav1.ConditionTrue || c.Reason == ready.Reason {
			continue
		}
		answer.Explanation = paragraph(answer.Explanation, sentence(f.localize(c.Message)))
		f.advise(&answer, c.Reason, c.Message)
	}
	if len(answer.Type) == 0 {
		f.advise(&answer, ready.Reason, ready.Message)
	}
	return answer
}

// aboutManager says that nobody leads: what is written then is old.
func (f *Facts) aboutManager(answer *Answer) string {
	if f.Installed == nil {
		return ""
	}
	since, silent := f.Installed.Silence(f.Now)
	if !silent {
		return ""
	}
	command := "kubectl -n " + f.Installed.Namespace + " get pods -l " + v1alpha1.ComponentLabel + "=" + v1alpha1.ManagerComponent
	answer.Type = append([]string{command}, answer.Type...)
	if since.IsZero() {
		return fmt.Sprintf("No manager is running in namespace %s, so nothing happens, and this information may be old.", f.Installed.Namespace)
	}
	return fmt.Sprintf("No manager has been running since %s, when Lease %s/%s was last renewed: nothing happens, and this information "+
		"may be old.",
		f.when(since), f.Installed.Namespace, install.LeaseName)
}
