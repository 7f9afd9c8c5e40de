package plan

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/test/golden"
)

// reasonPage is where the documentation shows what each story ends with.
const reasonPage = "../../docs/reason-messages.md"

// pageHead is the head of that page.
const pageHead = `# What each reason reads like

Each row is the end of one story that the planner's tests play: where a reason is seen, and what its message says then. What
a reason means and what you can do is in [reasons](reasons.md). In the stories the node is a, its NodeReboot ra, and the RebootPolicy p.

Written by ` + "`make generate`" + `. The test of a row is ` + "`TestEveryReasonOfTheAPIIsProduced/<reason>`" + `, for example:

` + "```sh\ngo test ./controllers/plan -run 'TestEveryReasonOfTheAPIIsProduced/ZoneBusy' -v\n```" + `

| Reason | Where it is seen | Message |
|---|---|---|
`

// sighting is a reason where a user sees it.
type sighting struct {
	reason, where, message string
}

// sightings of all reasons, the likeliest place to look at first.
func sightings(s *story) []sighting {
	var seen []sighting
	for _, r := range s.Reboots {
		seen = append(seen, sighting{r.Status.Reason, fmt.Sprintf("NodeReboot, %s", r.Status.Phase), r.Status.Message})
	}
	for _, r := range s.Reboots {
		seen = append(seen, sightingsIn("NodeReboot", r.Status.Conditions)...)
		if attempt := r.Status.Attempt; attempt != nil {
			seen = append(seen, sighting{attempt.Result, "NodeReboot, `status.attempt.result`", attempt.Message})
		}
	}
	for _, p := range s.Policies {
		seen = append(seen, sightingsIn("RebootPolicy", p.Status.Conditions)...)
	}
	return seen
}

func sightingsIn(kind string, conditions []metav1.Condition) []sighting {
	seen := make([]sighting, 0, len(conditions))
	for _, c := range conditions {
		seen = append(seen, sighting{c.Reason, fmt.Sprintf("%s, condition %#q is %s", kind, c.Type, c.Status), c.Message})
	}
	return seen
}

func TestEveryReasonOfTheAPIIsProduced(t *testing.T) {
	reasons := reasonsOfTheAPI(t)
	if got, want := len(reasonStories), len(reasons); got != want {
		t.Errorf("there are stories for %d reasons, and the API has %d", got, want)
	}
	rows := make([]string, 0, len(reasons))
	for _, reason := range reasons {
		t.Run(reason, func(t *testing.T) {
			seen := produce(t, reason)
			t.Logf("%s: %s", seen.where, seen.message)
			rows = append(rows, fmt.Sprintf("| %#q | %s | %s |\n", seen.reason, seen.where, strings.ReplaceAll(seen.message, "|", `\|`)))
		})
	}
	if len(rows) == len(reasons) { // all were asked for, and all are there
		golden.Compare(t, filepath.FromSlash(reasonPage), pageHead+strings.Join(rows, ""))
	}
}

// produce plays the story of a reason and returns where that is seen in the end.
func produce(t *testing.T, reason string) sighting {
	t.Helper()
	run := reasonStories[reason]
	if run == nil {
		t.Fatal("no story leads to this reason")
	}
	s := run(t)
	s.settle()
	seen := sightings(s)
	at := slices.IndexFunc(seen, func(s sighting) bool { return s.reason == reason })
	if at < 0 {
		t.Fatalf("produced are %q", seen)
	}
	return seen[at]
}

// reasonsOfTheAPI in the order in which the API defines them.
func reasonsOfTheAPI(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/reasons.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, reason)
		return true
	})
	return reasons
}
