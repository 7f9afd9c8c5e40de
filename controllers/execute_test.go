package controllers

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

func newExecutor(w *world) (*executor, *events.FakeRecorder) {
	recorder := events.NewFakeRecorder(100)
	return &executor{
		client: w, live: w, recorder: recorder, numbers: newNumbers(), namespace: testNamespace, publishMaintenance: true,
		refused: &refusedWrites{}, clock: clocktesting.NewFakePassiveClock(testNow), slotsKnown: &slotsMemory{},
	}, recorder
}

func emitted(recorder *events.FakeRecorder) []string {
	var list []string
	for {
		select {
		case e := <-recorder.Events:
			list = append(list, e)
		default:
			slices.Sort(list)
			return list
		}
	}
}

// start is the work that a plan has for a node whose slot it grants.
func start(t *testing.T, s *snapshot, name string) plan.NodeWork {
	reboot := rebootOf(t, s, name)
	status := *reboot.Status.DeepCopy()
	status.Phase, status.PolicyName = v1alpha1.PhaseDraining, "p"
	status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(0)}
	return plan.NodeWork{
		Node: reboot.Spec.NodeName, Granted: true,
		Patch:       &plan.NodePatch{Unschedulable: ptr.To(true), CordonedFor: ptr.To(string(reboot.UID))},
		Maintenance: map[corev1.NodeConditionType]plan.MaintenanceCondition{plan.DrainInProgress: {Reason: "RebootRequired"}},
		Reboots: []plan.RebootChange{{
			Object: reboot, Status: status, StatusChanged: true, AddFinalizer: true,
			Events: []model.Event{{Reason: "Draining", Message: "node " + reboot.Spec.NodeName, OnNode: true}},
		}},
	}
}

func slotFor(name string) plan.Slot { return plan.Slot{Reboot: name, UID: "uid-" + name, Attempt: 1} }

func TestExecuteWritesTheSlotThenFinalizerNodeStatusAndConditionsInThisOrder(t *testing.T) {
	w := newWorld(t, newNode("a"), newReboot("ra", "a"))
	e, recorder := newExecutor(w)
	s := w.read(t)
	result := e.execute(t.Context(), s, &plan.Plan{
		SlotsChanged: true, Slots: map[string]plan.Slot{"a": slotFor("ra")}, Work: []plan.NodeWork{start(t, s, "ra")},
	}, testNow)
	if result.stale || result.err() != nil {
		t.Fatalf("stale %t, error %v", result.stale, result.err())
	}
	want := []string{
		"create ConfigMap reboot-operator-slots",
		"patch NodeReboot ra",
		"patch Node a",
		"patch status NodeReboot ra",
		"patch status Node a",
	}
	if diff := cmp.Diff(want, w.writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	node, reboot := w.node(t, "a"), w.reboot(t, "ra")
	if !node.Spec.Unschedulable || node.Annotations[v1alpha1.CordonAnnotation] != "uid-ra" {
		t.Errorf("node is not cordoned for its NodeReboot: %+v", node)
	}
	if !slices.Contains(reboot.Finalizers, v1alpha1.Finalizer) || reboot.Status.Attempt == nil {
		t.Errorf("NodeReboot %+v", reboot)
	}
	wantEvents := []string{"Normal Draining NodeReboot ra: node a"}
	if diff := cmp.Diff(wantEvents, emitted(recorder)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestExecuteDoesNothingThatNeedsASlotWhenTheSlotsObjectWasWrittenBySomeoneElse(t *testing.T) {
	taint := corev1.Taint{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffectPreferNoSchedule}
	objects := []client.Object{
		newNode("a"), newReboot("ra", "a"), newNode("b"), newReboot("rb", "b"),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.SlotsName}},
	}
	for name, meanwhile := range map[string]func(t *testing.T, w *world){
		"updated since it was read": func(t *testing.T, w *world) {
			slots := &corev1.ConfigMap{}
			if err := w.Get(t.Context(), types.NamespacedName{Namespace: testNamespace, Name: v1alpha1.SlotsName}, slots); err != nil {
				t.Fatal(err)
			}
			slots.Data = map[string]string{"b": `{"nodeReboot":"rb","uid":"uid-rb","attempt":1}`}
			if err := w.Update(t.Context(), slots); err != nil {
				t.Fatal(err)
			}
		},
		"not writable": func(_ *testing.T, w *world) {
			w.refuse = func(write string) error {
				if strings.Contains(write, "ConfigMap") {
					return apierrors.NewConflict(schema.GroupResource{}, v1alpha1.SlotsName, errors.New("conflict"))
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, objects...)
			e, _ := newExecutor(w)
			s := w.read(t)
			meanwhile(t, w)
			w.writes = nil
			started := start(t, s, "ra")
			started.Patch.SetTaints, started.Patch.Taints = true, []corev1.Taint{taint}
			result := e.execute(t.Context(), s, &plan.Plan{
				SlotsChanged: true, Slots: map[string]plan.Slot{"a": slotFor("ra")},
				Work: []plan.NodeWork{
					started,
					{Node: "b", Patch: &plan.NodePatch{SetTaints: true, Taints: []corev1.Taint{taint}}},
				},
			}, testNow)
			if !result.stale || result.err() != nil {
				t.Errorf("stale %t, error %v; want stale and no error", result.stale, result.err())
			}
			want := []string{"patch Node a", "patch Node b", "update ConfigMap reboot-operator-slots"}
			slices.Sort(w.writes)
			if diff := cmp.Diff(want, w.writes); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
			if node := w.node(t, "a"); node.Spec.Unschedulable || len(node.Spec.Taints) != 1 {
				t.Errorf("cordoned %t, taints %v: want the taint, which waits for nothing, and no more", node.Spec.Unschedulable, node.Spec.Taints)
			}
		})
	}
}

func TestExecuteDoesNotCreateTheSlotsObjectOverOneThatExists(t *testing.T) {
	w := newWorld(t, newNode("a"), newReboot("ra", "a"))
	e, _ := newExecutor(w)
	s := w.read(t)
	if err := w.Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.SlotsName},
	}); err != nil {
		t.Fatal(err)
	}
	result := e.execute(t.Context(), s, &plan.Plan{
		SlotsChanged: true, Slots: map[string]plan.Slot{"a": slotFor("ra")}, Work: []plan.NodeWork{start(t, s, "ra")},
	}, testNow)
	if !result.stale || w.node(t, "a").Spec.Unschedulable {
		t.Errorf("stale %t, cordoned %t; want stale and not cordoned", result.stale, w.node(t, "a").Spec.Unschedulable)
	}
}

func TestExecuteGoesOnWithOtherNodesWhenAWriteForOneFails(t *testing.T) {
	resource := schema.GroupResource{Resource: "nodes"}
	for name, test := range map[string]struct {
		refused   string
		err       error
		wantStale bool
		wantErr   bool
	}{
		"conflict on the node":         {"patch Node a", apierrors.NewConflict(resource, "a", errors.New("changed")), true, false},
		"the node is gone":             {"patch Node a", apierrors.NewNotFound(resource, "a"), true, false},
		"too many requests":            {"patch Node a", apierrors.NewTooManyRequests("slow down", 1), false, true},
		"the finalizer times out":      {"patch NodeReboot ra", apierrors.NewTimeoutError("slow", 1), false, true},
		"conflict on the finalizer":    {"patch NodeReboot ra", apierrors.NewConflict(resource, "ra", errors.New("changed")), true, false},
		"conflict on the status":       {"patch status NodeReboot ra", apierrors.NewConflict(resource, "ra", errors.New("changed")), true, false},
		"the status cannot be written": {"patch status NodeReboot ra", apierrors.NewInternalError(errors.New("down")), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newNode("a"), newReboot("ra", "a"), newNode("b"), newReboot("rb", "b"))
			w.refuse = func(write string) error {
				if write == test.refused {
					return test.err
				}
				return nil
			}
			e, recorder := newExecutor(w)
			s := w.read(t)
			result := e.execute(t.Context(), s, &plan.Plan{Work: []plan.NodeWork{start(t, s, "ra"), start(t, s, "rb")}}, testNow)
			if result.stale != test.wantStale || (result.err() != nil) != test.wantErr {
				t.Errorf("stale %t, error %v; want %t, %t", result.stale, result.err(), test.wantStale, test.wantErr)
			}
			var ofA []string
			for _, write := range w.writes {
				if strings.HasSuffix(write, "a") {
					ofA = append(ofA, write)
				}
			}
			if last := ofA[len(ofA)-1]; last != test.refused {
				t.Errorf("wrote %q after %q had failed", last, test.refused)
			}
			if w.reboot(t, "rb").Status.Attempt == nil || !w.node(t, "b").Spec.Unschedulable {
				t.Error("node b was not worked on")
			}
			if diff := cmp.Diff([]string{"Normal Draining NodeReboot rb: node b"}, emitted(recorder)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExecuteMeasuresOnlyWhatWasWritten(t *testing.T) {
	w := newWorld(t, newNode("a"), newReboot("ra", "a"))
	e, _ := newExecutor(w)
	s := w.read(t)
	work := start(t, s, "ra")
	work.Reboots[0].AddFinalizer, work.Patch = false, nil
	work.Reboots[0].Status.TaintLeadSeconds = ptr.To[int64](5)
	w.refuse = func(string) error { return apierrors.NewInternalError(errors.New("down")) }
	e.execute(t.Context(), s, &plan.Plan{Work: []plan.NodeWork{work}}, testNow)
	if got := testutil.CollectAndCount(e.numbers.taintLead); got != 0 {
		t.Errorf("%d taint leads after a status that was not written, want none", got)
	}
	w.refuse = func(string) error { return nil }
	e.execute(t.Context(), s, &plan.Plan{Work: []plan.NodeWork{work}}, testNow)
	if got := testutil.CollectAndCount(e.numbers.taintLead); got != 1 {
		t.Errorf("%d taint leads, want 1", got)
	}
}

func TestExecuteNeverWritesTheHelpersReport(t *testing.T) {
	report := &v1alpha1.HelperReport{Protocol: v1alpha1.ProtocolLevel, BootID: "boot-1", Sentinel: v1alpha1.SentinelRequired, Sequence: 3}
	w := newWorld(t, newNode("a"), newReboot("ra", "a", func(r *v1alpha1.NodeReboot) { r.Status.Report = report }))
	e, _ := newExecutor(w)
	s := w.read(t)
	work := start(t, s, "ra")
	work.Reboots[0].Status.Report = nil
	if err := e.execute(t.Context(), s, &plan.Plan{Work: []plan.NodeWork{work}}, testNow).err(); err != nil {
		t.Fatal(err)
	}
	body := w.bodies["patch status NodeReboot ra"]
	if strings.Contains(body, "report") || !strings.Contains(body, "resourceVersion") {
		t.Errorf("patch %s: want no report, and a resourceVersion", body)
	}
	if diff := cmp.Diff(report, w.reboot(t, "ra").Status.Report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestExecuteDoesNotWriteAStatusOverAReportThatItHasNotSeen(t *testing.T) {
	w := newWorld(t, newNode("a"), newReboot("ra", "a"))
	e, _ := newExecutor(w)
	s := w.read(t)
	reported := w.reboot(t, "ra")
	reported.Status.Report = &v1alpha1.HelperReport{Protocol: v1alpha1.ProtocolLevel, BootID: "boot-2", Sentinel: v1alpha1.SentinelNotRequired}
	if err := w.Status().Update(t.Context(), reported); err != nil {
		t.Fatal(err)
	}
	work := start(t, s, "ra")
	work.Reboots[0].AddFinalizer = false
	result := e.execute(t.Context(), s, &plan.Plan{Work: []plan.NodeWork{work}}, testNow)
	if !result.stale || w.reboot(t, "ra").Status.Attempt != nil {
		t.Errorf("stale %t, status %+v; want stale and nothing written", result.stale, w.reboot(t, "ra").Status)
	}
}

func TestExecuteUncordonsAfterTheStatusThatEndsTheAttemptAndRemovesTheFinalizerLast(t *testing.T) {
	w := newWorld(t, newNode("a", func(n *corev1.Node) {
		n.Spec.Unschedulable = true
		n.Annotations = map[string]string{v1alpha1.CordonAnnotation: "uid-ra", "other": "stays"}
		n.Status.Conditions = append(n.Status.Conditions, maintained(plan.MaintenancePlanned))
	}), newReboot("ra", "a", func(r *v1alpha1.NodeReboot) {
		r.Finalizers = []string{"example.com/other", v1alpha1.Finalizer}
	}))
	e, _ := newExecutor(w)
	s := w.read(t)
	reboot := rebootOf(t, s, "ra")
	work := plan.NodeWork{
		Node:        "a",
		Patch:       &plan.NodePatch{Unschedulable: ptr.To(false), CordonedFor: ptr.To("")},
		Maintenance: map[corev1.NodeConditionType]plan.MaintenanceCondition{},
		Reboots: []plan.RebootChange{{
			Object: reboot, Status: v1alpha1.NodeRebootStatus{Phase: v1alpha1.PhasePending}, StatusChanged: true, RemoveFinalizer: true,
		}},
	}
	if err := e.execute(t.Context(), s, &plan.Plan{Work: []plan.NodeWork{work}}, testNow).err(); err != nil {
		t.Fatal(err)
	}
	want := []string{"patch status NodeReboot ra", "patch Node a", "patch status Node a", "patch NodeReboot ra"}
	if diff := cmp.Diff(want, w.writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"example.com/other"}, w.reboot(t, "ra").Finalizers); diff != "" {
		t.Errorf("finalizers (-want +got):\n%s", diff)
	}
	node := w.node(t, "a")
	if diff := cmp.Diff(map[string]string{"other": "stays"}, node.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if node.Spec.Unschedulable {
		t.Error("node is still cordoned")
	}
	if projection.ConditionStatus(node, plan.MaintenancePlanned) != "" ||
		projection.ConditionStatus(node, corev1.NodeReady) != corev1.ConditionTrue {
		t.Errorf("conditions %+v; want Ready alone", node.Status.Conditions)
	}
}

func TestExecuteLeavesANodeCordonedWhoseAttemptCouldNotBeEnded(t *testing.T) {
	w := newWorld(t, newNode("a", func(n *corev1.Node) { n.Spec.Unschedulable = true }), newReboot("ra", "a"))
	w.refuse = func(write string) error {
		if write == "patch status NodeReboot ra" {
			return apierrors.NewInternalError(errors.New("down"))
		}
		return nil
	}
	e, _ := newExecutor(w)
	s := w.read(t)
	e.execute(t.Context(), s, &plan.Plan{Work: []plan.NodeWork{{
		Node:    "a",
		Patch:   &plan.NodePatch{Unschedulable: ptr.To(false), CordonedFor: ptr.To("")},
		Reboots: []plan.RebootChange{{Object: rebootOf(t, s, "ra"), StatusChanged: true}},
	}}}, testNow)
	if !w.node(t, "a").Spec.Unschedulable {
		t.Error("the node is uncordoned")
	}
}

func TestExecuteDoesNotTakeAwayAFinalizerThatItHasNotSeen(t *testing.T) {
	w := newWorld(t, newNode("a"), newReboot("ra", "a"))
	e, _ := newExecutor(w)
	s := w.read(t)
	changed := w.reboot(t, "ra")
	changed.Finalizers = []string{"example.com/other"}
	if err := w.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	result := e.execute(t.Context(), s, &plan.Plan{Work: []plan.NodeWork{start(t, s, "ra")}}, testNow)
	if diff := cmp.Diff([]string{"example.com/other"}, w.reboot(t, "ra").Finalizers); diff != "" || !result.stale {
		t.Errorf("stale %t, finalizers (-want +got):\n%s", result.stale, diff)
	}
}

func TestExecutePrunesOnlyTheNodeRebootThatThePlanWasAbout(t *testing.T) {
	w := newWorld(t, newReboot("old", "a"), newReboot("new", "a"))
	e, _ := newExecutor(w)
	s := w.read(t)
	prune := func() *outcome { return e.execute(t.Context(), s, &plan.Plan{Prune: []string{"old"}}, testNow) }
	if err := prune().err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"delete NodeReboot old"}, w.writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if gone := prune(); gone.stale || gone.err() != nil {
		t.Errorf("one that is gone already: stale %t, error %v", gone.stale, gone.err())
	}
	another := newReboot("old", "a", func(r *v1alpha1.NodeReboot) { r.UID = "another" })
	if err := w.Create(t.Context(), another); err != nil {
		t.Fatal(err)
	}
	if replaced := prune(); !replaced.stale || replaced.err() != nil {
		t.Errorf("another one of the same name: stale %t, error %v", replaced.stale, replaced.err())
	}
	w.reboot(t, "old")
}

func TestExecuteWritesPolicyStatusesAndTellsAboutThem(t *testing.T) {
	w := newWorld(t, newPolicy("p"))
	e, recorder := newExecutor(w)
	s := w.read(t)
	result := e.execute(t.Context(), s, &plan.Plan{Policies: []plan.PolicyChange{{
		Object: s.Policies[0], Status: v1alpha1.RebootPolicyStatus{Nodes: 7},
		Events: []model.Event{{Warning: true, Reason: "Halted", Message: "m"}},
	}}}, testNow)
	if result.err() != nil {
		t.Fatal(result.err())
	}
	got := &v1alpha1.RebootPolicy{}
	if err := w.Get(t.Context(), types.NamespacedName{Name: "p"}, got); err != nil {
		t.Fatal(err)
	}
	if got.Status.Nodes != 7 {
		t.Errorf("status %+v", got.Status)
	}
	if diff := cmp.Diff([]string{"Warning Halted m"}, emitted(recorder)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestExecuteTakesAwayMaintenanceConditionsWhenPublishingIsOff(t *testing.T) {
	w := newWorld(t, newNode("a", func(n *corev1.Node) {
		n.Status.Conditions = append(n.Status.Conditions, maintained(plan.Drained))
	}))
	e, _ := newExecutor(w)
	e.publishMaintenance = false
	p := &plan.Plan{Work: []plan.NodeWork{{
		Node: "a", Maintenance: map[corev1.NodeConditionType]plan.MaintenanceCondition{plan.MaintenancePlanned: {Reason: "r"}},
	}}}
	for range 2 {
		if err := e.execute(t.Context(), w.read(t), p, testNow).err(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"patch status Node a"}, w.writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	want := []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if diff := cmp.Diff(want, w.node(t, "a").Status.Conditions); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

func TestNodePatchChangesWhatItNamesAndNothingElse(t *testing.T) {
	node := newNode("a", func(n *corev1.Node) { n.ResourceVersion = "7" })
	taint := corev1.Taint{Key: "k", Effect: corev1.TaintEffectNoSchedule}
	for name, test := range map[string]struct {
		change plan.NodePatch
		want   string
	}{
		"taints":    {plan.NodePatch{SetTaints: true, Taints: []corev1.Taint{taint}}, `{"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}}`},
		"no taints": {plan.NodePatch{SetTaints: true}, `{"spec":{"taints":null}}`},
		"cordon": {
			plan.NodePatch{Unschedulable: ptr.To(true), CordonedFor: ptr.To("u")},
			`{"metadata":{"annotations":{"reboot-operator.io/cordoned-for":"u"}},"spec":{"unschedulable":true}}`,
		},
		"uncordon": {
			plan.NodePatch{Unschedulable: ptr.To(false), CordonedFor: ptr.To("")},
			`{"metadata":{"annotations":{"reboot-operator.io/cordoned-for":null}},"spec":{"unschedulable":null}}`,
		},
		"marks": {
			plan.NodePatch{
				CordonedFor: ptr.To(""), Labels: map[string]*string{"set": ptr.To("x"), "gone": nil}, Annotations: map[string]*string{"a": nil},
			},
			`{"metadata":{"annotations":{"reboot-operator.io/cordoned-for":null,"a":null},"labels":{"set":"x","gone":null}}}`,
		},
		"annotation alone": {
			plan.NodePatch{CordonedFor: ptr.To("")}, `{"metadata":{"annotations":{"reboot-operator.io/cordoned-for":null}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := decodeJSON(t, test.want)
			metadata, _ := want["metadata"].(map[string]any)
			if metadata == nil {
				metadata = map[string]any{}
			}
			metadata["resourceVersion"] = "7"
			want["metadata"] = metadata
			data, err := nodePatch(node, &test.change).Data(node)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, decodeJSON(t, string(data))); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMaintenancePatchHasOnlyTheConditionsThatChange(t *testing.T) {
	was := func(t corev1.NodeConditionType, reason string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: t, Status: corev1.ConditionTrue, Reason: reason}
	}
	type conditions = map[corev1.NodeConditionType]plan.MaintenanceCondition
	const now = "2026-03-01T12:00:00Z"
	for name, test := range map[string]struct {
		before []corev1.NodeCondition
		want   conditions
		patch  []map[string]any
	}{
		"nothing there and nothing wanted": {},
		"as it should be": {
			before: []corev1.NodeCondition{was(plan.MaintenancePlanned, "r")},
			want:   conditions{plan.MaintenancePlanned: {Reason: "r"}},
		},
		"a new one": {
			want: conditions{plan.MaintenancePlanned: {Reason: "r", Message: "m"}},
			patch: []map[string]any{{
				"type": "MaintenancePlanned", "status": "True", "reason": "r", "message": "m", "lastHeartbeatTime": now, "lastTransitionTime": now,
			}},
		},
		"another message keeps the transition time": {
			before: []corev1.NodeCondition{was(plan.Drained, "r")},
			want:   conditions{plan.Drained: {Reason: "r", Message: "m"}},
			patch: []map[string]any{{
				"type": "Drained", "status": "True", "reason": "r", "message": "m", "lastHeartbeatTime": now,
			}},
		},
		"one that is False, by someone else, becomes True": {
			before: []corev1.NodeCondition{{Type: plan.Drained, Status: corev1.ConditionFalse, Reason: "r"}},
			want:   conditions{plan.Drained: {Reason: "r"}},
			patch: []map[string]any{{
				"type": "Drained", "status": "True", "reason": "r", "message": "", "lastHeartbeatTime": now, "lastTransitionTime": now,
			}},
		},
		"one that goes": {
			before: []corev1.NodeCondition{was(plan.DrainInProgress, plan.MaintenanceReason), was(plan.MaintenancePlanned, "r")},
			want:   conditions{plan.MaintenancePlanned: {Reason: "r"}},
			patch:  []map[string]any{{"$patch": "delete", "type": "DrainInProgress"}},
		},
		"one of another tool stays": {before: []corev1.NodeCondition{was(plan.MaintenanceInProgress, "theirs")}},
		"one that another tool says already": {
			before: []corev1.NodeCondition{was(plan.DrainInProgress, "theirs")}, want: conditions{plan.DrainInProgress: {Reason: "r"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			node := newNode("a", func(n *corev1.Node) { n.Status.Conditions = append(n.Status.Conditions, test.before...) })
			patch := maintenancePatch(node, test.want, testNow)
			var got struct {
				Status struct {
					Conditions []map[string]any `json:"conditions"`
				} `json:"status"`
			}
			if patch != nil {
				data, err := patch.Data(node)
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(data, &got); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.patch, got.Status.Conditions, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func decodeJSON(t *testing.T, data string) map[string]any {
	t.Helper()
	var decoded map[string]any
	if err := json.Unmarshal([]byte(data), &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// maintained is a maintenance condition that the operator has set.
func maintained(t corev1.NodeConditionType) corev1.NodeCondition {
	return corev1.NodeCondition{Type: t, Status: corev1.ConditionTrue, Reason: plan.MaintenanceReason}
}
