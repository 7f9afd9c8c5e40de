package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Where docs/helm.md installs the chart. Nothing in the folder crds can have values.
const (
	releaseName      = "reboot-operator"
	releaseNamespace = "reboot-operator-system"
)

// kindAnnotations are those of the kinds in the folder crds. By the last two Helm knows them as part of the release, so the template of the
// kinds, which upgrades them, takes them over. By the others Helm and Argo CD keep them.
var kindAnnotations = map[string]string{
	"argocd.argoproj.io/sync-options": "Delete=false,Prune=false",
	"helm.sh/resource-policy":         "keep",
	"meta.helm.sh/release-name":       releaseName,
	"meta.helm.sh/release-namespace":  releaseNamespace,
}

// markedKinds are the kinds with what makes them part of the release.
func markedKinds(crds map[string]string) (map[string]string, error) {
	const before, label = "metadata:\n  annotations:\n", "  labels:\n    app.kubernetes.io/managed-by: Helm\n"
	var lines strings.Builder
	for _, key := range slices.Sorted(maps.Keys(kindAnnotations)) {
		fmt.Fprintf(&lines, "    %s: %s\n", key, kindAnnotations[key])
	}
	marked := map[string]string{}
	for name, text := range crds {
		top, rest, found := strings.Cut(text, before)
		annotations, rest, named := strings.Cut(rest, "\n  name: ")
		if !found || !named || strings.Contains(annotations, "labels:") {
			return nil, fmt.Errorf("%s does not begin as controller-gen writes it", name)
		}
		marked[name] = top + before + annotations + "\n" + lines.String() + label + "  name: " + rest
	}
	return marked, nil
}
