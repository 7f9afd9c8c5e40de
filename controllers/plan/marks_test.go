package plan

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const stateLabel, doneLabel = "example.com/state", "example.com/done"

// marking excludes from load balancers with a lead, and labels during and after.
func marking(leadSeconds int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Drain.ExcludeFromLoadBalancers = &v1alpha1.LoadBalancerExclusion{LeadSeconds: &leadSeconds}
		s.NodeLabels = &v1alpha1.NodeLabels{
			During: map[string]v1alpha1.LabelValue{stateLabel: "rebooting"},
			After:  map[string]v1alpha1.LabelValue{stateLabel: "fresh", doneLabel: "yes"},
		}
	})
}

// marksOf a node: its state label, whether it is excluded, whether autoscalers are held off, and whether there is a record.
func marksOf(n *Node) string {
	var marks []string
	for _, key := range []string{stateLabel, doneLabel, v1alpha1.ExcludeLabel} {
		if value, there := n.Labels[key]; there {
			marks = append(marks, fmt.Sprintf("%s=%s", key[len(key)-4:], value))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(n.Annotations)) {
		switch key {
		case v1alpha1.ScaleDownDisabledAnnotation, v1alpha1.DoNotDisruptAnnotation:
			marks = append(marks, "held:"+n.Annotations[key])
		case v1alpha1.MarksAnnotation:
			marks = append(marks, "recorded")
		}
	}
	return fmt.Sprint(marks)
}

func TestMarksFollowTheAttempt(t *testing.T) {
	for stage, want := range map[stage]string{
		stageWaiting:   "[]",
		stageCordoned:  "[tate=rebooting held:true held:true recorded]",
		stageDraining:  "[tate=rebooting cers=true held:true held:true recorded]",
		stageDrained:   "[tate=rebooting cers=true held:true held:true recorded]",
		stageRebooting: "[tate=rebooting cers=true held:true held:true recorded]",
		stageBack:      "[tate=rebooting cers=true held:true held:true recorded]",
		stageSettling:  "[tate=rebooting held:true held:true recorded]",
	} {
		t.Run(stage.String(), func(t *testing.T) {
			s := attemptIn(t, stage, marking(0))
			if stage == stageWaiting {
				paused(s)
				s.settle()
			}
			if got := marksOf(s.node("a")); got != want {
				t.Errorf("marks %s, want %s", got, want)
			}
		})
	}
}

// setBefore are marks that someone else had set before the attempt began.
func setBefore(s *story) {
	n := s.node("a")
	n.Labels[stateLabel], n.Labels[v1alpha1.ExcludeLabel] = "mine", ""
	n.Annotations = map[string]string{v1alpha1.ScaleDownDisabledAnnotation: "true", v1alpha1.DoNotDisruptAnnotation: "false"}
}

func TestExclusionThatSomeoneSetStaysAsItIs(t *testing.T) {
	s := preparedAttemptIn(t, stageDraining, setBefore, marking(0))
	if got := marksOf(s.node("a")); got != "[tate=rebooting cers= held:true held:true recorded]" {
		t.Errorf("marks %s", got)
	}
}

func TestNodeThatNoPolicyOwnsNowKeepsItsMarksWhileItsHostIsSeenThrough(t *testing.T) {
	s := attemptIn(t, stageRebooting, marking(0))
	before := marksOf(s.node("a"))
	unselected(s)
	s.settle()
	if got := marksOf(s.node("a")); got != before {
		t.Errorf("marks %s, before %s", got, before)
	}
}

func TestMarksAreUndoneHoweverTheAttemptEnds(t *testing.T) {
	failed := func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "No.") }
	proved := func(s *story) { s.advance(time.Minute) }
	succeededBefore := func(s *story) {
		s.Reboots = append(s.Reboots, newReboot("rx", "a", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -3*time.Hour)))
	}
	changed := func(s *story) {
		n := s.node("a")
		n.Labels[stateLabel] = "theirs"
		delete(n.Labels, v1alpha1.ExcludeLabel)
		n.Annotations[v1alpha1.ScaleDownDisabledAnnotation] = "false"
		delete(n.Annotations, v1alpha1.DoNotDisruptAnnotation)
	}
	then := func(events ...func(*story)) func(*story) {
		return func(s *story) {
			for _, event := range events {
				event(s)
				s.settle()
			}
		}
	}
	cases := map[string]struct {
		before func(*story)
		stage  stage
		event  func(*story)
		want   string
	}{
		"by a success":                         {stage: stageSettling, event: proved, want: "[tate=fresh done=yes]"},
		"by a failure":                         {stage: stageDraining, event: failed, want: "[]"},
		"by a failure after a success":         {before: succeededBefore, stage: stageDraining, event: failed, want: "[]"},
		"by a pause":                           {stage: stageDrained, event: paused, want: "[]"},
		"by a deletion":                        {stage: stageDraining, event: deleted, want: "[]"},
		"with its policy":                      {stage: stageDraining, event: unselected, want: "[]"},
		"set before and a failure":             {before: setBefore, stage: stageDraining, event: failed, want: "[tate=mine cers= held:true held:false]"},
		"set before and a success":             {before: setBefore, stage: stageSettling, event: proved, want: "[tate=fresh done=yes cers= held:true held:false]"},
		"changed meanwhile and a failure":      {stage: stageDraining, event: then(changed, failed), want: "[tate=theirs held:false]"},
		"set before, changed, and a failure":   {before: setBefore, stage: stageDraining, event: then(changed, failed), want: "[tate=theirs held:false]"},
		"a success without a policy":           {stage: stageSettling, event: then(unselected, proved), want: "[]"},
		"labels of a success that are removed": {stage: stageSettling, event: then(proved, func(s *story) { delete(s.node("a").Labels, doneLabel) }), want: "[tate=fresh]"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.before == nil {
				tc.before = func(*story) {}
			}
			s := preparedAttemptIn(t, tc.stage, tc.before, marking(0))
			tc.event(s)
			s.settle()
			if got := marksOf(s.node("a")); got != tc.want {
				t.Errorf("marks %s, want %s", got, tc.want)
			}
		})
	}
}

func TestChangesOfOthersMeanwhileAreLeftAlone(t *testing.T) {
	s := attemptIn(t, stageDraining, marking(0))
	s.node("a").Labels[stateLabel] = "theirs"
	if p := s.pass(); len(p.Work) != 0 {
		t.Errorf("work %s", describe(p))
	}
}

func TestLabelsFollowThePolicyDuringTheAttempt(t *testing.T) {
	s := attemptIn(t, stageDraining, marking(0))
	s.editPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
		s.NodeLabels.During = map[string]v1alpha1.LabelValue{stateLabel: "draining", "more": ""}
	}))
	s.settle()
	if got := s.node("a").Labels; got[stateLabel] != "draining" || !hasKey(got, "more") {
		t.Errorf("labels %v", got)
	}
	s.editPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.NodeLabels = nil }))
	s.settle()
	if got := s.node("a").Labels; hasKey(got, stateLabel) || hasKey(got, "more") {
		t.Errorf("labels %v", got)
	}
}

func hasKey(labels map[string]string, key string) bool {
	_, there := labels[key]
	return there
}

func TestMarksThatACrashLeftAreUndone(t *testing.T) {
	record := func(uid string) string {
		return markRecord{For: uid, Labels: map[string]mark{
			stateLabel: {Set: "rebooting", Before: ptr.To("old")}, v1alpha1.ExcludeLabel: {Set: "true"},
		}}.String()
	}
	leftOver := func(uid string) nodeOption {
		return func(n *Node) {
			n.Labels[stateLabel], n.Labels[v1alpha1.ExcludeLabel] = "rebooting", "true"
			n.Annotations = map[string]string{v1alpha1.MarksAnnotation: record(uid)}
		}
	}
	succeeded := newReboot("rx", "a", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -time.Minute))
	cases := map[string]struct {
		objects []any
		want    string
	}{
		"of a NodeReboot that is gone":     {[]any{newNode("a", "z1", leftOver("uid-of-one-that-is-gone"))}, "[tate=old]"},
		"before the labels for a success":  {[]any{newNode("a", "z1", leftOver("uid-of-rx")), succeeded}, "[tate=fresh done=yes]"},
		"and another attempt begins":       {[]any{newNode("a", "z1", leftOver("uid-of-one-that-is-gone")), newReboot("ra", "a")}, "[tate=rebooting cers=true held:true held:true recorded]"},
		"by a record that is not readable": {[]any{newNode("a", "z1", func(n *Node) { n.Annotations = map[string]string{v1alpha1.MarksAnnotation: "{"} })}, "[]"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(tc.objects, newPolicy("p", marking(60), minInterval(0)))...)
			s.settle()
			if got := marksOf(s.node("a")); got != tc.want {
				t.Errorf("marks %s, want %s", got, tc.want)
			}
			s.editPolicy("p", mode(v1alpha1.ModePaused))
			s.settle()
			if got := s.node("a").Labels[stateLabel]; name == "and another attempt begins" && got != "old" {
				t.Errorf("state %q at the end, want what it was before the first attempt", got)
			}
		})
	}
}

// A kubelet may write the annotations of its own Node, and must not be given a label that it may not set itself.
func TestForgedRecordIsNotTrusted(t *testing.T) {
	for _, uid := range []string{"", "uid-of-one-that-is-gone"} {
		forgedRecordIsNotTrusted(t, uid)
	}
}

func forgedRecordIsNotTrusted(t *testing.T, uid string) {
	t.Helper()
	const restricted = "team.node-restriction.kubernetes.io/owner"
	node := newNode("a", "z1", labeled(restricted, "database"), func(n *Node) {
		n.Annotations = map[string]string{"other": "mine", v1alpha1.MarksAnnotation: markRecord{
			For:         uid,
			Labels:      map[string]mark{restricted: {Set: "database", Before: ptr.To("web")}},
			Annotations: map[string]mark{"other": {Set: "mine"}},
		}.String()}
	})
	s := newStory(t, newPolicy("p"), node)
	s.settle()
	want := map[string]string{"other": "mine"}
	if got := s.node("a"); got.Labels[restricted] != "database" || !maps.Equal(got.Annotations, want) {
		t.Errorf("labels %v, annotations %v", got.Labels, got.Annotations)
	}
}

func TestNodeIsExcludedFromLoadBalancersBeforeTheFirstEviction(t *testing.T) {
	s := attemptIn(t, stageDraining, marking(30)) // the drain's delay has just ended
	want := summary{Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonLoadBalancerLead, Cordoned: true, Tainted: true}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
	if got := s.node("a").Labels[v1alpha1.ExcludeLabel]; got != "true" {
		t.Errorf("label %q", got)
	}
	s.advance(29 * time.Second)
	if s.reboot("ra").Status.Order != nil {
		t.Errorf("the drain is ordered before the lead is over")
	}
	s.advance(time.Second)
	want.Reason, want.Order = v1alpha1.ReasonDraining, v1alpha1.ActionDrain
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
}

// A second boot during the recovery: the node is no longer proved.
func TestNodeThatBootsAgainIsExcludedAgain(t *testing.T) {
	s := attemptIn(t, stageSettling, marking(0))
	s.boot("a", 3)
	s.settle()
	if got := marksOf(s.node("a")); got != "[tate=rebooting cers=true held:true held:true recorded]" {
		t.Errorf("marks %s", got)
	}
}

func TestMarksAreWrittenInOneRequestWithTheCordon(t *testing.T) {
	s := newStory(t, newPolicy("p", marking(0)), newNode("a", "z1"), newReboot("ra", "a"))
	p := s.pass()
	patch := p.Work[0].Patch
	if patch.Unschedulable == nil || patch.Labels[stateLabel] == nil || patch.Annotations[v1alpha1.MarksAnnotation] == nil ||
		patch.RollsBack() {
		t.Errorf("patch %+v", patch)
	}
}
