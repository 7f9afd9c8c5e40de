package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// foreign has a person cordon the node before the attempt began.
func foreign(s *story) {
	n := s.node("a")
	n.Unschedulable, n.CordonedFor = true, ""
	s.reboot("ra").Status.Attempt.Cordon = v1alpha1.CordonForeign
}

// finish has the drain done, and makes the passes until the reboot is ordered, or something keeps it.
func (s *story) finish() {
	s.t.Helper()
	s.settle()
	s.now = s.now.Add(time.Minute) // the delay of the drain
	s.settle()
	if order := s.reboot("ra").Status.Order; order != nil && order.Action == v1alpha1.ActionDrain {
		s.answer("ra", v1alpha1.OrderDone, "")
	}
	s.settle()
	s.now = s.now.Add(time.Minute) // that of the reboot
	s.settle()
}

// Whatever a Node has lost, and whatever is the matter with the slots object: the attempt continues, ends, or says what it waits for.
func TestAnAttemptWithoutItsSlotDoesNotHang(t *testing.T) {
	strips := map[string]func(*story){
		"not cordoned":                func(s *story) { n := s.node("a"); n.Unschedulable, n.CordonedFor = false, "" },
		"neither cordoned nor marked": func(s *story) { unmarked(s.node("a")) },
		"not marked":                  func(s *story) { n := s.node("a"); n.Annotations, n.Labels = nil, labelsWithout(marksOn(n), n) },
		"never cordoned": func(s *story) {
			unmarked(s.node("a"))
			granted := s.reboot("ra").Status.Attempt.GrantedTime
			s.reboot("ra").Status.Attempt = &v1alpha1.Attempt{Number: 1, PolicyName: "p", GrantedTime: granted}
			s.reboot("ra").Status.Order = nil
		},
		"cordoned by a person, not marked": func(s *story) { unmarked(s.node("a")); foreign(s) },
		"kept for the manager, without its taint": func(s *story) {
			unmarked(s.node("a"))
			s.reboot("ra").Status.Attempt.Manager = v1alpha1.ManagerStays
		},
		"neither, and a pod that its budget holds": func(s *story) {
			unmarked(s.node("a"))
			s.Pods["a"] = append(s.Pods["a"], coveredPod("web-2", deployment("web"),
				WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}))
			s.budget(0)
		},
	}
	slots := map[string]func(*story){
		"the slot is gone":            func(s *story) { s.Slots = nil },
		"the slots object is refused": func(s *story) { s.refuse(model.WriteSlots, v1alpha1.SlotsName, "no") },
	}
	for stripped, strip := range strips {
		for lost, lose := range slots {
			for _, stage := range []stage{stageCordoned, stageDraining, stageDrained} {
				t.Run(stripped+", "+lost+", "+stage.String(), func(t *testing.T) {
					s := attemptIn(t, stage)
					strip(s)
					lose(s)
					s.finish()
					if !s.goesOnOrSaysWhy() {
						t.Errorf("node %+v, attempt %+v, reason %s: %s", s.node("a"), s.reboot("ra").Status.Attempt,
							s.reboot("ra").Status.Reason, s.reboot("ra").Status.Message)
					}
				})
			}
		}
	}
}

// goesOnOrSaysWhy: the host was ordered to reboot on a node that shows the attempt, or the attempt ended, or it says what it waits for.
func (s *story) goesOnOrSaysWhy() bool {
	node, status := s.node("a"), &s.reboot("ra").Status
	attempt := status.Attempt
	switch {
	case attempt.RebootOrderedTime != nil && parseMarks(node.Annotations[v1alpha1.MarksAnnotation]).For == "uid-of-ra":
		return node.CordonedFor == "uid-of-ra" || attempt.Cordon == v1alpha1.CordonForeign && node.Unschedulable
	case attempt.Number > 1: // it was rolled back, and what was refused is tried again after a while
		return true
	}
	return attempt.Result == v1alpha1.ReasonUncordoned || attempt.Result == v1alpha1.ReasonWriteRefused ||
		status.Reason == v1alpha1.ReasonWriteRefused
}

// Nothing has to be set on these Nodes, so nothing is the matter with an attempt that has no slot to renew.
func TestAnAttemptWhoseNodeLacksNothingNeedsNoSlot(t *testing.T) {
	for name, tc := range map[string]func(*story){
		"a person had cordoned it, and marks are refused": func(s *story) {
			unmarked(s.node("a"))
			foreign(s)
			s.refuse(model.WriteLabels, "a", "no")
		},
		"a person had cordoned it, and it has its marks": foreign,
		"a person cordoned it again, and it has its marks": func(s *story) {
			n := s.node("a")
			n.Unschedulable, n.CordonedFor = true, ""
		},
		"a person cordoned it again, and marks are refused": func(s *story) {
			unmarked(s.node("a"))
			s.node("a").Unschedulable = true
			s.refuse(model.WriteLabels, "a", "no")
		},
	} {
		for lost, lose := range map[string]func(*story){
			"the slot is gone":            func(s *story) { s.Slots = nil },
			"the slots object is refused": func(s *story) { s.refuse(model.WriteSlots, v1alpha1.SlotsName, "no") },
		} {
			for _, stage := range []stage{stageCordoned, stageDraining} {
				t.Run(name+", "+lost+", "+stage.String(), func(t *testing.T) {
					s := attemptIn(t, stage)
					tc(s)
					lose(s)
					s.finish()
					attempt, node := s.reboot("ra").Status.Attempt, s.node("a")
					if attempt.Number != 1 || attempt.RebootOrderedTime == nil || node.CordonedFor != "" || !node.Unschedulable {
						t.Errorf("attempt %+v, reason %s, node %+v", attempt, s.reboot("ra").Status.Reason, node)
					}
				})
			}
		}
	}
}

// The exclusion from load balancers is part of the marks, so without it the others are missing permanently.
func TestADrainWhoseExclusionIsRefusedNeedsNoSlot(t *testing.T) {
	s := attemptIn(t, stageDraining)
	unmarked(s.node("a"))
	foreign(s)
	s.refuse(model.WriteExclude, "a", "no")
	s.Slots = nil
	s.finish()
	if attempt := s.reboot("ra").Status.Attempt; attempt.Number != 1 || attempt.RebootOrderedTime == nil {
		t.Errorf("attempt %+v, reason %s", attempt, s.reboot("ra").Status.Reason)
	}
}

// An annotation of another NodeReboot is not what a person leaves who uncordons the node.
func TestANodeWithTheCordonOfAnotherNodeRebootIsCordonedAgain(t *testing.T) {
	for name, unschedulable := range map[string]bool{"which is cordoned": true, "which is not": false} {
		s := attemptIn(t, stageDraining)
		n := s.node("a")
		n.Unschedulable, n.CordonedFor = unschedulable, "uid-of-another"
		s.settle()
		attempt, node := s.reboot("ra").Status.Attempt, s.node("a")
		if attempt.RolledBackTime != nil || !node.Unschedulable || node.CordonedFor != "uid-of-ra" {
			t.Errorf("%s: attempt %+v, node %+v", name, attempt, node)
		}
	}
}

func TestAManagerThatBeginsToLeadAndSeesANodeLateLeavesItsAttemptAlone(t *testing.T) {
	for _, stage := range []stage{stageCordoned, stageDraining, stageRebooting} {
		s := attemptIn(t, stage)
		st := newStore(s.Snapshot)
		before := *s.node("a")
		unmarked(&before)
		v := st.view()
		v.Pods, v.Workloads, v.Answers = s.Pods, s.Workloads, s.Answers
		v.Nodes = []*Node{&before}
		st.updateNode("a", func(*Node) {}) // what it sees is a version earlier
		executed(st, v, s)
		attempt, n := st.reboots["ra"].Status.Attempt, st.nodes["a"]
		if attempt.RolledBackTime != nil || attempt.EndedTime != nil || !n.Unschedulable || n.CordonedFor != "uid-of-ra" {
			t.Errorf("%s: attempt %+v, node %+v", stage, attempt, n.Node)
		}
	}
}

// Someone may take a slot out of the slots object. What holds it is under way until its end is written.
func TestNothingBeginsInTheSlotOfAnAttemptWhoseEndIsNotWritten(t *testing.T) {
	for name, tc := range map[string]struct {
		from stage
		add  func() []any
		end  func(*story)
	}{
		"another NodeReboot of the node": {
			from: stageDraining, add: func() []any { return []any{newReboot("rc", "a", manual, immediate)} },
			end: func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "No.") },
		},
		"another node": {
			from: stageSettling, add: func() []any { return []any{newNode("b", "z1"), newReboot("rb", "b")} },
			end: func(s *story) { s.now = s.now.Add(time.Minute) },
		},
		"a node of another zone": {
			from: stageSettling, add: func() []any { return []any{newNode("b", "z2"), newReboot("rb", "b")} },
			end: func(s *story) { s.now = s.now.Add(time.Minute) },
		},
	} {
		for lost, lose := range map[string]func(*story){
			"the slots object holds it": func(*story) {},
			"the slots object is gone":  func(s *story) { s.Slots = nil },
			"its entry makes no sense":  func(s *story) { s.Slots = map[string]Slot{"a": {Gone: true}} },
		} {
			t.Run(name+", "+lost, func(t *testing.T) {
				s := attemptIn(t, tc.from)
				more := newSnapshot(append(tc.add(), newPolicy("p"))...)
				s.Nodes, s.Reboots = append(s.Nodes, more.Nodes...), append(s.Reboots, more.Reboots...)
				for _, n := range more.Nodes {
					s.Pods[n.Name] = nil
				}
				s.settle()
				lose(s)
				tc.end(s)
				p := s.pass()
				if s.underWay() != "" {
					t.Fatalf("under way: %q", s.underWay())
				}
				for _, work := range p.Work {
					if work.Granted {
						t.Errorf("node %s begins in the plan that ends the attempt: slots %v", work.Node, p.Slots)
					}
				}
				if s.pass(); s.underWay() == "" {
					t.Error("nothing begins in the next plan either")
				}
			})
		}
	}
}

// The drain continues as it was ordered, and what is known of it is still recorded.
func TestADrainOfANodeThatCannotBeCordonedAgainSaysSo(t *testing.T) {
	s := attemptIn(t, stageDraining)
	unmarked(s.node("a"))
	s.refuse(model.WriteSlots, v1alpha1.SlotsName, "no")
	s.settle()
	ordered := s.reboot("ra").Status.Order
	s.editPolicy("p", func(p *v1alpha1.RebootPolicy) { p.Spec.Drain.TimeoutSeconds = ptr.To[int32](1234) })
	s.reboot("ra").Status.Message = "what was known before"
	s.settle()
	status := s.reboot("ra").Status
	if status.Message == "what was known before" || status.Reason != v1alpha1.ReasonWriteRefused || status.Attempt.RolledBackTime != nil {
		t.Errorf("attempt %+v, reason %s: %s", status.Attempt, status.Reason, status.Message)
	}
	if diff := cmp.Diff(ordered, status.Order); diff != "" {
		t.Errorf("the order (-want +got):\n%s", diff)
	}
}
