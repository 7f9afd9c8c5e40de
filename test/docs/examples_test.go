package docs

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const newExample = `test/docs does not know what this is. It takes complete objects of the kinds of Kubernetes and of this project, parts of
a RebootPolicy that name its fields, kustomizations and parts of them, and values of the chart. For anything else, add an entry to examples
in test/docs/` + tableFile

// Every example in YAML is one that the API server, kustomize or the chart takes.
func TestEveryExampleOfTheDocsIsTaken(t *testing.T) {
	b := sharedBed(t)
	b.reset(nil, nil)
	pages, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	e := &examples{bed: b, table: readTable(t), counts: map[string]int{}}
	for i := range pages {
		for j := range pages[i].Blocks {
			block := &pages[i].Blocks[j]
			if block.Language != "yaml" {
				continue
			}
			kind, err := e.judge(block)
			e.counts[kind]++
			if err != nil {
				t.Errorf("%s: %s: %v\n%s", block.Place(), kind, err, block.Text)
			}
		}
	}
	t.Logf("examples: %v", e.counts)
	for _, other := range e.table.Examples {
		if !other.used {
			t.Errorf("%s: no example matches %q: remove it", tableFile, other.Text)
		}
	}
	if e.counts["object"] < 15 || e.counts["policy"] < 5 || e.counts["kustomization"] < 20 || e.counts["values"] < 5 {
		t.Errorf("too few examples were found: %v", e.counts)
	}
}

// examples judges them.
type examples struct {
	*bed
	table  *table
	counts map[string]int
}

// judge says what an example is, and what is wrong with it.
func (e *examples) judge(block *Block) (kind string, err error) {
	for _, other := range e.table.Examples {
		if other.pattern.MatchString(block.Text) {
			other.used = true
			return "other", nil
		}
	}
	documents := regexp.MustCompile(`(?m)^---\s*$`).Split(block.Text, -1)
	for _, document := range documents {
		var content map[string]any
		if err := yaml.UnmarshalStrict([]byte(document), &content); err != nil {
			return "YAML", err
		}
		if kind, err = e.document(document, content); err != nil {
			return kind, err
		}
	}
	return kind, nil
}

func (e *examples) document(text string, content map[string]any) (kind string, err error) {
	version, _ := content["apiVersion"].(string)
	switch {
	case strings.HasPrefix(version, "kustomize."):
		return "kustomization", e.kustomize(text)
	case version != "" && content["kind"] != nil:
		return "object", e.create(content)
	case isPartOf(kustomizationFields, content):
		return "kustomization", e.kustomize("resources: [../default]\n" + text)
	}
	spec := content
	if inner, is := content["spec"].(map[string]any); is && len(content) == 1 {
		spec = inner
	}
	values, err := e.values()
	if err != nil {
		return "values", err
	}
	// Some names are those of fields and of values.
	named, strict := isSpec(spec)
	switch {
	case strict || named && !isPartOf(values, content):
		return "policy", e.policy(spec)
	case isPartOf(values, content):
		return "values", e.template(text)
	}
	return "unknown", errors.New(newExample)
}

// kustomizationFields are those that parts of kustomizations on pages have.
var kustomizationFields = []string{"patches", "images", "components", "labels", "replicas", "commonAnnotations", "namespace"}

func isPartOf(fields []string, content map[string]any) bool {
	for name := range content {
		if !slices.Contains(fields, name) {
			return false
		}
	}
	return len(content) > 0
}

// isSpec reports whether all names are those of fields of a RebootPolicy, and whether what they have could be.
func isSpec(spec map[string]any) (named, strict bool) {
	named, strict = len(spec) > 0, len(spec) > 0
	for name, value := range spec {
		text, err := yaml.Marshal(map[string]any{name: value})
		if err == nil {
			err = yaml.UnmarshalStrict(text, &v1alpha1.RebootPolicySpec{})
		}
		if err != nil {
			strict = false
			named = named && !strings.Contains(err.Error(), fmt.Sprintf("unknown field %q", name))
		}
	}
	return named, strict
}

// policy creates one that has the fields, and what a policy cannot be without.
func (e *examples) policy(spec map[string]any) error {
	whole := maps.Clone(spec)
	if whole["nodes"] == nil && whole["nodeSelector"] == nil {
		whole["nodes"] = "All"
	}
	return e.create(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "RebootPolicy", "metadata": map[string]any{"name": "example"}, "spec": whole,
	})
}

// create asks the API server to, without doing it.
func (e *examples) create(content map[string]any) error {
	object := &unstructured.Unstructured{Object: content}
	if object.GetName() == "" {
		return errors.New("it has no name")
	}
	return e.Client().Create(e.t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

// ours is where others find this repository.
var ours = regexp.MustCompile(`https://[a-z./-]+/reboot-operator/{1,2}config/([^?\s]+)(\?ref=\S+)?`)

// kustomize renders it in a folder of config.
func (e *examples) kustomize(text string) error {
	folder := filepath.Join(e.clone, "config", "own")
	if strings.Contains(text, "../../") {
		folder = filepath.Join(folder, "overlay")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file := filepath.Join(folder, "kustomization.yaml")
	if err := os.WriteFile(file, []byte(ours.ReplaceAllString(text, "../$1")), 0o600); err != nil {
		return err
	}
	return output(exec.CommandContext(e.t.Context(), e.Kubectl(), "kustomize", folder))
}

// values are those at the top of the chart.
func (e *examples) values() ([]string, error) {
	content, err := os.ReadFile(filepath.Join(e.clone, "charts", "reboot-operator", "values.yaml"))
	if err != nil {
		return nil, err
	}
	var all map[string]any
	err = yaml.Unmarshal(content, &all)
	return slices.Collect(maps.Keys(all)), err
}

// template renders the chart with the values.
func (e *examples) template(text string) error {
	file := filepath.Join(e.t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	return output(exec.CommandContext(e.t.Context(), filepath.Join(e.programs, "helm"), "template", "reboot-operator",
		filepath.Join(e.clone, "charts", "reboot-operator"), "--namespace", "reboot-operator-system", "--values", file,
		"--api-versions", "monitoring.coreos.com/v1", "--api-versions", "cert-manager.io/v1"))
}

// output is the error of a command, with what it wrote.
func output(command *exec.Cmd) error {
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, firstLines(string(out)))
	}
	return nil
}
