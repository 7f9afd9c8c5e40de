package chart

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

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

// moduleFolder is where a module is that the module in a folder needs. It is downloaded if nothing that was built needed it.
func moduleFolder(t *testing.T, of, module string) string {
	t.Helper()
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	download.Dir = of
	printed, err := download.Output()
	if err != nil {
		t.Fatalf("find %s: %v\n%s", module, err, printed)
	}
	var found struct{ Dir string }
	decode(t, printed, &found)
	return found.Dir
}

// openShiftKinds has OpenShift's own definition of SecurityContextConstraints.
func openShiftKinds(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(moduleFolder(t, "../..", "github.com/openshift/api"),
		"security", "v1", "zz_generated.crd-manifests", "0000_03_config-operator_01_securitycontextconstraints.crd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// kindsOfOthers has the definitions of the kinds of Prometheus Operator, which are made of its types as it makes them, and of cert-manager.
func kindsOfOthers(t *testing.T) []byte {
	t.Helper()
	folder := t.TempDir()
	generate := exec.CommandContext(t.Context(), "go", "tool", "-modfile=hack/tools/go.mod", "controller-gen", "crd",
		"paths=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1", "output:crd:dir="+folder)
	generate.Dir = "../.."
	if printed, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", generate, err, printed)
	}
	certManager := filepath.Join(moduleFolder(t, ".", "github.com/cert-manager/cert-manager"), "deploy", "crds")
	var kinds []byte
	for _, file := range []string{
		filepath.Join(folder, "monitoring.coreos.com_servicemonitors.yaml"), filepath.Join(folder, "monitoring.coreos.com_prometheusrules.yaml"),
		filepath.Join(certManager, "cert-manager.io_certificates.yaml"), filepath.Join(certManager, "cert-manager.io_issuers.yaml"),
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(append(kinds, "\n---\n"...), content...)
	}
	return kinds
}

// Whatever is rendered, an API server with the kinds takes it, without an unknown field.
func TestAnAPIServerTakesEveryRendering(t *testing.T) {
	cluster := bed(t, testbed.Options{BareAPI: true})
	kinds := slices.Concat(openShiftKinds(t), kindsOfOthers(t))
	for _, object := range render(t, nil) {
		if object.Kind() == "CustomResourceDefinition" {
			kinds = append(kinds, "\n---\n"+manifests.YAML(object)...)
		}
	}
	if err := cluster.Apply(t.Context(), kinds); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []schema.GroupVersionKind{
		{Group: "reboot-operator.io", Version: "v1alpha1", Kind: "RebootPolicy"},
		{Group: "security.openshift.io", Version: "v1", Kind: "SecurityContextConstraints"},
		{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"},
		{Group: "monitoring.coreos.com", Version: "v1", Kind: "PrometheusRule"},
		{Group: "cert-manager.io", Version: "v1", Kind: "Certificate"},
		{Group: "cert-manager.io", Version: "v1", Kind: "Issuer"},
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		await.True(t, kind.Kind+" to be served", func() bool { return cluster.Client().List(t.Context(), list) == nil })
	}
	server := &server{
		client: client.WithFieldValidation(client.NewDryRunClient(cluster.Client()), "Strict"), taken: map[[32]byte]bool{},
		real: cluster.Client(), namespaces: map[string]bool{},
	}
	for name, vals := range everyValues(t) {
		server.takes(t, name, render(t, vals))
	}
	if len(server.taken) < 100 {
		t.Errorf("only %d objects were tried", len(server.taken))
	}
	for _, object := range render(t, merged(same(t, "monitoring"), same(t, "metrics-cert-manager"))) {
		wrong := manifests.Object{}
		decode(t, []byte(manifests.YAML(object)), &wrong)
		wrong["sepc"] = map[string]any{}
		if err := server.apply(t.Context(), wrong); err == nil {
			t.Errorf("%s: a field that there is not was taken, so this test proves nothing", key(object))
		}
	}
	t.Logf("%d different objects were taken", len(server.taken))
}

// server remembers what it has taken.
type server struct {
	client client.Client
	taken  map[[32]byte]bool
	// real makes the namespaces, because nothing in a namespace that there is not is taken.
	real       client.Client
	namespaces map[string]bool
}

func (s *server) takes(t *testing.T, name string, rendered manifests.Rendered) {
	t.Helper()
	for _, object := range rendered {
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
	if name := applied.GetNamespace(); name != "" && !s.namespaces[name] {
		if err := s.real.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
		s.namespaces[name] = true
	}
	return s.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("test"), client.ForceOwnership)
}
