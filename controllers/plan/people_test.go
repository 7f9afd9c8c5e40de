package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// approve gives or withdraws the approval of a NodeReboot.
func (s *story) approve(reboot string, approval v1alpha1.Approval) {
	changed := *s.reboot(reboot)
	approve(&changed, approval)
	changed.Generation++
	s.replace(&changed)
}

func TestNodeThatIsSkippedIsLeftAlone(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z2"), newPolicy("p"))...)
	labelSkip(s)
	s.settle()
	want := map[string]summary{
		"ra": {Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonSkipped},
		"rb": {Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonDraining, Order: v1alpha1.ActionDrain, Cordoned: true, Tainted: true},
	}
	got := map[string]summary{"ra": s.summary("ra"), "rb": s.summary("rb")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a skipped node is not tainted and holds up nobody (-want +got):\n%s", diff)
	}
	if s.node("a").Maintenance[MaintenancePlanned] {
		t.Error("a maintenance of the skipped node is announced")
	}
}

func TestNodeIsRebootedOnceTheLabelThatSkipsItIsGone(t *testing.T) {
	for stage := stageWaiting; stage <= stageDrained; stage++ {
		t.Run(stage.String(), func(t *testing.T) {
			s := attemptIn(t, stage)
			labelSkip(s)
			s.settle()
			if s.node("a").Unschedulable || hasOurTaint(s.node("a")) || s.reboot("ra").Status.TaintedTime != nil {
				t.Errorf("unschedulable %v, taints %v", s.node("a").Unschedulable, s.node("a").Taints)
			}
			since := s.reboot("ra").Status.RequiredSince
			s.relabel("a", func(labels map[string]string) { delete(labels, v1alpha1.SkipLabel) })
			s.settle()
			after := s.reboot("ra").Status
			if after.Phase != v1alpha1.PhaseDraining || !after.RequiredSince.Equal(since) || after.Failures != nil || !hasOurTaint(s.node("a")) {
				t.Errorf("phase %s, required since %s (before: %s), failures %v", after.Phase, after.RequiredSince, since, after.Failures)
			}
		})
	}
}

func TestLeaderGoesAfterAllOthersThatCouldGoInItsPlace(t *testing.T) {
	cases := map[string]struct {
		nodes, leader string
		options       []policyOption
		want          []string
	}{
		"last of its zone":                            {nodes: "a/z1 b/z1 c/z2", leader: "a", want: []string{"b", "a", "c"}},
		"last of all in any order":                    {nodes: "a/z1 b/z1 c/z2", leader: "a", options: []policyOption{anyOrder()}, want: []string{"b", "c", "a"}},
		"before the control plane, which goes last":   {nodes: "+a/z1 b/z1 c/z1", leader: "b", want: []string{"c", "b", "a"}},
		"last of the control plane":                   {nodes: "+a/z1 +b/z1 c/z1", leader: "a", want: []string{"c", "b", "a"}},
		"together with others where there is room":    {nodes: "a/z1 b/z1 c/z1", leader: "a", options: []policyOption{maxUnavailable("2")}, want: []string{"b c", "a"}},
		"when its node does not need a reboot at all": {nodes: "a/z1 b/z1", leader: "elsewhere", want: []string{"a", "b"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet(tc.nodes), newPolicy("p", tc.options...))...)
			s.LeaderNode = tc.leader
			s.askedLongAgo()
			for _, r := range s.Reboots {
				if r.Spec.NodeName == tc.leader { // it waits longest
					requiredFor(9 * time.Hour)(r)
				}
			}
			if diff := cmp.Diff(tc.want, rollOut(s)); diff != "" {
				t.Errorf("under way together (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUrgentRebootOfTheLeadersNodeGoesFirst(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
	s.LeaderNode = "a"
	immediate(s.reboot("ra"))
	if diff := cmp.Diff([]string{"a", "b"}, rollOut(s)); diff != "" {
		t.Errorf("under way together (-want +got):\n%s", diff)
	}
}

func TestRebootWaitsForItsApprovalAndHoldsUpNobody(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z2"), newPolicy("p", approvalRequired()))...)
	s.approve("rb", v1alpha1.ApprovalGiven)
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Fatalf("under way: %q, want the one that is approved", got)
	}
	if sum := s.summary("ra"); sum.Reason != v1alpha1.ReasonAwaitingApproval || !sum.Tainted {
		t.Errorf("the one that is not approved: %+v", sum)
	}
	s.approve("ra", v1alpha1.ApprovalGiven)
	s.settle()
	s.prove("b")
	if got := s.underWay(); got != "a" {
		t.Errorf("under way: %q, want the one that was approved later", got)
	}
}

func TestApprovalThatIsWithdrawnBeforeTheRebootTakesItBack(t *testing.T) {
	for stage := stageCordoned; stage <= stageSettling; stage++ {
		t.Run(stage.String(), func(t *testing.T) {
			s := preparedAttemptIn(t, stage, func(s *story) { s.approve("ra", v1alpha1.ApprovalGiven) }, approvalRequired())
			s.approve("ra", v1alpha1.ApprovalNotGiven)
			s.settle()
			rolledBack := s.reboot("ra").Status.Reason == v1alpha1.ReasonAwaitingApproval && !s.node("a").Unschedulable && len(s.Slots) == 0
			if want := stage < stageRebooting; rolledBack != want {
				t.Errorf("rolled back: %v, want %v: %+v", rolledBack, want, s.summary("ra"))
			}
		})
	}
}

func TestApprovedRebootDoesNotWaitForAnotherOneOfItsNodeThatIsNot(t *testing.T) {
	s := newStory(t, newPolicy("p", approvalRequired()), newNode("a", "z1"), newReboot("ra", "a", immediate, requiredFor(9*time.Hour)),
		newReboot("by-hand", "a", manual, approved))
	s.settle()
	want := map[string]string{"ra": v1alpha1.ReasonSameNode, "by-hand": v1alpha1.ReasonDraining}
	if diff := cmp.Diff(want, s.reasons()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestOneRebootOfANodeWithoutAPolicyWaitsForOne(t *testing.T) {
	bySentinel := func(r *v1alpha1.NodeReboot) { r.Spec.Trigger = v1alpha1.TriggerSentinel }
	s := newStory(t, newPolicy("p", selecting("pool", "other")), newNode("a", "z1"),
		newReboot("ra", "a", bySentinel), newReboot("rb", "a", bySentinel))
	s.settle()
	want := map[string]string{"ra": v1alpha1.ReasonNoPolicy, "rb": v1alpha1.ReasonSuperseded}
	if diff := cmp.Diff(want, s.reasons()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestRebootByHandNeedsTheConsentOfAPolicy(t *testing.T) {
	cases := map[string]struct {
		objects []any
		want    string
	}{
		"no policy selects the node":      {nil, v1alpha1.ReasonNoPolicy},
		"the policy is paused":            {[]any{newPolicy("p", mode(v1alpha1.ModePaused))}, v1alpha1.ReasonPaused},
		"the policy observes":             {[]any{newPolicy("p", mode(v1alpha1.ModeObserve))}, v1alpha1.ReasonObserving},
		"the policy requires an approval": {[]any{newPolicy("p", approvalRequired())}, v1alpha1.ReasonAwaitingApproval},
		"the policy allows nothing":       {[]any{newPolicy("p", maxUnavailable("0"))}, v1alpha1.ReasonBudgetExhausted},
		"the policy enforces":             {[]any{newPolicy("p")}, v1alpha1.ReasonDraining},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			reboot := newReboot("ra", "a", manual, immediate)
			reboot.Spec.Reason = "firmware"
			s := newStory(t, append(tc.objects, newNode("a", "z1"), reboot)...)
			s.settle()
			if got := s.reboot("ra"); got.Status.Reason != tc.want || got.Spec.Reason != "firmware" {
				t.Errorf("reason %s (%s), want %s", got.Status.Reason, got.Status.Message, tc.want)
			}
		})
	}
}

// An approval is for the need that a person saw. One that comes back later is another: its NodeReboot is made again, and waits.
func TestApprovalDoesNotOutliveTheNeedThatItWasGivenFor(t *testing.T) {
	withdrawn := func(r *v1alpha1.NodeReboot) {
		report := r.Status.Report // it asks again
		finished(v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, -4*time.Hour)(r)
		r.Status.Report, r.Status.Attempt = report, nil
	}
	cases := map[string]struct {
		policy []policyOption
		reboot rebootOption
		want   []string
	}{
		"approved, and the policy requires that": {[]policyOption{approvalRequired()}, approved, []string{"ra"}},
		"not approved":                           {[]policyOption{approvalRequired()}, func(*v1alpha1.NodeReboot) {}, nil},
		"approved, and nobody has to":            {nil, approved, nil},
		"approved, and its Node was gone for a while": {[]policyOption{approvalRequired()}, func(r *v1alpha1.NodeReboot) {
			approved(r)
			r.Status.OutcomeReason = v1alpha1.ReasonNodeGone
		}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", tc.policy...), newNode("a", "z1"), newReboot("ra", "a", withdrawn, tc.reboot))
			p := s.compute()
			if diff := cmp.Diff(tc.want, p.Prune); diff != "" {
				t.Errorf("deleted (-want +got):\n%s", diff)
			}
			s.settle()
			if got := s.underWay(); got != "" && tc.want != nil {
				t.Errorf("%q is under way", got)
			}
			if tc.want == nil && s.reboot("ra").Status.CompletionTime != nil {
				t.Error("the NodeReboot was not opened again")
			}
		})
	}
}

func TestApprovalIsForTheWindowThatIsOpenOrElseForTheNextOne(t *testing.T) {
	const closed = "The approval of 2026-03-02 12:00 +00:00 was for the window of RebootPolicy p that closed at 2026-03-02 13:00 +00:00. " +
		`To approve again, first withdraw it: kubectl patch nodereboot ra --type=merge -p '{"spec":{"approval":"NotGiven"}}'`
	cases := map[string]struct {
		options []policyOption
		reboot  rebootOption
		// later is how long after the approval the gate that had kept the node from starting is gone.
		later       time.Duration
		want        string
		wantMessage string
	}{
		"until it closes":       {options: []policyOption{scheduled(openNow), minRemaining(0)}, later: time.Hour - time.Microsecond, want: v1alpha1.ReasonDraining},
		"and not after that":    {options: []policyOption{scheduled(openNow)}, later: time.Hour, want: v1alpha1.ReasonAwaitingApproval, wantMessage: closed},
		"nor in the next":       {options: []policyOption{scheduled(openNow)}, later: 24 * time.Hour, want: v1alpha1.ReasonAwaitingApproval, wantMessage: closed},
		"given before it opens": {options: []policyOption{scheduled(opensAtOne)}, later: time.Hour, want: v1alpha1.ReasonDraining},
		"before, and not for the one after": {
			options: []policyOption{scheduled(opensAtOne)}, later: 25 * time.Hour, want: v1alpha1.ReasonAwaitingApproval,
		},
		"a freeze closes it, too": {
			options: []policyOption{scheduled(openNow), frozen("audit", time.Minute, 2*time.Minute)}, later: 3 * time.Minute,
			want: v1alpha1.ReasonAwaitingApproval,
		},
		"for good without a schedule":    {later: 1000 * time.Hour, want: v1alpha1.ReasonDraining},
		"for good where none is wanted":  {options: []policyOption{scheduled(openNow), approvalNotRequired()}, later: 24 * time.Hour, want: v1alpha1.ReasonDraining},
		"for good if it is Immediate":    {options: []policyOption{scheduled(openNow)}, reboot: immediate, later: 24 * time.Hour, want: v1alpha1.ReasonDraining},
		"where windows have no end":      {options: []policyOption{frozen("past", -2*time.Hour, -time.Hour)}, later: 24 * time.Hour, want: v1alpha1.ReasonDraining},
		"where nothing opens until then": {options: []policyOption{scheduled(opensAtNine)}, later: 20 * time.Hour, want: v1alpha1.ReasonWindowClosed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.reboot == nil {
				tc.reboot = func(*v1alpha1.NodeReboot) {}
			}
			options := append([]policyOption{approvalRequired()}, tc.options...)
			s := newStory(t, newPolicy("p", options...), newNode("a", "z1", noHelper), newReboot("ra", "a", approved, tc.reboot))
			s.settle()
			s.advance(tc.later)
			s.node("a").HelperReady = true
			s.settle()
			status := s.reboot("ra").Status
			if status.Reason != tc.want || tc.wantMessage != "" && status.Message != tc.wantMessage {
				t.Errorf("reason %s: %s\nwant %s: %s", status.Reason, status.Message, tc.want, tc.wantMessage)
			}
		})
	}
}

func TestApprovalThatExpiredIsGivenAgainAfterItWasWithdrawn(t *testing.T) {
	s := newStory(t, newPolicy("p", approvalRequired(), scheduled(openNow), maxUnavailable("0")),
		newNode("a", "z1"), newReboot("ra", "a", approved))
	s.settle()
	if got := s.reboot("ra").Status.ApprovedTime; !got.Equal(at(0)) {
		t.Errorf("approved at %s", got)
	}
	s.advance(2 * time.Hour)
	for _, approval := range []v1alpha1.Approval{v1alpha1.ApprovalNotGiven, v1alpha1.ApprovalGiven} {
		status := s.reboot("ra").Status
		if want := fmt.Sprintf(`-p '{"spec":{"approval":%q}}'`, approval); !strings.HasSuffix(status.Message, want) {
			t.Errorf("reason %s, message %q, want the command %s", status.Reason, status.Message, want)
		}
		s.approve("ra", approval)
		s.settle()
	}
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonWindowClosed || !got.ApprovedTime.Equal(at(2*time.Hour)) {
		t.Errorf("reason %s, approved at %s", got.Reason, got.ApprovedTime)
	}
	s.editPolicy("p", maxUnavailable("1"))
	s.advance(22 * time.Hour)
	if got := s.underWay(); got != "a" {
		t.Errorf("under way in the next window: %q", got)
	}
}

func TestApprovalIsForAllAttemptsInItsWindow(t *testing.T) {
	s := newStory(t, newPolicy("p", approvalRequired(), scheduled(openNow), spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Failure.BackoffSeconds = ptr.To[int32](1500)
	})), newNode("a", "z1"), newReboot("ra", "a", approved))
	s.settle()
	fail := func() {
		s.answer("ra", v1alpha1.OrderFailed, "No.")
		s.settle()
	}
	fail()
	s.advance(25 * time.Minute)
	if got := s.summary("ra"); got.Attempt != 2 || got.Phase != v1alpha1.PhaseDraining {
		t.Fatalf("%+v, want a second attempt in the same window", got)
	}
	fail()
	s.advance(24 * time.Hour)
	if got := s.summary("ra"); got.Reason != v1alpha1.ReasonAwaitingApproval || got.Failures != 2 {
		t.Errorf("%+v, want no third attempt in the next window", got)
	}
}

// What is under way when the window closes is up to atClose, and no approval comes into it; what was rolled back needs another one.
func TestWindowThatClosesEndsTheApprovalOfWhatItTakesBackOnly(t *testing.T) {
	for name, tc := range map[string]struct {
		options []policyOption
		want    string
	}{
		"Abort":  {want: v1alpha1.ReasonAwaitingApproval},
		"Finish": {options: []policyOption{finishing()}, want: v1alpha1.ReasonDraining},
	} {
		t.Run(name, func(t *testing.T) {
			options := append([]policyOption{approvalRequired(), scheduled("1 11 * * *"), minRemaining(0)}, tc.options...)
			s := newStory(t, newPolicy("p", options...), newNode("a", "z1"), newReboot("ra", "a", approved))
			s.settle()
			s.advance(time.Minute)
			if got := s.reboot("ra").Status; got.Reason != tc.want {
				t.Errorf("reason %s: %s", got.Reason, got.Message)
			}
			if got := s.reboot("ra").Status.Attempt; tc.want == v1alpha1.ReasonAwaitingApproval && got.Result != v1alpha1.ReasonWindowClosed {
				t.Errorf("the attempt ended with %s", got.Result)
			}
		})
	}
}

func TestApprovalsOfSeveralWindowsExpireEachInItsOwn(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1 d/z1"), newPolicy("p", approvalRequired(), scheduled(openNow), maxUnavailable("0")))...)
	approve := func(name string, later time.Duration) {
		s.approve(name, v1alpha1.ApprovalGiven)
		s.settle()
		s.advance(later)
	}
	approve("rb", time.Minute)
	approve("rd", 2*time.Hour)
	approve("rc", 11*time.Hour)
	approve("ra", 0)
	closed, waits := v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonWindowClosed
	if diff := cmp.Diff(map[string]string{"ra": waits, "rb": closed, "rc": waits, "rd": closed}, s.reasons()); diff != "" {
		t.Errorf("reasons before the second window (-want +got):\n%s", diff)
	}
	s.advance(12 * time.Hour)
	if diff := cmp.Diff(map[string]string{"ra": closed, "rb": closed, "rc": closed, "rd": closed}, s.reasons()); diff != "" {
		t.Errorf("reasons after it (-want +got):\n%s", diff)
	}
}

func TestWhoApprovedIsRecordedAndRollsBackWhoMayNot(t *testing.T) {
	s := newStory(t, newPolicy("p", approvalRequired()), newNode("a", "z1"), newReboot("ra", "a", manual, approved))
	s.settle()
	if got := s.reboot("ra").Status; got.ApprovedBy != "bob" || !got.ApprovedTime.Equal(at(0)) || got.Phase != v1alpha1.PhaseDraining {
		t.Errorf("%s, approved by %q at %s", got.Phase, got.ApprovedBy, got.ApprovedTime)
	}
	s.advance(time.Minute)
	s.reboot("ra").Spec.ApprovedBy = "alice" // who asked for it
	s.settle()
	if got := s.reboot("ra").Status; got.ApprovedBy != "alice" || !got.ApprovedTime.Equal(at(time.Minute)) {
		t.Errorf("approved by %q at %s", got.ApprovedBy, got.ApprovedTime)
	}
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonSelfApproved || s.node("a").Unschedulable {
		t.Errorf("%s, cordoned: %v", got.Reason, s.node("a").Unschedulable)
	}
	s.approve("ra", v1alpha1.ApprovalNotGiven)
	s.settle()
	if got := s.reboot("ra").Status; got.ApprovedBy != "" || got.ApprovedTime != nil {
		t.Errorf("withdrawn, and approved by %q at %s", got.ApprovedBy, got.ApprovedTime)
	}
}
