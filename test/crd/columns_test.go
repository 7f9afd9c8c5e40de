package crd

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

func TestEveryColumnOfANodeRebootHasSomethingToShow(t *testing.T) {
	stored := create(t, nodeReboot(t, "n1-7", "{nodeName: n1, trigger: Sentinel}"))
	stored.Object["status"] = object(t, `
phase: Draining
reason: EvictionRefused
summary: EvictionRefused
until: "22:00"
message: PodDisruptionBudget shop/web refuses
policyName: linux
zone: a
before: {bootID: b1, kernelVersion: 6.1.0-41}
after: {bootID: b2, kernelVersion: 6.1.0-42}
attempt: {number: 2, grantedTime: "2026-11-23T13:00:00.000000Z"}
report: {bootID: b1, sentinel: Required, sequence: 1, drain: {total: 9, remaining: 4}}
`).Object
	if err := strict.Status().Update(t.Context(), stored); err != nil {
		t.Fatalf("set the status: %v", err)
	}
	narrow, wide := columns(t, "nodereboots", "n1-7")
	wantNarrow := map[string]string{"Name": "n1-7", "Status": "EvictionRefused", "Until": "22:00"}
	wantWide := map[string]string{
		"Phase": "Draining", "Zone": "a", "Node": "n1", "Policy": "linux", "Trigger": "Sentinel", "Attempt": "2", "Pods left": "4",
		"Kernel before": "6.1.0-41", "Kernel after": "6.1.0-42", "Message": "PodDisruptionBudget shop/web refuses",
	}
	compareColumns(t, wantNarrow, narrow, wantWide, wide)
}

func TestEveryColumnOfARebootPolicyHasSomethingToShow(t *testing.T) {
	stored := create(t, policy(t, "linux", "{nodes: All}"))
	stored.Object["status"] = object(t, `
conditions:
- {type: Stalled, status: "False", reason: X, message: not this, lastTransitionTime: "2026-11-23T13:00:00Z"}
- {type: Ready, status: "True", reason: InForce, message: 3 nodes wait, lastTransitionTime: "2026-11-23T13:00:00Z"}
nodes: 12
required: 3
underWay: 0
unavailable: 1
maxUnavailable: 2
failed: 0
overdue: 0
currentZone: a
summary: InForce
waitingFor: WindowClosed
window: {state: Open, nextOpeningTime: "2026-11-24T22:00:00Z", nextClosingTime: "2026-11-24T02:00:00Z"}
forecast: {finishTime: "2026-11-24T01:10:00Z", computedTime: "2026-11-23T22:00:00Z", nodesWithoutTime: 0, precision: Full}
`).Object
	if err := strict.Status().Update(t.Context(), stored); err != nil {
		t.Fatalf("set the status: %v", err)
	}
	narrow, wide := columns(t, "rebootpolicies", "linux")
	wantNarrow := map[string]string{
		"Name": "linux", "Status": "InForce", "Nodes": "12", "Need": "3", "Active": "0", "Waiting for": "WindowClosed",
	}
	wantWide := map[string]string{
		"Mode": "Enforce", "Ready": "True", "Zone": "a", "Window": "Open", "Unavailable": "1", "Max": "2", "Failed": "0",
		"Overdue": "0", "Message": "3 nodes wait", "Opens": "2026-11-24T22:00:00Z", "Closes": "2026-11-24T02:00:00Z",
		"Finish": "2026-11-24T01:10:00Z",
	}
	compareColumns(t, wantNarrow, narrow, wantWide, wide)
}

func TestAPolicyThatTheOperatorHasNotSeenShowsNumbers(t *testing.T) {
	create(t, policy(t, "unseen", "{nodes: All}"))
	narrow, wide := columns(t, "rebootpolicies", "unseen")
	want := map[string]string{
		"Status": "Unknown", "Nodes": "0", "Need": "0", "Active": "0", "Unavailable": "0", "Max": "0", "Failed": "0", "Overdue": "0",
	}
	for column, value := range want {
		if got := narrow[column] + wide[column]; got != value {
			t.Errorf("column %s shows %q, want %q", column, got, value)
		}
	}
}

func compareColumns(t *testing.T, wantNarrow, narrow, wantWide, wide map[string]string) {
	t.Helper()
	if wide["Age"] == "" || wide["Age"] == "<unknown>" {
		t.Errorf("column Age shows %q", wide["Age"])
	}
	delete(wide, "Age")
	if diff := cmp.Diff(wantNarrow, narrow); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantWide, wide); diff != "" {
		t.Errorf("columns of -o wide (-want +got):\n%s", diff)
	}
}

// columns asks for an object as kubectl get does. The second result is what only -o wide shows.
func columns(t *testing.T, resource, name string) (narrow, wide map[string]string) {
	t.Helper()
	config := rest.CopyConfig(restConfig)
	config.APIPath = "/apis"
	config.GroupVersion = &schema.GroupVersion{Group: "reboot-operator.io", Version: "v1alpha1"}
	config.NegotiatedSerializer = serializer.NewCodecFactory(clientgoscheme.Scheme).WithoutConversion()
	request, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := request.Get().Resource(resource).Name(name).
		SetHeader("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1").Do(t.Context()).Raw()
	if err != nil {
		t.Fatalf("get %s %s as a table: %v", resource, name, err)
	}
	var table metav1.Table
	if err := json.Unmarshal(answer, &table); err != nil {
		t.Fatalf("read the table %s: %v", answer, err)
	}
	narrow, wide = map[string]string{}, map[string]string{}
	for i, column := range table.ColumnDefinitions {
		shown := narrow
		if column.Priority > 0 {
			shown = wide
		}
		shown[column.Name] = fmt.Sprint(table.Rows[0].Cells[i])
	}
	return narrow, wide
}
