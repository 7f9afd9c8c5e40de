package act

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func retryCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "retry (NODE | NODEREBOOT)...", Short: "Try reboots again that failed or were given up",
		Long: `Try reboots again that were given up, or wait for a back-off after attempts that failed, without that history.

Their NodeReboots are deleted. Those of a host that still asks are created again by its helper, those of a node condition by the manager,
and those of a person by this command. That also ends a halt that they cause. Fix the cause first.

Without names, a reboot that a person asked for and that was given up is left alone, and a reboot that has not ended is tried again only if
it waits for a back-off. Immediate reboots are asked for again with normal urgency, unless you write --immediate.`,
		Example: `  kubectl reboots retry worker-1
  kubectl reboots retry --policy workers`,
		ValidArgsFunction: a.Complete(app.NodeKind, app.RebootKind),
	}
	o := addOptions(a, cmd, ofReboots)
	immediate := false
	cmd.Flags().BoolVar(&immediate, "immediate", false, "Keep Immediate reboots Immediate, so that they wait for no window and no freeze")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := o.connect()
		if err != nil {
			return err
		}
		s.whoAmI(cmd.Context())
		if err := s.retryAll(cmd.Context(), args, retrying{named: s.named(args), immediate: immediate}); err != nil {
			return err
		}
		return s.report(cmd.Context(), "Nothing to try again.")
	}
	return cmd
}

// retrying is how to try again.
type retrying struct {
	// named: the NodeReboots or their nodes were named.
	named bool
	// immediate: what was Immediate is so again.
	immediate bool
}

// takes says whether a NodeReboot is tried again. A reboot that a person asked for stays in the history when it failed, and it is not known
// whether anyone still needs it: name it to try it again.
func (how retrying) takes(r *v1alpha1.NodeReboot, all []*v1alpha1.NodeReboot) bool {
	switch {
	case !failed(r, all):
		return false
	case how.named:
		return true
	case isOpen(r):
		return r.Status.Reason == v1alpha1.ReasonBackingOff
	}
	return byProgram(r)
}

// urgency says which urgency the NodeReboot has that takes the place of another; nil if that is not known yet.
func urgency(r, instead *v1alpha1.NodeReboot) []string {
	switch {
	case instead != nil && instead.Spec.Urgency == v1alpha1.UrgencyImmediate:
		return []string{isImmediate}
	case r.Spec.Urgency == v1alpha1.UrgencyImmediate:
		return []string{"The deleted NodeReboot was Immediate; the new one is not. To ask for an Immediate one: kubectl reboots now " +
			r.Spec.NodeName + " --immediate --reason ..."}
	}
	return nil
}

func (s *session) retryAll(ctx context.Context, args []string, how retrying) error {
	groups, err := s.groups(ctx, args)
	if err != nil {
		return err
	}
	for i := range groups {
		g := &groups[i]
		if g.err != nil {
			s.answers = append(s.answers, &answer{about: g.about, err: g.err})
			continue
		}
		before := len(s.answers)
		for _, r := range g.reboots {
			if how.takes(r, g.reboots) || how.named && underWay(r) {
				s.answers = append(s.answers, s.retry(ctx, r, g.reboots, how))
			}
		}
		if len(s.answers) == before && how.named {
			s.answers = append(s.answers, &answer{about: g.about, did: g.about + " has no failed reboot: nothing to try again."})
		}
	}
	return nil
}

// failed says that a NodeReboot was given up and nothing has succeeded since, or that it waits after attempts that failed.
func failed(r *v1alpha1.NodeReboot, all []*v1alpha1.NodeReboot) bool {
	if deleting(r) || underWay(r) {
		return false
	}
	if isOpen(r) {
		return r.Status.Failures != nil && r.Status.Failures.Count > 0
	}
	if r.Status.Outcome != v1alpha1.OutcomeFailed || r.Status.CompletionTime == nil {
		return false
	}
	for _, other := range all {
		if other.Spec.NodeName == r.Spec.NodeName && other.Status.Outcome == v1alpha1.OutcomeSucceeded && other.Status.CompletionTime != nil &&
			other.Status.CompletionTime.After(r.Status.CompletionTime.Time) {
			return false
		}
	}
	return true
}

// retry deletes one NodeReboot, and asks again for what a person asked for.
func (s *session) retry(ctx context.Context, r *v1alpha1.NodeReboot, all []*v1alpha1.NodeReboot, how retrying) *answer {
	var instead *v1alpha1.NodeReboot
	if !byProgram(r) && failed(r, all) {
		// First the other one: if this fails, nothing is lost.
		var err error
		if instead, err = s.again(ctx, r, all, how); err != nil {
			return &answer{about: called(r), err: err}
		}
	}
	a := s.edit(ctx, called(r), r, func(object client.Object) decision { return s.drop(object.(*v1alpha1.NodeReboot), all, how) })
	if a.err != nil || !a.changed {
		return a
	}
	a.object = nil
	lines := urgency(r, instead)
	switch {
	case instead != nil && instead.Status.Reason == "":
		a.object = instead
		a.next = append(a.next, "NodeReboot "+instead.Name+" takes its place.")
		a.next = append(a.next, lines...)
		s.expect(a, instead)
	case instead != nil:
		a.object = instead
		a.next = append(a.next, "NodeReboot "+instead.Name+" of the node continues.")
		a.next = append(a.next, lines...)
		a.next = append(a.next, s.stateOf(instead)...)
	default:
		a.next = append(a.next, lines...)
		s.expectAnother(a, r, all)
	}
	return a
}

// drop decides to delete a NodeReboot that failed.
func (s *session) drop(r *v1alpha1.NodeReboot, all []*v1alpha1.NodeReboot, how retrying) decision {
	switch {
	case stalled(r):
		return refuse("its attempt has not ended (%s): it continues when the node and its workloads are back. %s "+
			"To give the node up: kubectl reboots cancel %s", r.Status.Reason, r.Status.Message, typed(r))
	case underWay(r):
		d := nothing("%s is under way: nothing to try again.", called(r))
		d.next = s.stateOf(r)
		return d
	case !how.takes(r, all):
		return nothing("%s did not fail: nothing to try again.", called(r))
	}
	past := "was given up"
	if isOpen(r) {
		past = "waited after " + times(r.Status.Failures.Count)
	}
	why := r.Status.OutcomeReason
	if isOpen(r) {
		why = r.Status.Failures.LastReason
	}
	return decision{remove: true, answer: answer{did: fmt.Sprintf("%s, which %s (%s), is deleted.", called(r), past, why)}}
}

func times(count int32) string {
	if count == 1 {
		return "a failed attempt"
	}
	return fmt.Sprintf("%d failed attempts", count)
}

// again creates what a person asked for once more, unless the node has another NodeReboot that has not ended.
func (s *session) again(
	ctx context.Context, r *v1alpha1.NodeReboot, all []*v1alpha1.NodeReboot, how retrying,
) (*v1alpha1.NodeReboot, error) {
	var others []*v1alpha1.NodeReboot
	for _, other := range all {
		if other.Name != r.Name && other.Spec.NodeName == r.Spec.NodeName {
			others = append(others, other)
		}
	}
	if open := pick(others); open != nil {
		return open, nil
	}
	var node corev1.Node
	if err := s.client.Get(ctx, client.ObjectKey{Name: r.Spec.NodeName}, &node); err != nil {
		return nil, fmt.Errorf("read node %s, to ask for its reboot again: %w", r.Spec.NodeName, err)
	}
	asked := &session{options: s.options, client: s.client, user: s.user}
	what := asking{reason: r.Spec.Reason, immediate: how.immediate && r.Spec.Urgency == v1alpha1.UrgencyImmediate}
	a := asked.askOnce(ctx, &node, what, r.Name)
	if a.err != nil {
		return nil, a.err
	}
	return a.object.(*v1alpha1.NodeReboot), nil
}

// expectAnother makes an answer that continues with the NodeReboot that a helper or the manager creates.
func (s *session) expectAnother(a *answer, r *v1alpha1.NodeReboot, all []*v1alpha1.NodeReboot) {
	node, known := r.Spec.NodeName, []string{}
	for _, other := range all {
		if other.Name == r.Name || !isOpen(other) {
			known = append(known, other.Name)
		}
	}
	// The helper may use the name of the deleted NodeReboot again: their UIDs differ.
	uid := r.UID
	find := func(w *world) *v1alpha1.NodeReboot {
		if same := w.reboots[r.Name]; same != nil && same.UID != uid && same.Status.Reason != "" {
			return same
		}
		return w.another(node, known)
	}
	a.await = func(w *world) bool { return find(w) != nil }
	a.then = func(w *world) []string {
		if other := find(w); other != nil {
			return append([]string{"NodeReboot " + other.Name + " takes its place."}, s.stateOf(other)...)
		}
		if r.Spec.Trigger == v1alpha1.TriggerNodeCondition {
			return []string{"The manager creates another one if the node still has the condition " + r.Spec.ConditionType + "."}
		}
		return []string{"The helper of the node creates another one if the host still asks. If none comes: kubectl reboots why " + node}
	}
}
