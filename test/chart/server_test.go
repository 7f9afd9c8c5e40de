package chart

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/manifests"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// bed starts a control plane.
func bed(t *testing.T, options testbed.Options) *testbed.Cluster {
	t.Helper()
	if os.Getenv(testbed.AssetsVariable) == "" {
		t.Skip("starts a control plane: " + testbed.AssetsVariable + " is not set")
	}
	log.SetLogger(logr.Discard())
	cluster, err := testbed.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

// moduleFolder is where a module is that the operator needs.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module)
	list.Dir = "../.."
	output, err := list.Output()
	if err != nil {
		t.Fatalf("find %s: %v", module, err)
	}
	return strings.TrimSpace(string(output))
}

// openShiftKinds has OpenShift's own definition of SecurityContextConstraints.
func openShiftKinds(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(moduleFolder(t, "github.com/openshift/api"),
		"security", "v1", "zz_generated.crd-manifests", "0000_03_config-operator_01_securitycontextconstraints.crd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Whatever is rendered, an API server with the kinds takes it, without an unknown field.
func TestAnAPIServerTakesEveryRendering(t *testing.T) {
	cluster := bed(t, testbed.Options{BareAPI: true})
	kinds := openShiftKinds(t)
	for _, object := range render(t, nil) {
		if object.Kind() == "CustomResourceDefinition" {
			kinds = append(kinds, "\n---\n"+manifests.YAML(object)...)
		}
	}
	namespaces := "kind: Namespace\napiVersion: v1\nmetadata: {name: %s}\n"
	for _, name := range []string{manifests.Namespace, "medik8s-leases", "other"} {
		kinds = append(kinds, "\n---\n"+strings.ReplaceAll(namespaces, "%s", name)...)
	}
	if err := cluster.Apply(t.Context(), kinds); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"SecurityContextConstraints", "RebootPolicy"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(map[string]schema.GroupVersionKind{
			"RebootPolicy":               {Group: "reboot-operator.io", Version: "v1alpha1", Kind: "RebootPolicyList"},
			"SecurityContextConstraints": {Group: "security.openshift.io", Version: "v1", Kind: "SecurityContextConstraintsList"},
		}[kind])
		await.True(t, kind+" to be served", func() bool { return cluster.Client().List(t.Context(), list) == nil })
	}
	server := &server{client: client.WithFieldValidation(client.NewDryRunClient(cluster.Client()), "Strict"), taken: map[[32]byte]bool{}}
	all, err := manifests.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sortedKeys(all) {
		server.takes(t, name, render(t, same(t, name)))
	}
	for _, test := range valueCases(t) {
		server.takes(t, test.Value, render(t, merged(test.With, test.Set)))
	}
	if len(server.taken) < 100 {
		t.Errorf("only %d objects were tried", len(server.taken))
	}
	wrong := manifests.Object{}
	if err := yaml.Unmarshal([]byte(manifests.YAML(render(t, nil)[0])), &wrong); err != nil {
		t.Fatal(err)
	}
	wrong["sepc"] = map[string]any{}
	if err := server.apply(t.Context(), wrong); err == nil {
		t.Error("a field that there is not was taken, so this test proves nothing")
	}
	t.Logf("%d different objects were taken", len(server.taken))
}

// server remembers what it has taken.
type server struct {
	client client.Client
	taken  map[[32]byte]bool
}

// ofOthers are groups whose kinds this API server does not have.
var ofOthers = []string{"monitoring.coreos.com", "cert-manager.io"}

func (s *server) takes(t *testing.T, name string, rendered manifests.Rendered) {
	t.Helper()
	for _, object := range rendered {
		if group, _, _ := strings.Cut(fmt.Sprint(object["apiVersion"]), "/"); slices.Contains(ofOthers, group) {
			continue
		}
		content, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		if s.taken[sum] {
			continue
		}
		s.taken[sum] = true
		if err := s.apply(t.Context(), object); err != nil {
			t.Errorf("%s: %s: %v", name, key(object), err)
		}
	}
}

func (s *server) apply(ctx context.Context, object manifests.Object) error {
	applied := &unstructured.Unstructured{Object: map[string]any(object)}
	return s.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("test"), client.ForceOwnership)
}
