package openshift

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	securityv1 "github.com/openshift/api/security/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// OpenShift's own definition of the kind refuses unknown fields and wrong values; this API server has it. In another namespace kustomize
// gives the object that namespace, because it does not know the kind. The API server takes it away again.
func TestOpenShiftsKindTakesTheConstraints(t *testing.T) {
	environment := &envtest.Environment{CRDDirectoryPaths: []string{
		filepath.Join(moduleFolder(t, "github.com/openshift/api"), "security", "v1", "zz_generated.crd-manifests"),
	}, ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	scheme := runtime.NewScheme()
	if err := securityv1.Install(scheme); err != nil {
		t.Fatal(err)
	}
	strict, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	strict = client.WithFieldValidation(strict, "Strict")
	for name, objects := range installations(t) {
		t.Run(name, func(t *testing.T) {
			for _, object := range objects {
				if object.Kind() != scc {
					continue
				}
				applied := &unstructured.Unstructured{}
				if err := yaml.UnmarshalStrict([]byte(manifests.YAML(object)), &applied.Object); err != nil {
					t.Fatal(err)
				}
				applied.SetNamespace(manifests.Namespace)
				apply := client.ApplyConfigurationFromUnstructured(applied)
				if err := strict.Apply(t.Context(), apply, client.FieldOwner("test"), client.ForceOwnership); err != nil {
					t.Fatal(err)
				}
				var stored securityv1.SecurityContextConstraints
				if err := strict.Get(t.Context(), client.ObjectKey{Name: object.Name()}, &stored); err != nil {
					t.Fatal(err)
				}
				if stored.Namespace != "" {
					t.Errorf("it is in namespace %s", stored.Namespace)
				}
				return
			}
			t.Error("there are no constraints")
		})
	}
}

// moduleFolder is where the sources of a module are.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}
