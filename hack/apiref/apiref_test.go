package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// paths are all fields of a schema, as the CRD has them, without regard to how a page is made.
func paths(path string, schema *apiextensionsv1.JSONSchemaProps, found map[string]*apiextensionsv1.JSONSchemaProps) {
	switch {
	case schema.Items != nil && schema.Items.Schema != nil:
		paths(path, schema.Items.Schema, found)
	case schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil:
		paths(path, schema.AdditionalProperties.Schema, found)
	}
	for name := range schema.Properties {
		property := schema.Properties[name]
		below := strings.TrimPrefix(path+"."+name, ".")
		found[below] = &property
		paths(below, &property, found)
	}
}

func messages(schema *apiextensionsv1.JSONSchemaProps) []string {
	var found []string
	for _, rule := range schema.XValidations {
		found = append(found, rule.Message+rule.MessageExpression)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		found = append(found, messages(schema.Items.Schema)...)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		found = append(found, messages(schema.AdditionalProperties.Schema)...)
	}
	return found
}

func TestAPageHasEveryFieldWithItsDefaultAndTheMessageOfEveryRule(t *testing.T) {
	pages, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, crdFolder, "*.yaml"))
	if err != nil || len(files) != len(pages) {
		t.Fatalf("%d CRDs and %d pages, error %v", len(files), len(pages), err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(content, crd); err != nil {
			t.Fatal(err)
		}
		page := pages[crd.Spec.Names.Singular+".md"]
		schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		fields := map[string]*apiextensionsv1.JSONSchemaProps{}
		for _, top := range []string{"spec", "status"} {
			property := schema.Properties[top]
			fields[top] = &property
			paths(top, &property, fields)
		}
		if len(fields) < 100 {
			t.Errorf("%s: only %d fields were found", file, len(fields))
		}
		sections := sectionsOf(page)
		for path, field := range fields {
			judge(t, page, sections, path, field)
		}
	}
}

// sectionsOf are the parts of a page by the path in their heading, without the brackets of lists.
func sectionsOf(page string) map[string]string {
	sections := map[string]string{}
	for _, part := range regexp.MustCompile(`(?m)^##+ `).Split(page, -1) {
		heading, text, _ := strings.Cut(part, "\n")
		sections[strings.ReplaceAll(heading, "[]", "")] = text
	}
	return sections
}

func judge(t *testing.T, page string, sections map[string]string, path string, field *apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	for _, rule := range field.XValidations {
		if rule.Rule == "false" {
			row := "| `" + path + "` | " + strings.ReplaceAll(escape(rule.Message), "|", `\|`) + " |"
			if !strings.Contains(strings.ReplaceAll(page, "[]", ""), row) {
				t.Errorf("%s is not among the fields of earlier versions, with its message", path)
			}
			return
		}
	}
	section, ok := sections[path]
	if !ok {
		// A field of one that is removed is as gone as that.
		if parent := path[:max(0, strings.LastIndex(path, "."))]; !strings.Contains(page, "| `"+parent+"`") {
			t.Errorf("the page has no section about %s", path)
		}
		return
	}
	for _, message := range messages(field) {
		if !strings.Contains(page, escape(message)) {
			t.Errorf("%s: the page does not have the message %q", path, message)
		}
	}
	if value := field.Default; value != nil && !strings.HasPrefix(string(value.Raw), "{") &&
		!strings.Contains(section, "default `"+cmp.Or(strings.Trim(string(value.Raw), `"`), `""`)+"`") {
		t.Errorf("%s: the page does not have the default %s", path, value.Raw)
	}
	for _, value := range field.Enum {
		if !strings.Contains(section, "`"+strings.Trim(string(value.Raw), `"`)+"`") {
			t.Errorf("%s: the page does not have the value %s", path, value.Raw)
		}
	}
}

func TestWhatTheFactsOfAFieldSay(t *testing.T) {
	pages, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	policy, reboot := sectionsOf(pages["rebootpolicy.md"]), sectionsOf(pages["nodereboot.md"])
	for path, want := range map[string]string{
		"spec.priority":                         "*integer · default `0` · -1000000 to 1000000*",
		"spec.rollout.maxUnavailable":           "*integer or percentage · default `1` · 0 to 15000, or a percentage*",
		"spec.drain.waitForPods.timeoutSeconds": "*integer · default `3600` · 1 to 604800 seconds (7 days)*",
		"spec.schedule.windows.cron":            "*string · 1 to 100 characters*",
		"spec.nodeLabels.during":                "*map of strings · up to 16 entries · up to 63 characters*",
		"spec.gates.prometheus":                 "*list of objects · up to 16 entries · one for each `name`*",
	} {
		if got := strings.Split(strings.TrimSpace(policy[path]), "\n")[0]; got != want {
			t.Errorf("%s (-want +got):\n%s", path, gocmp.Diff(want, got))
		}
	}
	want := "*string · required · cannot be changed · 1 to 253 characters*"
	if got := strings.Split(strings.TrimSpace(reboot["spec.nodeName"]), "\n")[0]; got != want {
		t.Errorf("spec.nodeName (-want +got):\n%s", gocmp.Diff(want, got))
	}
	if text := policy["spec.mode"]; !strings.Contains(text, "- `Observe` taints nodes and reports what would happen") {
		t.Errorf("spec.mode does not say what Observe means:\n%s", text)
	}
}

func TestTextsAreNoMarkup(t *testing.T) {
	for text, want := range map[string]string{
		"write * or <name>":                     `write \* or &lt;name>`,
		"such as {{ .Node }} here":              "such as `{{ .Node }}` here",
		"one of {{ .Node }}: between {{ and }}": "one of `{{ .Node }}`: between `{{` and `}}`",
		"write `x`":                             "write 'x'",
	} {
		if got := escape(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestTheFieldsThatHaveNoCommentOrNoAnchorOfTheirOwnAreErrors(t *testing.T) {
	for name, fields := range map[string][]*field{
		"no comment": {{path: "spec.a"}},
		"one anchor": {{path: "spec.a.b", description: "x"}, {path: "spec.aB", description: "x"}},
	} {
		if err := (&kind{fields: fields}).check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
