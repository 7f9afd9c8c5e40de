package crd

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// terminal is how wide a terminal is that nobody has made wider.
const terminal = 80

// cloudNode is the name of a node as clouds give it.
const cloudNode = "ip-10-3-166-58.eu-central-1.compute.internal"

func TestNodeRebootsWithNamesOfACloudFitATerminal(t *testing.T) {
	longest := reasonsOfTheAPI(t)[:8]
	for i, reason := range longest {
		name := fmt.Sprintf("%s-%x", cloudNode, i)
		stored := create(t, nodeReboot(t, name, "{nodeName: "+cloudNode+", trigger: NodeCondition, conditionType: KernelDeadlock}"))
		stored.Object["status"] = object(t, fmt.Sprintf(`
phase: Recovering
reason: %s
summary: %s
until: Nov 29
policyName: production-workers
zone: eu-central-1a
message: %s
`, reason, reason, strings.Repeat("long ", 20))).Object
		if err := strict.Status().Update(t.Context(), stored); err != nil {
			t.Fatalf("set the status: %v", err)
		}
	}
	got := requireFits(t, "get", "nodereboots")
	for _, reason := range longest {
		if !strings.Contains(got, reason) {
			t.Errorf("it does not say %s", reason)
		}
	}
	wide := shownBy(t, "get", "nodereboots", "-o", "wide")
	if message, kernel := strings.Index(wide, "MESSAGE"), strings.Index(wide, "KERNEL"); message < 0 || message > kernel {
		t.Errorf("the message comes after the kernels:\n%s", wide)
	}
}

func TestPoliciesFitATerminal(t *testing.T) {
	stored := create(t, policy(t, "production-workers", "{nodes: All}"))
	stored.Object["status"] = object(t, `
nodes: 15000
required: 14998
underWay: 2
currentZone: eu-central-1a
summary: Observing
waitingFor: `+reasonsOfTheAPI(t)[0]+`
`).Object
	if err := strict.Status().Update(t.Context(), stored); err != nil {
		t.Fatalf("set the status: %v", err)
	}
	got := requireFits(t, "get", "rebootpolicies")
	for _, word := range []string{"Observing", "15000", "14998", reasonsOfTheAPI(t)[0]} {
		if !strings.Contains(got, word) {
			t.Errorf("it does not say %s:\n%s", word, got)
		}
	}
}

// requireFits returns what kubectl shows, no line of which is longer than a terminal is wide.
func requireFits(t *testing.T, args ...string) string {
	t.Helper()
	shown := shownBy(t, args...)
	for line := range strings.Lines(shown) {
		if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > terminal {
			t.Errorf("a line of kubectl %s has %d characters:\n%s", strings.Join(args, " "), width, shown)
			break
		}
	}
	t.Logf("kubectl %s\n%s", strings.Join(args, " "), shown)
	return shown
}

func shownBy(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, err := kubectl.Run(args...)
	if err != nil {
		message, _ := io.ReadAll(stderr)
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, message)
	}
	text, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// reasonsOfTheAPI are all reasons, the longest first.
func reasonsOfTheAPI(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/reasons.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	reasons := []string{v1alpha1.ReasonProved}
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
	slices.SortFunc(reasons, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(reasons)
}
