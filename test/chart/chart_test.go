// Package chart tests the Helm chart: what it renders, and what happens when it is installed, upgraded and uninstalled.
package chart

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

const (
	chartFolder = "../../charts/reboot-operator"
	releaseName = "reboot-operator"
	keepKey     = "helm.sh/resource-policy"
	argoKey     = "argocd.argoproj.io/sync-options"
)

// theChart is the chart as it is in this repository.
var theChart = sync.OnceValues(func() (*helmchart.Chart, error) { return loader.Load(chartFolder) })

func load(t *testing.T) *helmchart.Chart {
	t.Helper()
	loaded, err := theChart()
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// kubernetesVersion is what the chart is rendered for where no cluster is asked.
var kubernetesVersion = &common.KubeVersion{Version: "v1.36.3", Major: "1", Minor: "36"}

// values reads values in YAML.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	read := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &read); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return read
}

// merged has the values of all, the last one wins.
func merged(all ...map[string]any) map[string]any {
	result := map[string]any{}
	for _, one := range all {
		result = loader.MergeMaps(result, one)
	}
	return result
}

// output is what helm template prints, and the notes.
type output struct{ Manifest, Notes string }

// templated is what was rendered before: many tests render the same values.
var templated sync.Map

// template is the output of helm template for the chart.
func template(t *testing.T, vals map[string]any) (output, error) {
	t.Helper()
	content, err := json.Marshal(vals)
	if err != nil {
		t.Fatal(err)
	}
	if known, is := templated.Load(string(content)); is {
		return known.(output), nil
	}
	rendered, err := templateAs(t, vals, releaseName, manifests.Namespace)
	if err == nil {
		templated.Store(string(content), rendered)
	}
	return rendered, err
}

func templateAs(t *testing.T, vals map[string]any, name, namespace string) (output, error) {
	t.Helper()
	install := action.NewInstall(action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler)))
	install.DryRunStrategy = action.DryRunClient
	install.ReleaseName, install.Namespace = name, namespace
	install.KubeVersion = kubernetesVersion
	rendered, err := install.RunWithContext(t.Context(), load(t), merged(vals))
	if err != nil {
		return output{}, err
	}
	made := rendered.(*release.Release)
	return output{Manifest: made.Manifest, Notes: made.Info.Notes}, nil
}

// render returns the objects of the chart.
func render(t *testing.T, vals map[string]any) manifests.Rendered {
	t.Helper()
	rendered, err := template(t, vals)
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, rendered.Manifest)
}

func objects(t *testing.T, manifest string) manifests.Rendered {
	t.Helper()
	var all manifests.Rendered
	for document := range strings.SplitSeq("\n"+manifest, "\n---\n") {
		var object manifests.Object
		if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
			t.Fatalf("%v:\n%s", err, document)
		}
		if len(object) > 0 {
			all = append(all, object)
		}
	}
	return all
}

// key names an object.
func key(object manifests.Object) string {
	name := object.Kind() + "/" + object.Name()
	if namespace, _ := at(object, "metadata/namespace").(string); namespace != "" && namespace != manifests.Namespace {
		name += " in " + namespace
	}
	return name
}

// byKey has no two objects with one name.
func byKey(t *testing.T, all manifests.Rendered) map[string]manifests.Object {
	t.Helper()
	found := map[string]manifests.Object{}
	for _, object := range all {
		if found[key(object)] != nil {
			t.Errorf("%s is rendered twice", key(object))
		}
		found[key(object)] = object
	}
	return found
}

// at follows a path with slashes. An item of a list is named by its name or its number; a slash in a key is ~1.
func at(node any, path string) any {
	for part := range strings.SplitSeq(path, "/") {
		part = strings.ReplaceAll(part, "~1", "/")
		switch container := node.(type) {
		case manifests.Object:
			node = container[part]
		case map[string]any:
			node = container[part]
		case []any:
			node = item(container, part)
		default:
			return nil
		}
	}
	return node
}

func item(list []any, part string) any {
	if index, err := strconv.Atoi(part); err == nil && index < len(list) {
		return list[index]
	}
	for _, one := range list {
		if named, is := one.(map[string]any); is && named["name"] == part {
			return named
		}
		if text, is := one.(string); is && (text == part || strings.HasPrefix(text, part+"=")) {
			return text
		}
	}
	return nil
}

// plain is an object as JSON has it, so that numbers are of one type.
func plain(t *testing.T, object any) any {
	t.Helper()
	content, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var read any
	if err := json.Unmarshal(content, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestTheChartHasNoLint(t *testing.T) {
	for name, vals := range map[string]string{"defaults": "{}", "policies": samplePolicy} {
		lint := action.NewLint()
		lint.Strict = true
		lint.KubeVersion = kubernetesVersion
		lint.Namespace = manifests.Namespace
		result := lint.Run([]string{chartFolder}, values(t, vals))
		for _, message := range result.Messages {
			t.Errorf("%s: %s", name, message)
		}
		if result.TotalChartsLinted != 1 {
			t.Errorf("%s: %d charts: %v", name, result.TotalChartsLinted, result.Errors)
		}
	}
}

// The icon is in this repository, where its address says.
func TestTheIconIsThere(t *testing.T) {
	path, found := strings.CutPrefix(load(t).Metadata.Icon, "https://raw.githubusercontent.com/reboot-operator/reboot-operator/main/")
	if !found {
		t.Fatalf("the icon is %s", load(t).Metadata.Icon)
	}
	content, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil || !strings.HasPrefix(string(content), "<svg ") {
		t.Errorf("%s: %v", path, err)
	}
}

const samplePolicy = "policies: [{name: linux, spec: {nodes: All, rollout: {maxUnavailable: 2}}}]"

// A value that is not in the schema is refused, so every place of values.yaml is in it, also behind what the schema refers to.
func TestTheSchemaHasEveryValueAndNoOther(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(chartFolder, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var root jsonSchema
	decode(t, content, &root)
	compared := 0
	var compare func(schema jsonSchema, vals map[string]any, path string)
	compare = func(schema jsonSchema, vals map[string]any, path string) {
		properties, open := schema.properties(root)
		if len(properties) == 0 && !open {
			t.Errorf("the schema has nothing below %s", path)
		}
		for name := range properties {
			if _, is := vals[name]; !is && path+name != "global" && !optional.MatchString(path+name) {
				t.Errorf("the schema has %s%s, and values.yaml has not", path, name)
			}
		}
		for name, value := range vals {
			property, is := properties[name]
			if !is && !open {
				t.Errorf("values.yaml has %s%s, and the schema has not", path, name)
			}
			compared++
			if below, is := value.(map[string]any); is && len(below) > 0 {
				compare(property, below, path+name+".")
			}
		}
	}
	compare(root, load(t).Values, "")
	if compared < 100 {
		t.Errorf("only %d values were compared", compared)
	}
}

// optional are values that have no default.
var optional = regexp.MustCompile(`^helper\.updateStrategy\.rollingUpdate\.maxSurge$` +
	`|[rR]esources\.(requests|limits)\.(cpu|ephemeral-storage)$`)

type jsonSchema map[string]any

// properties are the properties of a schema, of its references and of its parts. The schema is open if there may be others.
func (s jsonSchema) properties(root jsonSchema) (properties map[string]jsonSchema, open bool) {
	properties = map[string]jsonSchema{}
	own, _ := s["properties"].(map[string]any)
	for name, property := range own {
		properties[name], _ = property.(map[string]any)
	}
	_, open = s["additionalProperties"].(map[string]any)
	parts, _ := s["allOf"].([]any)
	if reference, is := s["$ref"].(string); is {
		parts = append(parts, at(map[string]any(root), strings.TrimPrefix(reference, "#/")))
	}
	for _, part := range parts {
		part, _ := part.(map[string]any)
		more, alsoOpen := jsonSchema(part).properties(root)
		maps.Copy(properties, more)
		open = open || alsoOpen
	}
	return properties, open
}

func sortedKeys[V any](from map[string]V) []string { return slices.Sorted(maps.Keys(from)) }

func text(value any) string { return fmt.Sprint(value) }

func notesOf(rendered any) string { return rendered.(*release.Release).Info.Notes }

func decode(t *testing.T, content []byte, into any) {
	t.Helper()
	if err := yaml.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}
