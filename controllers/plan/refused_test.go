package plan

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// refuse says that a write was refused just now, and is tried again in a minute.
func (s *story) refuse(write model.Write, name, answer string) *model.Refusal {
	refusal := model.Refusal{
		WriteKey: model.WriteKey{Write: write, Name: name}, Answer: answer, Since: s.now, Until: s.now.Add(time.Minute),
	}
	switch r := s.reboot(name); {
	case r != nil:
		refusal.Node = r.Spec.NodeName
	case s.node(name) != nil:
		refusal.Node = name
	}
	refusals := maps.Clone(s.Refusals)
	if refusals == nil {
		refusals = map[model.WriteKey]model.Refusal{}
	}
	refusals[refusal.WriteKey] = refusal
	s.Refusals = refusals
	return &refusal
}

func (s *story) granted(refusal *model.Refusal, slot Slot) {
	refusal.Grant = slot.Key()
	s.Refusals[refusal.WriteKey] = *refusal
}

func TestNodeWithARefusedWriteWaitsAndLetsOthersGo(t *testing.T) {
	for name, test := range map[string]struct {
		write  model.Write
		object string
	}{
		"cordon": {model.WriteCordon, "a"}, "finalizer": {model.WriteFinalizer, "ra"}, "order": {model.WriteOrder, "ra"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
			s.refuse(test.write, test.object, "no")
			s.settle()
			if got := s.underWay(); got != "b" {
				t.Errorf("under way: %q", got)
			}
			want := summary{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonWriteRefused, Tainted: true}
			if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
				t.Errorf("NodeReboot (-want +got):\n%s", diff)
			}
			s.answer("rb", v1alpha1.OrderDone, "")
			s.settle()
			s.boot("b", 2)
			s.comeBack("rb", v1alpha1.SentinelNotRequired)
			s.settle()
			s.advance(time.Minute)
			if got := s.underWay(); got != "a" {
				t.Errorf("under way when it may be tried again: %q", got)
			}
		})
	}
}

func TestGrantThatWasBegunInVainIsGivenBackAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		renewed int32
		after   time.Duration
		want    string
	}{
		"made by this manager": {0, 0, "b"},
		"taken over from another one, which may be in the middle of its pass": {1, 0, ""},
		"taken over long ago": {1, maxPass, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
			slot := Slot{Reboot: "ra", UID: "uid-of-ra", Attempt: 1, Renewed: test.renewed}
			s.Slots["a"] = slot
			order := s.refuse(model.WriteOrder, "ra", "no")
			order.Until = s.now.Add(time.Hour)
			s.granted(order, slot)
			s.refuse(model.WriteStatus, "ra", "no").Until = s.now.Add(time.Hour)
			status := s.Refusals[model.WriteKey{Write: model.WriteStatus, Name: "ra"}]
			status.Until = s.now.Add(time.Hour)
			s.Refusals[status.WriteKey] = status
			s.now = s.now.Add(test.after)
			s.pass()
			if got := s.underWay(); got != test.want {
				t.Errorf("under way: %q, want %q", got, test.want)
			}
			if _, held := s.Slots["a"]; held == (test.want == "b") {
				t.Errorf("slots %v", s.Slots)
			}
			message := s.reboot("rb").Status.Message
			if test.want == "" && !strings.Contains(message, "a (a write for its reboot is refused)") {
				t.Errorf("message %q", message)
			}
		})
	}
}

// A grant is written, so that it fails if the slots object has changed, and differs from the grant that was begun in vain.
func TestGrantThatWasBegunInVainIsAnotherOneIfItIsMadeAgain(t *testing.T) {
	s := newStory(t, append(fleet("a/z1"), newPolicy("p"))...)
	slot := Slot{Reboot: "ra", UID: "uid-of-ra", Attempt: 1}
	s.Slots["a"] = slot
	order := s.refuse(model.WriteOrder, "ra", "no")
	order.Until = s.now // someone changed the NodeReboot
	s.granted(order, slot)
	plan := s.compute()
	if got := plan.Slots["a"]; !plan.SlotsChanged || got.Renewed != 1 || got.Attempt != 1 {
		t.Errorf("slots %v, changed: %t", plan.Slots, plan.SlotsChanged)
	}
}

func TestAttemptWhoseOrderIsRefusedIsRolledBackUntilItEvictsAnything(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", unhurried()))...)
	s.settle()
	s.refuse(model.WriteOrder, "ra", "no")
	s.settle()
	if sum := s.summary("ra"); sum.Reason != v1alpha1.ReasonWriteRefused || sum.Cordoned || s.underWay() != "b" {
		t.Errorf("under way %q, NodeReboot %+v", s.underWay(), sum)
	}
}

func TestAttemptThatEvictedPodsCountsWhileItsOrderIsRefused(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
	s.settle()
	s.refuse(model.WriteOrder, "ra", "no")
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	if sum := s.summary("ra"); sum.Reason != v1alpha1.ReasonWriteRefused || !sum.Cordoned || s.underWay() != "a" {
		t.Errorf("under way %q, NodeReboot %+v", s.underWay(), sum)
	}
	s.advance(time.Minute)
	if sum := s.summary("ra"); sum.Order != v1alpha1.ActionReboot {
		t.Errorf("NodeReboot %+v after the next try", sum)
	}
}

func TestRefusedStatusIsWrittenOnceBeforeItsNodeStarts(t *testing.T) {
	s := newStory(t, append(fleet("a/z1"), newPolicy("p"))...)
	s.refuse(model.WriteStatus, "ra", "no")
	if p := s.pass(); len(p.Work) != 1 || len(p.Work[0].Reboots) != 0 {
		t.Errorf("work %+v: want the taint alone", p.Work)
	}
	s.now = s.now.Add(time.Minute)
	p := s.pass()
	if len(p.Work) != 1 || len(p.Work[0].Reboots) != 1 || s.underWay() != "" {
		t.Fatalf("work %+v, under way %q: want a status and no start", p.Work, s.underWay())
	}
	s.Refusals = nil
	s.settle()
	if s.underWay() != "a" {
		t.Errorf("reason %s", s.reboot("ra").Status.Reason)
	}
}

func TestTaintThatIsRefusedIsNotRecordedAndHoldsUpNothing(t *testing.T) {
	s := newStory(t, append(fleet("a/z1"), newPolicy("p"))...)
	s.refuse(model.WriteTaint, "a", "no")
	s.refuse(model.WriteMaintenance, "a", "no")
	s.settle()
	if status := s.reboot("ra").Status; s.underWay() != "a" || status.TaintedTime != nil {
		t.Errorf("under way %q, tainted at %v", s.underWay(), status.TaintedTime)
	}
}

func TestPolicyTellsOfRefusedWrites(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"), newPolicy("other", selecting("none", "none")))...)
	s.refuse(model.WriteLabels, "a", "no labels")
	s.refuse(model.WriteCordon, "b", "no cordon")
	s.settle()
	got := map[string]string{}
	for _, p := range s.Policies {
		for _, c := range p.Status.Conditions {
			if c.Type == v1alpha1.ConditionWritesRefused {
				got[p.Name] = c.Message
			}
		}
	}
	want := map[string]string{
		"p": "The labels and annotations of node a cannot be changed; the API server answers: no labels. 1 more write is refused.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

// writesOf records the writes of a run, and refuses some.
func writesOf(work *NodeWork, refused ...model.Write) []string {
	var made []string
	try := func(write model.Write) Written {
		for _, no := range refused {
			if no == write {
				made = append(made, "no "+string(write))
				return WriteRefused
			}
		}
		made = append(made, string(write))
		return WriteMade
	}
	work.Write(NodeWrites{
		AddFinalizer: func(int) Written { return try(model.WriteFinalizer) },
		Patch: func(p *NodePatch) Written {
			return p.WriteInParts(func(part PatchPart) Written { return try(part.Write) })
		},
		Status:          func(i int) Written { return try(work.Reboots[i].Write()) },
		Maintenance:     func() Written { return try(model.WriteMaintenance) },
		RemoveFinalizer: func(int) Written { return try(model.WriteFinalizer) },
	})
	return made
}

func TestWorkGoesOnWithWhatDoesNotNeedARefusedWrite(t *testing.T) {
	open := v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{Number: 1}}
	waits := v1alpha1.NodeRebootStatus{Reason: v1alpha1.ReasonPaused}
	ended := v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{Number: 1, EndedTime: at(0)}}
	starts := RebootChange{Object: newReboot("ra", "a"), Status: open, StatusChanged: true, AddFinalizer: true}
	other := RebootChange{Object: newReboot("other", "a"), Status: waits, StatusChanged: true}
	ends := RebootChange{
		Object: newReboot("ra", "a", func(r *v1alpha1.NodeReboot) { r.Status = open }), Status: ended, StatusChanged: true, RemoveFinalizer: true,
	}
	need := []corev1.Taint{{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffectNoSchedule}}
	cordons := NodePatch{
		SetTaints: true, Taints: need, Unschedulable: ptr.To(true), CordonedFor: ptr.To("u"), Labels: map[string]*string{"x": ptr.To("y")},
	}
	uncordons := NodePatch{
		SetTaints: true, Had: need, Unschedulable: ptr.To(false), CordonedFor: ptr.To(""),
		Annotations: map[string]*string{v1alpha1.MarksAnnotation: nil},
	}
	maintenance := map[corev1.NodeConditionType]MaintenanceCondition{}
	excludes := NodePatch{Labels: map[string]*string{v1alpha1.ExcludeLabel: ptr.To("true")}}
	drains := RebootChange{
		Object: newReboot("ra", "a", func(r *v1alpha1.NodeReboot) { r.Status = open }), StatusChanged: true,
		Status: v1alpha1.NodeRebootStatus{Attempt: open.Attempt, Order: &v1alpha1.RebootOrder{Sequence: 1}},
	}
	exclude := &NodeWork{Node: "a", Patch: &excludes, Reboots: []RebootChange{drains, other}}
	start := &NodeWork{Node: "a", Patch: &cordons, Maintenance: maintenance, Reboots: []RebootChange{starts, other}}
	end := &NodeWork{Node: "a", Patch: &uncordons, Maintenance: maintenance, Reboots: []RebootChange{ends}}
	for name, test := range map[string]struct {
		work    *NodeWork
		refused model.Write
		want    string
	}{
		"nothing is refused":              {start, "", "Finalizer Taint Cordon Labels Order Status Maintenance"},
		"the finalizer of an attempt":     {start, model.WriteFinalizer, "no_Finalizer Taint Status"},
		"the taint":                       {start, model.WriteTaint, "Finalizer no_Taint Cordon Labels Order Status Maintenance"},
		"the cordon":                      {start, model.WriteCordon, "Finalizer Taint no_Cordon Status"},
		"the labels":                      {start, model.WriteLabels, "Finalizer Taint Cordon no_Labels Order Status Maintenance"},
		"the attempt":                     {start, model.WriteOrder, "Finalizer Taint Cordon Labels no_Order Status"},
		"the status of another":           {start, model.WriteStatus, "Finalizer Taint Cordon Labels Order no_Status Maintenance"},
		"the conditions":                  {start, model.WriteMaintenance, "Finalizer Taint Cordon Labels Order Status no_Maintenance"},
		"the load balancers":              {exclude, model.WriteExclude, "no_Exclude Status"},
		"the end: nothing is refused":     {end, "", "Status Taint Cordon Labels Maintenance Finalizer"},
		"the end: its status":             {end, model.WriteStatus, "no_Status Taint"},
		"the end: the uncordon":           {end, model.WriteCordon, "Status Taint no_Cordon Labels Maintenance"},
		"the end: the labels":             {end, model.WriteLabels, "Status Taint Cordon no_Labels Maintenance Finalizer"},
		"the end: removing the finalizer": {end, model.WriteFinalizer, "Status Taint Cordon Labels Maintenance no_Finalizer"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, write := range writesOf(test.work, test.refused) {
				got = append(got, strings.ReplaceAll(write, " ", "_"))
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}
