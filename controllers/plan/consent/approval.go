package consent

import (
	"fmt"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// Approved says that the policy requires no approval, or that one is given that counts. It expired at a time; zero is not.
func Approved(p *policies.Policy, d *model.Draft, expired time.Time) bool {
	return !p.NeedsApproval() || d.Approved() && expired.IsZero() && !maybeSelfApproved(p, d)
}

// Approval blocks a reboot that is not Approved.
func Approval(p *policies.Policy, d *model.Draft, expired time.Time) model.Verdict {
	if Approved(p, d, expired) {
		return model.Verdict{}
	}
	spec := &d.Object.Spec
	switch {
	case spec.Approval != v1alpha1.ApprovalGiven:
		return model.Blocked(v1alpha1.ReasonAwaitingApproval, "RebootPolicy %s requires an approval%s. To approve it: %s",
			p.Name(), excluded(p, d), patch(d, `"approval":"Given"`))
	case spec.ApprovedBy == "":
		return model.Blocked(v1alpha1.ReasonAwaitingApproval,
			"RebootPolicy %s requires an approval, and the approval of %s does not record who gave it. To approve again, first withdraw it: %s",
			p.Name(), d.Object.Name, patch(d, `"approval":"NotGiven"`))
	case !expired.IsZero():
		return model.Blocked(v1alpha1.ReasonAwaitingApproval,
			"The approval of %s was for the window of RebootPolicy %s that closed at %s. To approve again, first withdraw it: %s",
			p.Clock.At(d.Status.ApprovedTime.Time), p.Name(), p.Clock.At(expired), patch(d, `"approval":"NotGiven"`))
	case spec.RequestedBy == "":
		return model.Blocked(v1alpha1.ReasonSelfApproved,
			"%s approved the reboot, and it is not recorded who asked for it, so that may have been the same person: RebootPolicy %s has "+
				"selfApproval: Refuse. Delete NodeReboot %s, and create another one with requestedBy.",
			spec.ApprovedBy, p.Name(), d.Object.Name)
	}
	return model.Blocked(v1alpha1.ReasonSelfApproved,
		"%s asked for the reboot and approved it, and RebootPolicy %s has selfApproval: Refuse. Someone else can approve it: %s",
		spec.ApprovedBy, p.Name(), patch(d, `"approval":"Given","approvedBy":null`))
}

// maybeSelfApproved says that the policy refuses the approval, because who gave it may have asked for the reboot. No person asked for the
// reboots that helpers and the manager request.
func maybeSelfApproved(p *policies.Policy, d *model.Draft) bool {
	spec := &d.Object.Spec
	return refusesSelf(p, d) && (spec.RequestedBy == "" || spec.RequestedBy == spec.ApprovedBy)
}

func refusesSelf(p *policies.Policy, d *model.Draft) bool {
	trigger := d.Object.Spec.Trigger
	byProgram := trigger == v1alpha1.TriggerSentinel || trigger == v1alpha1.TriggerNodeCondition
	return !byProgram && p.Spec.SelfApproval != v1alpha1.SelfApprovalAllow
}

// excluded names who cannot give the approval, as part of a sentence.
func excluded(p *policies.Policy, d *model.Draft) string {
	if by := d.Object.Spec.RequestedBy; by != "" && refusesSelf(p, d) {
		return fmt.Sprintf(" by someone other than %s, who asked for the reboot", by)
	}
	return ""
}

func patch(d *model.Draft, spec string) string {
	return `kubectl patch nodereboot ` + d.Object.Name + ` --type=merge -p '{"spec":{` + spec + `}}'`
}
