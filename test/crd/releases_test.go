package crd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	// currentSamples are those of the commit under test. They become the samples of the next release.
	currentSamples = filepath.Join("..", "..", "config", "samples")
	// releasedSamples has a folder of samples for each release, named like its tag. `make release-samples` fills it.
	releasedSamples = filepath.Join("testdata", "releases")
)

// TestSamplesOfEveryReleaseStillApply guards the promise of ADR 29: what a release accepted, all later ones accept, and lose nothing of it.
func TestSamplesOfEveryReleaseStillApply(t *testing.T) {
	for _, folder := range append(releases(t), currentSamples) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			samples := samplesIn(t, folder)
			if len(samples) == 0 {
				t.Fatalf("%s has no samples", folder)
			}
			for _, sample := range samples {
				written := sample.DeepCopy()
				checkAnswer(t, strict.Create(t.Context(), sample, client.DryRunAll), nil)
				for _, lost := range lostFields(written.Object, sample.Object, "") {
					t.Errorf("%s %s: the API server does not keep %s", written.GetKind(), written.GetName(), lost)
				}
			}
		})
	}
}

func TestEveryTagHasItsSamples(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "git", "tag", "--list", "v*", "--merged", "HEAD").Output()
	if err != nil {
		t.Skipf("not a Git repository, so nothing is known of tags: %v", err)
	}
	kept := releases(t)
	for _, tag := range strings.Fields(string(out)) {
		if !slices.Contains(kept, filepath.Join(releasedSamples, tag)) {
			t.Errorf("the samples of %s are not kept: run `make release-samples TAG=%s` and commit them", tag, tag)
		}
	}
}

func TestAFieldThatIsLostIsNamed(t *testing.T) {
	written := object(t, `{spec: {drain: {selector: {a: b}, timeoutSeconds: 5}, order: [a, b]}}`)
	stored := object(t, `{spec: {drain: {timeoutSeconds: 6, mode: Drain}, order: [a, b]}, status: {}}`)
	lost := lostFields(written.Object, stored.Object, "")
	slices.Sort(lost)
	if want := []string{".spec.drain.selector", ".spec.drain.timeoutSeconds"}; !slices.Equal(lost, want) {
		t.Errorf("lost %q, expected %q", lost, want)
	}
}

// releases are the folders with the samples of releases.
func releases(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(releasedSamples, "v*"))
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

func samplesIn(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var samples []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if sample := object(t, string(text)); sample.GetKind() != "Kustomization" {
			samples = append(samples, sample)
		}
	}
	return samples
}

// lostFields returns the paths of fields that were written and that are missing, or have another value, in what is stored.
func lostFields(written, stored any, path string) []string {
	fields, isObject := written.(map[string]any)
	if !isObject {
		// A number is a float64 in YAML that was read here, and an int64 in an answer of the API server.
		if fmt.Sprint(written) != fmt.Sprint(stored) {
			return []string{path}
		}
		return nil
	}
	kept, _ := stored.(map[string]any)
	var lost []string
	for name, value := range fields {
		if _, is := kept[name]; !is {
			lost = append(lost, path+"."+name)
			continue
		}
		lost = append(lost, lostFields(value, kept[name], path+"."+name)...)
	}
	return lost
}
