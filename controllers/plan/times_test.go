package plan

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// untilThen is how a message says how long something takes.
var untilThen = regexp.MustCompile(`\(in [0-9a-z]+, as of [^)]*\)`)

func TestNothingIsWrittenBecauseTimeGoesBy(t *testing.T) {
	for _, reason := range reasonsOfTheAPI(t) {
		t.Run(reason, func(t *testing.T) {
			s := reasonStories[reason](t)
			s.settle()
			end := s.wake
			if end.IsZero() {
				end = s.now.Add(30 * 24 * time.Hour)
			}
			left := end.Sub(s.now) - time.Millisecond
			for _, part := range []int64{1000, 60, 10, 3, 2, 1} {
				later := s.now.Add(left / time.Duration(part))
				if p := compute(t, s.Snapshot, later); !idle(p) {
					t.Fatalf("after %s there is something to write:\n%s", left/time.Duration(part), describe(p))
				}
			}
		})
	}
}

func TestALeaseThatIsRenewedIsNoWrite(t *testing.T) {
	s := newStory(t, append(fleet("a/z1"), newPolicy("p"))...)
	maintainedUntil(time.Minute)(s.node("a"))
	s.settle()
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonForeignMaintenance {
		t.Fatalf("%s: %s", got.Reason, got.Message)
	}
	s.node("a").OtherMaintenance = nil
	maintainedUntil(2 * time.Minute)(s.node("a"))
	if p := compute(t, s.Snapshot, s.now.Add(10*time.Second)); !idle(p) {
		t.Errorf("there is something to write:\n%s", describe(p))
	}
}

func TestAMessageWithATimeToComeComesWithTheTimeItself(t *testing.T) {
	for _, reason := range reasonsOfTheAPI(t) {
		t.Run(reason, func(t *testing.T) {
			s := reasonStories[reason](t)
			s.settle()
			for _, r := range s.Reboots {
				status := &r.Status
				switch said := untilThen.MatchString(status.Message); {
				case said && status.UntilTime == nil:
					t.Errorf("%s has no time: %s", status.Reason, status.Message)
				case (status.UntilTime == nil) != (status.Until == ""):
					t.Errorf("%s is until %v, and the column shows %q", status.Reason, status.UntilTime, status.Until)
				case status.CompletionTime != nil && status.UntilTime != nil:
					t.Errorf("it ended, and waits until %s", status.UntilTime)
				}
			}
		})
	}
}

func TestTimesAreInTheTimeZoneOfThePolicy(t *testing.T) {
	berlin := []policyOption{scheduled("0 22 * * *"), zone("Europe/Berlin")}
	cases := map[string]struct {
		story       *story
		then        func(s *story)
		wantMessage string
		wantUntil   string
	}{
		"a window that opens today": {
			story:       newStory(t, append(fleet("a/z1"), newPolicy("p", berlin...))...),
			wantMessage: "it opens next at 2026-03-02 22:00 +01:00 (in 9h, as of 13:00).", wantUntil: "22:00",
		},
		"a window that opens tomorrow": {
			story:       newStory(t, append(fleet("a/z1"), newPolicy("p", scheduled("0 2 * * *"), zone("America/New_York")))...),
			wantMessage: "it opens next at 2026-03-03 02:00 -05:00 (in 19h, as of Mon 07:00).", wantUntil: "Mar 03",
		},
		"a back-off": {
			story:       newStory(t, newNode("a", "z1"), newReboot("ra", "a", failedBefore(1, 0)), newPolicy("p", zone("Asia/Kolkata"))),
			wantMessage: "waits until 2026-03-02 17:40 +05:30 (in 10m, as of 17:30).", wantUntil: "17:40",
		},
		"a drain": {
			story:       attemptIn(t, stageDraining, zone("Asia/Kolkata")),
			wantMessage: "until 2026-03-02 17:41 +05:30 (in 10m, as of 17:31) at the latest", wantUntil: "17:41",
		},
		"what a helper says": {
			story: attemptIn(t, stageDraining, zone("Asia/Kolkata")),
			then: func(s *story) {
				s.report("ra", func(r *v1alpha1.HelperReport) {
					r.State, r.Sequence = v1alpha1.OrderStarted, s.reboot("ra").Status.Order.Sequence
					r.Drain = &v1alpha1.DrainProgress{Total: 1, Remaining: 1, Activity: v1alpha1.DrainStuck, Terminating: []v1alpha1.TerminatingPod{
						{Namespace: "apps", Name: "db-0", HeldBy: "its grace period until 2026-03-02T13:00:00Z"},
					}}
				})
			},
			wantMessage: "its grace period until 2026-03-02 18:30 +05:30", wantUntil: "17:41",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := tc.story
			if tc.then != nil {
				tc.then(s)
			}
			s.settle()
			status := s.reboot("ra").Status
			if !strings.Contains(status.Message, tc.wantMessage) || status.Until != tc.wantUntil {
				t.Errorf("until %q: %q, want %q: %q", status.Until, status.Message, tc.wantUntil, tc.wantMessage)
			}
		})
	}
}

func TestATimeZoneThatChangesIsSeen(t *testing.T) {
	s := newStory(t, append(fleet("a/z1"), newPolicy("p", scheduled("0 22 * * *"), zone("Europe/Berlin")))...)
	s.settle()
	s.editPolicy("p", scheduled("0 21 * * *"), zone("UTC")) // the same instant
	s.settle()
	status := s.reboot("ra").Status
	if !strings.Contains(status.Message, "2026-03-02 21:00 +00:00 (in 9h, as of 12:00)") || status.Until != "21:00" {
		t.Errorf("until %q: %q", status.Until, status.Message)
	}
}

// onePlural is a plural after the number 1.
var onePlural = regexp.MustCompile(`(?:^|[^0-9.:] |\()1 ((?:[A-Za-z]+ )?[a-z]+s)\b`)

func TestOneIsNeverFollowedByAPlural(t *testing.T) {
	for _, reason := range reasonsOfTheAPI(t) {
		t.Run(reason, func(t *testing.T) {
			s := reasonStories[reason](t)
			s.settle()
			for _, seen := range sightings(s) {
				for _, found := range onePlural.FindAllStringSubmatch(seen.message, -1) {
					last := found[1][strings.LastIndex(found[1], " ")+1:]
					if last != "is" && last != "was" && last != "has" && last != "unless" {
						t.Errorf("%q in %s: %s", found[0], seen.reason, seen.message)
					}
				}
			}
		})
	}
}

func TestThePolicyNamesWhatMostNodesWaitFor(t *testing.T) {
	cases := map[string]struct {
		waiting []v1alpha1.WaitingCount
		want    string
	}{
		"none":     {},
		"one":      {waiting: []v1alpha1.WaitingCount{{Reason: "A", Nodes: 1}}, want: "A"},
		"the most": {waiting: []v1alpha1.WaitingCount{{Reason: "A", Nodes: 1}, {Reason: "B", Nodes: 3}, {Reason: "C", Nodes: 2}}, want: "B"},
		"as many":  {waiting: []v1alpha1.WaitingCount{{Reason: "A", Nodes: 2}, {Reason: "B", Nodes: 2}}, want: "A"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := mostWaitFor(tc.waiting); got != tc.want {
				t.Errorf("it is %q, want %q", got, tc.want)
			}
		})
	}
}
