package manifests

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// elsewhere has no part of the default namespace's name.
const elsewhere = "node-maintenance"

// The one setting that gives the operator another namespace: everything else follows from it, and nothing keeps the old name.
func TestOneSettingInstallsIntoAnotherNamespace(t *testing.T) {
	for name, want := range rendered(t) {
		for way, kustomizations := range ownKustomizations(name) {
			t.Run(name+" "+way, func(t *testing.T) {
				got, err := RenderOwn(kustomizations)
				if err != nil {
					t.Fatal(err)
				}
				moved := strings.ReplaceAll(text(want), Namespace, elsewhere)
				if diff := gocmp.Diff(strings.Split(moved, "\n"), strings.Split(text(got), "\n")); diff != "" {
					t.Errorf("with the namespace %s (-want +got):\n%s", elsewhere, diff)
				}
			})
		}
	}
}

// ownKustomizations are what someone writes who installs an overlay, or config/default with components, in another namespace, by the way in
// which it is done. Only the largest combinations are tried.
func ownKustomizations(name string) map[string]map[string]string {
	const directory = "config/overlays/own"
	setting := "namespace: " + elsewhere + "\n"
	if name == "default" || strings.HasPrefix(name, "overlays/") {
		return map[string]map[string]string{"as a base": {directory: setting + "resources: [../../" + name + "]\n"}}
	}
	names := strings.Split(name, "+")
	if len(names) == 2 {
		return nil
	}
	components := "components: [../../components/" + strings.Join(names, ", ../../components/") + "]\n"
	ways := map[string]map[string]string{"above": {
		directory + "-1": setting + "resources: [../../default]\n",
		directory + "-2": "resources: [../own-1]\n" + components,
	}}
	// This one has objects in a namespace of someone else, where they have to stay.
	if !slices.Contains(names, "medik8s-leases") {
		ways["beside"] = map[string]string{directory: setting + "resources: [../../default]\n" + components}
	}
	return ways
}

// clusterScoped are kinds of which kustomize does not know that they have no namespace. The API server takes it away; see the tests of
// OpenShift.
var clusterScoped = []string{"SecurityContextConstraints", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

// text of all objects, in an order that does not depend on namespaces.
func text(objects Rendered) string {
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind(), b.Kind()), cmp.Compare(a.Name(), b.Name()))
	})
	var all strings.Builder
	for _, object := range sorted {
		if metadata, is := object["metadata"].(map[string]any); is && slices.Contains(clusterScoped, object.Kind()) {
			delete(metadata, "namespace")
		}
		fmt.Fprintf(&all, "%s---\n", YAML(object))
	}
	return all.String()
}

func TestMakeInstallsIntoTheNamespaceThatItIsGiven(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	wanted := "\nDEFAULT_NAMESPACE := " + Namespace + "\nNAMESPACE ?= $(DEFAULT_NAMESPACE)\n"
	if n := strings.Count(string(makefile), Namespace); n != 1 || !strings.Contains(string(makefile), wanted) {
		t.Errorf("the Makefile names %s %d times, want once, as the default of NAMESPACE", Namespace, n)
	}
}

func TestEveryComponentIsCombinedWithOthers(t *testing.T) {
	root, err := configRoot()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "components"))
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, entry := range entries {
		there = append(there, entry.Name())
	}
	if diff := gocmp.Diff(there, slices.Sorted(slices.Values(Components))); diff != "" {
		t.Errorf("components in config/components, and in Components (-there +tested):\n%s", diff)
	}
}
