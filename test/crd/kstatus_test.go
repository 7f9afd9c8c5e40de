package crd

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/gitops"
)

// Nothing that the operator has not seen is current, not even when a helper has already reported.
func TestWhatTheOperatorHasNotLookedAtIsInProgress(t *testing.T) {
	reboot := create(t, nodeReboot(t, "n1-7", "{nodeName: n1}"))
	checkInProgress(t, read(t, create(t, policy(t, "fresh", "{nodes: All}"))))
	checkInProgress(t, read(t, reboot))

	report := nodeReboot(t, reboot.GetName(), "{nodeName: n1}")
	report.Object = map[string]any{
		"apiVersion": report.GetAPIVersion(), "kind": report.GetKind(), "metadata": map[string]any{"name": report.GetName()},
		"status": map[string]any{"report": map[string]any{"bootID": "b1", "sentinel": "Required"}},
	}
	err := strict.Status().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(report),
		client.FieldOwner(v1alpha1.HelperFieldManager))
	if err != nil {
		t.Fatalf("apply a report: %v", err)
	}
	checkInProgress(t, read(t, reboot))
}

func checkInProgress(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	status, err := gitops.Kstatus(object)
	if err != nil || status != "InProgress" {
		t.Errorf("kstatus of %s %s is %q, error %v", object.GetKind(), object.GetName(), status, err)
	}
	argo, err := gitops.ReadArgoCD("../../config/gitops/argocd/health-checks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if health, err := argo.Health(object); err != nil || health.Status != "Progressing" {
		t.Errorf("Argo CD shows %s %s as %q, error %v", object.GetKind(), object.GetName(), health.Status, err)
	}
}
