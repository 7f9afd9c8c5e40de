package consent_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/consent"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func policy(changes ...func(*v1alpha1.RebootPolicySpec)) *policies.Policy {
	object := &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec: v1alpha1.RebootPolicySpec{
			Nodes: v1alpha1.NodesAll, Mode: v1alpha1.ModeEnforce, Approval: v1alpha1.Ignore,
			Schedule: v1alpha1.ScheduleSpec{TimeZone: "UTC", AtClose: v1alpha1.TimeoutAbort},
		},
	}
	for _, change := range changes {
		change(&object.Spec)
	}
	moment := model.NewMoment(noon)
	return policies.Parse(object, &moment)
}

func draft(changes ...func(*v1alpha1.NodeReboot)) *model.Draft {
	object := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "ra"}, Status: v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{}}}
	for _, change := range changes {
		change(object)
	}
	d := model.NewDraft(object)
	return &d
}

// requireVerdict: no reason is that nothing is in the way, and then nothing is said.
func requireVerdict(t *testing.T, v model.Verdict, reason string, says ...string) {
	t.Helper()
	if v.Reason != reason || (v.Message == "") != (reason == "") {
		t.Errorf("the verdict is %q: %q, want %q", v.Reason, v.Message, reason)
	}
	for _, words := range says {
		if !strings.Contains(v.Message, words) {
			t.Errorf("it does not say %q: %s", words, v.Message)
		}
	}
}

func TestANodeIsLeftAloneForItsLabel(t *testing.T) {
	t.Parallel()
	requireVerdict(t, consent.Skip(&model.Node{Name: "a", Labels: map[string]string{"other": ""}}), "")
	requireVerdict(t, consent.Skip(&model.Node{Name: "a", Labels: map[string]string{v1alpha1.SkipLabel: ""}}), v1alpha1.ReasonSkipped,
		"Node a", v1alpha1.SkipLabel)
}

func TestAPolicyHasToBeUnderstood(t *testing.T) {
	t.Parallel()
	requireVerdict(t, consent.Valid(policy()), "")
	requireVerdict(t, consent.Valid(policy(func(s *v1alpha1.RebootPolicySpec) {
		s.Nodes = v1alpha1.NodesSelected
		s.NodeSelector = &v1alpha1.LabelSelector{}
	})),
		v1alpha1.ReasonPolicyInvalid, "RebootPolicy p", "nodeSelector: it is empty")
}

func TestAPolicyHasToBeEnforced(t *testing.T) {
	t.Parallel()
	for mode, want := range map[v1alpha1.Mode]string{
		v1alpha1.ModeEnforce: "", v1alpha1.ModeObserve: v1alpha1.ReasonObserving, v1alpha1.ModePaused: v1alpha1.ReasonPaused,
		"": v1alpha1.ReasonPaused, "Unknown": v1alpha1.ReasonPaused,
	} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			v := consent.Enforced(policy(func(s *v1alpha1.RebootPolicySpec) { s.Mode = mode }))
			if requireVerdict(t, v, want); want != "" {
				requireVerdict(t, v, want, "RebootPolicy p")
			}
		})
	}
}
