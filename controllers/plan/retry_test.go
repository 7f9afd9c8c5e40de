package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestWhatOthersPreventIsRetriedForAsLongAsTheNeedExists(t *testing.T) {
	s := attemptIn(t, stageDraining)
	attempts := func() int32 { return s.reboot("ra").Status.Attempt.Number }
	for range 30 {
		refuse(s)
		s.advance(24 * time.Hour)
	}
	if n := attempts(); n < 20 {
		t.Fatalf("%d attempts in 30 days", n)
	}
	for s.reboot("ra").Status.Order == nil {
		s.advance(time.Hour)
	}
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.advance(time.Minute)
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonRebooting {
		t.Errorf("reason %s once nothing refuses", got)
	}
}

func TestAWindowThatOpensEndsTheBackoff(t *testing.T) {
	// Open from 11:00 to 12:30 each day.
	s := newStory(t, newPolicy("p", scheduled("0 11 * * *"), minRemaining(0)), newNode("a", "z1"), newReboot("ra", "a", failedBefore(9, 0)))
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonBackingOff {
		t.Fatalf("reason %s", got)
	}
	s.advance(22*time.Hour + 59*time.Minute)
	if got := s.underWay(); got != "" {
		t.Fatalf("under way %q before the window opens", got)
	}
	s.advance(time.Minute)
	if got := s.underWay(); got != "a" {
		t.Errorf("under way %q when it opens, reasons %v", got, s.reasons())
	}
}

func TestWhatIsGivenUpStaysVisible(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Failure.MaxAttempts, s.Schedule.MaxDeferralSeconds = ptr.To[int32](1), ptr.To[int32](86400)
		s.Failure.MaxFailures = ptr.To(intstr.FromInt32(9))
	})))...)
	s.settle()
	s.rebootInVain("ra")
	if got := s.reboot("ra").Status; got.Outcome != v1alpha1.OutcomeFailed {
		t.Fatalf("%s %q", got.Reason, got.Message)
	}
	s.prove("b")
	s.advance(48 * time.Hour)
	status := s.policy("p").Status
	if status.Failed != 1 || status.Overdue != 1 {
		t.Errorf("failed %d, overdue %d", status.Failed, status.Overdue)
	}
	given := trueCondition(status.Conditions, v1alpha1.ConditionGivenUp)
	if want := "Node a (NodeReboot ra, SentinelStillPresent) still needs a reboot that was given up"; !strings.HasPrefix(given, want) {
		t.Errorf("condition GivenUp %q, want %q", given, want)
	}
	if got := trueCondition(s.reboot("ra").Status.Conditions, v1alpha1.ConditionOverdue); got == "" {
		t.Error("the NodeReboot is not Overdue")
	}
	s.report("ra", func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelNotRequired })
	s.settle()
	status = s.policy("p").Status
	if diff := cmp.Diff([]any{int32(0), int32(0), ""}, []any{
		status.Failed, status.Overdue, trueCondition(status.Conditions, v1alpha1.ConditionGivenUp),
	}); diff != "" {
		t.Errorf("failed, overdue and given up when the need is gone (-want +got):\n%s", diff)
	}
}

func TestAnOrderThatWasCutByTheWindowIsRolledBackAndNoFailure(t *testing.T) {
	s := attemptIn(t, stageRebooting, scheduled("3 11 * * *"), minRemaining(0))
	ignoredOrder(s)
	s.advance(2 * time.Minute)
	status := s.reboot("ra").Status
	a := status.Attempt
	if a.Result != v1alpha1.ReasonWindowClosed || status.Failures != nil || a.RebootOrderedTime != nil || status.Order != nil {
		t.Errorf("result %s, failures %v, order %v", status.Attempt.Result, status.Failures, status.Order)
	}
}

func TestAChangedTimeoutAppliesToADrainUnderWay(t *testing.T) {
	s := attemptIn(t, stageDraining)
	sequence := s.reboot("ra").Status.Order.Sequence
	s.editPolicy("p", drain(func(d *v1alpha1.DrainSpec) {
		d.TimeoutSeconds, d.GracePeriodSeconds = ptr.To[int32](3600), ptr.To[int32](5)
	}))
	s.settle()
	order := s.reboot("ra").Status.Order
	if want := at(time.Minute + time.Hour); order.Sequence != sequence || !order.Deadline.Equal(want) || *order.Drain.GracePeriodSeconds != 5 {
		t.Errorf("order %+v, want the same one until %s", order, want)
	}
	s.advance(30 * time.Minute)
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonDraining {
		t.Errorf("reason %s", got)
	}
	s.editPolicy("p", drain(func(d *v1alpha1.DrainSpec) { d.TimeoutSeconds = ptr.To[int32](60) }))
	s.settle()
	if got := s.reboot("ra").Status.Attempt.Result; got != v1alpha1.ReasonDrainTimedOut {
		t.Errorf("result %s of a drain whose time was cut short", got)
	}
}
