package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What becomes of attempts when their window closes or a freeze begins.

func TestWindowClosesBeforeTheHostIsToldToReboot(t *testing.T) {
	window := func(closes time.Duration) policyOption {
		return spec(func(s *v1alpha1.RebootPolicySpec) {
			s.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: openNow, DurationSeconds: int32(closes / time.Second)}}
			s.Schedule.MinRemainingSeconds = ptr.To[int32](0)
		})
	}
	freeze := func(closes time.Duration) policyOption {
		return func(p *v1alpha1.RebootPolicy) { minRemaining(0)(p); frozen("year-end", closes, time.Hour)(p) }
	}
	nothing := func(time.Duration) policyOption { return minRemaining(0) }
	for name, tc := range map[string]struct {
		window, freeze func(closes time.Duration) policyOption
		also           policyOption
		reboot         rebootOption
		// want is why the attempt is rolled back; nothing means that it continues.
		want string
	}{
		"the window closes":                      {window: window, freeze: nothing, want: v1alpha1.ReasonWindowClosed},
		"a freeze begins":                        {window: nothing, freeze: freeze, want: v1alpha1.ReasonFreeze},
		"a freeze begins when the window closes": {window: window, freeze: freeze, want: v1alpha1.ReasonFreeze},
		"a freeze begins and it may finish":      {window: nothing, freeze: freeze, also: finishing(), want: v1alpha1.ReasonFreeze},
		"the window closes and it may finish":    {window: window, freeze: nothing, also: finishing()},
		"the window closes for an urgent one":    {window: window, freeze: nothing, reboot: immediate},
		"a freeze begins for an urgent one":      {window: nothing, freeze: freeze, reboot: immediate},
	} {
		for stage, closes := range map[stage]time.Duration{
			stageCordoned: 30 * time.Second, stageDraining: 90 * time.Second, stageDrained: 90 * time.Second,
		} {
			t.Run(fmt.Sprintf("%s %s", stage, name), func(t *testing.T) {
				also, change := tc.also, tc.reboot
				if also == nil {
					also = minRemaining(0)
				}
				s := preparedAttemptIn(t, stage, func(s *story) {
					if change != nil {
						change(s.reboot("ra"))
					}
				}, tc.window(closes), tc.freeze(closes), also)
				s.advance(start.Add(closes - time.Microsecond).Sub(s.now))
				before := s.summary("ra")
				if s.underWay() != "a" {
					t.Fatalf("it is not under way just before the window closes: %+v", before)
				}
				s.advance(time.Microsecond)
				want := before
				if tc.want != "" {
					want = summary{Phase: v1alpha1.PhasePending, Reason: tc.want, Result: tc.want, Tainted: true}
				}
				if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
					t.Errorf("NodeReboot (-want +got):\n%s", diff)
				}
				if tc.want != "" && (s.node("a").Unschedulable || len(s.Slots) != 0) {
					t.Errorf("unschedulable %v, slots %v: what was rolled back leaves nothing", s.node("a").Unschedulable, s.Slots)
				}
			})
		}
	}
}

func TestNodeIsNotDrainedWhenDelaysHaveLeftTooLittleOfTheWindow(t *testing.T) {
	cases := map[string]struct {
		also   policyOption
		closes int32 // seconds after the start; the drain is delayed by 60
		want   string
	}{
		"as much as is wanted":          {closes: 161, want: v1alpha1.ReasonDraining},
		"too little":                    {closes: 160, want: v1alpha1.ReasonWindowEnding},
		"too little, but it may finish": {closes: 160, also: finishing(), want: v1alpha1.ReasonDraining},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", unhurried(), minRemaining(100), spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: openNow, DurationSeconds: tc.closes}}
			})), newNode("a", "z1"), newReboot("ra", "a"))
			if tc.also != nil {
				s.editPolicy("p", tc.also)
			}
			s.settle()
			s.advance(time.Minute)
			got := s.reboot("ra").Status
			if got.Reason != tc.want || s.node("a").Unschedulable != (tc.want == v1alpha1.ReasonDraining) {
				t.Errorf("reason %s, cordoned %t, want %s", got.Reason, s.node("a").Unschedulable, tc.want)
			}
		})
	}
}

func TestWhatMayFinishIsToldToRebootAfterTheWindowClosed(t *testing.T) {
	s := attemptIn(t, stageDrained, finishing(), spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: openNow, DurationSeconds: 90}}
		s.Schedule.MinRemainingSeconds = ptr.To[int32](0)
	}))
	s.advance(time.Minute)
	if got := s.summary("ra").Order; got != v1alpha1.ActionReboot {
		t.Errorf("the order is %q", got)
	}
}

func TestWhatTheWindowTookBackStartsWithoutABackoffWhenItOpens(t *testing.T) {
	s := newStory(t, newPolicy("p", scheduled(openNow, "30 13 * * *"), minRemaining(0), spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Drain.TimeoutSeconds = ptr.To[int32](7200)
	})), newNode("a", "z1"), newReboot("ra", "a"))
	s.settle()
	s.advance(time.Hour)
	if diff := cmp.Diff(v1alpha1.ReasonWindowClosed, s.reboot("ra").Status.Reason); diff != "" {
		t.Fatalf("reason (-want +got):\n%s", diff)
	}
	s.advance(30 * time.Minute)
	want := summary{
		Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonDraining, Order: v1alpha1.ActionDrain, Attempt: 2, Cordoned: true, Tainted: true,
	}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
}

func TestHostThatWasToldToRebootIsSeenThroughWhenTheWindowCloses(t *testing.T) {
	s := attemptIn(t, stageRebooting, scheduled("3 11 * * *"), minRemaining(0))
	s.node("a").Ready = false
	s.advance(5 * time.Minute)
	want := summary{
		Phase: v1alpha1.PhaseRebooting, Reason: v1alpha1.ReasonRebooting, Order: v1alpha1.ActionReboot, Cordoned: true, Tainted: true,
	}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
}

// A helper that is slow to take an order, or was away, must not reboot its host after the window closed.
func TestOrderToRebootEndsWhenTheWindowCloses(t *testing.T) {
	const closes = 5 * time.Minute
	window := spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: openNow, DurationSeconds: int32(closes / time.Second)}}
		s.Schedule.MinRemainingSeconds = ptr.To[int32](0)
	})
	freeze := func(p *v1alpha1.RebootPolicy) { minRemaining(0)(p); frozen("year-end", closes, time.Hour)(p) }
	for name, tc := range map[string]struct {
		options []policyOption
		reboot  rebootOption
		// wantClose is that the order ends when the window closes, and not after timeoutSeconds.
		wantClose bool
	}{
		"the window closes":                   {options: []policyOption{window}, wantClose: true},
		"a freeze begins":                     {options: []policyOption{freeze}, wantClose: true},
		"the window closes and it may finish": {options: []policyOption{window, finishing()}},
		"a freeze begins and it may finish":   {options: []policyOption{freeze, finishing()}, wantClose: true},
		"the window closes, then a freeze begins, and it may finish": {
			options: []policyOption{scheduled("3 11 * * *"), freeze, finishing()}, wantClose: true,
		},
		"a freeze begins for an urgent one":   {options: []policyOption{freeze}, reboot: immediate},
		"the window closes for an urgent one": {options: []policyOption{window}, reboot: immediate},
		"always open":                         {},
	} {
		t.Run(name, func(t *testing.T) {
			s := preparedAttemptIn(t, stageRebooting, func(s *story) {
				if tc.reboot != nil {
					tc.reboot(s.reboot("ra"))
				}
			}, tc.options...)
			order, ordered := s.reboot("ra").Status.Order, s.reboot("ra").Status.Attempt.RebootOrderedTime
			want := ordered.Add(900 * time.Second)
			if tc.wantClose {
				want = start.Add(closes)
			}
			if !order.Deadline.Time.Equal(want) {
				t.Errorf("the order is good until %s, want %s", order.Deadline, want)
			}
		})
	}
}

func TestAnOrderThatNobodyTookSaysWhatEndedIt(t *testing.T) {
	longer := spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.TimeoutSeconds = ptr.To[int32](3600) })
	for name, tc := range map[string]struct {
		options  []policyOption
		after    time.Duration
		edit     policyOption
		want     string
		failures int32
	}{
		"the window": {[]policyOption{closesIn(300)}, 3 * time.Minute, nil, v1alpha1.ReasonWindowClosed, 0},
		"a freeze":   {[]policyOption{minRemaining(0), frozen("year-end", 5*time.Minute, time.Hour)}, 3 * time.Minute, nil, v1alpha1.ReasonFreeze, 0},
		"its time":   {nil, 15 * time.Minute, nil, v1alpha1.ReasonOrderExpired, 1},
		"its time, although others have more by now": {nil, 15 * time.Minute, longer, v1alpha1.ReasonOrderExpired, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageRebooting, tc.options...)
			ignoredOrder(s)
			if tc.edit != nil {
				s.editPolicy("p", tc.edit)
			}
			s.settle()
			s.advance(tc.after)
			got := s.summary("ra")
			if got.Result != tc.want || got.Failures != tc.failures || got.Attempt != 0 || got.Order != "" {
				t.Errorf("%+v, want it to end for %s: %q", got, tc.want, s.reboot("ra").Status.Attempt.Message)
			}
		})
	}
}

// closesIn is a window that is open, and closes soon.
func closesIn(seconds int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: openNow, DurationSeconds: seconds}}
		s.Schedule.MinRemainingSeconds = ptr.To[int32](0)
	})
}
