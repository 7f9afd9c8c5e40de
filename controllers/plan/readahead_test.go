package plan

import (
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestThePodsOfTheNextNodesAreReadWhileAHostReboots(t *testing.T) {
	drained := func(s *story) { s.answer("ra", v1alpha1.OrderDone, ""); s.settle() }
	for name, test := range map[string]struct {
		nodes  string
		policy policyOption
		event  func(*story)
		want   string
	}{
		"while its host reboots":        {nodes: "a/z1 b/z1 c/z1", policy: fewestMoves(), event: drained, want: "b c"},
		"while it is drained":           {nodes: "a/z1 b/z1 c/z1", policy: fewestMoves(), event: func(*story) {}},
		"as many as may start":          {nodes: "a/z1 b/z1 c/z1", policy: maxUnavailable("1"), event: drained, want: "b"},
		"of the zone that has its turn": {nodes: "a/z1 b/z1 c/z2", policy: fewestMoves(), event: drained, want: "b"},
		"of the next zone":              {nodes: "a/z1 b/z2 c/z3", policy: fewestMoves(), event: drained, want: "b"},
		"of a policy that is paused": {nodes: "a/z1 b/z1", policy: fewestMoves(), event: func(s *story) {
			drained(s)
			s.editPolicy("p", mode(v1alpha1.ModePaused))
		}},
		"that cannot be read": {nodes: "a/z1 b/z1 c/z1", policy: fewestMoves(), want: "c", event: func(s *story) {
			drained(s)
			s.PodsUnread = map[string]bool{"b": true}
		}},
		"of a node that has its back-off": {nodes: "a/z1 b/z1 c/z1", policy: fewestMoves(), want: "c", event: func(s *story) {
			drained(s)
			failedBefore(1, s.now.Sub(start))(s.reboot("rb"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet(test.nodes), newPolicy("p", test.policy))...)
			s.settle()
			test.event(s)
			for _, node := range []string{"b", "c"} {
				delete(s.Pods, node)
			}
			p := s.compute()
			if got := strings.Join(p.ReadAhead, " "); got != test.want {
				t.Errorf("pods of %q are read ahead, want %q", got, test.want)
			}
			if len(p.NeedPods) > 0 && test.want != "" && strings.Contains(strings.Join(p.NeedPods, " "), "b") {
				t.Errorf("the plan waits for %v", p.NeedPods)
			}
		})
	}
}

func TestNoMorePodsAreReadAheadThanAreCompared(t *testing.T) {
	var words []string
	for _, name := range strings.Fields("a b c d e f g h i j k l m n o p q r s t") {
		words = append(words, name+"/z1")
	}
	s := newStory(t, append(fleet(strings.Join(words, " ")), newPolicy("p", fewestMoves()))...)
	s.settle()
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.Pods = nil
	if p := s.compute(); len(p.ReadAhead) != maxCompared {
		t.Errorf("pods of %d nodes are read ahead: %v", len(p.ReadAhead), p.ReadAhead)
	}
}
