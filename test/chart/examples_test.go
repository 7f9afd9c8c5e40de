package chart

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/controllers/plan/detector"
	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// The values in the examples for Argo CD and Flux, and those of the page about the chart, are ones that the chart takes.
func TestTheChartTakesTheValuesOfEveryExample(t *testing.T) {
	for file, path := range map[string]string{
		"argocd/helm.yaml": "spec/source/helm/valuesObject", "flux/helmrelease.yaml": "spec/values",
	} {
		content, err := os.ReadFile("../../config/gitops/" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, object := range objects(t, string(content)) {
			if vals, is := at(object, path).(map[string]any); is {
				found = true
				// Flux would uninstall an operator whose helpers are not all Ready.
				if strategy := at(object, "spec/install/strategy/name"); object.Kind() == "HelmRelease" && strategy != "RetryOnFailure" {
					t.Errorf("%s: the strategy of the install is %v", file, strategy)
				}
				if object.Kind() == "Application" && at(object, "spec/source/helm/skipCrds") != true {
					t.Errorf("%s: Argo CD would have the kinds twice", file)
				}
				if rendered := byKey(t, render(t, vals)); rendered["RebootPolicy/linux"] == nil {
					t.Errorf("%s has no policy", file)
				}
			}
		}
		if !found {
			t.Errorf("%s has no values", file)
		}
	}
	page, err := os.ReadFile("../../docs/helm.md")
	if err != nil {
		t.Fatal(err)
	}
	page = append(page, ourValues(t)...)
	examples := 0
	for _, block := range strings.Split(string(page), "```yaml\n")[1:] {
		example, _, _ := strings.Cut(block, "```")
		var object manifests.Object
		if err := yaml.UnmarshalStrict([]byte(example), &object); err != nil {
			t.Errorf("%v:\n%s", err, example)
		}
		if object["kind"] != nil {
			continue
		}
		examples++
		render(t, map[string]any(object))
	}
	if examples < 9 {
		t.Errorf("the pages have %d examples of values", examples)
	}
}

// Each host on the page about hosts has values with which the rebooter does the same as in the example next to them.
func TestTheValuesOfEachHostDoWhatItsExampleDoes(t *testing.T) {
	page, err := os.ReadFile("../../docs/hosts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## An example for each host\n")
	table, _, _ = strings.Cut(table, "\n\nEach link")
	presets, kernels, none := 0, 0, 0
	rows := regexp.MustCompile("(?m)^\\| ([^|]+) \\| \\[([^]]+)\\][^|]* \\| (none|`([^|]+)`) \\|")
	for _, row := range rows.FindAllStringSubmatch(table, -1) {
		host, example := row[1], row[2]
		container, err := render(t, values(t, row[4])).Container("rebooter")
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		switch preset, is := strings.CutPrefix(example, "preset "); {
		case is:
			want = "--host-namespaces --sentinel-preset=" + strings.Trim(preset, "`")
			presets++
		case example == "the kernel":
			want = "--sentinel-kernel"
			kernels++
		default:
			none++
		}
		if got := strings.Join(container.Args, " "); !strings.Contains(got, want) || detector.Chosen(container.Args) != (want != "") {
			t.Errorf("%s: %s renders %s, want %q", host, row[3], got, want)
		}
	}
	if presets != 5 || kernels != 1 || none != 3 {
		t.Errorf("%d presets, %d kernels and %d default installations", presets, kernels, none)
	}
}

// What the page about reasons says about a file that a program of one's own makes can be written.
func TestOneSentinelIsAChoice(t *testing.T) {
	const value = "helper.sentinels: [/run/reboot-required]"
	page, err := os.ReadFile("../../docs/reasons.md")
	if err != nil || !strings.Contains(string(page), "`"+value+"`") {
		t.Errorf("docs/reasons.md does not say %s (error %v)", value, err)
	}
	container, err := render(t, values(t, strings.Replace(value, ".", ": {", 1)+"}")).Container("rebooter")
	if err != nil || !detector.Chosen(container.Args) {
		t.Errorf("nobody would have chosen %q (error %v)", container.Args, err)
	}
}

// ourValues are what becomes of the values of kured's chart.
func ourValues(t *testing.T) []byte {
	t.Helper()
	page, err := os.ReadFile("../../docs/kured.md")
	if err != nil {
		t.Fatal(err)
	}
	_, become, found := strings.Cut(string(page), "\nbecome\n")
	become, _, _ = strings.Cut(become, "\n## ")
	if !found || !strings.Contains(become, "```yaml\npolicies:") {
		t.Fatal("docs/kured.md does not say what becomes of the values of kured's chart")
	}
	return []byte(become)
}

// cert-manager keeps the Secrets of Certificates that are deleted. The page says which, and so has to name all of them.
func TestThePageNamesTheSecretsThatCertManagerKeeps(t *testing.T) {
	page, err := os.ReadFile("../../docs/helm.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\nWhat stays:\n")
	section, _, found := strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("docs/helm.md does not say what stays")
	}
	secrets := 0
	for _, object := range render(t, map[string]any{"metrics": map[string]any{"certManager": map[string]any{"enabled": true}}}) {
		if object.Kind() != "Certificate" {
			continue
		}
		secrets++
		if name := text(at(object, "spec/secretName")); !strings.Contains(section, "`"+name+"`") {
			t.Errorf("docs/helm.md does not say that the Secret %s stays", name)
		}
	}
	if secrets != 2 {
		t.Errorf("%d Certificates", secrets)
	}
}

// Artifact Hub reads the changes as a list; make release-prepare writes it.
func TestArtifactHubCanReadWhatChanged(t *testing.T) {
	var changes []struct {
		Kind        string `json:"kind"`
		Description string `json:"description"`
	}
	if err := yaml.UnmarshalStrict([]byte(load(t).Metadata.Annotations["artifacthub.io/changes"]), &changes); err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		if !slices.Contains([]string{"added", "changed", "deprecated", "removed", "fixed", "security"}, change.Kind) || change.Description == "" {
			t.Errorf("%+v", change)
		}
	}
	if len(changes) == 0 {
		t.Error("nothing has changed")
	}
}

// The version that the examples and the page name is that of the chart.
func TestTheVersionIsTheSameEverywhere(t *testing.T) {
	metadata := load(t).Metadata
	if metadata.AppVersion != "v"+metadata.Version {
		t.Errorf("version %s, appVersion %s", metadata.Version, metadata.AppVersion)
	}
	image := "image: ghcr.io/reboot-operator/reboot-operator:" + metadata.AppVersion + "\n"
	if !strings.Contains(metadata.Annotations["artifacthub.io/images"], image) {
		t.Errorf("the annotation artifacthub.io/images does not name %s", metadata.AppVersion)
	}
	for file, want := range map[string]string{
		"../../config/gitops/argocd/helm.yaml": "targetRevision: " + metadata.Version + "\n",
		chartFolder + "/README.md":             "--version " + metadata.Version + " ",
	} {
		content, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(content), want) {
			t.Errorf("%s has no %q (error %v)", file, want, err)
		}
	}
	page, err := os.ReadFile("../../docs/helm.md")
	if err != nil || !strings.Contains(string(page), `--version "${VERSION#v}" `) {
		t.Errorf("docs/helm.md does not say --version (error %v)", err)
	}
	if literal := regexp.MustCompile(`--version "?v?[0-9]\S*`).Find(page); literal != nil {
		t.Errorf("docs/helm.md has %s, which the next release makes untrue", literal)
	}
}

// The examples of the kinds that Artifact Hub shows are good ones.
func TestTheExamplesForArtifactHubAreOfTheKinds(t *testing.T) {
	var examples []manifests.Object
	err := yaml.UnmarshalStrict([]byte(load(t).Metadata.Annotations["artifacthub.io/crdsExamples"]), &examples)
	if err != nil || len(examples) != 2 {
		t.Fatalf("%d examples: %v", len(examples), err)
	}
	render(t, map[string]any{"policies": []any{map[string]any{"name": examples[0].Name(), "spec": examples[0]["spec"]}}})
}
