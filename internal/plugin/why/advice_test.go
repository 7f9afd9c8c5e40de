package why

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// reasonsOfTheAPI in the order in which the API defines them.
func reasonsOfTheAPI(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../../api/v1alpha1/reasons.go", nil, 0)
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

func TestEveryReasonOfTheAPIHasAnAdviceAndSomethingToType(t *testing.T) {
	t.Parallel()
	reasons := reasonsOfTheAPI(t)
	if len(reasons) < 100 {
		t.Fatalf("only %d reasons were found", len(reasons))
	}
	for _, reason := range reasons {
		found, is := adviceFor(reason)
		if !is || found.text == "" || len(found.commands) == 0 {
			t.Errorf("%s has no advice with something to type: %+v", reason, found)
		}
	}
	if all := len(pending) + len(ongoing) + len(over) + len(besides) + len(ofPolicies); all != len(reasons) {
		t.Errorf("there are %d advices for %d reasons", all, len(reasons))
	}
}

func TestCommandsAreThoseOfKubectlAndThePlugin(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for command := range strings.FieldsSeq("now cancel approve deny pause resume skip unskip retry wait plan windows timeline status why " +
		"check lint") {
		known[command] = true
	}
	for _, reason := range reasonsOfTheAPI(t) {
		found, _ := adviceFor(reason)
		for _, command := range found.commands {
			words := strings.Fields(command)
			switch {
			case command == objects:
			case words[0] != "kubectl":
				t.Errorf("%s: %q is no command of kubectl", reason, command)
			case words[1] == "reboots" && !known[words[2]]:
				t.Errorf("%s: %q is no command of the plugin", reason, command)
			}
		}
	}
}
