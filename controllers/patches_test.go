package controllers

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestTheStatusOfAPolicyIsWrittenWithItsZerosAndWithoutWhatIsOver(t *testing.T) {
	before := &v1alpha1.RebootPolicyStatus{CurrentZone: "a", Window: &v1alpha1.WindowStatus{State: v1alpha1.WindowOpen}, Nodes: 3}
	after := &v1alpha1.RebootPolicyStatus{Nodes: 3, Conditions: []metav1.Condition{{Type: "Ready"}}}
	patch, err := policyStatusPatch(before, after)
	if err != nil {
		t.Fatal(err)
	}
	data, err := patch.Data(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Status map[string]any }
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	delete(got.Status, "conditions")
	want := map[string]any{
		"nodes": 3.0, "required": 0.0, "underWay": 0.0, "unavailable": 0.0, "maxUnavailable": 0.0, "failed": 0.0, "overdue": 0.0,
		"nodesWithoutHelper": 0.0,
		"currentZone":        nil, "window": nil,
	}
	if diff := cmp.Diff(want, got.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
