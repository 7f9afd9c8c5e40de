package plan

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func taintEffect(effect v1alpha1.TaintEffect) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Taint.Effect = effect })
}

func TestNodeIsTaintedTheMomentItsRebootIsRequired(t *testing.T) {
	ours := corev1.Taint{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffectPreferNoSchedule}
	foreign := []corev1.Taint{
		{Key: "z.example.com/gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule, TimeAdded: ptr.To(metav1.NewTime(start))},
		{Key: v1alpha1.TaintKey + "-not", Effect: corev1.TaintEffectNoExecute},
		{Key: "a.example.com/team", Value: "web", Effect: corev1.TaintEffectPreferNoSchedule},
	}
	with := func(taints ...corev1.Taint) []corev1.Taint { return append(slices.Clone(foreign), taints...) }
	required := newReboot("ra", "a")
	failed := newReboot("ra", "a", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonDrainTimedOut, -time.Hour), func(r *v1alpha1.NodeReboot) {
		r.Status.Report = &v1alpha1.HelperReport{Protocol: v1alpha1.ProtocolLevel, BootID: bootOf("a", 1), Sentinel: v1alpha1.SentinelRequired}
	})
	cases := map[string]struct {
		policy *v1alpha1.RebootPolicy
		reboot *v1alpha1.NodeReboot
		taints []corev1.Taint
		node   nodeOption
		want   []corev1.Taint
	}{
		"by a policy that enforces":       {policy: newPolicy("p"), reboot: required, taints: foreign, want: with(ours)},
		"by a policy that only observes":  {policy: newPolicy("p", mode(v1alpha1.ModeObserve)), reboot: required, taints: foreign, want: with(ours)},
		"by a policy that is paused":      {policy: newPolicy("p", mode(v1alpha1.ModePaused)), reboot: required, taints: foreign, want: with(ours)},
		"by a policy that allows nothing": {policy: newPolicy("p", maxUnavailable("0")), reboot: required, taints: foreign, want: with(ours)},
		"by a policy that is invalid":     {policy: newPolicy("p", maxUnavailable("some")), reboot: required, taints: foreign, want: with(ours)},
		"although the node is not Ready":  {policy: newPolicy("p"), reboot: required, node: notReady, want: []corev1.Taint{ours}},
		"although there is no helper":     {policy: newPolicy("p"), reboot: required, node: noHelper, want: []corev1.Taint{ours}},
		"for a person, too":               {policy: newPolicy("p"), reboot: newReboot("ra", "a", manual), want: []corev1.Taint{ours}},
		"before the first report":         {policy: newPolicy("p"), reboot: newReboot("ra", "a", noReport), want: []corev1.Taint{ours}},
		"also when it was given up":       {policy: newPolicy("p"), reboot: failed, taints: foreign, want: with(ours)},
		"not without a policy":            {policy: newPolicy("p", selecting("pool", "blue")), reboot: required, taints: foreign, want: foreign},
		"not once the need is gone":       {policy: newPolicy("p"), reboot: newReboot("ra", "a", func(r *v1alpha1.NodeReboot) { r.Status.Report.Sentinel = v1alpha1.SentinelNotRequired }), taints: with(ours), want: foreign},
		"not when it was deleted":         {policy: newPolicy("p"), reboot: newReboot("ra", "a", deletedAt(0)), taints: with(ours), want: foreign},
		"not when it succeeded":           {policy: newPolicy("p"), reboot: newReboot("ra", "a", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, 0)), taints: with(ours), want: foreign},
		"with the effect of the policy":   {policy: newPolicy("p", taintEffect(v1alpha1.TaintNoSchedule)), reboot: required, want: []corev1.Taint{{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffectNoSchedule}}},
		"with the effect that the policy has now": {
			policy: newPolicy("p", taintEffect(v1alpha1.TaintNoSchedule)), reboot: required, taints: append([]corev1.Taint{ours}, foreign...),
			want: with(corev1.Taint{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffectNoSchedule}),
		},
		"not with the effect None":                {policy: newPolicy("p", taintEffect(v1alpha1.TaintNone)), reboot: required, taints: foreign, want: foreign},
		"no more once the effect is None":         {policy: newPolicy("p", taintEffect(v1alpha1.TaintNone)), reboot: required, taints: with(ours), want: foreign},
		"in the place where the taint is already": {policy: newPolicy("p"), reboot: required, taints: append([]corev1.Taint{ours}, foreign...), want: append([]corev1.Taint{ours}, foreign...)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			node := newNode("a", "z1", tainted(tc.taints...))
			if tc.node != nil {
				tc.node(node)
			}
			s := newStory(t, tc.policy, node, tc.reboot)
			p := s.pass()
			if diff := cmp.Diff(tc.want, s.node("a").Taints); diff != "" {
				t.Errorf("taints (-want +got):\n%s", diff)
			}
			patched := len(p.Work) > 0 && p.Work[0].Patch != nil && p.Work[0].Patch.SetTaints
			if unchanged := cmp.Equal(tc.want, tc.taints); unchanged == patched {
				t.Errorf("taints are written: %v, and they change: %v", patched, !unchanged)
			}
		})
	}
}

func TestCordonBelongsToWhoeverMadeIt(t *testing.T) {
	byHand := func(s *story) { s.node("a").Unschedulable = true }
	cases := map[string]struct {
		before func(*story)
		stage  stage
		event  func(*story)
		// wantUnschedulable in that stage and at the end.
		wantThen, wantEnd bool
	}{
		"ours ends with a success": {stage: stageSettling, event: func(s *story) { s.advance(time.Minute) }},
		"ours ends with a failure": {
			stage: stageDraining, wantThen: true, event: func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "No.") },
		},
		"ours ends when it is rolled back": {stage: stageDraining, wantThen: true, event: paused},
		"ours ends when it is deleted":     {stage: stageDraining, wantThen: true, event: deleted},
		"theirs outlives a success": {
			before: byHand, stage: stageSettling, wantThen: true, event: func(s *story) { s.advance(time.Minute) }, wantEnd: true,
		},
		"theirs outlives a failure": {
			before: byHand, stage: stageDraining, wantThen: true, wantEnd: true,
			event: func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "No.") },
		},
		"theirs outlives what is rolled back": {before: byHand, stage: stageDraining, wantThen: true, event: paused, wantEnd: true},
		"theirs outlives what is deleted":     {before: byHand, stage: stageDraining, wantThen: true, event: deleted, wantEnd: true},
		"one that is ours from an attempt that crashed ends with the next": {
			before: func(s *story) { s.node("a").Unschedulable, s.node("a").CordonedFor = true, "uid-of-another" },
			stage:  stageDraining, wantThen: true, event: paused,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := tc.before
			if before == nil {
				before = func(*story) {}
			}
			s := preparedAttemptIn(t, tc.stage, before)
			foreign := tc.wantEnd
			if got := s.node("a"); got.Unschedulable != tc.wantThen || foreign && got.CordonedFor != "" {
				t.Errorf("%s: unschedulable %v for %q, want %v", tc.stage, got.Unschedulable, got.CordonedFor, tc.wantThen)
			}
			tc.event(s)
			s.settle()
			if got := s.node("a"); got.Unschedulable != tc.wantEnd || got.CordonedFor != "" {
				t.Errorf("at the end: unschedulable %v for %q, want %v", got.Unschedulable, got.CordonedFor, tc.wantEnd)
			}
		})
	}
}

func TestNodeThatIsUncordonedAfterItsBootIsLeftSo(t *testing.T) {
	for stage, want := range map[stage]bool{stageRebooting: true, stageBack: false} {
		s := attemptIn(t, stage)
		uncordoned(s)
		s.settle()
		if got := s.node("a").Unschedulable; got != want {
			t.Errorf("%s: unschedulable %v after a person uncordoned the node, want %v", stage, got, want)
		}
	}
}

func TestCordonThatAppearsWithoutOurAnnotationIsNotTakenOver(t *testing.T) {
	s := attemptIn(t, stageRebooting)
	s.node("a").CordonedFor = "" // a person's, on a node of which an old attempt is all that this manager has seen
	s.settle()
	if n := s.node("a"); !n.Unschedulable || n.CordonedFor != "" {
		t.Errorf("unschedulable %v for %q", n.Unschedulable, n.CordonedFor)
	}
}

func TestNodeThatIsNotSeenCordonedYetIsCordonedAgain(t *testing.T) {
	s := attemptIn(t, stageDraining)
	s.node("a").Unschedulable, s.node("a").CordonedFor = false, "" // as a watch that lags shows it
	s.settle()
	if sum := s.summary("ra"); sum.Phase != v1alpha1.PhaseDraining || !sum.Cordoned {
		t.Errorf("NodeReboot %+v", sum)
	}
}

func TestCordonThatIsLeftOverIsRemoved(t *testing.T) {
	for _, unschedulable := range []bool{true, false} {
		leftOver := func(n *Node) { n.Unschedulable, n.CordonedFor = unschedulable, "uid-of-one-that-is-gone" }
		s := newStory(t, newPolicy("p"), newNode("a", "z1", leftOver))
		p := s.pass()
		want := &NodePatch{CordonedFor: ptr.To("")}
		if unschedulable {
			want.Unschedulable = ptr.To(false)
		}
		if diff := cmp.Diff(want, p.Work[0].Patch); diff != "" {
			t.Errorf("patch (-want +got):\n%s", diff)
		}
	}
}

func TestMaintenanceConditionsFollowTheAttempt(t *testing.T) {
	cases := map[stage][]corev1.NodeConditionType{
		stageWaiting:   {MaintenancePlanned},
		stageCordoned:  {MaintenancePlanned},
		stageDraining:  {DrainInProgress, MaintenancePlanned},
		stageDrained:   {Drained, MaintenancePlanned},
		stageRebooting: {Drained, MaintenanceInProgress, MaintenancePlanned},
		stageBack:      {Drained, MaintenanceInProgress, MaintenancePlanned},
		stageSettling:  nil,
	}
	for stage, want := range cases {
		t.Run(stage.String(), func(t *testing.T) {
			s := attemptIn(t, stage)
			if stage == stageWaiting {
				paused(s)
				s.settle()
			}
			got := slices.Sorted(maps.Keys(s.node("a").Maintenance))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMaintenanceOfAHostThatLostItsPowerWhileDraining(t *testing.T) {
	s := attemptIn(t, stageDraining)
	powerLost(s)
	s.settle()
	got := slices.Sorted(maps.Keys(s.node("a").Maintenance))
	if diff := cmp.Diff([]corev1.NodeConditionType{MaintenanceInProgress, MaintenancePlanned}, got); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

func TestMaintenanceConditionsGoWithTheNeed(t *testing.T) {
	for _, condition := range MaintenanceConditions {
		s := newStory(t, newPolicy("p"), newNode("a", "z1", func(n *Node) { n.Maintenance = map[corev1.NodeConditionType]bool{condition: true} }))
		p := s.pass()
		if len(p.Work) != 1 || p.Work[0].Maintenance == nil || len(p.Work[0].Maintenance) != 0 {
			t.Errorf("%s: work %s", condition, fmt.Sprint(p.Work))
		}
	}
}

func TestFinalizerIsThereWhileAnAttemptIsOpen(t *testing.T) {
	for stage := stageCordoned; stage <= stageSettling; stage++ {
		s := attemptIn(t, stage)
		if diff := cmp.Diff([]string{v1alpha1.Finalizer}, s.reboot("ra").Finalizers); diff != "" {
			t.Errorf("%s: finalizers (-want +got):\n%s", stage, diff)
		}
	}
	s := attemptIn(t, stageDraining)
	paused(s)
	s.settle()
	if diff := cmp.Diff([]string{v1alpha1.Finalizer}, s.reboot("ra").Finalizers); diff != "" {
		t.Errorf("finalizers after the attempt, while it waits for the next one (-want +got):\n%s", diff)
	}
	deleted(s)
	s.settle()
	if slices.ContainsFunc(s.Reboots, func(r *v1alpha1.NodeReboot) bool { return r.Name == "ra" }) {
		t.Error("the NodeReboot is still there after it was deleted")
	}
}

// A helper makes its NodeReboots with the finalizer.
func TestANodeRebootThatWaitsKeepsItsFinalizerUntilItEndsOrIsDeleted(t *testing.T) {
	for name, end := range map[string]func(*story){
		"its need goes": func(s *story) {
			s.report("ra", func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelNotRequired })
		},
		"it is deleted": deleted,
	} {
		s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"),
			newReboot("ra", "a", func(r *v1alpha1.NodeReboot) { r.Finalizers = []string{v1alpha1.Finalizer} }))
		s.settle()
		if got := s.reboot("ra").Finalizers; len(got) != 1 {
			t.Errorf("%s: finalizers %v while it waits", name, got)
		}
		end(s)
		s.settle()
		for _, r := range s.Reboots {
			if len(r.Finalizers) != 0 {
				t.Errorf("%s: finalizers %v at the end", name, r.Finalizers)
			}
		}
	}
}

func TestFinalizerThatACrashLeftIsTakenAway(t *testing.T) {
	s := attemptIn(t, stageSettling)
	s.advance(time.Minute)
	s.reboot("ra").Finalizers = []string{v1alpha1.Finalizer}
	s.settle()
	if got := s.reboot("ra").Finalizers; len(got) != 0 {
		t.Errorf("finalizers %v", got)
	}
}

func TestFinalizersOfOthersStay(t *testing.T) {
	s := preparedAttemptIn(t, stageDraining, func(s *story) { s.reboot("ra").Finalizers = []string{"example.com/theirs"} })
	if diff := cmp.Diff([]string{"example.com/theirs", v1alpha1.Finalizer}, s.reboot("ra").Finalizers); diff != "" {
		t.Errorf("finalizers (-want +got):\n%s", diff)
	}
	deleted(s)
	s.settle()
	want := summary{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonDeleted, Result: v1alpha1.ReasonDeleted}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"example.com/theirs"}, s.reboot("ra").Finalizers); diff != "" {
		t.Errorf("finalizers at the end (-want +got):\n%s", diff)
	}
}
