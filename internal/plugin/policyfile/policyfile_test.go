package policyfile

import (
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const head = "apiVersion: reboot-operator.io/v1alpha1\nkind: RebootPolicy\nmetadata:\n  name: workers\n"

func read(t *testing.T, content string) []Policy {
	t.Helper()
	policies, err := Read(strings.NewReader(content), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return policies
}

func TestAPolicyHasTheDefaultsOfTheSchema(t *testing.T) {
	t.Parallel()
	policy := read(t, "# a comment\n\n"+head+"spec:\n  nodes: All\n")[0]
	if err := policy.Err("policy.yaml"); err != nil {
		t.Fatal(err)
	}
	spec := policy.Object.Spec
	if policy.Line != 3 || spec.Mode != v1alpha1.ModeEnforce || spec.Drain.TimeoutSeconds == nil {
		t.Errorf("line %d, and the spec is %+v", policy.Line, spec)
	}
}

func TestAPolicyThatWouldBeRefusedIsReportedWithTheField(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content string
		want    string
	}{
		"no name":            {strings.Replace(head, "name: workers", "labels: {}", 1) + "spec:\n  nodes: All\n", "metadata.name: it is missing: write a name"},
		"a name in capitals": {strings.Replace(head, "workers", "Workers", 1) + "spec:\n  nodes: All\n", "metadata.name: "},
		"a namespace":        {head + "  namespace: here\nspec:\n  nodes: All\n", "metadata.namespace: "},
		"no spec":            {head, "spec: "},
		"an unknown field":   {head + "spec:\n  nodes: All\n  maxUnavailble: 1\n", "spec.maxUnavailble: there is no such field"},
		"a wrong type":       {head + "spec:\n  nodes: All\n  drain: 7\n", "spec.drain: "},
		"a wrong value":      {head + "spec:\n  nodes: All\n  mode: Automatik\n", "spec.mode: "},
		"a duration as text": {head + "spec:\n  nodes: All\n  drain:\n    timeoutSeconds: 30m\n", "spec.drain.timeoutSeconds: "},
		"a cron expression":  {head + "spec:\n  nodes: All\n  schedule:\n    windows:\n    - cron: 61 * * * *\n      durationSeconds: 3600\n", "spec.schedule.windows[0].cron: "},
		"a window that never opens": {
			head + "spec:\n  nodes: All\n  schedule:\n    windows:\n    - cron: 0 0 30 2 *\n      durationSeconds: 3600\n",
			"spec.schedule.windows[0].cron: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := (&read(t, test.content)[0]).Err("policy.yaml")
			if err == nil || !strings.Contains(err.Error(), "\n  "+test.want) {
				t.Errorf("it says %v, want %q", err, test.want)
			}
		})
	}
}

func TestAFileThatIsNotOfPoliciesIsReportedWithTheLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content string
		want    string
	}{
		"empty":               {"# nothing\n---\n", "policy.yaml has no RebootPolicy"},
		"no YAML":             {"a: b: c\n", "policy.yaml: line 1: this is not YAML: "},
		"a key twice":         {head + "kind: RebootPolicy\n", "policy.yaml: line 1: this is not YAML: "},
		"a text":              {"hello\n", "policy.yaml: line 1: this is not a Kubernetes object"},
		"another kind":        {head + "spec:\n  nodes: All\n---\napiVersion: v1\nkind: ConfigMap\n", "policy.yaml: line 8: this is a ConfigMap (v1)"},
		"no kind":             {"apiVersion: v1\n", "policy.yaml: line 1: the object has no apiVersion or no kind"},
		"another version":     {strings.Replace(head, "v1alpha1", "v1", 1), "policy.yaml: line 1: this is a RebootPolicy of version v1; "},
		"a policy twice":      {head + "spec:\n  nodes: All\n---\n" + head, "policy.yaml: line 8: RebootPolicy workers appears twice; the first one is in line 1"},
		"a list of something": {"apiVersion: v1\nkind: List\nitems:\n- 7\n", "policy.yaml: line 1: items[0] is not a Kubernetes object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(strings.NewReader(test.content), "policy.yaml")
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("it says %v, want %q", err, test.want)
			}
		})
	}
}

func TestAListOfPoliciesIsReadAsWell(t *testing.T) {
	t.Parallel()
	list := "apiVersion: v1\nkind: List\nitems:\n"
	for _, name := range []string{"a", "b"} {
		list += "- apiVersion: reboot-operator.io/v1alpha1\n  kind: RebootPolicy\n  metadata:\n    name: " + name + "\n  spec:\n    nodes: All\n"
	}
	if policies := read(t, list); len(policies) != 2 || policies[1].Object.Name != "b" {
		t.Errorf("policies are %+v", policies)
	}
}
