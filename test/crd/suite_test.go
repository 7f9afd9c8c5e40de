// Package crd holds the tables that the kinds are tried by on a real API server: what it accepts, what it refuses and how it says so, what
// it fills in, prints and filters.
package crd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/test/await"
)

var (
	// restConfig reaches the API server as its administrator.
	restConfig *rest.Config
	// strict is a client for which the API server refuses unknown fields, as it does for kubectl.
	strict client.Client
	// kubectl runs kubectl as the administrator.
	kubectl interface {
		Run(args ...string) (stdout, stderr io.Reader, err error)
	}
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	env := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		CRDInstallOptions:     envtest.CRDInstallOptions{MaxTime: await.Limit},
	}
	env.ControlPlaneStartTimeout, env.ControlPlaneStopTimeout = await.Limit, await.Limit
	config, err := env.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	defer func() {
		if err := env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the API server:", err)
		}
	}()
	unvalidated, err := client.New(config, client.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a client:", err)
		return 1
	}
	restConfig, strict = config, client.WithFieldValidation(unvalidated, metav1.FieldValidationStrict)
	user, err := env.AddUser(envtest.User{Name: "administrator", Groups: []string{"system:masters"}}, nil)
	if err == nil {
		kubectl, err = user.Kubectl()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a user of kubectl:", err)
		return 1
	}
	return m.Run()
}

// object reads the YAML of one object.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(text), &object.Object); err != nil {
		t.Fatalf("read %s: %v", text, err)
	}
	return object
}

// policy makes a RebootPolicy of the YAML of its spec, in flow style.
func policy(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	return object(t, `{apiVersion: reboot-operator.io/v1alpha1, kind: RebootPolicy, metadata: {name: `+name+`}, spec: `+spec+`}`)
}

// nodeReboot makes a NodeReboot of the YAML of its spec, in flow style.
func nodeReboot(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	return object(t, `{apiVersion: reboot-operator.io/v1alpha1, kind: NodeReboot, metadata: {name: `+name+`}, spec: `+spec+`}`)
}

// create makes the object and deletes it at the end of the test.
func create(t *testing.T, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	if err := strict.Create(t.Context(), object); err != nil {
		t.Fatalf("create %s %s: %v", object.GetKind(), object.GetName(), err)
	}
	t.Cleanup(func() {
		if err := strict.Delete(context.Background(), object); err != nil {
			t.Errorf("delete %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	})
	return object
}

// tryCreate asks the API server whether it would take the object; the object is then as it would be stored.
func tryCreate(t *testing.T, object *unstructured.Unstructured) error {
	t.Helper()
	return strict.Create(t.Context(), object, client.DryRunAll)
}

// checkAnswer compares the API server's answer with what it is wanted to say; nothing wanted means that it accepts.
func checkAnswer(t *testing.T, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Errorf("accepted, want a refusal that says %q", want)
		return
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) && !strings.Contains(err.Error(), newerWords.Replace(text)) {
			t.Errorf("refused with %q, want it to say %q", err, text)
		}
	}
}

// newerWords are those in which Kubernetes 1.38 says what older ones said.
var newerWords = strings.NewReplacer(
	"should be at least 1 chars long", "must be at least 1 character", "at least 1 chars long", "at least 1 character",
	"should have at least 1 items", "must have at least 1 item", "at least 1 items", "at least 1 item",
)

// nested wraps a value in maps, so that it stands at the dotted path.
func nested(path string, value any) map[string]any {
	fields := strings.Split(path, ".")
	for i := len(fields) - 1; i > 0; i-- {
		value = map[string]any{fields[i]: value}
	}
	return map[string]any{fields[0]: value}
}

// withSpec adds fields to the object's spec; maps that both have are merged.
func withSpec(object *unstructured.Unstructured, fields map[string]any) *unstructured.Unstructured {
	spec, _ := object.Object["spec"].(map[string]any)
	merge(spec, fields)
	return object
}

func merge(into, from map[string]any) {
	for key, value := range from {
		below, ok := value.(map[string]any)
		if old, isMap := into[key].(map[string]any); ok && isMap {
			merge(old, below)
			continue
		}
		into[key] = value
	}
}
