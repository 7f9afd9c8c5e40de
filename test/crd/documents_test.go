package crd

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/policycheck"
)

// blocks are those of YAML in a page.
var blocks = regexp.MustCompile("(?s)\n```yaml\n(.*?)\n```\n")

// example is an object that a page shows, or a part of a policy.
type example struct {
	where  string
	object *unstructured.Unstructured
	part   bool
}

// People copy what pages show: the API server takes each RebootPolicy and NodeReboot, and the manager can use it.
func TestEveryPolicyThatAPageShowsIsTaken(t *testing.T) {
	whole, parts := 0, 0
	for _, page := range pages(t) {
		for _, example := range examples(t, page) {
			if example.part {
				parts++
			} else {
				whole++
			}
			if problem := useless(t, example.object); problem != "" {
				t.Errorf("%s: %s", example.where, problem)
			}
		}
	}
	if whole < 25 || parts < 5 {
		t.Errorf("pages show %d objects and %d parts of policies, which is too few to say anything", whole, parts)
	}
}

// examples are those of a page, with the line of their block.
func examples(t *testing.T, page string) []example {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var found []example
	for _, block := range blocks.FindAllSubmatchIndex(content, -1) {
		where := fmt.Sprintf("%s:%d", page, bytes.Count(content[:block[0]], []byte("\n"))+2)
		for document := range strings.SplitSeq(string(content[block[2]:block[3]]), "\n---\n") {
			if object, part := shown(document); object != nil {
				found = append(found, example{where, object, part})
			}
		}
	}
	return found
}

// pages are all documents but decisions, which are of their time.
func pages(t *testing.T) []string {
	t.Helper()
	found := []string{"../../README.md"}
	err := filepath.WalkDir("../../docs", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "adr":
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// shown is the object of one of the kinds that a document has, or the policy that it is a part of.
func shown(document string) (object *unstructured.Unstructured, part bool) {
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte(document), &content); err != nil {
		return nil, false // of another language, such as Helm's templates
	}
	object = &unstructured.Unstructured{Object: content}
	if strings.HasPrefix(object.GetAPIVersion(), v1alpha1.GroupVersion.Group+"/") {
		return object, false
	}
	spec, is := content["spec"].(map[string]any)
	if !is || len(content) != 1 {
		return nil, false
	}
	if spec["nodeSelector"] == nil {
		spec["nodes"] = "All"
	}
	object.SetAPIVersion(v1alpha1.GroupVersion.String())
	object.SetKind("RebootPolicy")
	object.SetName("part")
	return object, true
}

// useless says why an object cannot be used; nothing if it can.
func useless(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	if err := strict.Create(t.Context(), object, client.DryRunAll); err != nil {
		return err.Error()
	}
	if object.GetKind() != "RebootPolicy" {
		return ""
	}
	var policy v1alpha1.RebootPolicy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &policy); err != nil {
		return err.Error()
	}
	if findings := policycheck.Check(&policy); len(findings) > 0 {
		return fmt.Sprint(findings)
	}
	return ""
}
