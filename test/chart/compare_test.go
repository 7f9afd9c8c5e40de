package chart

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// ofComponents are the values that do what a component of config/components does.
var ofComponents = map[string]string{
	"openshift":         "openshift: {enabled: true}",
	"host-programs":     "helper: {hostPrograms: true}",
	"sentinel-command":  "helper: {sentinelCommand: {preset: yum-utils}}",
	"sentinel-kernel":   "helper: {sentinelKernel: true}",
	"signal":            "helper: {rebootMethod: Signal}",
	"before-1.36":       "beforeKubernetes136: true",
	"medik8s-leases":    "manager: {maintenanceLeaseNamespaces: [medik8s-leases]}",
	"eviction-requests": "helper: {evictionRequests: true}",
	"apparmor":          "helper: {appArmorProfile: reboot-operator-rebooter}",
	"selinux":           "helper: {seLinuxType: reboot_operator_t}",

	"monitoring":           "metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}",
	"metrics-cert-manager": "metrics: {certManager: {enabled: true}}",
	"dashboards":           "metrics: {dashboards: {enabled: true}}",
}

// ofOverlays are those for an overlay that is more than its component.
var ofOverlays = map[string][]string{
	"default":                     nil,
	"overlays/privileged-command": {ofComponents["host-programs"], ofComponents["sentinel-command"], "helper: {rebootMethod: Command, rebootCommand: [/usr/bin/systemctl, reboot]}"},
}

// same are the values that make the chart render what the installation with this name is.
func same(t *testing.T, name string) map[string]any {
	t.Helper()
	texts, known := ofOverlays[name]
	if !known {
		for component := range strings.SplitSeq(strings.TrimPrefix(name, "overlays/"), "+") {
			if ofComponents[component] == "" {
				t.Fatalf("no value of the chart does what %s does: add it to the chart and to this test", component)
			}
			texts = append(texts, ofComponents[component])
		}
	}
	all := values(t, "namespace: {create: true}")
	for _, text := range texts {
		all = merged(all, values(t, text))
	}
	return all
}

// image has the chart use the image of an installation.
func image(t *testing.T, want manifests.Rendered) map[string]any {
	t.Helper()
	container, err := want.Container("manager")
	if err != nil {
		t.Fatal(err)
	}
	repository, tag, _ := strings.Cut(container.Image, ":")
	return map[string]any{"image": map[string]any{"repository": repository, "tag": tag}}
}

// What the chart renders and what kustomize renders are the same, object by object, for config/default, every overlay, every component and
// what can be combined.
func TestTheChartRendersWhatKustomizeRenders(t *testing.T) {
	all, err := manifests.All()
	if err != nil {
		t.Fatal(err)
	}
	compared, different := 0, 0
	for _, name := range sortedKeys(all) {
		t.Run(name, func(t *testing.T) {
			want := all[name]
			got := render(t, merged(same(t, name), image(t, want)))
			wanted, rendered := byKey(t, want), byKey(t, got)
			if diff := gocmp.Diff(sortedKeys(wanted), sortedKeys(rendered)); diff != "" {
				t.Errorf("objects (-config/ +chart):\n%s", diff)
			}
			for key, object := range wanted {
				if rendered[key] == nil || object.Kind() == "CustomResourceDefinition" {
					continue
				}
				compared++
				chart := withoutLabelsOfTheChart(t, rendered[key])
				if diff := gocmp.Diff(meaning(t, object), meaning(t, chart)); diff != "" {
					different++
					t.Errorf("%s (-config/ +chart):\n%s", key, diff)
				}
			}
		})
	}
	t.Logf("%d objects of %d installations compared, %d are different", compared, len(all), different)
	if compared < 1000 {
		t.Errorf("only %d objects were compared", compared)
	}
}

// The kinds are those of config/crd, with the marks of the release, and the one by which Helm keeps them.
func TestTheKindsAreThoseOfTheRepository(t *testing.T) {
	rendered := byKey(t, render(t, nil))
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d kinds: %v", len(files), err)
	}
	for _, file := range files {
		want := readObject(t, file)
		got := rendered[key(want)]
		if got == nil {
			t.Errorf("the chart has no %s", key(want))
			continue
		}
		if diff := gocmp.Diff(plain(t, kept), annotationsBeside(t, want, got)); diff != "" {
			t.Errorf("annotations of %s (-want +got):\n%s", key(want), diff)
		}
		if diff := gocmp.Diff(plain(t, want), plain(t, withoutLabelsOfTheChart(t, got))); diff != "" {
			t.Errorf("%s (-config/ +chart):\n%s", key(want), diff)
		}
		// What Helm applies before it renders is the same, and the release of the usual name takes it over.
		folder := readObject(t, filepath.Join(chartFolder, "crds", filepath.Base(file)))
		marks := merged(kept, map[string]any{"meta.helm.sh/release-name": releaseName, "meta.helm.sh/release-namespace": manifests.Namespace})
		if diff := gocmp.Diff(plain(t, marks), annotationsBeside(t, want, folder)); diff != "" {
			t.Errorf("annotations of %s in the folder crds (-want +got):\n%s", key(want), diff)
		}
		want["metadata"].(map[string]any)["labels"] = map[string]any{"app.kubernetes.io/managed-by": "Helm"}
		if diff := gocmp.Diff(plain(t, want), plain(t, folder)); diff != "" {
			t.Errorf("%s (-config/ +folder crds):\n%s", key(want), diff)
		}
	}
}

// kept are annotations by which Helm and Argo CD keep the kinds.
var kept = map[string]any{keepKey: "keep", argoKey: "Delete=false,Prune=false"}

// annotationsBeside removes the annotations that another object lacks, and returns them.
func annotationsBeside(t *testing.T, object, more manifests.Object) any {
	t.Helper()
	annotations, beside := at(more, "metadata/annotations").(map[string]any), map[string]any{}
	for name, value := range annotations {
		if at(object, "metadata/annotations/"+strings.ReplaceAll(name, "/", "~1")) == nil {
			beside[name] = value
			delete(annotations, name)
		}
	}
	return plain(t, beside)
}

func readObject(t *testing.T, file string) manifests.Object {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var object manifests.Object
	if err := yaml.UnmarshalStrict(content, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// withoutLabelsOfTheChart removes what Helm's conventions add, and fails where that is missing.
func withoutLabelsOfTheChart(t *testing.T, object manifests.Object) manifests.Object {
	t.Helper()
	metadata, _ := plain(t, object["metadata"]).(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	for label, want := range map[string]string{
		"helm.sh/chart": "reboot-operator-" + load(t).Metadata.Version, "app.kubernetes.io/instance": releaseName,
		"app.kubernetes.io/version": load(t).Metadata.AppVersion, "app.kubernetes.io/managed-by": "Helm",
	} {
		if labels[label] != want {
			t.Errorf("%s: label %s is %v, want %s", key(object), label, labels[label], want)
		}
		delete(labels, label)
	}
	if len(labels) == 0 {
		delete(metadata, "labels")
	}
	result := manifests.Object{}
	for name, value := range object {
		result[name] = value
	}
	result["metadata"] = metadata
	return result
}

// clusterScoped are kinds to which kustomize gives a namespace, which the API server removes.
var clusterScoped = []string{"SecurityContextConstraints", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

// meaning is an object without what means nothing: the order of flags that are different, of volumes and of mounts.
func meaning(t *testing.T, object manifests.Object) any {
	t.Helper()
	copied := plain(t, object)
	if slices.Contains(clusterScoped, object.Kind()) {
		delete(at(copied, "metadata").(map[string]any), "namespace")
	}
	spec, is := at(copied, "spec/template/spec").(map[string]any)
	if !is {
		return copied
	}
	byName(spec["volumes"])
	for _, container := range spec["containers"].([]any) {
		container := container.(map[string]any)
		byName(container["volumeMounts"])
		container["args"] = arguments(t, container["args"])
	}
	return copied
}

func byName(list any) {
	if list, is := list.([]any); is {
		slices.SortStableFunc(list, func(a, b any) int { return cmp.Compare(text(at(a, "name")), text(at(b, "name"))) })
	}
}

// once are flags of which the last one counts. The others may be repeated.
var once = []string{"--reboot-method"}

// arguments by flag. What one flag is given several times keeps its order.
func arguments(t *testing.T, list any) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	args, _ := list.([]any)
	for _, arg := range args {
		flag, value, _ := strings.Cut(fmt.Sprint(arg), "=")
		if slices.Contains(once, flag) {
			all[flag] = nil
		}
		all[flag] = append(all[flag], value)
	}
	return all
}

// Another namespace, and another name of the release, are in the objects, and nowhere are those that the repository names.
func TestTheNamespaceOfTheReleaseIsTheOnlyOne(t *testing.T) {
	vals := merged(same(t, "openshift"), same(t, "before-1.36"), same(t, "eviction-requests"), same(t, "medik8s-leases"))
	rendered, err := templateAs(t, vals, "other", "node-maintenance")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(rendered.Manifest, manifests.Namespace) {
		t.Errorf("%s is still there", manifests.Namespace)
	}
	if n := strings.Count(rendered.Manifest, "node-maintenance"); n < 20 {
		t.Errorf("the namespace is there %d times only", n)
	}
}
