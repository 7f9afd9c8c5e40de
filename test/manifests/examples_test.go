package manifests

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// clustersPage has kustomizations to copy.
const clustersPage = "clusters.md"

// Every kustomization of the page renders, and says what it is for.
func TestTheKustomizationsOfThePageOfClustersRender(t *testing.T) {
	var rendered []Rendered
	examples := documented(t, "../..")
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		if !strings.HasPrefix(name, clustersPage) || !strings.Contains(examples[name], "kind: Kustomization") {
			continue
		}
		objects, err := RenderOwn(map[string]string{"config/own": examples[name]})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		rendered = append(rendered, objects)
	}
	for what, holds := range map[string]func(Rendered) bool{
		"constraints of OpenShift": func(r Rendered) bool { return strings.Contains(text(r), "kind: SecurityContextConstraints") },
		"another namespace":        func(r Rendered) bool { return strings.Contains(text(r), "namespace: "+elsewhere) },
		"a digest":                 func(r Rendered) bool { return strings.Count(text(r), "@sha256:") == 3 },
		"credentials":              func(r Rendered) bool { return strings.Count(text(r), "imagePullSecrets:") == 2 },
		"a label of one's own":     func(r Rendered) bool { return strings.Contains(text(r), "example.com/team: platform") },
		"a narrower network":       func(r Rendered) bool { return strings.Contains(text(r), "cidr: 10.20.0.0/28") },
		"another port":             func(r Rendered) bool { return strings.Contains(text(r), "containerPort: 9443") },
		"fewer nodes":              func(r Rendered) bool { return strings.Contains(text(r), "- auto") },
		"limits of CPU":            func(r Rendered) bool { return !slices.ContainsFunc(containers(t, r), hasNoCPULimit) },
	} {
		if !slices.ContainsFunc(rendered, holds) {
			t.Errorf("no kustomization of %s has %s", clustersPage, what)
		}
	}
}

func hasNoCPULimit(c corev1.Container) bool { return c.Resources.Limits.Cpu().IsZero() }

// containers are those of the manager's pod and of the helper's.
func containers(t *testing.T, objects Rendered) []corev1.Container {
	t.Helper()
	pod, err := objects.HelperPod()
	if err != nil {
		t.Fatal(err)
	}
	manager, err := Find[appsv1.Deployment](objects, "Deployment", "reboot-operator-manager")
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(manager.Spec.Template.Spec.Containers, pod.Containers)
}

func TestThePageOfClustersSaysWhatThePodsAskFor(t *testing.T) {
	page, err := os.ReadFile("../../docs/" + clustersPage)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	row := regexp.MustCompile(`(?m)^\| (\w+), [\w ]+ \| (\w+) CPU, (\w+) \| (\w+) \|$`)
	for _, found := range row.FindAllStringSubmatch(string(page), -1) {
		got[found[1]] = fmt.Sprint(found[2:])
	}
	want := map[string]string{}
	for _, c := range containers(t, rendered(t)["default"]) {
		requests := c.Resources.Requests
		want[c.Name] = fmt.Sprint([]string{requests.Cpu().String(), requests.Memory().String(), c.Resources.Limits.Memory().String()})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests and limits (-config/default +docs):\n%s", diff)
	}
}

// Examples to copy must at least be readable; foreign kinds are not known here.
func TestEveryExampleOfThePageOfClustersIsYAML(t *testing.T) {
	for name, text := range documented(t, "../..") {
		if !strings.HasPrefix(name, clustersPage) {
			continue
		}
		var object map[string]any
		if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil || object["kind"] == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
