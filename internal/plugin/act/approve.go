package act

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func approveCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "approve (NODE | NODEREBOOT)...", Short: "Approve reboots that wait for an approval",
		Long: `Approve reboots whose policy has "approval: Require". This requires the verb approve on nodereboots.

Your user name is recorded. A policy with "selfApproval: Refuse" accepts no approval by the user who asked for the reboot. An approval
that expired with its window is withdrawn and given again.`,
		Example: `  kubectl reboots approve worker-1 worker-2
  kubectl reboots approve --policy databases`,
		ValidArgsFunction: a.Complete(app.NodeKind, app.RebootKind),
	}
	o := addOptions(a, cmd, ofReboots)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.consent(cmd.Context(), args, true) }
	return cmd
}

func denyCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "deny (NODE | NODEREBOOT)...", Short: "Withdraw approvals of reboots",
		Long: `Withdraw approvals of reboots whose policy has "approval: Require".

An attempt under way is rolled back, unless its host was ordered to reboot. The NodeReboot stays, and waits until someone approves it.`,
		Example:           `  kubectl reboots deny worker-1`,
		ValidArgsFunction: a.Complete(app.NodeKind, app.RebootKind),
	}
	o := addOptions(a, cmd, ofReboots)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.consent(cmd.Context(), args, false) }
	return cmd
}

// consenting is one run of approve or deny.
type consenting struct {
	*session
	give     bool
	policies map[string]*v1alpha1.RebootPolicy
	// failed says by name why an approval that expired could not be withdrawn.
	failed map[string]error
	// listed are the NodeReboots by name, as they were when they were read first.
	listed map[string]version
}

// version is what an approval is about.
type version struct {
	uid     types.UID
	urgency v1alpha1.Urgency
}

// consent runs approve and deny.
func (o *options) consent(ctx context.Context, args []string, give bool) error {
	s, err := o.connect()
	if err != nil {
		return err
	}
	s.whoAmI(ctx)
	c := &consenting{session: s, give: give, policies: map[string]*v1alpha1.RebootPolicy{}, listed: map[string]version{}}
	qualifies := isOpen
	if !s.named(args) {
		// NodeReboots that were not named and need no approval are left alone.
		qualifies = func(r *v1alpha1.NodeReboot) bool {
			policy := s.policyOf(ctx, r, c.policies)
			return isOpen(r) && !deleting(r) && (policy == nil || policy.Spec.Approval != v1alpha1.Ignore) && give != counts(r)
		}
	}
	verb := "deny"
	if give {
		verb = "approve"
		if c.failed, err = c.withdrawExpired(ctx, args); err != nil {
			return err
		}
	}
	decide := func(object client.Object) decision { return c.decide(ctx, object.(*v1alpha1.NodeReboot)) }
	if err := s.each(ctx, args, qualifies, "has no reboot that has not ended: nothing to "+verb+".", decide); err != nil {
		return err
	}
	return s.report(ctx, "Nothing to "+verb+".")
}

// decide about one NodeReboot.
func (c *consenting) decide(ctx context.Context, r *v1alpha1.NodeReboot) decision {
	policy := c.policyOf(ctx, r, c.policies)
	if !c.give {
		return c.deny(r, policy)
	}
	if err := c.failed[r.Name]; err != nil {
		return decision{answer: answer{err: err}}
	}
	switch was := c.note(r); {
	case was.uid != r.UID:
		return replaced()
	case was.urgency != r.Spec.Urgency:
		return refuse("its urgency was changed to %s in the meantime; look at it and approve it again: kubectl reboots approve %s",
			cmp.Or(r.Spec.Urgency, v1alpha1.UrgencyNormal), typed(r))
	}
	return c.approve(r, policy)
}

// note keeps what a NodeReboot asks for when it is first read. Its requester may change that while this command runs, after the approver
// has looked at it.
func (c *consenting) note(r *v1alpha1.NodeReboot) version {
	if _, known := c.listed[r.Name]; !known {
		c.listed[r.Name] = version{r.UID, r.Spec.Urgency}
	}
	return c.listed[r.Name]
}

// policyOf reads the policy of a NodeReboot; nil if it has none, or that cannot be read.
func (s *session) policyOf(ctx context.Context, r *v1alpha1.NodeReboot, known map[string]*v1alpha1.RebootPolicy) *v1alpha1.RebootPolicy {
	name := r.Status.PolicyName
	if name == "" {
		return nil
	}
	if policy, found := known[name]; found {
		return policy
	}
	policy := &v1alpha1.RebootPolicy{}
	if err := s.client.Get(ctx, client.ObjectKey{Name: name}, policy); err != nil {
		policy = nil
	}
	known[name] = policy
	return policy
}

func approved(r *v1alpha1.NodeReboot) bool { return r.Spec.Approval == v1alpha1.ApprovalGiven }

// said says that the manager has looked at the NodeReboot as it is.
func said(r *v1alpha1.NodeReboot) bool { return r.Status.ObservedGeneration >= r.Generation }

// expired: it is approved, and the manager no longer accepts that.
func expired(r *v1alpha1.NodeReboot) bool {
	return approved(r) && said(r) && isOpen(r) && r.Status.Reason == v1alpha1.ReasonAwaitingApproval
}

// bySelf: the policy does not accept by whom it is approved.
func bySelf(r *v1alpha1.NodeReboot) bool {
	return said(r) && r.Status.Reason == v1alpha1.ReasonSelfApproved
}

// counts: the approval is given and accepted.
func counts(r *v1alpha1.NodeReboot) bool { return approved(r) && !expired(r) && !bySelf(r) }

// closed is the decision about a NodeReboot that has ended or is being cancelled; nil about others.
func closed(r *v1alpha1.NodeReboot, verb string) *decision {
	var d decision
	switch {
	case deleting(r):
		d = nothing("%s is being cancelled: nothing to %s.", called(r), verb)
	case !isOpen(r):
		d = nothing("%s has ended (%s): nothing to %s.", called(r), r.Status.Outcome, verb)
	default:
		return nil
	}
	return &d
}

// refusesSelf says that a person asked for the reboot, and may not approve it. What helpers and the manager ask for was asked for by no
// person.
func refusesSelf(r *v1alpha1.NodeReboot, policy *v1alpha1.RebootPolicy) bool {
	return policy != nil && policy.Spec.SelfApproval != v1alpha1.SelfApprovalAllow && !byProgram(r)
}

// approve decides about one NodeReboot.
func (s *session) approve(r *v1alpha1.NodeReboot, policy *v1alpha1.RebootPolicy) decision {
	if over := closed(r, "approve"); over != nil {
		return *over
	}
	switch {
	case policy != nil && policy.Spec.Approval == v1alpha1.Ignore:
		d := nothing("%s needs no approval by RebootPolicy %s: nothing to approve.", called(r), policy.Name)
		d.next = s.stateOf(r)
		return d
	case counts(r):
		return nothing("%s is already approved, by %s.", called(r), r.Spec.ApprovedBy)
	case refusesSelf(r, policy) && r.Spec.RequestedBy == "":
		return refuse("it is not recorded who asked for the reboot, and RebootPolicy %s has selfApproval: Refuse, so no approval counts. "+
			"Ask for it again: kubectl reboots cancel %s, then kubectl reboots now %s --reason ...", policy.Name, typed(r), r.Spec.NodeName)
	case refusesSelf(r, policy) && r.Spec.RequestedBy == s.user:
		return refuse("you (%s) asked for the reboot, and RebootPolicy %s has selfApproval: Refuse, so your approval would not count. "+
			"Ask someone else to type: kubectl reboots approve %s", s.user, policy.Name, typed(r))
	}
	d := decision{patch: approval(v1alpha1.ApprovalGiven, s.user)}
	d.did = fmt.Sprintf("%s is approved by %s.", called(r), cmp.Or(s.user, "you"))
	d.next = append(d.next, holds(r, policy)...)
	s.expectAfter(&d.answer, r)
	return d
}

// holds says for how long an approval holds.
func holds(r *v1alpha1.NodeReboot, policy *v1alpha1.RebootPolicy) []string {
	switch {
	case r.Spec.Urgency == v1alpha1.UrgencyImmediate:
		return []string{isImmediate}
	case policy != nil && policy.Status.Window != nil:
		return []string{"The approval is for the window that is open or, if none is open, for the next one, and expires with it."}
	}
	return nil
}

// deny decides about one NodeReboot.
func (s *session) deny(r *v1alpha1.NodeReboot, policy *v1alpha1.RebootPolicy) decision {
	if over := closed(r, "deny"); over != nil {
		return *over
	}
	switch {
	case policy != nil && policy.Spec.Approval == v1alpha1.Ignore:
		return refuse("RebootPolicy %s requires no approval, so denying stops nothing. To stop the reboot: kubectl reboots cancel %s, "+
			"kubectl reboots skip %s, or kubectl reboots pause %[1]s", policy.Name, typed(r), r.Spec.NodeName)
	case !approved(r):
		d := nothing("%s is not approved: nothing to deny.", called(r))
		d.next = []string{"It waits until someone approves it. To remove it: kubectl reboots cancel " + typed(r)}
		return d
	case ordered(r):
		return refuse("the host was ordered to reboot at %s and cannot be stopped", s.at(r.Status.Attempt.RebootOrderedTime.Time))
	}
	d := decision{patch: approval(v1alpha1.ApprovalNotGiven, ""), answer: answer{did: fmt.Sprintf(
		"The approval of %s by %s is withdrawn.", called(r), r.Spec.ApprovedBy)}}
	if underWay(r) {
		d.next = append(d.next, "Its attempt is rolled back: the drain ends, and "+cordon(r)+".")
	}
	s.expectAfter(&d.answer, r)
	return d
}

// expectAfter is expect for a change of the spec that is still to be written.
func (s *session) expectAfter(a *answer, r *v1alpha1.NodeReboot) {
	after := r.DeepCopy()
	after.Generation++
	s.expect(a, after)
}

// approval is a patch of an approval. Where the user's name is not known it is left to the manager's webhook to fill it in.
func approval(value v1alpha1.Approval, user string) map[string]any {
	spec := map[string]any{"approval": string(value), "approvedBy": nil}
	if user != "" {
		spec["approvedBy"] = user
	}
	return map[string]any{"spec": spec}
}

// withdrawExpired withdraws approvals that expired, and waits until the manager has seen that: it takes the time of an approval when it
// first sees it. It returns those by name that cannot be approved now, and why.
func (c *consenting) withdrawExpired(ctx context.Context, args []string) (map[string]error, error) {
	groups, err := c.groups(ctx, args)
	if err != nil {
		return nil, err
	}
	withdrawn := &session{options: c.options, client: c.client}
	var names []string
	for i := range groups {
		for _, r := range groups[i].reboots {
			c.note(r)
			if r.Spec.ApprovedBy == c.user && c.dryRun == dryRunNone {
				names = append(names, r.Name)
				withdrawn.answers = append(withdrawn.answers, withdrawn.edit(ctx, called(r), r, withdraw))
			}
		}
	}
	// Here the manager's answer is needed, and not only told: --answer-timeout does not shorten that.
	w := withdrawn.look(ctx, max(c.patience, defaultPatience))
	failed := map[string]error{}
	for i, a := range withdrawn.answers {
		switch {
		case a.err != nil:
			failed[names[i]] = fmt.Errorf("withdraw the expired approval: %w", a.err)
		case a.await != nil && !a.await(w):
			failed[names[i]] = fmt.Errorf("the expired approval is withdrawn, but the manager has not seen that yet; "+
				"approve it again in a moment: kubectl reboots approve %s", ref{rebootKind, names[i]})
		}
	}
	return failed, nil
}

// withdraw decides about one whose approval expired.
func withdraw(object client.Object) decision {
	r := object.(*v1alpha1.NodeReboot)
	if !expired(r) {
		return nothing("The approval of %s has not expired.", called(r))
	}
	d := decision{patch: approval(v1alpha1.ApprovalNotGiven, "")}
	d.await = func(w *world) bool {
		seen := w.reboots[r.Name]
		return seen != nil && seen.Status.ApprovedTime == nil && said(seen)
	}
	return d
}
