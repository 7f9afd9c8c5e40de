package act

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func pauseCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "pause POLICY...", Short: "Pause policies: nothing more starts",
		Long: `Pause policies: nothing more starts, drains under way are rolled back, and hosts that were ordered to reboot are followed
to the end.

The mode that a policy had is kept in its annotation reboot-operator.io/paused-from, for resume.`,
		Example: `  kubectl reboots pause workers
  kubectl reboots pause --all`,
		ValidArgsFunction: a.Complete(app.PolicyKind),
	}
	o := addOptions(a, cmd, ofPolicies)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return o.change(cmd.Context(), args, o.pause)
	}
	return cmd
}

func resumeCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "resume POLICY... [--mode Enforce|Observe]", Short: "Resume policies that are paused",
		Long: `Resume policies that are paused, with the mode that they had before.

"kubectl reboots pause" keeps that mode. If someone paused a policy in another way, or has changed its mode since, it is not known: write
--mode.`,
		Example: `  kubectl reboots resume workers
  kubectl reboots resume workers --mode Observe`,
		ValidArgsFunction: a.Complete(app.PolicyKind),
	}
	o := addOptions(a, cmd, ofPolicies)
	mode := ""
	cmd.Flags().StringVar(&mode, "mode", "", "The mode to resume with: Enforce or Observe")
	modes := []string{string(v1alpha1.ModeEnforce), string(v1alpha1.ModeObserve)}
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions(modes, cobra.ShellCompDirectiveNoFileComp)))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if mode != "" && !slices.Contains(modes, mode) {
			return app.UsageError{Err: fmt.Errorf("--mode is %q; write Enforce or Observe", mode)}
		}
		return o.change(cmd.Context(), args, func(p *v1alpha1.RebootPolicy, _ []*v1alpha1.NodeReboot) decision {
			return o.resume(p, v1alpha1.Mode(mode))
		})
	}
	return cmd
}

// change runs pause and resume.
func (o *options) change(
	ctx context.Context, args []string, decide func(*v1alpha1.RebootPolicy, []*v1alpha1.NodeReboot) decision,
) error {
	s, err := o.connect()
	if err != nil {
		return err
	}
	policies, err := s.chosenPolicies(ctx, args)
	if err != nil {
		return err
	}
	var reboots v1alpha1.NodeRebootList
	if err := s.client.List(ctx, &reboots); err != nil {
		return app.ReadError("NodeReboots", err)
	}
	for i := range policies {
		var of []*v1alpha1.NodeReboot
		for j := range reboots.Items {
			if reboots.Items[j].Status.PolicyName == policies[i].Name {
				of = append(of, &reboots.Items[j])
			}
		}
		s.answers = append(s.answers, s.edit(ctx, "RebootPolicy "+policies[i].Name, &policies[i], func(object client.Object) decision {
			return decide(object.(*v1alpha1.RebootPolicy), of)
		}))
	}
	return s.report(ctx, "No policies.")
}

// chosenPolicies are those that were asked for; for a name that no policy has there is an answer instead.
func (s *session) chosenPolicies(ctx context.Context, args []string) ([]v1alpha1.RebootPolicy, error) {
	if !s.named(args) {
		var policies v1alpha1.RebootPolicyList
		if err := s.client.List(ctx, &policies, client.MatchingLabelsSelector{Selector: s.selects}); err != nil {
			return nil, app.ReadError("RebootPolicies", err)
		}
		slices.SortFunc(policies.Items, func(a, b v1alpha1.RebootPolicy) int { return cmp.Compare(a.Name, b.Name) })
		return policies.Items, nil
	}
	var policies []v1alpha1.RebootPolicy
	for _, name := range once(args) {
		var policy v1alpha1.RebootPolicy
		err := s.client.Get(ctx, client.ObjectKey{Name: name}, &policy)
		switch {
		case apierrors.IsNotFound(err):
			s.answers = append(s.answers, &answer{about: "RebootPolicy " + name, err: errors.New("there is no RebootPolicy of this name")})
		case err != nil:
			s.answers = append(s.answers, &answer{about: "RebootPolicy " + name, err: app.ReadError("the RebootPolicy", err)})
		default:
			policies = append(policies, policy)
		}
	}
	return policies, nil
}

// pause decides about one policy.
func (o *options) pause(p *v1alpha1.RebootPolicy, reboots []*v1alpha1.NodeReboot) decision {
	if p.Spec.Mode == v1alpha1.ModePaused {
		return nothing("RebootPolicy %s is already paused.", p.Name)
	}
	mode := cmp.Or(p.Spec.Mode, v1alpha1.ModeEnforce)
	d := decision{patch: map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{v1alpha1.PausedFromAnnotation: string(mode)}},
		"spec":     map[string]any{"mode": string(v1alpha1.ModePaused)},
	}}
	d.did = fmt.Sprintf("RebootPolicy %s is paused; its mode was %s.", p.Name, mode)
	var rolledBack, followed []string
	waiting := 0
	for _, r := range reboots {
		switch {
		case ordered(r) || underWay(r) && r.Status.Attempt.RolledBackTime != nil:
			followed = append(followed, r.Spec.NodeName)
		case underWay(r):
			rolledBack = append(rolledBack, r.Spec.NodeName)
		case isOpen(r):
			waiting++
		}
	}
	if len(rolledBack) > 0 {
		d.next = append(d.next, "Rolled back: "+list(rolledBack)+
			". Their drains end, and they are uncordoned unless someone else had cordoned them.")
	}
	if len(followed) > 0 {
		d.next = append(d.next, "Followed to the end: "+list(followed)+".")
	}
	if waiting > 0 {
		d.next = append(d.next, fmt.Sprintf("Waiting: %d. They stay tainted, and keep their places in the queue.", waiting))
	}
	d.next = append(d.next, managed(p)...)
	d.next = append(d.next, "To continue: kubectl reboots resume "+p.Name)
	return d
}

// resume decides about one policy.
func (o *options) resume(p *v1alpha1.RebootPolicy, mode v1alpha1.Mode) decision {
	if p.Spec.Mode != v1alpha1.ModePaused {
		return nothing("RebootPolicy %s is not paused: its mode is %s.", p.Name, cmp.Or(p.Spec.Mode, v1alpha1.ModeEnforce))
	}
	if mode == "" {
		before, why := pausedFrom(p)
		if why != "" {
			return refuse("%s; write which mode to resume with: kubectl reboots resume %s --mode Enforce|Observe", why, p.Name)
		}
		mode = before
	}
	d := decision{patch: map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{v1alpha1.PausedFromAnnotation: nil}},
		"spec":     map[string]any{"mode": string(mode)},
	}}
	d.did = fmt.Sprintf("RebootPolicy %s is resumed; its mode is %s.", p.Name, mode)
	if mode == v1alpha1.ModeObserve {
		d.next = append(d.next, "It only observes, as before: it taints nodes and says what would happen, and reboots none.")
	}
	d.next = append(d.next, managed(p)...)
	generation := p.Generation + 1
	answered := func(w *world) *v1alpha1.RebootPolicy {
		if seen := w.policies[p.Name]; seen != nil && seen.Status.ObservedGeneration >= generation {
			return seen
		}
		return nil
	}
	d.await = func(w *world) bool { return answered(w) != nil }
	d.then = func(w *world) []string {
		seen := answered(w)
		if seen == nil {
			return []string{"The manager has not seen it yet. To see what it says: kubectl reboots status " + p.Name}
		}
		lines := []string{fmt.Sprintf("%s: %d of %d nodes need a reboot, %d are under way.",
			seen.Status.Summary, seen.Status.Required, seen.Status.Nodes, seen.Status.UnderWay)}
		if seen.Status.WaitingFor != "" {
			lines = append(lines, "Most of those that wait do so because of "+seen.Status.WaitingFor+".")
		}
		return append(lines, "More: kubectl reboots status "+p.Name)
	}
	return d
}

// pausedFrom is the mode that a policy had before it was paused, or why that is not known. The note of pause counts while no one else has
// set the mode since: then the plugin still owns the field.
func pausedFrom(p *v1alpha1.RebootPolicy) (mode v1alpha1.Mode, why string) {
	noted := v1alpha1.Mode(p.Annotations[v1alpha1.PausedFromAnnotation])
	switch {
	case noted == "":
		return "", "it was not paused by kubectl reboots, so its previous mode is not known"
	case noted != v1alpha1.ModeEnforce && noted != v1alpha1.ModeObserve:
		return "", fmt.Sprintf("its annotation %s says %q, which is not a mode", v1alpha1.PausedFromAnnotation, noted)
	case !ownsMode(p):
		return "", "someone else has set its mode since kubectl reboots paused it"
	}
	return noted, ""
}

// ownsMode says that the plugin was the last that changed spec.mode.
func ownsMode(p *v1alpha1.RebootPolicy) bool {
	return slices.ContainsFunc(managers(p), func(m manager) bool { return m.name == FieldManager && m.mode })
}

// manager is someone who owns fields of a policy.
type manager struct {
	name string
	mode bool
}

func managers(p *v1alpha1.RebootPolicy) []manager {
	var all []manager
	for _, entry := range p.ManagedFields {
		m := manager{name: entry.Manager}
		var fields struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if entry.FieldsV1 != nil && json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) == nil {
			_, m.mode = fields.Spec["f:mode"]
		}
		all = append(all, m)
	}
	return all
}
