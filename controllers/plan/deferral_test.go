package plan

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func maxDeferral(seconds int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Schedule.MaxDeferralSeconds = ptr.To(seconds) })
}

func overdue(s *story) bool {
	return meta.IsStatusConditionTrue(s.reboot("ra").Status.Conditions, v1alpha1.ConditionOverdue)
}

func TestRebootThatIsRequiredForTooLongIsToldOnceAndForcedNever(t *testing.T) {
	s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused), maxDeferral(2*3600)), newNode("a", "z1"), newReboot("ra", "a"))
	s.settle()
	s.advance(time.Hour - time.Second)
	if overdue(s) || s.policy("p").Status.Overdue != 0 {
		t.Fatal("overdue a second too early")
	}
	if want := start.Add(time.Hour); !s.wake.Equal(want) {
		t.Errorf("the next look is at %s, want %s", s.wake, want)
	}
	s.now = start.Add(time.Hour)
	told := 0
	for range 5 {
		told += countEvents(s.pass(), v1alpha1.ReasonOverdue)
	}
	observed(s) // whatever else changes
	told += countEvents(s.pass(), v1alpha1.ReasonOverdue)
	paused(s)
	told += countEvents(s.pass(), v1alpha1.ReasonOverdue)
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	if !overdue(s) || s.policy("p").Status.Overdue != 1 || s.reboot("ra").Status.Reason != v1alpha1.ReasonPaused {
		t.Errorf("overdue %v, counted %d, reason %s", overdue(s), s.policy("p").Status.Overdue, s.reboot("ra").Status.Reason)
	}
}

func TestRebootIsOverdueUntilItIsProved(t *testing.T) {
	for stage := stageCordoned; stage <= stageSettling; stage++ {
		if s := attemptIn(t, stage, maxDeferral(3600)); !overdue(s) {
			t.Errorf("%s: not overdue", stage)
		}
	}
	s := attemptIn(t, stageSettling, maxDeferral(3600))
	s.advance(time.Minute)
	if overdue(s) || s.policy("p").Status.Overdue != 0 {
		t.Errorf("still overdue after its success: %+v", s.reboot("ra").Status.Conditions)
	}
}

func TestRebootThatIsRequiredAgainIsOverdueFromThenOn(t *testing.T) {
	s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused), maxDeferral(2*3600)), newNode("a", "z1"), newReboot("ra", "a"))
	for _, sentinel := range []v1alpha1.SentinelState{v1alpha1.SentinelNotRequired, v1alpha1.SentinelRequired} {
		s.report("ra", func(report *v1alpha1.HelperReport) { report.Sentinel = sentinel })
		s.settle()
	}
	s.advance(2*time.Hour - time.Second)
	if overdue(s) {
		t.Error("overdue although it was not required meanwhile")
	}
	s.advance(time.Second)
	if !overdue(s) {
		t.Error("not overdue")
	}
}

func TestNodeIsToldThatItsRebootIsOverdueToo(t *testing.T) {
	s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused), maxDeferral(0)), newNode("a", "z1"), newReboot("ra", "a"))
	for _, event := range s.pass().Work[0].Reboots[0].Events {
		if event.Reason == v1alpha1.ReasonOverdue && event.Warning && event.OnNode {
			return
		}
	}
	t.Error("no warning for the Node")
}

func TestNothingIsOverdueWithoutALimit(t *testing.T) {
	s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"), newReboot("ra", "a", requiredFor(400*24*time.Hour)))
	s.settle()
	if overdue(s) {
		t.Error("overdue")
	}
}
