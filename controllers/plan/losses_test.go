package plan

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// losses are what may be gone at any moment: deleted, edited, or not read yet.
var losses = map[string]func(*story){
	"the policies":    func(s *story) { s.Policies = nil },
	"the Nodes":       func(s *story) { s.Nodes = nil },
	"the NodeReboots": func(s *story) { s.Reboots = nil },
	"the slots":       func(s *story) { clear(s.Slots) },
	"the pods":        func(s *story) { clear(s.Pods) },
	"the workloads":   func(s *story) { clear(s.Workloads) },
	"the answers":     func(s *story) { clear(s.Answers) },
	"what Nodes show": ofEachNode(func(n *Node) {
		n.Taints, n.CordonedFor, n.Unschedulable, n.Annotations, n.Maintenance = nil, "", false, nil, nil
	}),
	"conditions of Nodes": ofEachNode(func(n *Node) { n.Conditions = nil }),
	"zones of Nodes":      ofEachNode(func(n *Node) { n.Labels = nil }),
	"boots of Nodes":      ofEachNode(func(n *Node) { n.BootID = "" }),
	"other boots":         ofEachStatus(func(s *v1alpha1.NodeRebootStatus) { s.Before, s.After = nil, nil }),
	"the reports":         ofEachStatus(func(s *v1alpha1.NodeRebootStatus) { s.Report = nil }),
	"the orders":          ofEachStatus(func(s *v1alpha1.NodeRebootStatus) { s.Order = nil }),
	"the attempts":        ofEachStatus(func(s *v1alpha1.NodeRebootStatus) { s.Attempt = nil }),
	"the needs":           ofEachStatus(func(s *v1alpha1.NodeRebootStatus) { s.RequiredSince, s.TaintedTime, s.NodeUID = nil, nil, "" }),
	"the failures":        ofEachStatus(func(s *v1alpha1.NodeRebootStatus) { s.Failures = nil }),
	"the outcome":         ofEachStatus(func(s *v1alpha1.NodeRebootStatus) { s.CompletionTime, s.Outcome, s.OutcomeReason = nil, "", "" }),
	"whose it was": ofEachStatus(func(s *v1alpha1.NodeRebootStatus) {
		if s.PolicyName, s.Zone = "", ""; s.Attempt != nil {
			attempt := *s.Attempt
			attempt.PolicyName, attempt.Zone, attempt.Role, attempt.NodeRole = "", "", "", ""
			s.Attempt = &attempt
		}
	}),
}

func ofEachNode(lose func(*Node)) func(*story) {
	return func(s *story) {
		for i := range s.Nodes {
			n := *s.Nodes[i]
			lose(&n)
			s.Nodes[i] = &n
		}
	}
}

func ofEachStatus(lose func(*v1alpha1.NodeRebootStatus)) func(*story) {
	return func(s *story) {
		for i := range s.Reboots {
			r := s.Reboots[i].DeepCopy()
			lose(&r.Status)
			s.Reboots[i] = r
		}
	}
}

// A plan is made of whatever is there. Each situation that has a reason of its own loses each thing that people or programs may take away.
// Plans go on and come to rest, and without policies nothing starts.
func TestPlansGoOnWhateverIsLost(t *testing.T) {
	t.Parallel()
	for reason, situation := range reasonStories {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			for _, lost := range slices.Sorted(maps.Keys(losses)) {
				t.Run(lost, func(t *testing.T) {
					s := situation(t)
					s.settle()
					losses[lost](s)
					before := s.attempts()
					s.comeToRest()
					s.now = s.now.Add(time.Hour)
					s.comeToRest()
					if after := s.attempts(); lost == "the policies" && !maps.Equal(before, after) {
						t.Errorf("without a policy, the attempts went from %v to %v", before, after)
					}
				})
			}
		})
	}
}

// comeToRest makes plans until one has nothing to do, however many that takes.
func (s *story) comeToRest() {
	s.t.Helper()
	for range 30 {
		if idle(s.pass()) {
			return
		}
	}
	s.t.Fatalf("there is always something to do:\n%s", describe(s.pass()))
}

// attempts is the number of the last attempt of each NodeReboot.
func (s *story) attempts() map[string]int32 {
	numbers := map[string]int32{}
	for _, r := range s.Reboots {
		if r.Status.Attempt != nil {
			numbers[r.Name] = r.Status.Attempt.Number
		}
	}
	return numbers
}
