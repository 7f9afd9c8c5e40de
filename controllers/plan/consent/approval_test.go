package consent_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/consent"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

func required(s *v1alpha1.RebootPolicySpec) { s.Approval = v1alpha1.Require }

func selfAllowed(s *v1alpha1.RebootPolicySpec) { s.SelfApproval = v1alpha1.SelfApprovalAllow }

func selfRefused(s *v1alpha1.RebootPolicySpec) { s.SelfApproval = v1alpha1.SelfApprovalRefuse }

// given is an approval by a person; the name is empty if it is not known.
func given(by string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		seen := metav1.NewMicroTime(noon.Add(-time.Hour))
		r.Spec.Approval, r.Spec.ApprovedBy, r.Status.ApprovedTime = v1alpha1.ApprovalGiven, by, &seen
	}
}

func notGiven(r *v1alpha1.NodeReboot) { r.Spec.Approval = v1alpha1.ApprovalNotGiven }

func trigger(t v1alpha1.Trigger) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { r.Spec.Trigger = t }
}

// asked is a NodeReboot that a person created.
func asked(by string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { r.Spec.Trigger, r.Spec.RequestedBy = v1alpha1.TriggerManual, by }
}

func TestAPersonHasToApprove(t *testing.T) {
	t.Parallel()
	const (
		waits = v1alpha1.ReasonAwaitingApproval
		give  = `kubectl patch nodereboot ra --type=merge -p '{"spec":{"approval":"Given"}}'`
		take  = `kubectl patch nodereboot ra --type=merge -p '{"spec":{"approval":"NotGiven"}}'`
	)
	fromHost := trigger(v1alpha1.TriggerSentinel)
	tests := map[string]struct {
		policy  *policies.Policy
		draft   *model.Draft
		expired time.Time
		want    string
		says    []string
	}{
		"nobody has to":                         {policy: policy(), draft: draft()},
		"nobody has to, and it expired":         {policy: policy(), draft: draft(given("bob")), expired: noon},
		"nobody has to, and it was the creator": {policy: policy(), draft: draft(asked("bob"), given("bob"))},
		"someone did":                           {policy: policy(required), draft: draft(fromHost, given("bob"))},
		"nobody did":                            {policy: policy(required), draft: draft(fromHost), want: waits, says: []string{"RebootPolicy p requires an approval. To approve it: " + give}},
		"someone did not":                       {policy: policy(required), draft: draft(fromHost, notGiven), want: waits, says: []string{give}},
		"who did is not recorded":               {policy: policy(required), draft: draft(fromHost, given("")), want: waits, says: []string{"does not record who", take}},
		"nobody did, whatever would be expired": {policy: policy(required), draft: draft(fromHost, notGiven), expired: noon, want: waits, says: []string{give}},
		"someone did for an earlier window": {
			policy: policy(required), draft: draft(fromHost, given("bob")), expired: noon, want: waits,
			says: []string{"RebootPolicy p", "11:00 +00:00", "12:00 +00:00", take},
		},
		"nobody did what a person asked for": {
			policy: policy(required), draft: draft(asked("alice"), notGiven), want: waits,
			says: []string{"an approval by someone other than alice, who asked for the reboot", give},
		},
		"nobody did what anyone may": {
			policy: policy(required, selfAllowed), draft: draft(asked("alice"), notGiven), want: waits, says: []string{"an approval. To approve it"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireVerdict(t, consent.Approval(test.policy, test.draft, test.expired), test.want, test.says...)
			if got := consent.Approved(test.policy, test.draft, test.expired); got != (test.want == "") {
				t.Errorf("approved: %v", got)
			}
		})
	}
}

func TestWhoAskedForARebootDoesNotApproveItUnlessThePolicyAllowsThat(t *testing.T) {
	t.Parallel()
	const (
		self    = v1alpha1.ReasonSelfApproved
		instead = `{"spec":{"approval":"Given","approvedBy":null}}`
	)
	tests := map[string]struct {
		policy *policies.Policy
		draft  *model.Draft
		want   string
		says   []string
	}{
		"someone else":                      {policy: policy(required, selfRefused), draft: draft(asked("alice"), given("bob"))},
		"the same":                          {policy: policy(required, selfRefused), draft: draft(asked("bob"), given("bob")), want: self, says: []string{"bob asked for the reboot and approved it", "RebootPolicy p", instead}},
		"the same, the policy does not say": {policy: policy(required), draft: draft(asked("bob"), given("bob")), want: self},
		"the same, and may":                 {policy: policy(required, selfAllowed), draft: draft(asked("bob"), given("bob"))},
		"maybe the same":                    {policy: policy(required, selfRefused), draft: draft(asked(""), given("bob")), want: self, says: []string{"bob approved", "not recorded who asked", "Delete NodeReboot ra", "requestedBy"}},
		"maybe the same, and may":           {policy: policy(required, selfAllowed), draft: draft(asked(""), given("bob"))},
		"a name in other letters":           {policy: policy(required, selfRefused), draft: draft(asked("Bob"), given("bob"))},
		"by a trigger that is not known":    {policy: policy(required, selfRefused), draft: draft(trigger("Comet"), given("bob")), want: self},
		"by no trigger":                     {policy: policy(required, selfRefused), draft: draft(given("bob")), want: self},
		"the host asked":                    {policy: policy(required, selfRefused), draft: draft(trigger(v1alpha1.TriggerSentinel), given("bob"))},
		"a condition asked":                 {policy: policy(required, selfRefused), draft: draft(trigger(v1alpha1.TriggerNodeCondition), given("bob"))},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireVerdict(t, consent.Approval(test.policy, test.draft, time.Time{}), test.want, test.says...)
			if got := consent.Approved(test.policy, test.draft, time.Time{}); got != (test.want == "") {
				t.Errorf("approved: %v", got)
			}
		})
	}
}
