package crd

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// longest is a name of so many characters.
func longest(prefix string, length int) string {
	return prefix + strings.Repeat("a", length-len(prefix))
}

// othersConditions are as large as others may write them.
func othersConditions(count, message int) []metav1.Condition {
	var conditions []metav1.Condition
	for i := range count {
		conditions = append(conditions, metav1.Condition{
			Type: longest(fmt.Sprintf("example.com/c%02d", i), 12+63), Status: metav1.ConditionTrue, Reason: "Theirs",
			Message: strings.Repeat("ß", message), LastTransitionTime: metav1.NewTime(time.Now()),
		})
	}
	return conditions
}

// createTyped creates an object on the API server and reads back the result.
func createTyped[T any](t *testing.T, kind, name string, spec any) *T {
	t.Helper()
	stored := &unstructured.Unstructured{Object: map[string]any{"spec": encode(t, spec)}}
	stored.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	stored.SetName(name)
	if err := strict.Create(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := strict.Delete(context.Background(), stored); err != nil {
			t.Log(err)
		}
	})
	return decodeAs[T](t, stored)
}

func encode(t *testing.T, value any) map[string]any {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func decodeAs[T any](t *testing.T, stored *unstructured.Unstructured) *T {
	t.Helper()
	var typed T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, &typed); err != nil {
		t.Fatal(err)
	}
	return &typed
}

// writeStatus writes a status as a whole, and reads back the object.
func writeStatus[T any](t *testing.T, kind, name string, status any) (*T, error) {
	t.Helper()
	stored := &unstructured.Unstructured{}
	stored.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	if err := strict.Get(t.Context(), client.ObjectKey{Name: name}, stored); err != nil {
		t.Fatal(err)
	}
	stored.Object["status"] = encode(t, status)
	if err := strict.Status().Update(t.Context(), stored); err != nil {
		return nil, err
	}
	return decodeAs[T](t, stored), nil
}

// TestTheLargestStatusOfAPlanIsAccepted takes a NodeReboot from the start to the proof, in a cluster in which everything that others write
// is as long as it may be, or longer.
func TestTheLargestStatusOfAPlanIsAccepted(t *testing.T) {
	nodeName, zone, now := longest("node", 253), longest("zone", 63), time.Now()
	hooks := []v1alpha1.Hook{}
	for i := range 8 {
		hooks = append(hooks, v1alpha1.Hook{ConditionType: longest(fmt.Sprintf("example.org/h%d", i), 12+63)})
	}
	stages := []v1alpha1.DrainStage{}
	for i := range 8 {
		labels := map[string]v1alpha1.LabelValue{"stage": v1alpha1.LabelValue(fmt.Sprint(i))}
		stages = append(stages, v1alpha1.DrainStage{
			Selector: &v1alpha1.PodSelector{LabelSelector: v1alpha1.LabelSelector{MatchLabels: labels}},
		})
	}
	policy := createTyped[v1alpha1.RebootPolicy](t, "RebootPolicy", longest("policy", 253), &v1alpha1.RebootPolicySpec{
		Mode: v1alpha1.ModeEnforce, Nodes: v1alpha1.NodesAll, Hooks: &v1alpha1.HooksSpec{BeforeReboot: hooks},
		Drain: v1alpha1.DrainSpec{Stages: stages},
	})
	reboot := createTyped[v1alpha1.NodeReboot](t, "NodeReboot", longest("reboot", 253), &v1alpha1.NodeRebootSpec{
		NodeName: nodeName, Trigger: v1alpha1.TriggerManual, Reason: strings.Repeat("r", 1024),
	})
	offset := int64(9_999_999_999)
	boot := longest("boot1", 128)
	reboot = mustWrite(t, reboot.Name, &v1alpha1.NodeRebootStatus{
		Conditions: othersConditions(48, 4096), RequiredSince: &metav1.MicroTime{Time: now.Add(-48 * time.Hour)},
		Report: &v1alpha1.HelperReport{
			Version: longest("v", 128), Protocol: v1alpha1.ProtocolLevel,
			BootID: boot, Sentinel: v1alpha1.SentinelNotRequired, ClockOffsetSeconds: &offset,
			Methods: []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}},
		},
	})
	var pods []model.Pod
	workloads := map[model.WorkloadKey]model.Workload{}
	for i := range 600 {
		for j, length := range []int{253, 254} { // an owner of the second length there cannot be, and a pod may name it
			key := model.WorkloadKey{Kind: v1alpha1.WorkloadDaemonSet, Namespace: longest("n", 63), Name: longest(fmt.Sprintf("d%03d", i), length)}
			pods = append(pods, model.Pod{
				Namespace: key.Namespace, Name: longest(fmt.Sprintf("p%03d%d", i, j), 253), Workloads: []model.WorkloadKey{key}, Ready: true,
				Controlled: true, Containers: []string{fmt.Sprintf("%011d%d", i, j)},
			})
		}
	}
	s := &plan.Snapshot{
		Policies: []*v1alpha1.RebootPolicy{policy}, Reboots: []*v1alpha1.NodeReboot{reboot},
		Nodes: []*model.Node{{
			Name: nodeName, UID: longest("uid", 36), Labels: map[string]string{"topology.kubernetes.io/zone": zone}, Ready: true, HelperReady: true,
			BootID: boot, KernelVersion: strings.Repeat("ß", 300), HelperProblem: strings.Repeat("p", 5000),
			Volumes: []string{longest("v", 253)},
		}},
		Pods: map[string][]model.Pod{nodeName: pods}, Workloads: workloads,
	}
	step := func(want v1alpha1.Phase) {
		t.Helper()
		now = now.Add(time.Second)
		p := plan.Compute(s, now)
		s.Slots = p.Slots
		for _, work := range p.Work {
			for _, change := range work.Reboots {
				s.Reboots[0] = mustWrite(t, change.Object.Name, &change.Status)
			}
			if work.Patch != nil && work.Patch.Cordons() {
				s.Nodes[0].Unschedulable, s.Nodes[0].CordonedFor = true, *work.Patch.CordonedFor
			}
		}
		for _, change := range p.Policies {
			written, err := writeStatus[v1alpha1.RebootPolicy](t, "RebootPolicy", change.Object.Name, &change.Status)
			if err != nil {
				t.Fatal(err)
			}
			s.Policies[0] = written
		}
		if status := s.Reboots[0].Status; status.Phase != want {
			t.Fatalf("phase %s, reason %s: %s", status.Phase, status.Reason, status.Message)
		}
	}
	refused := model.Refusal{
		WriteKey: model.WriteKey{Write: model.WriteOrder, Name: reboot.Name}, Node: nodeName,
		Answer: strings.Repeat("ß", 300), Until: now.Add(2 * time.Second),
	}
	s.Refusals = map[model.WriteKey]model.Refusal{refused.WriteKey: refused}
	step(v1alpha1.PhasePending)
	s.Refusals = nil
	step(v1alpha1.PhaseDraining)
	if n := len(s.Reboots[0].Status.Workloads); n != 512 {
		t.Errorf("%d workloads", n)
	}
	report := *s.Reboots[0].Status.Report
	report.Sequence, report.State = s.Reboots[0].Status.Order.Sequence, v1alpha1.OrderDone
	status := s.Reboots[0].Status
	status.Report = &report
	s.Reboots[0] = mustWrite(t, reboot.Name, &status)
	step(v1alpha1.PhaseDraining) // awaits the hooks
	if n := len(s.Reboots[0].Status.PendingHooks); n != 8 {
		t.Errorf("%d hooks are pending", n)
	}
	s.Nodes[0].BootID = longest("boot2", 128)
	step(v1alpha1.PhaseRecovering)
}

func mustWrite(t *testing.T, name string, status *v1alpha1.NodeRebootStatus) *v1alpha1.NodeReboot {
	t.Helper()
	written, err := writeStatus[v1alpha1.NodeReboot](t, "NodeReboot", name, status)
	if err != nil {
		t.Fatalf("write a status: %.1000s", err)
	}
	return written
}

// TestConditionsOfOthersLeaveRoom: no matter who writes them, and with which rights.
func TestConditionsOfOthersLeaveRoom(t *testing.T) {
	for name, test := range map[string]struct {
		conditions []metav1.Condition
		want       string
	}{
		"as many as there may be":         {othersConditions(48, 10), ""},
		"one more":                        {othersConditions(49, 10), "no more than 48 conditions of others"},
		"as many as the operator's leave": {othersConditions(64, 10), "no more than 48 conditions of others"},
		"the longest message":             {othersConditions(1, 4096), ""},
		"a message that is longer":        {othersConditions(1, 4097), "4096 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			reboot := createTyped[v1alpha1.NodeReboot](t, "NodeReboot", "room", &v1alpha1.NodeRebootSpec{NodeName: "n"})
			_, err := writeStatus[v1alpha1.NodeReboot](t, "NodeReboot", reboot.Name, &v1alpha1.NodeRebootStatus{Conditions: test.conditions})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}
