package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// What a pass remembers of a node that cannot be drained counts until its time is over, or its policy changes, or its pods are read again.
func TestNodeThatCannotBeDrainedIsRememberedForAWhile(t *testing.T) {
	const until = time.Minute
	cases := map[string]struct {
		event func(*story)
		after time.Duration
		// needs are the nodes whose pods have to be read.
		needs, underWay string
	}{
		"node b goes":           {func(*story) {}, until - time.Second, "", "b"},
		"its time is over":      {func(*story) {}, until, "a", ""},
		"its policy is changed": {func(s *story) { s.policy("p").Generation++ }, 0, "a", ""},
		"its pods are read":     {func(s *story) { s.Pods["a"] = nil }, 0, "", "a"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", drain(refusing), nodeOrder(v1alpha1.NodeOrderLongestRequired)))...)
			delete(s.Pods, "a")
			s.Undrainable = map[string]Undrainable{"a": {
				Node: "a", Policy: "p", Generation: 1, Until: start.Add(until),
				Verdict: model.Blocked(v1alpha1.ReasonDrainRefused, "Pod apps/bare on node a has no controller."),
			}}
			tc.event(s)
			s.now = s.now.Add(tc.after)
			p := Compute(s.Snapshot, s.now)
			if got := strings.Join(p.NeedPods, " "); got != tc.needs {
				t.Errorf("pods are read of %q, want %q", got, tc.needs)
			}
			s.settle()
			if got := s.underWay(); got != tc.underWay {
				t.Errorf("under way: %q, want %q", got, tc.underWay)
			}
			if tc.underWay == "b" && !p.Wake.Equal(start.Add(until)) {
				t.Errorf("looked at again at %s", p.Wake)
			}
		})
	}
}

func TestRoomIsLookedForInAllZonesInTheirOrder(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z2 c/z1 +d/z1"), newPolicy("p", capacityRequired()))...)
	queries := Compute(s.Snapshot, s.now).Queries
	if len(queries) != 1 || !slices.Equal(queries[0].Nodes, []string{"a", "c", "b", "d"}) {
		t.Errorf("asked %v, want about the nodes of zone z1, then z2, then of the control plane", queries)
	}
	s.says(GateCapacity, "", GateAnswer{Nodes: map[string]string{"a": "No room.", "c": "No room.", "b": ""}})
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way: %q, want b: no other node of a zone before it can go", got)
	}
}
