package consent_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/consent"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// open for two hours from a time of each day on; it is noon.
func open(cron string) func(*v1alpha1.RebootPolicySpec) {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: cron, DurationSeconds: 7200}}
	}
}

var (
	closed   = open("0 13 * * *")
	fresh    = open("0 12 * * *")
	ending   = open("10 10 * * *") // for ten minutes
	finishes = func(s *v1alpha1.RebootPolicySpec) { s.Schedule.AtClose = v1alpha1.TimeoutContinue }
	takesTen = func(s *v1alpha1.RebootPolicySpec) { s.Schedule.MinRemainingSeconds = ptr.To[int32](600) }
)

func frozen(from, to time.Duration) func(*v1alpha1.RebootPolicySpec) {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Freezes = []v1alpha1.Freeze{{Name: "sale", From: metav1.NewTime(noon.Add(from)), To: metav1.NewTime(noon.Add(to))}}
	}
}

func immediate(r *v1alpha1.NodeReboot) { r.Spec.Urgency = v1alpha1.UrgencyImmediate }

func noAttempt(r *v1alpha1.NodeReboot) { r.Status.Attempt = nil }

func TestNodesStartInAWindowThatIsLongEnough(t *testing.T) {
	t.Parallel()
	takesNine := func(s *v1alpha1.RebootPolicySpec) { s.Schedule.MinRemainingSeconds = ptr.To[int32](599) }
	tests := map[string]struct {
		policy *policies.Policy
		draft  *model.Draft
		want   string
		says   []string
		wake   time.Duration
	}{
		"there is no schedule":     {policy: policy(takesTen), draft: draft(noAttempt)},
		"it is closed":             {policy: policy(closed), draft: draft(noAttempt), want: v1alpha1.ReasonWindowClosed, says: []string{"13:00 +00:00"}},
		"it is closed, and urgent": {policy: policy(closed), draft: draft(noAttempt, immediate)},
		"it is frozen":             {policy: policy(frozen(0, time.Hour)), draft: draft(noAttempt), want: v1alpha1.ReasonFreeze, says: []string{"sale"}},
		"it is frozen, and urgent": {policy: policy(frozen(0, time.Hour)), draft: draft(noAttempt, immediate)},
		"it is open":               {policy: policy(fresh, takesTen), draft: draft(noAttempt), wake: 110 * time.Minute},
		"it closes too soon":       {policy: policy(ending, takesTen), draft: draft(noAttempt), want: v1alpha1.ReasonWindowEnding, says: []string{"RebootPolicy p", "12:10 +00:00", "600", "10:10 +00:00"}},
		"it closes soon":           {policy: policy(ending, takesNine), draft: draft(noAttempt), wake: time.Second},
		"a freeze comes too soon":  {policy: policy(fresh, takesTen, frozen(10*time.Minute, time.Hour)), draft: draft(noAttempt), want: v1alpha1.ReasonWindowEnding, says: []string{"12:10 +00:00", "13:00 +00:00"}},
		"any time is enough":       {policy: policy(ending), draft: draft(noAttempt), wake: 10 * time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moment := model.NewMoment(noon)
			requireVerdict(t, consent.Window(&moment, test.policy, test.draft), test.want, test.says...)
			requireWake(t, &moment, test.wake)
		})
	}
}

// requireWake: 0 means never.
func requireWake(t *testing.T, moment *model.Moment, after time.Duration) {
	t.Helper()
	var want time.Time
	if after != 0 {
		want = noon.Add(after)
	}
	if !moment.Wake.Equal(want) {
		t.Errorf("it is looked at again at %s, want %s", moment.Wake, want)
	}
}

func TestAnAttemptIsStoppedWhenItsWindowClosesUnlessItMayFinish(t *testing.T) {
	t.Parallel()
	stamp := ptr.To(metav1.NewMicroTime(noon))
	ordered := func(r *v1alpha1.NodeReboot) { r.Status.Attempt.DrainOrderedTime = stamp }
	skipped := func(r *v1alpha1.NodeReboot) { r.Status.Attempt.DrainedTime = stamp }
	tests := map[string]struct {
		policy *policies.Policy
		draft  *model.Draft
		want   string
		wake   time.Duration
	}{
		"nothing ends it":                           {policy: policy(), draft: draft()},
		"it is not drained when it closes":          {policy: policy(closed), draft: draft(), want: v1alpha1.ReasonWindowClosed},
		"it is not drained when it closes soon":     {policy: policy(ending, takesTen), draft: draft(), want: v1alpha1.ReasonWindowEnding},
		"it is being drained when it closes soon":   {policy: policy(ending, takesTen), draft: draft(ordered)},
		"its drain was skipped when it closes soon": {policy: policy(ending, takesTen), draft: draft(skipped)},
		"it is being drained when it closes":        {policy: policy(closed), draft: draft(ordered), want: v1alpha1.ReasonWindowClosed},
		"its drain was skipped when it closes":      {policy: policy(closed), draft: draft(skipped), want: v1alpha1.ReasonWindowClosed},
		"it is urgent":                              {policy: policy(closed), draft: draft(ordered, immediate)},
		"it is urgent and not drained":              {policy: policy(closed), draft: draft(immediate)},
		"it may finish":                             {policy: policy(closed, finishes), draft: draft(ordered)},
		"it may finish before it is drained":        {policy: policy(closed, finishes), draft: draft()},
		"it may finish what ends soon":              {policy: policy(ending, takesTen, finishes), draft: draft()},
		"it may not finish in a freeze":             {policy: policy(frozen(0, time.Hour), finishes), draft: draft(ordered), want: v1alpha1.ReasonFreeze},
		"it may not in a freeze":                    {policy: policy(frozen(0, time.Hour)), draft: draft(ordered), want: v1alpha1.ReasonFreeze},
		"it is urgent in a freeze":                  {policy: policy(frozen(0, time.Hour), finishes), draft: draft(ordered, immediate)},
		"it has time":                               {policy: policy(fresh, takesTen), draft: draft(), wake: 110 * time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moment := model.NewMoment(noon)
			requireVerdict(t, consent.Closing(&moment, test.policy, test.draft), test.want)
			requireWake(t, &moment, test.wake)
		})
	}
}

func TestAnOrderToRebootEndsWithTheWindow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy *policies.Policy
		draft  *model.Draft
		want   time.Duration
	}{
		"there is no schedule":         {policy: policy(), draft: draft(), want: 15 * time.Minute},
		"the window is long":           {policy: policy(fresh), draft: draft(), want: 15 * time.Minute},
		"the window is short":          {policy: policy(ending), draft: draft(), want: 10 * time.Minute},
		"it is urgent":                 {policy: policy(ending), draft: draft(immediate), want: 15 * time.Minute},
		"it may finish":                {policy: policy(ending, finishes), draft: draft(), want: 15 * time.Minute},
		"a freeze begins":              {policy: policy(frozen(5*time.Minute, time.Hour)), draft: draft(), want: 5 * time.Minute},
		"a freeze begins, and it may":  {policy: policy(frozen(5*time.Minute, time.Hour), finishes), draft: draft(), want: 5 * time.Minute},
		"a freeze begins after it":     {policy: policy(ending, frozen(12*time.Minute, time.Hour), finishes), draft: draft(), want: 12 * time.Minute},
		"a freeze begins much later":   {policy: policy(frozen(time.Hour, 2*time.Hour), finishes), draft: draft(), want: 15 * time.Minute},
		"a freeze begins at that time": {policy: policy(frozen(15*time.Minute, time.Hour)), draft: draft(), want: 15 * time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := consent.Deadline(test.policy, test.draft, noon.Add(15*time.Minute)).Sub(noon); got != test.want {
				t.Errorf("the order ends after %s, want %s", got, test.want)
			}
		})
	}
}

func TestWhatIsImmediateTellsWhatItDidNotWaitFor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy *policies.Policy
		draft  *model.Draft
		want   string
	}{
		"nothing held it up": {policy: policy(), draft: draft(immediate)},
		"it is not urgent":   {policy: policy(closed), draft: draft()},
		"the window":         {policy: policy(closed), draft: draft(immediate), want: "13:00 +00:00"},
		"a freeze":           {policy: policy(frozen(0, time.Hour)), draft: draft(immediate), want: "sale"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := consent.PassedBy(test.policy, test.draft)
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) || got != "" && !strings.HasPrefix(got, " ") {
				t.Errorf("it tells %q, want %q", got, test.want)
			}
		})
	}
}
