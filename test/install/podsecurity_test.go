package install

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/pod-security-admission/policy"
)

// difference is one control of the Pod Security Standards that a pod is not within.
type difference struct{ Pod, Level, Control, In string }

// securityPage has the table of all differences, in its section "Pod Security". It is the list that is expected.
const securityPage = "../../docs/security.md"

func TestThePodsDifferFromPodSecurityOnlyWhereTheDocsSaySo(t *testing.T) {
	all := rendered(t)
	got := map[difference]int{}
	for name, template := range all.templates() {
		for _, check := range policy.DefaultChecks() {
			newest := check.Versions[len(check.Versions)-1]
			if result := newest.CheckPod(&template.ObjectMeta, &template.Spec); !result.Allowed {
				got[difference{name, string(check.Level), string(check.ID), result.ForbiddenDetail}] = 1
			}
		}
	}
	if diff := cmp.Diff(documentedDifferences(t), got); diff != "" {
		t.Errorf("differences from Pod Security in the docs and in config/default (-docs +config):\n%s", diff)
	}
}

func TestTheNamespaceAsksForNoMoreOfPodSecurityThanItsPodsNeed(t *testing.T) {
	all := rendered(t)
	want := "restricted"
	for found := range documentedDifferences(t) {
		switch {
		case found.Pod == all.Manager.Name:
			t.Errorf("the manager has to be within restricted, and differs in %s", found.Control)
		case found.Level == "baseline":
			want = "privileged"
		case want == "restricted":
			want = "baseline"
		}
	}
	if got := all.Namespace.Labels["pod-security.kubernetes.io/enforce"]; got != want {
		t.Errorf("the namespace enforces %q, and its pods need %q", got, want)
	}
}

// The page of clusters says which policies of the usual libraries refuse the helper: those that are about these differences.
func TestThePageOfClustersNamesThePoliciesForEachDifference(t *testing.T) {
	page, err := os.ReadFile("../../docs/clusters.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Policy engines\n")
	if !found {
		t.Fatal("docs/clusters.md has no section Policy engines")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	want, got := map[string]int{}, map[string]int{}
	for difference := range documentedDifferences(t) {
		want[difference.Control] = 1
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `([a-z-]+)`, `([a-z-]+)` \\|").FindAllStringSubmatch(section, -1) {
		got[row[1]]++
		exception := fmt.Sprintf("policyName: %s\n    ruleNames: [%s, autogen-%s]", row[2], row[3], row[3])
		if !strings.Contains(section, exception) {
			t.Errorf("the exception for Kyverno does not have %s", exception)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("controls that the helper differs in, and those with policies (-want +got):\n%s", diff)
	}
}

// documentedDifferences reads the table of the page about security.
func documentedDifferences(t *testing.T) map[difference]int {
	t.Helper()
	page, err := os.ReadFile(securityPage)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Pod Security\n")
	if !found {
		t.Fatalf("%s has no section Pod Security", securityPage)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[difference]int{}
	pattern := regexp.MustCompile("(?m)^\\| (\\S+) \\| (baseline|restricted) \\| `(\\w+)` \\| ([^|]+) \\|")
	for _, row := range pattern.FindAllStringSubmatch(section, -1) {
		rows[difference{row[1], row[2], row[3], row[4]}]++
	}
	return rows
}
