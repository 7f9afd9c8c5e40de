package chart

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// valueCase says what one value of the chart does.
type valueCase struct {
	// Value is its path in values.yaml.
	Value string `json:"value"`
	// With are values that it needs, and Set has the value.
	With map[string]any `json:"with"`
	Set  map[string]any `json:"set"`
	// Want has the objects that are different, and what they have at a path.
	Want map[string]map[string]any `json:"want"`
	// All is what every object has.
	All map[string]any `json:"all"`
	// New and Gone are objects.
	New  []string `json:"new"`
	Gone []string `json:"gone"`
}

func valueCases(t *testing.T) []valueCase {
	t.Helper()
	content, err := os.ReadFile("testdata/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cases []valueCase
	if err := yaml.UnmarshalStrict(content, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// Each value changes the objects that its case names, in the way that it says, and no others.
func TestEveryValueDoesWhatItsNameSays(t *testing.T) {
	for _, test := range valueCases(t) {
		t.Run(test.Value, func(t *testing.T) {
			if at(test.Set, strings.ReplaceAll(test.Value, ".", "/")) == nil {
				t.Fatalf("the case does not set %s", test.Value)
			}
			before := byKey(t, render(t, test.With))
			after := byKey(t, render(t, merged(test.With, test.Set)))
			var added, gone []string
			for _, key := range sortedKeys(after) {
				if before[key] == nil {
					added = append(added, key)
				}
			}
			for _, key := range sortedKeys(before) {
				if after[key] == nil {
					gone = append(gone, key)
				}
			}
			if diff := cmp.Diff(test.New, added); diff != "" {
				t.Errorf("new objects (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.Gone, gone); diff != "" {
				t.Errorf("objects that are gone (-want +got):\n%s", diff)
			}
			checkChanges(t, test, before, after)
		})
	}
}

func checkChanges(t *testing.T, test valueCase, before, after map[string]manifests.Object) {
	t.Helper()
	for _, key := range sortedKeys(after) {
		want := merged(test.All, test.Want[key])
		changed := before[key] != nil && !cmp.Equal(plain(t, before[key]), plain(t, after[key]))
		if changed && len(want) == 0 {
			t.Errorf("%s is different:\n%s", key, cmp.Diff(plain(t, before[key]), plain(t, after[key])))
		}
		for path, value := range want {
			got := plain(t, at(plain(t, after[key]), path))
			if diff := cmp.Diff(plain(t, value), got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", key, path, diff)
			}
			if before[key] != nil && cmp.Equal(plain(t, at(plain(t, before[key]), path)), got) {
				t.Errorf("%s has %s = %v without the value", key, path, got)
			}
		}
	}
	for key := range test.Want {
		if after[key] == nil {
			t.Errorf("there is no %s", key)
		}
	}
}

// A value without a case fails, as does a case without a value.
func TestEveryValueHasACase(t *testing.T) {
	var known []string
	for _, test := range valueCases(t) {
		known = append(known, test.Value)
	}
	used := map[string]bool{}
	var walk func(vals map[string]any, path string)
	walk = func(vals map[string]any, path string) {
		for name, value := range vals {
			here := path + name
			below, is := value.(map[string]any)
			switch {
			case slices.Contains(known, here):
				used[here] = true
			case is && len(below) > 0:
				walk(below, here+".")
			default:
				t.Errorf("testdata/values.yaml has no case of %s", here)
			}
		}
	}
	walk(load(t).Values, "")
	for _, value := range known {
		if !used[value] {
			t.Errorf("values.yaml has no %s", value)
		}
	}
}

// The manager reads the Secrets that the chart makes, and finds who may use them where the chart writes it.
func TestTheManagerReadsTheSecretsOfTheChart(t *testing.T) {
	rendered := byKey(t, render(t, values(t, `
notifications: {urls: {slack: "slack://a@b"}, allowedPolicies: [linux]}
gates: {credentials: {token: abc}, allowedHosts: ["https://a.b"]}
`)))
	may := []string{}
	for _, object := range rendered {
		if object.Kind() != "Role" {
			continue
		}
		for _, rule := range at(object, "rules").([]any) {
			names, _ := at(rule, "resourceNames").([]any)
			if text(at(rule, "resources")) == "[secrets]" {
				for _, name := range names {
					may = append(may, text(name))
				}
			}
		}
	}
	for name, annotation := range map[string][2]string{
		v1alpha1.NotificationsSecret: {v1alpha1.AllowedPoliciesAnnotation, "linux"},
		"reboot-operator-gates":      {v1alpha1.AllowedHostsAnnotation, "https://a.b"},
	} {
		path := "metadata/annotations/" + strings.ReplaceAll(annotation[0], "/", "~1")
		if got := at(rendered["Secret/"+name], path); got != annotation[1] {
			t.Errorf("Secret %s: %s is %v", name, annotation[0], got)
		}
		if !slices.Contains(may, name) {
			t.Errorf("the manager may read %q, and not %s", may, name)
		}
	}
}

// A label or annotation that several values have is written once, and the value that is closest to the object counts. The reader of these
// tests refuses a key that is there twice, as Flux and post-renderers do.
func TestALabelOfSeveralValuesIsWrittenOnce(t *testing.T) {
	rendered := byKey(t, render(t, values(t, `
commonLabels: {example.com/x: common}
commonAnnotations: {example.com/y: common, controller-gen.kubebuilder.io/version: common, kubernetes.io/description: common}
openshift: {enabled: true}
namespace: {create: true, labels: {example.com/x: own}, annotations: {example.com/y: own}}
manager: {podLabels: {example.com/x: own}}
helper: {podLabels: {example.com/x: own}}
policies: [{name: linux, labels: {example.com/x: own}, annotations: {example.com/y: own}, spec: {nodes: All}}]
metrics:
  serviceMonitor: {enabled: true, labels: {example.com/x: own}}
  prometheusRule: {enabled: true, labels: {example.com/x: own}}
  dashboards: {enabled: true, labels: {example.com/x: own}, annotations: {example.com/y: own}}
notifications: {urls: {slack: "slack://a@b"}}
`)))
	for path, objects := range map[string][]string{
		"metadata/labels/example.com~1x": {
			"Namespace/reboot-operator-system", "RebootPolicy/linux", "ServiceMonitor/reboot-operator-manager", "PrometheusRule/reboot-operator",
			"ConfigMap/reboot-operator-dashboard-fleet",
		},
		"metadata/annotations/example.com~1y": {
			"Namespace/reboot-operator-system", "RebootPolicy/linux", "ConfigMap/reboot-operator-dashboard-fleet",
		},
		"spec/template/metadata/labels/example.com~1x": {"Deployment/reboot-operator-manager", "DaemonSet/reboot-operator-helper"},
	} {
		for _, object := range objects {
			if got := at(rendered[object], path); got != "own" {
				t.Errorf("%s: %s is %v", object, path, got)
			}
		}
	}
	if got := at(rendered["Service/reboot-operator-metrics"], "metadata/labels/example.com~1x"); got != "common" {
		t.Errorf("an object without labels of its own has %v", got)
	}
}

// The annotation that says whose log kubectl shows is there in any case. One of the values takes its place.
func TestAnAnnotationOfTheValuesChoosesTheContainerThatKubectlShows(t *testing.T) {
	const key = "kubectl.kubernetes.io/default-container"
	for name, test := range map[string]struct{ values, want string }{
		"default":         {"{}", "helper"},
		"no annotations":  {"helper: {podAnnotations: null}", "helper"},
		"another one":     {"helper: {podAnnotations: {example.com/x: other}}", "helper"},
		"one of our own":  {"helper: {podAnnotations: {" + key + ": rebooter}}", "rebooter"},
		"both, OpenShift": {"{openshift: {enabled: true}, helper: {podAnnotations: {" + key + ": rebooter}}}", "rebooter"},
	} {
		daemonSet := byKey(t, render(t, values(t, test.values)))["DaemonSet/reboot-operator-helper"]
		annotations, _ := at(daemonSet, "spec/template/metadata/annotations").(map[string]any)
		if annotations[key] != test.want {
			t.Errorf("%s: %v, want %s", name, annotations, test.want)
		}
	}
}
