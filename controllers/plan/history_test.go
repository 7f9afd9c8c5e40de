package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// past makes finished NodeReboots of node a, from words like S2 (succeeded two hours ago), F (failed) and C (cancelled); with a + they are
// about the boot that runs now.
func past(words ...string) []any {
	outcomes := map[byte]v1alpha1.Outcome{'S': v1alpha1.OutcomeSucceeded, 'F': v1alpha1.OutcomeFailed, 'C': v1alpha1.OutcomeCancelled}
	var objects []any
	for _, word := range words {
		var hours int
		_, _ = fmt.Sscanf(word[1:], "%d", &hours)
		r := newReboot(word, "a", finished(outcomes[word[0]], "Ended", -time.Duration(hours)*time.Hour))
		if word[len(word)-1] == '+' {
			r.Status.Before.BootID, r.Spec.BootID = bootOf("a", 1), bootOf("a", 1)
		}
		objects = append(objects, r)
	}
	return objects
}

func TestHistoryIsKept(t *testing.T) {
	keep := func(succeeded, failed int32, cancelled ...int32) *v1alpha1.RebootPolicy {
		return newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
			s.History.Succeeded, s.History.Failed = &succeeded, &failed
			for i := range cancelled {
				s.History.Cancelled = &cancelled[i]
			}
		}))
	}
	a := newNode("a", "z1")
	cases := map[string]struct {
		objects []any
		want    []string
	}{
		"as many as there may be":               {objects: append(past("S1", "S2", "F1", "C2"), keep(2, 2), a)},
		"the newest that succeeded":             {objects: append(past("S5", "S1", "S3", "F9"), keep(1, 1), a), want: []string{"S3", "S5"}},
		"the newest that failed":                {objects: append(past("F5", "F1", "F3", "S9"), keep(1, 2), a), want: []string{"F5"}},
		"the newest that was cancelled":         {objects: append(past("C5", "C1", "C3"), keep(3, 3), a), want: []string{"C3", "C5"}},
		"as many cancelled as it says":          {objects: append(past("C5", "C1", "C3"), keep(3, 3, 2), a), want: []string{"C5"}},
		"none that was cancelled":               {objects: append(past("C5", "C1+"), keep(3, 3, 0), a), want: []string{"C5"}},
		"cancelled ones push out no failed one": {objects: append(past("F5", "C1", "F3", "C2"), keep(1, 2), a), want: []string{"C2"}},
		"of each kind as many as it says":       {objects: append(past("S1", "S2", "F1", "F2"), keep(1, 3), a), want: []string{"S2"}},
		"the defaults without a policy": {
			objects: append(past("S1", "S2", "S3", "S4", "F1", "F2", "F3", "C4", "C5"), a), want: []string{"C5", "F2", "F3", "S2", "S3", "S4"},
		},
		"what is about the boot that runs now": {objects: append(past("F1", "F2", "F3+", "F4"), keep(1, 1), a), want: []string{"F2", "F4"}},
		"what made the boot that runs now": {
			objects: append(past("S1", "S2"), keep(1, 1), a, newReboot("S3", "a", finished(v1alpha1.OutcomeSucceeded, "Ended", -3*time.Hour),
				func(r *v1alpha1.NodeReboot) { r.Status.After = &v1alpha1.BootInfo{BootID: bootOf("a", 1)} })),
			want: []string{"S2"},
		},
		"what is not finished": {objects: append(past("S1"), keep(1, 1), a, newReboot("waits", "a"))},
		"what is being deleted": {
			objects: append(past("S1"), keep(1, 1), a, newReboot("S2", "a", finished(v1alpha1.OutcomeSucceeded, "Ended", -time.Hour), deletedAt(0))),
		},
		"of a node that is gone, for a day":     {objects: append(past("S1", "S23", "F23"), keep(1, 1))},
		"of a node that is gone, no longer":     {objects: append(past("S23", "S24", "F25"), keep(1, 1)), want: []string{"F25", "S24"}},
		"of nodes by themselves":                {objects: append(past("S1"), keep(1, 1), a, newNode("b", "z1"), newReboot("Sb", "b", finished(v1alpha1.OutcomeSucceeded, "Ended", -9*time.Hour)))},
		"of those of the same time, by name":    {objects: append(past("S1", "S1x"), keep(1, 1), a), want: []string{"S1x"}},
		"nothing where there is nothing at all": {objects: []any{keep(1, 1), a}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSnapshot(tc.objects...)
			if diff := cmp.Diff(tc.want, compute(t, s, start).Prune); diff != "" {
				t.Errorf("prune (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHistoryOfANodeThatIsGoneWakesThePlanner(t *testing.T) {
	s := newStory(t, append(past("S1", "S2"), newPolicy("p"))...)
	s.settle()
	if want := start.Add(22 * time.Hour); !s.wake.Equal(want) {
		t.Errorf("the next look is at %s, want %s", s.wake, want)
	}
	s.advance(22 * time.Hour)
	if len(s.Reboots) != 1 {
		t.Errorf("%d NodeReboots are left, want 1", len(s.Reboots))
	}
}

func TestWhatEndsInThisPassIsNotPrunedInIt(t *testing.T) {
	s := newStory(t, append(past("C1"), newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a", func(r *v1alpha1.NodeReboot) {
		r.Status.Report.Sentinel = v1alpha1.SentinelNotRequired
	}))...)
	if p := s.pass(); len(p.Prune) != 0 {
		t.Errorf("prune %v before the end is written", p.Prune)
	}
	if diff := cmp.Diff([]string{"C1"}, s.pass().Prune); diff != "" {
		t.Errorf("prune (-want +got):\n%s", diff)
	}
}

// The name of a NodeReboot for a sentinel is not free while it is there, so that a helper that flaps makes few. Others have other names.
func TestOnlyWhatASentinelAskedForIsKeptForAWhileAfterItWasCancelled(t *testing.T) {
	for trigger, want := range map[v1alpha1.Trigger][]string{
		v1alpha1.TriggerSentinel: nil, v1alpha1.TriggerManual: {"r"}, v1alpha1.TriggerNodeCondition: {"r"},
	} {
		keepNone := spec(func(s *v1alpha1.RebootPolicySpec) { s.History.Cancelled = ptr.To[int32](0) })
		s := newStory(t, newPolicy("p", keepNone), newNode("a", "z1"), newReboot("r", "a",
			finished(v1alpha1.OutcomeCancelled, "Ended", -time.Minute), func(r *v1alpha1.NodeReboot) { r.Spec.Trigger = trigger }))
		if diff := cmp.Diff(want, s.pass().Prune); diff != "" {
			t.Errorf("%s: prune (-want +got):\n%s", trigger, diff)
		}
	}
}

// A plan looks at the history of each node only if it may have to prune some of it: a large cluster has thousands.
func TestTheHistoryOfANodeThatKeepsAllIsNotLookedThrough(t *testing.T) {
	for name, tc := range map[string]struct {
		history []any
		want    bool
	}{
		"none":                {past(), true},
		"one of each outcome": {past("S1", "F2", "C3"), true},
		"one of each, and its host may ask again": {past("S1", "F2+", "C3"), true},
		"two that succeeded":                      {past("S1", "S2"), false},
		"two that failed":                         {past("F1+", "F2"), false},
		"two that were cancelled":                 {past("C1", "C2+"), false},
	} {
		t.Run(name, func(t *testing.T) {
			keepsMore := spec(func(s *v1alpha1.RebootPolicySpec) {
				s.History = v1alpha1.HistorySpec{Succeeded: ptr.To[int32](9), Failed: ptr.To[int32](9), Cancelled: ptr.To[int32](9)}
			})
			s := newStory(t, append(tc.history, newPolicy("p", keepsMore), newNode("a", "z1"))...)
			for _, when := range []string{"before anything is written about them", "after that"} {
				s.Policies[0] = newPolicy("p")
				p := newPlanning(nil, s.Snapshot, start)
				p.assignPolicies()
				if got := p.node("a").keepsAll(); got != tc.want {
					t.Errorf("%s, it keeps all: %t, want %t", when, got, tc.want)
				}
				s.Policies[0] = newPolicy("p", keepsMore)
				s.settle()
			}
		})
	}
}
