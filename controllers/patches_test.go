package controllers

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestTheStatusOfAPolicyIsReplacedAndHasItsZeros(t *testing.T) {
	data, err := policyStatusPatch(&v1alpha1.RebootPolicyStatus{Nodes: 3, Conditions: []metav1.Condition{{Type: "Ready"}}}).Data(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []struct {
		Op, Path string
		Value    map[string]any
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Op != "add" || got[0].Path != "/status" {
		t.Fatalf("the patch is %s", data)
	}
	delete(got[0].Value, "conditions")
	want := map[string]any{
		"nodes": 3.0, "required": 0.0, "underWay": 0.0, "unavailable": 0.0, "maxUnavailable": 0.0, "failed": 0.0, "overdue": 0.0,
		"nodesWithoutHelper": 0.0,
	}
	if diff := cmp.Diff(want, got[0].Value); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
