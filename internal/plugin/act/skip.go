package act

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func skipCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "skip NODE... [--reason TEXT]", Short: "Skip nodes: they are not rebooted until unskip",
		Long: `Skip nodes, with the label reboot-operator.io/skip: they are neither tainted nor rebooted, and hold up no other node.

A reason is the value of the label if possible, otherwise the annotation reboot-operator.io/skip-reason. This requires the right to patch
nodes.`,
		Example: `  kubectl reboots skip worker-1 --reason "disk is replaced on Friday"
  kubectl reboots skip -l pool=blue`,
		ValidArgsFunction: a.Complete(app.NodeKind),
	}
	o := addOptions(a, cmd, ofNodes)
	reason := ""
	cmd.Flags().StringVar(&reason, "reason", "", "Why, for people to read")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		given := cmd.Flags().Changed("reason")
		return o.mark(cmd.Context(), args, func(node *corev1.Node, open *v1alpha1.NodeReboot) decision {
			return o.skip(node, open, reason, given)
		})
	}
	return cmd
}

func unskipCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "unskip NODE...", Short: "End the skipping of nodes",
		Long: `End the skipping of nodes: the label reboot-operator.io/skip is removed, and their NodeReboots get their old places in
the queue.`,
		Example:           `  kubectl reboots unskip worker-1`,
		ValidArgsFunction: a.Complete(app.NodeKind),
	}
	o := addOptions(a, cmd, ofNodes)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.mark(cmd.Context(), args, o.unskip) }
	return cmd
}

// mark runs skip and unskip.
func (o *options) mark(ctx context.Context, args []string, decide func(*corev1.Node, *v1alpha1.NodeReboot) decision) error {
	s, err := o.connect()
	if err != nil {
		return err
	}
	nodes, err := s.nodes(ctx, args)
	if err != nil {
		return err
	}
	var reboots v1alpha1.NodeRebootList
	if err := s.client.List(ctx, &reboots); err != nil {
		return app.ReadError("NodeReboots", err)
	}
	byNode := map[string][]*v1alpha1.NodeReboot{}
	for i := range reboots.Items {
		byNode[reboots.Items[i].Spec.NodeName] = append(byNode[reboots.Items[i].Spec.NodeName], &reboots.Items[i])
	}
	for i := range nodes {
		open := pick(byNode[nodes[i].Name])
		s.answers = append(s.answers, s.edit(ctx, "node "+nodes[i].Name, &nodes[i], func(object client.Object) decision {
			return decide(object.(*corev1.Node), open)
		}))
	}
	return s.report(ctx, "No nodes.")
}

// whySkipped is the reason that a node's label or annotation has.
func whySkipped(node *corev1.Node) string {
	if reason := node.Annotations[v1alpha1.SkipReasonAnnotation]; reason != "" {
		return reason
	}
	return node.Labels[v1alpha1.SkipLabel]
}

// skip decides about one node.
func (o *options) skip(node *corev1.Node, open *v1alpha1.NodeReboot, reason string, given bool) decision {
	_, skipped := node.Labels[v1alpha1.SkipLabel]
	because := ""
	if reason != "" {
		because = ": " + reason
	}
	if skipped && (!given || whySkipped(node) == reason) {
		if was := whySkipped(node); was != "" {
			because = ": " + was
		}
		return nothing("Node %s is already skipped%s.", node.Name, because)
	}
	var annotation any
	label := reason
	if len(validation.IsValidLabelValue(reason)) > 0 {
		label, annotation = "", reason
	}
	d := decision{patch: map[string]any{"metadata": map[string]any{
		"labels":      map[string]any{v1alpha1.SkipLabel: label},
		"annotations": map[string]any{v1alpha1.SkipReasonAnnotation: annotation},
	}}}
	if d.did = fmt.Sprintf("Node %s is skipped%s.", node.Name, because); skipped {
		d.did = fmt.Sprintf("Node %s was already skipped; the reason is new%s.", node.Name, because)
	}
	d.next = append(d.next, o.afterSkip(open), "To end it: kubectl reboots unskip "+node.Name)
	return d
}

// afterSkip says what becomes of a NodeReboot of a node that is skipped now.
func (o *options) afterSkip(open *v1alpha1.NodeReboot) string {
	switch {
	case open == nil:
		return "It needs no reboot now. If it does, it is not rebooted, and does not hold up other nodes."
	case ordered(open):
		return "Its host was ordered to reboot at " + o.at(open.Status.Attempt.RebootOrderedTime.Time) +
			" and cannot be stopped; the node is skipped afterwards."
	case underWay(open):
		return "The attempt of " + called(open) + " is rolled back: the drain ends, and " + cordon(open) + "."
	}
	return "Its NodeReboot " + open.Name + " stays, keeps its place in the queue, and does not hold up other nodes."
}

// unskip decides about one node.
func (o *options) unskip(node *corev1.Node, open *v1alpha1.NodeReboot) decision {
	_, skipped := node.Labels[v1alpha1.SkipLabel]
	_, noted := node.Annotations[v1alpha1.SkipReasonAnnotation]
	if !skipped && !noted {
		return nothing("Node %s is not skipped: nothing to do.", node.Name)
	}
	d := decision{patch: map[string]any{"metadata": map[string]any{
		"labels":      map[string]any{v1alpha1.SkipLabel: nil},
		"annotations": map[string]any{v1alpha1.SkipReasonAnnotation: nil},
	}}}
	d.did = fmt.Sprintf("Node %s is no longer skipped.", node.Name)
	if open == nil {
		d.next = append(d.next, "It needs no reboot now.")
		return d
	}
	d.next = append(d.next, "Its NodeReboot "+open.Name+" has kept its place in the queue.")
	reboot, of := open.Name, node.Name
	d.await = func(w *world) bool {
		r := w.reboots[reboot]
		return r != nil && r.Status.Reason != v1alpha1.ReasonSkipped
	}
	d.then = func(w *world) []string {
		if r := w.reboots[reboot]; r != nil && r.Status.Reason != v1alpha1.ReasonSkipped {
			return append(o.stateOf(r), "More: kubectl reboots why "+of)
		}
		return []string{"To see what it waits for: kubectl reboots why " + of}
	}
	return d
}
