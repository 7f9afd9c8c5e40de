package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// approve gives or withdraws the approval of a NodeReboot.
func (s *story) approve(reboot string, approval v1alpha1.Approval) {
	changed := *s.reboot(reboot)
	changed.Spec.Approval = approval
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
			takenBack := s.reboot("ra").Status.Reason == v1alpha1.ReasonAwaitingApproval && !s.node("a").Unschedulable && len(s.Slots) == 0
			if want := stage < stageRebooting; takenBack != want {
				t.Errorf("taken back: %v, want %v: %+v", takenBack, want, s.summary("ra"))
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

func TestRebootByHandNeedsTheConsentOfAPolicy(t *testing.T) {
	cases := map[string]struct {
		objects []any
		want    string
	}{
		"no policy selects the node":   {nil, v1alpha1.ReasonNoPolicy},
		"the policy is paused":         {[]any{newPolicy("p", mode(v1alpha1.ModePaused))}, v1alpha1.ReasonPaused},
		"the policy observes":          {[]any{newPolicy("p", mode(v1alpha1.ModeObserve))}, v1alpha1.ReasonObserving},
		"the policy wants an approval": {[]any{newPolicy("p", approvalRequired())}, v1alpha1.ReasonAwaitingApproval},
		"the policy allows nothing":    {[]any{newPolicy("p", maxUnavailable("0"))}, v1alpha1.ReasonBudgetExhausted},
		"the policy enforces":          {[]any{newPolicy("p")}, v1alpha1.ReasonDraining},
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

// An approval is for the need that a person saw. One that comes back later is another: its NodeReboot is made anew, and waits.
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
		"approved, and the policy wants that": {[]policyOption{approvalRequired()}, approved, []string{"ra"}},
		"not approved":                        {[]policyOption{approvalRequired()}, func(*v1alpha1.NodeReboot) {}, nil},
		"approved, and nobody has to":         {nil, approved, nil},
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
