package crd

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// applied are the objects that are applied repeatedly, by the name of their file.
func applied(t *testing.T) map[string]*unstructured.Unstructured {
	t.Helper()
	objects := map[string]*unstructured.Unstructured{
		"short.yaml":      policy(t, "short", "{nodes: All}"),
		"everything.yaml": withSpec(policy(t, "everything", "{nodeSelector: {matchLabels: {pool: a}}}"), everySetting()),
		"odd.yaml": policy(t, "odd", `{nodeSelector: {matchExpressions: [{key: pool, operator: In, values: [b, a]}]}, `+
			`rollout: {maxUnavailable: "10%", zones: {order: [b, a]}}, `+
			`drain: {selector: {matchExpressions: [{key: app, operator: NotIn, values: [x]}]}}}`),
	}
	for _, file := range []string{"rebootpolicy.yaml", "nodereboot.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "config", "samples", file))
		if err != nil {
			t.Fatal(err)
		}
		objects[file] = object(t, string(text))
	}
	return objects
}

// everySetting writes out each number and each choice that has a default, with that default.
func everySetting() map[string]any {
	fields := map[string]any{}
	for path, field := range policyNumbers {
		if field.fallback != nil {
			merge(fields, nested(path, field.fallback))
		}
	}
	for path, field := range policyChoices {
		merge(fields, nested(path, field.fallback))
	}
	return fields
}

func TestApplyingTheSameAgainAndAgainChangesNothing(t *testing.T) {
	for how, flags := range map[string][]string{"on the server's side": {"--server-side"}, "on the client's side": nil} {
		t.Run(how, func(t *testing.T) {
			dir, objects := t.TempDir(), applied(t)
			for file, object := range objects {
				writeYAML(t, filepath.Join(dir, file), object)
				t.Cleanup(func() { deleteNow(t, object) })
			}
			apply := append([]string{"apply", "--validate=strict", "-f", dir}, flags...)
			runKubectl(t, apply...)
			first := map[string]*unstructured.Unstructured{}
			for file, object := range objects {
				operatorWritesStatus(t, object)
				first[file] = read(t, object)
			}
			runKubectl(t, apply...)
			runKubectl(t, apply...)
			for file, object := range objects {
				checkSame(t, first[file], read(t, object))
			}
			if shown := runKubectl(t, append([]string{"diff", "-f", dir}, flags...)...); shown != "" {
				t.Errorf("kubectl diff shows:\n%s", shown)
			}
			runKubectl(t, "wait", "--for=condition=Ready", "--timeout=60s", "-f", dir)
		})
	}
}

func checkSame(t *testing.T, first, again *unstructured.Unstructured) {
	t.Helper()
	if first.GetResourceVersion() != again.GetResourceVersion() || again.GetGeneration() != 1 {
		t.Errorf("%s: resourceVersion %s became %s, generation is %d (-first +again):\n%s", first.GetName(), first.GetResourceVersion(),
			again.GetResourceVersion(), again.GetGeneration(), cmp.Diff(first.Object, again.Object))
	}
	if diff := cmp.Diff(first.GetManagedFields(), again.GetManagedFields()); diff != "" {
		t.Errorf("%s: managed fields (-first +again):\n%s", first.GetName(), diff)
	}
}

func writeYAML(t *testing.T, file string, object *unstructured.Unstructured) {
	t.Helper()
	text, err := yaml.Marshal(object.Object)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// operatorWritesStatus is what the manager does after a look at the object.
func operatorWritesStatus(t *testing.T, sample *unstructured.Unstructured) {
	t.Helper()
	before := read(t, sample)
	after := before.DeepCopy()
	now := metav1.Now().UTC().Format(time.RFC3339)
	status := object(t, fmt.Sprintf("{observedGeneration: %d, conditions: [{type: Ready, status: 'True', reason: X, message: x, "+
		"observedGeneration: 1, lastTransitionTime: %q}]}", before.GetGeneration(), now)).Object
	current, _ := after.Object["status"].(map[string]any)
	maps.Copy(current, status)
	if err := strict.Status().Patch(t.Context(), after, client.MergeFrom(before), client.FieldOwner("manager")); err != nil {
		t.Fatalf("write the status: %v", err)
	}
}

// runKubectl runs kubectl and returns what it prints. kubectl diff fails if there is a difference.
func runKubectl(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, err := kubectl.Run(args...)
	if err != nil {
		message, _ := io.ReadAll(io.MultiReader(stdout, stderr))
		t.Fatalf("kubectl %v: %v\n%s", args, err, message)
	}
	output, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	return string(output)
}

func read(t *testing.T, of client.Object) *unstructured.Unstructured {
	t.Helper()
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(of.GetObjectKind().GroupVersionKind())
	if err := strict.Get(t.Context(), client.ObjectKeyFromObject(of), found); err != nil {
		t.Fatal(err)
	}
	return found
}
