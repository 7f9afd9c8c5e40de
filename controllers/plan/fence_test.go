package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Two managers may both believe that they lead, and the watches of one may be late by different times: it sees a Node as it is and a
// NodeReboot as it was. What it writes to the Node then has to depend on the slots object.

// unmarked is what a Node looks like after an attempt: nothing of it is left.
func unmarked(n *Node) {
	n.Unschedulable, n.CordonedFor, n.Annotations = false, "", nil
	n.Labels = labelsWithout(marksOn(n), n)
}

// executed is what is stored after a manager carried out a plan that it made from a view.
func executed(st *store, v *view, s *story) *store {
	e := &execution{store: st, view: v, plan: Compute(&v.Snapshot, s.now), now: s.now, left: -1, memory: &model.RefusedWrites{}}
	e.run(e.plan)
	return st
}

func TestANodeIsCordonedOrMarkedAgainOnlyWithARenewedGrant(t *testing.T) {
	for name, strip := range map[string]func(*Node){
		"neither cordoned nor marked": unmarked,
		"not cordoned":                func(n *Node) { n.Unschedulable, n.CordonedFor = false, "" },
		"not marked":                  func(n *Node) { n.Annotations, n.Labels = nil, labelsWithout(marksOn(n), n) },
	} {
		for _, stage := range []stage{stageCordoned, stageDraining, stageRebooting} {
			t.Run(name+" "+stage.String(), func(t *testing.T) {
				s := attemptIn(t, stage)
				strip(s.node("a"))
				p := s.pass()
				if slot := p.Slots["a"]; !p.SlotsChanged || slot.Renewed != 1 || slot.Attempt != 1 || len(p.Work) != 1 || !p.Work[0].Granted {
					t.Errorf("slots %v, changed: %t, work %+v", p.Slots, p.SlotsChanged, p.Work)
				}
				if takes := p.Work[0].Takes; takes == nil || takes.Name != "ra" {
					t.Errorf("the Node is changed whatever became of the NodeReboot: %+v", takes)
				}
				n := s.node("a")
				marks := parseMarks(n.Annotations[v1alpha1.MarksAnnotation])
				if !n.Unschedulable || n.CordonedFor != "uid-of-ra" || marks.For != "uid-of-ra" {
					t.Errorf("node %+v", n)
				}
				if next := s.pass(); !idle(next) {
					t.Errorf("the next plan:\n%s", describe(next))
				}
			})
		}
	}
}

func TestAManagerThatSeesANodeEarlierThanItsNodeRebootLeavesAFreedNodeAlone(t *testing.T) {
	for name, readsSlots := range map[string]bool{"and finds no slot": true, "and read the slots before": false} {
		for _, stage := range []stage{stageCordoned, stageDraining, stageRebooting, stageBack} {
			t.Run(stage.String()+" "+name, func(t *testing.T) {
				s := attemptIn(t, stage)
				st := newStore(s.Snapshot)
				old := st.view()
				st.updateNode("a", unmarked) // by the other manager,
				st.updateReboot("ra", func(r *v1alpha1.NodeReboot) {
					r.Status.Attempt = ptr.To(*r.Status.Attempt)
					r.Status.Attempt.EndedTime = at(0)
				})
				if !readsSlots {
					st.readSlots(old)
				}
				st.slots, st.slotsVersion = nil, st.changed() // which frees the slot in the end
				if readsSlots {
					st.readSlots(old)
				}
				now := st.view()
				old.Nodes, old.nodeVersions = now.Nodes, now.nodeVersions
				old.Pods, old.Workloads, old.Answers = s.Pods, s.Workloads, s.Answers
				executed(st, old, s)
				if n := st.nodes["a"]; n.Unschedulable || n.CordonedFor != "" || n.Annotations[v1alpha1.MarksAnnotation] != "" {
					t.Errorf("node %+v", n.Node)
				}
				if len(st.slots) > 0 {
					t.Errorf("slots %v", st.slots)
				}
			})
		}
	}
}

func TestANodeWhoseGrantWasUsedElsewhereStaysCordoned(t *testing.T) {
	for name, unseen := range map[string]bool{"before its attempt is seen": false, "before its NodeReboot is seen": true} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", alertsOf("q")), newNode("a", "z1"), newReboot("ra", "a"))
			st := newStore(s.Snapshot)
			before := st.view()
			if unseen {
				before.Reboots = nil
			}
			s.says(GatePrometheus, "q", GateAnswer{})
			s.settle()
			st = newStore(s.Snapshot)
			now := st.view() // another manager has cordoned the node, and drains it
			before.Nodes, before.nodeVersions, before.Pods = now.Nodes, now.nodeVersions, s.Pods
			st.readSlots(before)
			executed(st, before, s)
			if n := st.nodes["a"]; !n.Unschedulable || n.CordonedFor != "uid-of-ra" || n.Annotations[v1alpha1.MarksAnnotation] == "" {
				t.Errorf("node %+v", n.Node)
			}
		})
	}
}

func TestAnAttemptThatHasNeitherSlotNorCordonIsRolledBack(t *testing.T) {
	s := attemptIn(t, stageCordoned)
	s.Slots = nil
	s.settle()
	if sum := s.summary("ra"); !sum.Cordoned || sum.Phase != v1alpha1.PhaseDraining {
		t.Fatalf("a person deletes the slots object, and the NodeReboot is %+v", sum)
	}
	unmarked(s.node("a"))
	s.SlotsLive = false
	if p := s.compute(); !p.NeedSlots || slices.ContainsFunc(p.Work, func(w NodeWork) bool { return len(w.Reboots) > 0 }) {
		t.Errorf("what a manager remembers of the slots object ends an attempt, or is not asked for again:\n%s", describe(p))
	}
	s.SlotsLive = true
	s.settle()
	if sum := s.summary("ra"); sum.Cordoned || sum.Result != v1alpha1.ReasonUncordoned || s.underWay() != "" {
		t.Errorf("NodeReboot %+v", sum)
	}
}

// Nothing puts a lost entry of the slots object back for an attempt that is recorded. That must not have each pass read the object live.
func TestALostSlotIsAskedForOnlyBeforeTheReboot(t *testing.T) {
	for name, tc := range map[string]struct {
		from  stage
		event func(*story)
		want  bool
	}{
		"it lost its cordon before the drain": {from: stageCordoned, want: true},
		"it lost its cordon in the drain":     {from: stageDraining, want: true},
		"its host reboots":                    {from: stageRebooting},
		"its rollback could not be recorded":  {from: stageDraining, event: func(s *story) { s.refuse(model.WriteStatus, "ra", "no") }},
		"it was rolled back": {from: stageDraining, event: func(s *story) {
			at := metav1.NewMicroTime(s.now)
			s.reboot("ra").Status.Attempt.RolledBackTime = &at
		}},
		"a person cordoned it again": {from: stageDraining, want: true, event: func(s *story) { s.node("a").Unschedulable = true }},
		"a person had cordoned it": {from: stageDraining, want: true, event: func(s *story) {
			s.node("a").Unschedulable = true
			s.reboot("ra").Status.Attempt.Cordon = v1alpha1.CordonForeign
		}},
		"a person had cordoned it, and it has its marks": {from: stageDraining, event: func(s *story) {
			marks := markRecord{For: "uid-of-ra"}.String()
			s.node("a").Unschedulable, s.node("a").Annotations = true, map[string]string{v1alpha1.MarksAnnotation: marks}
			s.reboot("ra").Status.Attempt.Cordon = v1alpha1.CordonForeign
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, tc.from)
			unmarked(s.node("a"))
			if tc.event != nil {
				tc.event(s)
			}
			s.Slots, s.SlotsLive = nil, false
			if p := s.compute(); p.NeedSlots != tc.want {
				t.Errorf("it asks for the slots object: %t, want %t", p.NeedSlots, tc.want)
			}
		})
	}
}

// The end of an attempt is written before its Node, and only if the NodeReboot has not changed. So the slots object decides nothing.
func TestTheSlotIsNotAskedForToEndAnAttempt(t *testing.T) {
	for name, event := range map[string]func(*Node){
		"its Node shows it":               func(*Node) {},
		"a person took the marks away":    func(n *Node) { delete(n.Annotations, v1alpha1.MarksAnnotation) },
		"a person took the cordon away":   func(n *Node) { n.Unschedulable, n.CordonedFor = false, "" },
		"a person took both of them away": unmarked,
		"the cordon is a person's by now": func(n *Node) { n.CordonedFor = "" },
	} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageDraining)
			s.answer("ra", v1alpha1.OrderFailed, "No.")
			event(s.node("a"))
			s.SlotsLive = false
			p := s.compute()
			if p.NeedSlots {
				t.Errorf("it asks for the slots object:\n%s", describe(p))
			}
			if !slices.ContainsFunc(p.Work, func(w NodeWork) bool { return len(w.Reboots) > 0 }) {
				t.Errorf("the end is not recorded:\n%s", describe(p))
			}
		})
	}
}

func TestTheTaintInPlaceOfTheCordonNeedsTheSlot(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
	s.managersOn("a", "a")
	st := newStore(s.Snapshot)
	v := st.view()
	v.Pods, v.Namespace, v.ManagerPods, v.Workloads = s.Pods, s.Namespace, s.ManagerPods, s.Workloads
	st.slotsVersion = st.changed() // by another manager
	executed(st, v, s)
	if n := &st.nodes["a"].Node; hasTaint(n, v1alpha1.RebootingTaintKey) || !hasTaint(n, v1alpha1.TaintKey) || n.CordonedFor != "" {
		t.Errorf("node %+v", n)
	}
}

func TestAGrantIsNotRenewedForWhatIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		refused []model.Write
		want    bool
	}{
		"the cordon":           {refused: []model.Write{model.WriteCordon}},
		"the marks":            {refused: []model.Write{model.WriteLabels}, want: true},
		"the slots object":     {refused: []model.Write{model.WriteSlots}},
		"the cordon and marks": {refused: []model.Write{model.WriteCordon, model.WriteLabels}},
	} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageDraining)
			unmarked(s.node("a"))
			for _, write := range tc.refused {
				about := "a"
				if write == model.WriteSlots {
					about = v1alpha1.SlotsName
				}
				s.refuse(write, about, "no")
			}
			p := s.compute()
			cordons := len(p.Work) > 0 && p.Work[0].Patch != nil && p.Work[0].Patch.Cordons()
			if p.SlotsChanged != tc.want || cordons != tc.want {
				t.Errorf("slots %v, changed: %t, cordons: %t", p.Slots, p.SlotsChanged, cordons)
			}
		})
	}
}

// The drain of a node that lost its cordon is done, and the grant cannot be renewed.
func TestANodeThatCannotBeCordonedAgainIsNotOrderedToReboot(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*story)
		orders bool
	}{
		"it has its cordon":               {change: func(*story) {}, orders: true},
		"the grant is renewed":            {change: func(s *story) { unmarked(s.node("a")) }, orders: true},
		"the slots object is refused":     {change: func(s *story) { unmarked(s.node("a")); s.refuse(model.WriteSlots, v1alpha1.SlotsName, "no") }},
		"the slots object was not read":   {change: func(s *story) { unmarked(s.node("a")); delete(s.Slots, "a"); s.SlotsLive = false }},
		"the slots object has none of it": {change: func(s *story) { unmarked(s.node("a")); delete(s.Slots, "a"); s.SlotsLive = true }},
	} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageDraining)
			s.answer("ra", v1alpha1.OrderDone, "")
			s.settle()
			s.now = s.now.Add(time.Minute) // the delay of the reboot
			tc.change(s)
			p := s.compute()
			orders := slices.ContainsFunc(p.Work, func(w NodeWork) bool {
				return slices.ContainsFunc(w.Reboots, func(c RebootChange) bool { return c.Orders() })
			})
			if orders != tc.orders {
				t.Errorf("orders: %t; work %+v", orders, p.Work)
			}
		})
	}
}

// Another manager may have begun and ended the very attempt that is granted here, and freed its slot.
func TestAStartRestsOnTheNodeRebootThatWasRead(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
	got := map[string]string{}
	for _, work := range s.pass().Work {
		if work.Takes != nil {
			got[work.Node] = work.Takes.Name
		}
	}
	if diff := cmp.Diff(map[string]string{"a": "ra"}, got); diff != "" {
		t.Errorf("nodes that are taken (-want +got):\n%s", diff)
	}
}

func TestAnAttemptThatAnotherManagerHasEndedIsNotBegunAgain(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
	st := newStore(s.Snapshot)
	old := st.view()
	st.updateReboot("ra", endedAttempt(1)) // by the other manager, which has put the Node back as it was and freed the slot
	old.Pods, old.Workloads = s.Pods, s.Workloads
	executed(st, old, s)
	if n := st.nodes["a"]; n.Unschedulable || n.CordonedFor != "" {
		t.Errorf("node %+v", n.Node)
	}
}

func TestWhatMayBeWrittenWithoutASlotIsTheTaintForTheNeed(t *testing.T) {
	need := corev1.Taint{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffectNoSchedule}
	other := corev1.Taint{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}
	added := need
	added.TimeAdded = ptr.To(metav1.NewTime(start))
	for name, tc := range map[string]struct{ had, set, want []corev1.Taint }{
		"the need and the cordon":        {set: []corev1.Taint{need, model.RebootingTaint}, want: []corev1.Taint{need}},
		"the cordon only":                {had: []corev1.Taint{need, other}, set: []corev1.Taint{other, need, model.RebootingTaint}},
		"the cordon, which it has":       {had: []corev1.Taint{model.RebootingTaint}, set: []corev1.Taint{need, model.RebootingTaint}, want: []corev1.Taint{need, model.RebootingTaint}},
		"the taint goes with the cordon": {had: []corev1.Taint{need, model.RebootingTaint}, set: []corev1.Taint{need}},
		"both go":                        {had: []corev1.Taint{need, model.RebootingTaint}, want: []corev1.Taint{model.RebootingTaint}},
		"the need, which it has since a time": {
			had: []corev1.Taint{added, other}, set: []corev1.Taint{other, need, model.RebootingTaint},
		},
		"the need, which it has not": {had: []corev1.Taint{other}, set: []corev1.Taint{other, need}, want: []corev1.Taint{other, need}},
	} {
		work := &NodeWork{Node: "a", Patch: &NodePatch{
			SetTaints: true, Taints: tc.set, Had: tc.had, CordonedFor: ptr.To("uid-of-ra"), Unschedulable: ptr.To(true),
		}}
		var got []corev1.Taint
		if only := work.NeedOnly(); only != nil {
			got = only.Patch.Taints
			if only.Patch.CordonedFor != nil || only.Patch.Unschedulable != nil {
				t.Errorf("%s: it cordons", name)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: taints %v, want %v", name, got, tc.want)
		}
	}
}
