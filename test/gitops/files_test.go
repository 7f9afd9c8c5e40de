package gitops

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const config = "../../config"

// objects are those of a file.
func objects(t *testing.T, file string) []unstructured.Unstructured {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(config, file))
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	var all []unstructured.Unstructured
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, object)
	}
}

func TestBothKindsHaveAHealthCheck(t *testing.T) {
	argo, err := ReadArgoCD(filepath.Join(config, "gitops", "argocd", "health-checks.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"RebootPolicy", "NodeReboot"} {
		fresh := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "reboot-operator.io/v1alpha1", "kind": kind, "metadata": map[string]any{"generation": int64(1)},
		}}
		if health, err := argo.Health(fresh); err != nil || health.Status != "Progressing" || health.Message == "" {
			t.Errorf("%s without a status: %+v, error %v", kind, health, err)
		}
	}
	if len(argo.scripts) != 2 {
		t.Errorf("there are %d health checks", len(argo.scripts))
	}
}

// The order matters: policies need the kinds, and go first.
func TestFluxWaitsForThePoliciesOfTheSamples(t *testing.T) {
	sample := objects(t, "samples/rebootpolicy.yaml")[0]
	all := objects(t, "gitops/flux/kustomizations.yaml")
	if len(all) != 2 {
		t.Fatalf("there are %d objects", len(all))
	}
	checks, _, err := unstructured.NestedSlice(all[1].Object, "spec", "healthChecks")
	if err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{"apiVersion": sample.GetAPIVersion(), "kind": sample.GetKind(), "name": sample.GetName()}}
	if diff := cmp.Diff(want, checks); diff != "" {
		t.Errorf("health checks (-want +got):\n%s", diff)
	}
	before, _, err := unstructured.NestedSlice(all[1].Object, "spec", "dependsOn")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{map[string]any{"name": all[0].GetName()}}, before); diff != "" {
		t.Errorf("dependencies (-want +got):\n%s", diff)
	}
}

// Otherwise an Application fights with the API server about defaults.
func TestArgoCDAppliesAndComparesOnTheServersSide(t *testing.T) {
	all := objects(t, "gitops/argocd/applications.yaml")
	if len(all) != 2 {
		t.Fatalf("there are %d objects", len(all))
	}
	for _, application := range all {
		if got := application.GetAnnotations()["argocd.argoproj.io/compare-options"]; got != "ServerSideDiff=true" {
			t.Errorf("%s: compare options %q", application.GetName(), got)
		}
		options, _, err := unstructured.NestedStringSlice(application.Object, "spec", "syncPolicy", "syncOptions")
		if err != nil || len(options) == 0 || options[0] != "ServerSideApply=true" {
			t.Errorf("%s: sync options %q, error %v", application.GetName(), options, err)
		}
	}
}
