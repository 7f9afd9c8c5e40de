package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestObjectsAreWrittenAsKubectlWritesThem(t *testing.T) {
	t.Parallel()
	managed := []metav1.ManagedFieldsEntry{{Manager: "someone"}}
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "workers", ManagedFields: managed}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}}
	for name, test := range map[string]struct {
		args    []string
		objects []client.Object
		has     []string
		not     string
	}{
		"names":          {[]string{"-o", "name"}, []client.Object{policy, node}, []string{"rebootpolicy.reboot-operator.io/workers\nnode/worker-1\n"}, "{"},
		"no name":        {[]string{"-o", "name"}, nil, []string{""}, "{"},
		"one as JSON":    {[]string{"-o", "json"}, []client.Object{policy}, []string{`"kind": "RebootPolicy"`, `"name": "workers"`}, "managedFields"},
		"several":        {[]string{"-o=yaml"}, []client.Object{policy, node}, []string{"kind: List", "kind: Node\n", "kind: RebootPolicy"}, "managed"},
		"none":           {[]string{"-o=yaml"}, nil, []string{"items: []", "kind: List"}, "null"},
		"managed fields": {[]string{"-o=yaml", "--show-managed-fields"}, []client.Object{policy}, []string{"manager: someone"}, "List"},
	} {
		cmd := &cobra.Command{}
		format := NewFormat(cmd)
		if err := cmd.ParseFlags(test.args); err != nil {
			t.Fatal(err)
		}
		out := &bytes.Buffer{}
		if err := format.Objects(out, test.objects...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range test.has {
			if !strings.Contains(out.String(), want) || strings.Contains(out.String(), test.not) {
				t.Errorf("%s: it writes\n%s", name, out)
			}
		}
	}
	if len(policy.ManagedFields) == 0 || policy.Kind != "" {
		t.Error("the object itself was changed")
	}
}

func TestAnswersThatAreNoObjectsAreWrittenInEachFormat(t *testing.T) {
	t.Parallel()
	value := struct {
		Ends string `json:"ends"`
	}{"today"}
	for format, want := range map[string]string{"json": "{\n    \"ends\": \"today\"\n}\n", "yaml": "ends: today\n", "name": "a\nb\n"} {
		out := &bytes.Buffer{}
		if err := (&Format{value: format}).Value(out, value, "a", "b"); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
	if err := (&Format{}).Value(&bytes.Buffer{}, value); err == nil {
		t.Error("no format is no error")
	}
}

func TestAFormatThatACommandLacksIsAMistakeOfTheCommandLine(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{}
	format := NewFormat(cmd, "svg", "html")
	err := cmd.ParseFlags([]string{"-o", "json"})
	if err == nil || !strings.Contains(err.Error(), "svg, html") || !format.People() || cmd.Flags().Lookup("show-managed-fields") != nil {
		t.Errorf("it says %v", err)
	}
	if err := cmd.ParseFlags([]string{"-o", "html"}); err != nil || format.People() || format.String() != "html" {
		t.Errorf("it is %q: %v", format, err)
	}
}
