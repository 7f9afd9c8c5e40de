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

func canaryOf(count, soakSeconds int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.Canary = &v1alpha1.CanarySpec{Count: ptr.To(intstr.FromInt32(count)), SoakSeconds: &soakSeconds}
	})
}

func canaryPart(part string) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.Canary = &v1alpha1.CanarySpec{Count: ptr.To(intstr.FromString(part)), SoakSeconds: ptr.To[int32](0)}
	})
}

// waits are the reasons of the NodeReboots that wait, without what there are limits for.
func (s *story) waits(reason string) string {
	var names []string
	for _, r := range s.Reboots {
		if r.Status.Reason == reason {
			names = append(names, r.Spec.NodeName)
		}
	}
	return strings.Join(names, " ")
}

func TestCanariesGoFirstAndSoakBeforeTheOthers(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1 d/z2"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 600)))...)
	s.settle()
	if got := s.underWay(); got != "a" {
		t.Fatalf("under way: %q, want the canary alone", got)
	}
	if got := s.waits(v1alpha1.ReasonCanaryFirst); got != "b c d" {
		t.Errorf("%q wait for the canary", got)
	}
	if want := "Node a goes first, as a canary."; s.reboot("rb").Status.Message != want {
		t.Errorf("message %q, want %q", s.reboot("rb").Status.Message, want)
	}
	if got := s.reboot("ra").Status.Attempt.Role; got != v1alpha1.RoleCanary {
		t.Errorf("role %q", got)
	}
	if diff := cmp.Diff(&v1alpha1.CanaryStatus{UnderWay: 1}, s.policy("p").Status.Canary); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}

	s.prove("a")
	if got := s.waits(v1alpha1.ReasonCanarySoaking); got != "b c d" || s.underWay() != "" {
		t.Errorf("%q wait for the soak, under way %q", got, s.underWay())
	}
	if diff := cmp.Diff(&v1alpha1.CanaryStatus{Soaking: 1, SoakedTime: at(10 * time.Minute)}, s.policy("p").Status.Canary); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	want := "The canary was rebooted and is watched until 2026-03-02 12:10 +00:00 (in 10m, as of 12:00)."
	if s.reboot("rb").Status.Message != want {
		t.Errorf("message %q, want %q", s.reboot("rb").Status.Message, want)
	}
	s.advance(10*time.Minute - time.Second)
	if got := s.underWay(); got != "" {
		t.Errorf("under way a second too early: %q", got)
	}
	s.advance(time.Second)
	if got := s.underWay(); got != "b c" {
		t.Errorf("under way after the soak: %q", got)
	}
	if got := s.reboot("rb").Status.Attempt.Role; got != "" || s.policy("p").Status.Canary != nil {
		t.Errorf("role %q of what follows, canaries %v", got, s.policy("p").Status.Canary)
	}
}

func TestWhoIsACanary(t *testing.T) {
	cases := map[string]struct {
		nodes   string
		options []policyOption
		want    []string
	}{
		"a part of them":                 {nodes: "a/z1 b/z1 c/z1 d/z1", options: []policyOption{canaryPart("50%")}, want: []string{"a b", "c d"}},
		"a part, rounded down":           {nodes: "a/z1 b/z1 c/z1 d/z1", options: []policyOption{canaryPart("74%")}, want: []string{"a b", "c d"}},
		"a part, and at least one":       {nodes: "a/z1 b/z1 c/z1", options: []policyOption{canaryPart("1%")}, want: []string{"a", "b c"}},
		"nearly all of them":             {nodes: "a/z1 b/z1 c/z1", options: []policyOption{canaryPart("99%")}, want: []string{"a b", "c"}},
		"as many as are wanted":          {nodes: "a/z1 b/z1 c/z1 d/z1", options: []policyOption{canaryOf(2, 0)}, want: []string{"a b", "c d"}},
		"no more than the limits allow":  {nodes: "a/z1 b/z1 c/z1", options: []policyOption{canaryOf(2, 0), maxUnavailable("1")}, want: []string{"a", "b", "c"}},
		"of the zone that has its turn":  {nodes: "a/z2 b/z1 c/z1", options: []policyOption{canaryOf(1, 0)}, want: []string{"b", "c", "a"}},
		"of the kind that goes first":    {nodes: "+a/z1 b/z1 c/z1", options: []policyOption{canaryOf(1, 0)}, want: []string{"b", "c", "a"}},
		"a control-plane node if first":  {nodes: "+a/z1 b/z1 c/z1", options: []policyOption{canaryOf(1, 0), controlPlaneFirst()}, want: []string{"a", "b c"}},
		"all if there are only as many":  {nodes: "a/z1 b/z1", options: []policyOption{canaryOf(2, 86400)}, want: []string{"a b"}},
		"all if there are fewer":         {nodes: "a/z1 b/z1", options: []policyOption{canaryOf(9, 86400)}, want: []string{"a b"}},
		"a group as one":                 {nodes: "a1/z1 a2/z1 b1/z1 c/z1", options: []policyOption{canaryOf(1, 0), grouped()}, want: []string{"a1 a2", "b1 c"}},
		"none where none is asked for":   {nodes: "a/z1 b/z1 c/z1", want: []string{"a b c"}},
		"several zones if one is small":  {nodes: "a/z1 b/z2 c/z2", options: []policyOption{canaryOf(2, 0)}, want: []string{"a", "b", "c"}},
		"in any order of zones together": {nodes: "a/z1 b/z2 c/z3", options: []policyOption{canaryOf(2, 0), anyOrder()}, want: []string{"a b", "c"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet(tc.nodes), newPolicy("p", append([]policyOption{maxUnavailable("9")}, tc.options...)...))...)
			s.byGroups()
			if diff := cmp.Diff(tc.want, rollOut(s)); diff != "" {
				t.Errorf("under way together (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCanarySpeaksForTheNeedsThatWereThereWhenItBegan(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newNode("c", "z1"), newNode("d", "z1"),
		newPolicy("p", maxUnavailable("9"), canaryOf(1, 600)))...)
	s.settle()
	s.advance(time.Minute)
	for _, later := range []string{"c", "d"} {
		s.Reboots = append(s.Reboots, newReboot("r"+later, later, requiredFor(-30*time.Second)))
		s.Pods[later] = nil
	}
	s.settle()
	if got := s.waits(v1alpha1.ReasonCanaryFirst); got != "b c d" {
		t.Fatalf("%q wait: one canary at a time, whatever it speaks for", got)
	}
	s.prove("a")
	s.advance(10 * time.Minute)
	if got := s.underWay(); got != "b" {
		t.Fatalf("under way: %q, want the one that the canary has spoken for", got)
	}
	if got := s.waits(v1alpha1.ReasonCanaryFirst); got != "c d" {
		t.Fatalf("%q wait for the one that began after their need", got)
	}
	s.prove("b")
	s.advance(10 * time.Minute)
	if got := s.underWay(); got != "c d" {
		t.Errorf("under way: %q", got)
	}
}

func TestEachNeedAfterARolloutGetsItsCanary(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 0), minInterval(0)))...)
	if diff := cmp.Diff([]string{"a", "b"}, rollOut(s)); diff != "" {
		t.Fatalf("under way together (-want +got):\n%s", diff)
	}
	s.now = s.now.Add(time.Hour)
	for _, node := range []string{"a", "b"} {
		s.Reboots = append(s.Reboots, newReboot("again-"+node, node, requiredFor(-59*time.Minute), func(r *v1alpha1.NodeReboot) {
			r.Status.Report.BootID = bootOf(node, 2)
		}))
	}
	s.settle()
	if got := s.underWay(); got != "a" {
		t.Errorf("under way: %q, want a canary of the second rollout", got)
	}
}

func TestFailedCanaryHoldsTheOthers(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z2"),
		newPolicy("p", maxUnavailable("9"), canaryOf(1, 0), spec(func(s *v1alpha1.RebootPolicySpec) {
			s.Failure.MaxAttempts, s.Rollout.MinIntervalSeconds = ptr.To[int32](2), ptr.To[int32](0)
			s.Failure.MaxFailures = ptr.To(intstr.FromInt32(9))
		})))...)
	fail := func() { s.rebootInVain("ra") }
	s.settle()
	fail()
	if got := s.waits(v1alpha1.ReasonCanaryFailed); got != "b c" || s.underWay() != "" {
		t.Errorf("%q wait, under way %q", got, s.underWay())
	}
	want := "NodeReboot ra went first as a canary and failed (SentinelStillPresent). The other nodes continue when it succeeds; " +
		"delete it to let another node be the canary."
	if got := s.reboot("rb").Status.Message; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if diff := cmp.Diff(&v1alpha1.CanaryStatus{Failed: 1}, s.policy("p").Status.Canary); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	s.advance(10 * time.Minute)
	if got := s.underWay(); got != "a" {
		t.Fatalf("under way after the back-off: %q, want the canary once more", got)
	}
	fail()
	if sum := s.summary("ra"); sum.Outcome != v1alpha1.OutcomeFailed {
		t.Fatalf("%+v", sum)
	}
	s.advance(time.Hour)
	if got := s.underWay(); got != "" {
		t.Fatalf("under way although the canary was given up: %q", got)
	}
	s.delete("ra")
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way after the canary was deleted: %q, want another one", got)
	}
}

func TestCanaryThatIsRolledBackIsNoFailure(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 0)))...)
	s.settle()
	labelSkip(s)
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way: %q, want the next one as a canary", got)
	}
}

func TestPolicyThatObservesShowsItsCanaries(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p", mode(v1alpha1.ModeObserve), maxUnavailable("9"), canaryOf(1, 0)))...)
	s.settle()
	want := map[string]string{"ra": v1alpha1.ReasonObserving, "rb": v1alpha1.ReasonCanaryFirst, "rc": v1alpha1.ReasonCanaryFirst}
	if diff := cmp.Diff(want, s.reasons()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestGrantThatIsNotSeenYetIsACanary(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 0)))...)
	s.Slots["a"] = Slot{Reboot: "elsewhere", UID: "elsewhere", Attempt: 1}
	s.settle()
	if got := s.reboot("rb").Status.Reason; got != v1alpha1.ReasonCanaryFirst {
		t.Errorf("reason %s", got)
	}
}

func TestCanarySpeaksForANeedOfTheInstantAtWhichItBegan(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newNode("c", "z1"), newNode("d", "z1"),
		newPolicy("p", maxUnavailable("9"), canaryOf(1, 600)))...)
	s.settle()
	s.Reboots = append(s.Reboots, newReboot("rc", "c", requiredFor(0)))
	s.settle()
	s.prove("a")
	s.advance(10 * time.Minute)
	if got := s.underWay(); got != "b c" {
		t.Errorf("under way: %q, want those that needed it when the canary began", got)
	}
	// None of these is a canary for others yet.
	s.Reboots = append(s.Reboots, newReboot("rd", "d", requiredFor(-10*time.Minute)))
	s.settle()
	if got := s.waits(v1alpha1.ReasonCanaryFirst); got != "d" {
		t.Errorf("%q wait, want the one that needs it since the others began", got)
	}
}

func TestEndOfACanaryFreesTheOthersOnceItIsWritten(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 0)))...)
	s.settle()
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	for s.reboot("ra").Status.CompletionTime == nil {
		s.pass()
	}
	if got := s.underWay(); got != "" {
		t.Errorf("under way in the pass in which the canary ends: %q", got)
	}
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way when its end is written: %q", got)
	}
}

func TestSoakBeginsWhenTheCanaryIsProved(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 600)))...)
	s.settle()
	s.advance(5 * time.Minute)
	s.prove("a")
	s.advance(10*time.Minute - time.Second)
	if got := s.underWay(); got != "" {
		t.Errorf("under way before the end of the soak: %q", got)
	}
	s.advance(time.Second)
	if got := s.underWay(); got != "b" {
		t.Errorf("under way after the soak: %q", got)
	}
}

func TestNodeWaitsForTheFirstOfThoseThatSpeakForIt(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newNode("d", "z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 600)))...)
	s.settle()
	s.prove("a")
	s.advance(10 * time.Minute) // b and c go
	s.Reboots = append(s.Reboots, newReboot("rd", "d", requiredFor(-time.Minute)))
	s.settle()
	s.prove("b")
	s.advance(5 * time.Minute)
	s.prove("c")
	want := "The canaries were rebooted and are watched until 2026-03-02 12:20 +00:00 (in 10m, as of 12:10)."
	if s.reboot("rd").Status.Message != want {
		t.Errorf("message %q, want %q", s.reboot("rd").Status.Message, want)
	}
	s.advance(5 * time.Minute)
	if got := s.underWay(); got != "d" {
		t.Errorf("under way: %q", got)
	}
}

func TestCanaryThatIsRebootedAgainHasSpokenRegardless(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 0), minInterval(0)))...)
	noHelper(s.node("b"))
	s.settle()
	s.prove("a")
	s.advance(time.Minute)
	s.Reboots = append(s.Reboots, newReboot("again", "a", requiredFor(-time.Minute), func(r *v1alpha1.NodeReboot) {
		r.Status.Report.BootID = bootOf("a", 2)
	}))
	s.settle()
	s.node("b").HelperReady = true
	s.settle()
	if got := s.underWay(); got != "a b" {
		t.Errorf("under way: %q, reasons %v", got, s.reasons())
	}
}

func TestTheLastRebootOfACanarySpeaksForNeedsThatCameBeforeIt(t *testing.T) {
	proved := func(name string, began time.Duration) *v1alpha1.NodeReboot {
		return newReboot(name, "a", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, began+time.Minute), func(r *v1alpha1.NodeReboot) {
			r.Status.Attempt = &v1alpha1.Attempt{
				Number: 1, PolicyName: "p", Role: v1alpha1.RoleCanary, GrantedTime: *at(began), EndedTime: at(began + time.Minute),
				Result: v1alpha1.ReasonProved,
			}
		})
	}
	s := newStory(t, newNode("a", "z1"), newNode("b", "z1", noHelper), newNode("c", "z1", noHelper),
		proved("1", -48*time.Hour), proved("2", -time.Hour),
		newReboot("rb", "b", requiredFor(2*time.Hour)), newReboot("rc", "c", requiredFor(72*time.Hour)),
		newPolicy("p", maxUnavailable("9"), canaryOf(1, 0), minInterval(0),
			spec(func(s *v1alpha1.RebootPolicySpec) { s.History.Succeeded = ptr.To[int32](2) })))
	s.settle()
	s.node("b").HelperReady = true
	s.settle()
	if got := s.reboot("rb").Status.Attempt; got == nil || got.Role == v1alpha1.RoleCanary {
		t.Errorf("the attempt of the one that has waited for two hours is %v, want one that is no canary", got)
	}
}

func TestNewNeedWaitsForCanariesAndNotForThoseThatFollowThem(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newNode("c", "z1"), newNode("d", "z1"),
		newPolicy("p", maxUnavailable("9"), canaryOf(1, 600)))...)
	s.settle()
	s.prove("a")
	s.advance(11 * time.Minute) // b goes after ten
	for _, later := range []string{"c", "d"} {
		s.Reboots = append(s.Reboots, newReboot("r"+later, later, requiredFor(-10*time.Minute-time.Second)))
	}
	s.settle()
	if got := s.underWay(); got != "b c" || s.reboot("rc").Status.Attempt.Role != v1alpha1.RoleCanary {
		t.Errorf("under way: %q, want the one that follows, and a canary of the new need", got)
	}
	if want := "Node c goes first, as a canary."; s.reboot("rd").Status.Message != want {
		t.Errorf("message %q, want %q", s.reboot("rd").Status.Message, want)
	}
}

func TestFailedCanaryHoldsNobodyOnceItsNodeIsProved(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 0), spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Failure.MaxAttempts, s.Rollout.MinIntervalSeconds = ptr.To[int32](1), ptr.To[int32](0)
		s.Failure.MaxFailures = ptr.To(intstr.FromInt32(9))
	})))...)
	s.settle()
	s.rebootInVain("ra")
	if got := s.waits(v1alpha1.ReasonCanaryFailed); got != "b" {
		t.Fatalf("%q wait", got)
	}
	s.advance(time.Minute)
	s.Reboots = append(s.Reboots, newReboot("by-hand", "a", manual, requiredFor(0)))
	s.settle()
	s.answer("by-hand", v1alpha1.OrderDone, "")
	s.settle()
	s.boot("a", 3)
	s.comeBack("by-hand", v1alpha1.SentinelNotRequired)
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way: %q, reasons %v", got, s.reasons())
	}
}

// A node of the group went again by itself after its attempt failed, so the group began twice.
func TestGroupIsOneCanaryHoweverOftenItsNodesBegin(t *testing.T) {
	for count, want := range map[int32]string{1: "a1 a2", 2: "a1 a2 b"} {
		s := newStory(t, append(fleet("a1/z1 a2/z1 b/z1 c/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(count, 0), grouped()))...)
		s.byGroups()
		noHelper(s.node("b"))
		noHelper(s.node("c"))
		s.settle()
		s.answer("ra1", v1alpha1.OrderFailed, "No.")
		s.answer("ra2", v1alpha1.OrderDone, "")
		s.settle()
		s.advance(10 * time.Minute)
		if got := s.underWay(); got != "a1 a2" {
			t.Errorf("of %d canaries, under way after the back-off: %q", count, got)
		}
		s.node("b").HelperReady = true
		s.settle()
		if got := s.underWay(); got != want {
			t.Errorf("of %d canaries, under way when another one can: %q, want %q", count, got, want)
		}
	}
}

func TestCanaryWhoseLastAttemptWasRolledBackIsNoFailureThatHoldsTheOthers(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 0)))...)
	s.settle()
	s.answer("ra", v1alpha1.OrderFailed, "No.")
	s.settle()
	s.advance(10 * time.Minute)
	labelSkip(s)
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way: %q, reasons %v", got, s.reasons())
	}
}

func TestStatusSaysWhenTheLastOfTheCanariesHasSoaked(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(2, 600)))...)
	s.settle()
	s.prove("b")
	s.advance(time.Minute)
	s.prove("a")
	if diff := cmp.Diff(&v1alpha1.CanaryStatus{Soaking: 2, SoakedTime: at(11 * time.Minute)}, s.policy("p").Status.Canary); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	s.advance(10 * time.Minute)
	s.advance(time.Minute)
	if got := s.underWay(); got != "c" {
		t.Errorf("under way: %q", got)
	}
}
