package act

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func cancelCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "cancel (NODE | NODEREBOOT)...", Short: "Cancel reboots that have not ended",
		Long: `Cancel reboots that have not ended, by deleting their NodeReboots.

A drain that is under way is rolled back. A host that was ordered to reboot cannot be stopped. A host that still asks for a reboot gets
another NodeReboot at once; "kubectl reboots skip" leaves its node out.

A node that did not come back in time is given up, which frees its slot for another node: only if you name it.`,
		Example: `  kubectl reboots cancel worker-1
  kubectl reboots cancel -l pool=blue --dry-run=server`,
		ValidArgsFunction: a.Complete(app.NodeKind, app.RebootKind),
	}
	o := addOptions(a, cmd, ofReboots)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := o.connect()
		if err != nil {
			return err
		}
		if err := s.cancelAll(cmd.Context(), args); err != nil {
			return err
		}
		return s.report(cmd.Context(), "Nothing to cancel.")
	}
	return cmd
}

// cancelAll cancels what was asked for. To give up a node frees its slot and may end a halt: stopping a rollout does not mean that.
func (s *session) cancelAll(ctx context.Context, args []string) error {
	var left []string
	qualifies := func(r *v1alpha1.NodeReboot) bool {
		if stalled(r) && !deleting(r) && !s.named(args) {
			left = append(left, r.Spec.NodeName)
			return false
		}
		return isOpen(r)
	}
	decide := func(object client.Object) decision {
		r := object.(*v1alpha1.NodeReboot)
		if !qualifies(r) && isOpen(r) {
			return nothing("%s is not cancelled.", called(r))
		}
		return s.cancel(r)
	}
	err := s.each(ctx, args, qualifies, "has no reboot that has not ended: nothing to cancel.", decide)
	if left = once(left); len(left) > 0 {
		s.besides = append(s.besides, "Not cancelled, because they did not come back or recover in time and still hold their slots: "+list(left)+
			". Each one that you name is given up: kubectl reboots cancel node/"+left[0])
	}
	return err
}

// cancel decides about one NodeReboot, and says what it takes along.
func (o *options) cancel(r *v1alpha1.NodeReboot) decision {
	switch {
	case deleting(r):
		return nothing("%s is already being cancelled.", called(r))
	case !isOpen(r):
		return nothing("%s has ended (%s): nothing to cancel.", called(r), r.Status.Outcome)
	}
	d := decision{remove: true, answer: answer{did: called(r) + " is cancelled."}}
	back := !ordered(r) || stalled(r)
	d.next = append(d.next, o.rollback(r))
	if back {
		d.next = append(d.next, comesBack(r)...)
	}
	return d
}

// rollback says what becomes of what was done to the node.
func (o *options) rollback(r *v1alpha1.NodeReboot) string {
	const gone = " The NodeReboot is removed when the evicted workloads are as ready as before."
	attempt := r.Status.Attempt
	switch {
	case stalled(r):
		return "The node is given up: its slot is free for another node, and " + cordon(r) + ". While it is down it still counts as unavailable."
	case ordered(r) && attempt.BackTime != nil:
		return "The host has rebooted already. The node is proved, and " + cordon(r) + "; then the NodeReboot is removed."
	case ordered(r):
		return "The host was ordered to reboot at " + o.at(attempt.RebootOrderedTime.Time) +
			" and cannot be stopped. The operator waits until the node is back and proved, and " + cordon(r) + "; then the NodeReboot is removed."
	case underWay(r) && attempt.RolledBackTime != nil:
		return "Its attempt was already rolled back." + gone
	case underWay(r):
		return "The attempt is rolled back: the drain ends, and " + cordon(r) + ". Evicted pods stay where they are." + gone
	}
	return "Nothing was done to the node. Its taint goes unless something else requires a reboot."
}

// cordon says what becomes of the cordon.
func cordon(r *v1alpha1.NodeReboot) string {
	if r.Status.Attempt.Cordon == v1alpha1.CordonForeign {
		return "it stays cordoned, because someone else had cordoned it"
	}
	return "it is uncordoned"
}

// comesBack says that what asked for the reboot asks again.
func comesBack(r *v1alpha1.NodeReboot) []string {
	leave := "To skip the node: kubectl reboots skip " + r.Spec.NodeName
	switch r.Spec.Trigger {
	case v1alpha1.TriggerSentinel:
		if report := r.Status.Report; report != nil && report.Sentinel == v1alpha1.SentinelNotRequired {
			return nil
		}
		const another = "While the host asks for a reboot, its helper creates another NodeReboot at once, without the failures of this one."
		return []string{another, leave}
	case v1alpha1.TriggerNodeCondition:
		return []string{"While the node has the condition " + r.Spec.ConditionType + ", the manager creates another NodeReboot.", leave}
	}
	return nil
}
