package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// scheduled gives a policy windows of an hour that open by a cron expression, in UTC. Every test begins on a Monday at 12:00.
func scheduled(expressions ...string) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		for _, expression := range expressions {
			s.Schedule.Windows = append(s.Schedule.Windows, v1alpha1.ScheduleWindow{Cron: expression, DurationSeconds: 3600})
		}
	})
}

func minRemaining(seconds int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Schedule.MinRemainingSeconds = &seconds })
}

func finishing() policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Schedule.AtClose = v1alpha1.TimeoutContinue })
}

// frozen from and to a time since the start.
func frozen(name string, from, to time.Duration) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Freezes = append(s.Schedule.Freezes, v1alpha1.Freeze{
			Name: name, From: metav1.NewTime(start.Add(from)), To: metav1.NewTime(start.Add(to)),
		})
	})
}

func zone(name string) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Schedule.TimeZone = name })
}

const (
	openNow     = "0 12 * * *"
	opensAtOne  = "0 13 * * *"
	opensAtNine = "0 9 * * *"
)

func TestNodeWaitsForTheWindow(t *testing.T) {
	cases := map[string]struct {
		policy      []policyOption
		reboot      []rebootOption
		wantReason  string
		wantMessage string
	}{
		"no window means always": {wantReason: v1alpha1.ReasonDraining},
		"in an open window":      {policy: []policyOption{scheduled(openNow)}, wantReason: v1alpha1.ReasonDraining},
		"with just more than the least left": {
			policy: []policyOption{scheduled(openNow), minRemaining(3599)}, wantReason: v1alpha1.ReasonDraining,
		},
		"in any of several windows": {policy: []policyOption{scheduled(opensAtNine, openNow)}, wantReason: v1alpha1.ReasonDraining},
		"in a window of another zone": {
			policy: []policyOption{scheduled("0 21 * * *"), zone("Asia/Tokyo")}, wantReason: v1alpha1.ReasonDraining,
		},
		"before it opens": {
			policy: []policyOption{scheduled(opensAtOne)}, wantReason: v1alpha1.ReasonWindowClosed,
			wantMessage: "The window of RebootPolicy p is closed; it opens next at 2026-03-02 13:00 +00:00 (in 60m, as of 12:00).",
		},
		"after it closed": {
			policy: []policyOption{scheduled(opensAtNine)}, wantReason: v1alpha1.ReasonWindowClosed,
			wantMessage: "The window of RebootPolicy p is closed; it opens next at 2026-03-03 09:00 +00:00 (in 21h, as of Mon 12:00).",
		},
		"before one that opens first behind a freeze": {
			policy: []policyOption{scheduled(opensAtOne), frozen("year-end", time.Hour, 90*time.Minute)}, wantReason: v1alpha1.ReasonWindowClosed,
			wantMessage: "The window of RebootPolicy p is closed; it opens next at 2026-03-02 13:30 +00:00 (in 90m, as of 12:00).",
		},
		"in a freeze, which beats the window": {
			policy: []policyOption{scheduled(openNow), frozen("year-end", -time.Hour, time.Hour)}, wantReason: v1alpha1.ReasonFreeze,
			wantMessage: `RebootPolicy p has the freeze "year-end"; it opens next at 2026-03-03 12:00 +00:00 (in 24h, as of Mon 12:00).`,
		},
		"in a freeze without windows": {
			policy: []policyOption{frozen("year-end", -time.Hour, time.Hour)}, wantReason: v1alpha1.ReasonFreeze,
			wantMessage: `RebootPolicy p has the freeze "year-end"; it opens next at 2026-03-02 13:00 +00:00 (in 60m, as of 12:00).`,
		},
		"with too little of the window left": {
			policy: []policyOption{scheduled("1 11 * * *"), minRemaining(60)}, wantReason: v1alpha1.ReasonWindowEnding,
			wantMessage: "The window of RebootPolicy p closes at 2026-03-02 12:01 +00:00, " +
				"and minRemainingSeconds requires more than 60 seconds to be left; it opens next at 2026-03-03 11:01 +00:00 (in 23h, as of Mon 12:00).",
		},
		"with too little left before a freeze": {
			policy: []policyOption{frozen("year-end", 599*time.Second, time.Hour)}, wantReason: v1alpha1.ReasonWindowEnding,
			wantMessage: "The window of RebootPolicy p closes at 2026-03-02 12:09:59 +00:00, " +
				"and minRemainingSeconds requires more than 600 seconds to be left; it opens next at 2026-03-02 13:00 +00:00 (in 60m, as of 12:00).",
		},
		"but not if it is Immediate, outside a window": {
			policy: []policyOption{scheduled(opensAtOne)}, reboot: []rebootOption{immediate}, wantReason: v1alpha1.ReasonDraining,
		},
		"but not if it is Immediate, in a freeze": {
			policy: []policyOption{frozen("year-end", -time.Hour, time.Hour)}, reboot: []rebootOption{immediate},
			wantReason: v1alpha1.ReasonDraining,
		},
		"but not if it is Immediate, at the end of a window": {
			policy: []policyOption{scheduled("1 11 * * *")}, reboot: []rebootOption{immediate}, wantReason: v1alpha1.ReasonDraining,
		},
		"Immediate skips no budget": {
			policy: []policyOption{scheduled(opensAtOne), maxUnavailable("0")}, reboot: []rebootOption{immediate},
			wantReason: v1alpha1.ReasonBudgetExhausted,
		},
		"Immediate skips no pause": {
			policy: []policyOption{scheduled(opensAtOne), mode(v1alpha1.ModePaused)}, reboot: []rebootOption{immediate},
			wantReason: v1alpha1.ReasonPaused,
		},
		"also in a policy that observes": {
			policy: []policyOption{scheduled(opensAtOne), mode(v1alpha1.ModeObserve)}, wantReason: v1alpha1.ReasonWindowClosed,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", tc.policy...), newNode("a", "z1"), newReboot("ra", "a", tc.reboot...))
			s.settle()
			status := s.reboot("ra").Status
			if status.Reason != tc.wantReason || tc.wantMessage != "" && status.Message != tc.wantMessage {
				t.Errorf("reason %s: %s\nwant %s: %s", status.Reason, status.Message, tc.wantReason, tc.wantMessage)
			}
			if !hasOurTaint(s.node("a")) {
				t.Error("the node is not tainted")
			}
		})
	}
}

func TestNodeStartsAtTheInstantAtWhichTheWindowOpens(t *testing.T) {
	s := newStory(t, newPolicy("p", scheduled("17 13 * * *")), newNode("a", "z1"), newReboot("ra", "a"))
	s.settle()
	s.advance(77*time.Minute - time.Microsecond)
	if got := s.underWay(); got != "" {
		t.Fatalf("%s is under way before the window opens", got)
	}
	s.advance(time.Microsecond)
	if got := s.reboot("ra").Status.Attempt; got == nil || !got.DrainOrderedTime.Time.Equal(start.Add(77*time.Minute)) {
		t.Errorf("attempt %+v, want its drain to be ordered when the window opens", got)
	}
}

// Pools with windows of their own under one limit of the cluster: who waits for a window holds no slot and delays nobody.
func TestNodeOutsideItsWindowDelaysNobody(t *testing.T) {
	s := newStory(t,
		newPolicy("p", scheduled(opensAtOne)),
		newPolicy("blue", selecting("pool", "blue"), priority(1), scheduled(openNow)),
		newNode("a", "z0"), newReboot("ra", "a", requiredFor(48*time.Hour)),
		newNode("b", "z1", labeled("pool", "blue")), newReboot("rb", "b"))
	s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(1))
	s.settle()
	if got := s.underWay(); got != "b" || len(s.Slots) != 1 {
		t.Fatalf("%q is under way, slots %v, want only b", got, s.Slots)
	}
	s.prove("b")
	s.advance(time.Hour)
	if got := s.underWay(); got != "a" {
		t.Errorf("%q is under way when the other window opens", got)
	}
}

func TestNextWindowGoesOnWithThoseThatWaitLongest(t *testing.T) {
	s := newStory(t, newPolicy("p", scheduled("0 * 2 * *"), minRemaining(700)),
		newNode("a", "z1"), newReboot("ra", "a", requiredFor(1*time.Hour)),
		newNode("b", "z1"), newReboot("rb", "b", requiredFor(3*time.Hour)),
		newNode("c", "z1"), newReboot("rc", "c", requiredFor(2*time.Hour)))
	s.editPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Schedule.Windows[0].DurationSeconds = 1200 }))
	var order string
	for range 3 {
		s.settle()
		order += s.underWay() + " "
		s.advance(9 * time.Minute) // the rest is too short for another one
		s.prove(s.underWay())
		s.settle()
		if got := s.underWay(); got != "" {
			t.Fatalf("%s started in the same window", got)
		}
		// A need that came in the meantime is younger.
		name := "n" + s.now.Format("15")
		s.Nodes, s.Pods[name] = append(s.Nodes, newNode(name, "z1")), nil
		s.Reboots = append(s.Reboots, newReboot("r"+name, name, func(r *v1alpha1.NodeReboot) { r.CreationTimestamp = metav1.NewTime(s.now) }))
		s.settle()
		s.advance(51 * time.Minute)
	}
	if want := "b c a "; order != want {
		t.Errorf("in the order %q, want %q", order, want)
	}
}

func TestScheduleThatCannotBeUnderstoodStallsThePolicy(t *testing.T) {
	cases := map[string]struct {
		schedule policyOption
		want     string
	}{
		"a range of days that ends before it begins": {
			scheduled("0 3 * * FRI-MON"), `schedule.windows[0].cron: "0 3 * * FRI-MON": the range FRI-MON runs backward: write FRI,SAT,SUN,MON`,
		},
		"a day that never comes": {
			scheduled("0 3 30 2 *"), `schedule.windows[0].cron: "0 3 30 2 *": there is no such day in any year, so the window never opens: ` +
				"write a day that the month has",
		},
		"a window that opens again before it closes": {
			func(p *v1alpha1.RebootPolicy) {
				scheduled("0 3 * * *")(p)
				p.Spec.Schedule.Windows[0].DurationSeconds = 90000
			},
			"schedule.windows[0].durationSeconds: 90000 seconds, and the window opens again after 86400: write 86400 or less",
		},
		"a time zone that this manager does not know": {
			zone("Mars/Olympus"),
			`schedule.timeZone: "Mars/Olympus" is not known: write a name of the IANA time zone database, such as Europe/Berlin`,
		},
	}
	for name, tc := range cases {
		for _, stage := range []stage{stageWaiting, stageDraining, stageDrained} {
			t.Run(fmt.Sprintf("%s %s", stage, name), func(t *testing.T) {
				s := attemptIn(t, stage)
				s.editPolicy("p", tc.schedule)
				s.settle()
				stalled := meta.FindStatusCondition(s.policy("p").Status.Conditions, v1alpha1.ConditionStalled)
				if stalled == nil || stalled.Reason != v1alpha1.ReasonPolicyInvalid || stalled.Message != tc.want {
					t.Errorf("condition %+v, want %s", stalled, tc.want)
				}
				if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonPolicyInvalid || s.underWay() != "" || len(s.Slots) > 0 {
					t.Errorf("reason %s, under way %q, slots %v", got, s.underWay(), s.Slots)
				}
				if got := s.policy("p").Status.Window; got != nil {
					t.Errorf("window %+v of a schedule that nobody understands", got)
				}
			})
		}
	}
}

func TestStatusSaysWhereTheScheduleStands(t *testing.T) {
	when := func(d time.Duration) *metav1.Time { return ptr.To(metav1.NewTime(start.Add(d))) }
	const day = 24 * time.Hour
	cases := map[string]struct {
		policy []policyOption
		want   *v1alpha1.WindowStatus
	}{
		"nothing without a schedule": {},
		"open": {
			policy: []policyOption{scheduled(openNow)},
			want:   &v1alpha1.WindowStatus{State: v1alpha1.WindowOpen, NextClosingTime: when(time.Hour), NextOpeningTime: when(day)},
		},
		"closed": {
			policy: []policyOption{scheduled(opensAtOne)},
			want:   &v1alpha1.WindowStatus{State: v1alpha1.WindowClosed, NextOpeningTime: when(time.Hour)},
		},
		"frozen": {
			policy: []policyOption{scheduled(openNow), frozen("year-end", 0, 3*day)},
			want:   &v1alpha1.WindowStatus{State: v1alpha1.WindowFrozen, Freeze: "year-end", NextOpeningTime: when(3 * day)},
		},
		"open for good": {
			policy: []policyOption{frozen("year-end", -day, 0)}, want: &v1alpha1.WindowStatus{State: v1alpha1.WindowOpen},
		},
		"paused": {
			policy: []policyOption{scheduled(opensAtOne), mode(v1alpha1.ModePaused)},
			want:   &v1alpha1.WindowStatus{State: v1alpha1.WindowClosed, NextOpeningTime: when(time.Hour)},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", tc.policy...), newNode("a", "z1"))
			s.settle()
			if diff := cmp.Diff(tc.want, s.policy("p").Status.Window); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

// A node that waits gets two writes for each window: that it opened, and that it closed. Nothing is written in between.
func TestScheduleWritesOnlyWhenAWindowOpensOrCloses(t *testing.T) {
	s := newStory(t, newPolicy("p", scheduled("0 2 * * *"), maxUnavailable("0"), minRemaining(0), frozen("day", 72*time.Hour, 96*time.Hour)),
		newNode("a", "z1"), newReboot("ra", "a"))
	s.settle()
	policies, reboots, passes := 0, 0, 0
	for end := start.Add(7 * 24 * time.Hour); s.wake.Before(end); passes++ {
		s.now = s.wake
		p := s.pass()
		policies += len(p.Policies)
		for _, work := range p.Work {
			reboots += len(work.Reboots)
		}
	}
	// Six windows of the week are outside the freeze, which begins and ends as well.
	if want := 2*6 + 2; policies != want || reboots != want || passes > want+1 {
		t.Errorf("%d writes of the policy, %d of the NodeReboot in %d passes, want %d of each", policies, reboots, passes, want)
	}
}
