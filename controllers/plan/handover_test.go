package plan

import (
	"testing"
	"time"
)

// Nobody leads for a moment when the leader ends. It is better that this is before anything depends on a leader.
func TestTheLeadIsHandedOverBeforeTheNodeOfTheLeaderGetsItsOrder(t *testing.T) {
	for name, test := range map[string]struct {
		leader   string
		managers []string
		policy   []policyOption
		change   func(*story)
		want     bool
	}{
		"to a manager that is Ready":   {leader: "a", managers: []string{"a", "b"}, want: true},
		"of which there is none":       {leader: "a", managers: []string{"a"}},
		"both are on the node":         {leader: "a", managers: []string{"a", "a"}},
		"the other one is not Ready":   {leader: "a", managers: []string{"a", "b"}, change: func(s *story) { s.ManagerPods[1].Ready = false }},
		"the node of the other is not": {leader: "a", managers: []string{"a", "b"}, change: func(s *story) { s.node("b").Ready = false }},
		"the node of the other leaves, too": {leader: "a", managers: []string{"a", "b"}, policy: []policyOption{maxUnavailable("2")},
			change: func(s *story) { s.Reboots = append(s.Reboots, newReboot("rb", "b")) }},
		"the leader is elsewhere":          {leader: "b", managers: []string{"a", "b"}},
		"nobody knows where the leader is": {managers: []string{"a", "b"}},
		"the node may not start":           {leader: "a", managers: []string{"a", "b"}, change: func(s *story) { s.node("b").Unschedulable = true }},
		"the node is not drained":          {leader: "a", managers: []string{"a", "b"}, policy: []policyOption{drain(skipDrain)}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", test.policy...), newNode("a", "z1"), newNode("b", "z1"), newReboot("ra", "a"))
			s.LeaderNode = test.leader
			s.managersOn(test.managers...)
			if test.change != nil {
				test.change(s)
			}
			handed := false
			for range 10 {
				p := s.pass()
				if handed = handed || p.HandOver; handed {
					break
				}
				s.now = s.now.Add(time.Second)
			}
			if handed != test.want {
				t.Errorf("handed over: %t, want %t", handed, test.want)
			}
		})
	}
}

// What only explains where an attempt stands is not a reason to.
func TestTheLeadIsHandedOverOnceForEachOrder(t *testing.T) {
	s := preparedAttemptIn(t, stageCordoned, func(s *story) {
		s.Nodes = append(s.Nodes, newNode("b", "z1"))
		s.LeaderNode = "a"
		s.managersOn("a", "b")
	})
	if p := s.pass(); p.HandOver {
		t.Error("handed over while the drain is not due")
	}
	s.now = s.now.Add(time.Minute)
	if p := s.pass(); !p.HandOver {
		t.Error("not handed over when the drain is due")
	}
	for range 3 { // it was not possible, so the order was given
		s.now = s.now.Add(time.Second)
		if p := s.pass(); p.HandOver {
			t.Error("handed over while the node is drained")
		}
	}
}
