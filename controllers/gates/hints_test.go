package gates

import (
	"errors"
	"strings"
	"testing"
)

func TestWhatIsWrongInAnExpressionIsFoundOutsideOfItsStrings(t *testing.T) {
	const syntax = "Syntax error: mismatched input '<EOF>'"
	for expression, want := range map[string]string{
		"${a}":                     "write the expression itself",
		`a == 'don\'t = here' = 1`: "write == to compare",
		"a == 'x' = 'y'":           "write == to compare",
		"land == 1":                "ends too soon", // and, within a name
		"a.or(b)":                  "ends too soon",
		"a <= 1":                   "ends too soon",
	} {
		if got := hint(expression, syntax); !strings.Contains(got, want) {
			t.Errorf("of %s it says %q, want %q", expression, got, want)
		}
	}
	if got := hint("a = 1", "found no matching overload"); got != "" {
		t.Errorf("of what is no error of syntax it says %q", got)
	}
	if got := hint("a b", "Syntax error: extraneous input 'b'"); got != "" {
		t.Errorf("of an error that it does not know it says %q", got)
	}
}

func TestNamesThatAreNotKnownAreExplained(t *testing.T) {
	for name, want := range map[string]string{
		"self": "the object is called object", "oldObject": "the object is called object", "True": "write true", "FALSE": "write false",
		"None": "write null", "now": "does not know the time", "status": "fields are those of object",
	} {
		if got := hint("x = 1", "undeclared reference to '"+name+"' (in container '')"); !strings.Contains(got, want) {
			t.Errorf("of %s it says %q, want %q", name, got, want)
		}
	}
}

// What CEL says continues with values of the object.
func TestEvaluationsThatFailAreExplainedInFixedSentences(t *testing.T) {
	for _, p := range evaluationProblems {
		if got := evaluationProblem(errors.New(p.begins + ": " + told)); got != p.text || strings.Contains(got, told) {
			t.Errorf("of %q it says %q, want %q", p.begins, got, p.text)
		}
	}
	if got := evaluationProblem(errors.New(told + ": no such key")); strings.Contains(got, told) || got == noSuchField {
		t.Errorf("of what nobody knows it says %q", got)
	}
}
