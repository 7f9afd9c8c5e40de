package gates

import (
	"regexp"
	"strings"
)

// hints say what to write instead of what people write who do not know CEL. The first pattern that is found in the expression, outside of
// its strings, is the one.
var hints = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`[=!]==`), "write == or != to compare"},
	{regexp.MustCompile(`(^|[^=!<>])=([^=~]|$)`), "write == to compare"},
	{regexp.MustCompile(`[=!]~`), "write object.name.matches('expression') for a regular expression"},
	{regexp.MustCompile(`<>`), "write != to compare"},
	{regexp.MustCompile(`(^|[^&])&([^&]|$)`), "write && for and"},
	{regexp.MustCompile(`(^|[^|])\|([^|]|$)`), "write || for or"},
	{regexp.MustCompile(`(?i)\sand\s`), "write && for and"},
	{regexp.MustCompile(`(?i)\sor\s`), "write || for or"},
	{regexp.MustCompile(`(?i)(^|\s)not\s`), "write ! for not"},
	{regexp.MustCompile(`\$|\{\{`), "write the expression itself, such as " + exampleExpression},
}

// undeclared is what the compiler says about a name that it does not know.
var undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)

// hint says what to write instead; empty if that is not known.
func hint(expression, message string) string {
	if name := undeclared.FindStringSubmatch(message); name != nil {
		return hintForName(name[1])
	}
	if !strings.HasPrefix(message, "Syntax error") {
		return ""
	}
	code := withoutStrings(expression)
	for _, h := range hints {
		if h.pattern.MatchString(code) {
			return "; " + h.text
		}
	}
	if strings.Contains(message, "'<EOF>'") {
		return "; the expression ends too soon: is a value or a bracket missing?"
	}
	return ""
}

func hintForName(name string) string {
	switch name {
	case "self", "this", "item", "obj", "resource", "oldObject":
		return "; the object is called object"
	case "True", "False", "TRUE", "FALSE":
		return "; write " + strings.ToLower(name)
	case "nil", "None", "NULL", "undefined":
		return "; write null, or ask whether there is a field, as in has(object.status)"
	case "now":
		return "; an expression does not know the time"
	}
	return "; fields are those of object, as in " + exampleExpression + ", and strings have quotes"
}

// withoutStrings leaves out what is between quotes, and the quotes.
func withoutStrings(expression string) string {
	var code strings.Builder
	var quote rune
	escaped := false
	for _, r := range expression {
		switch {
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case quote == 0:
			code.WriteRune(r)
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == quote:
			quote = 0
		}
	}
	return code.String()
}

// evaluationProblems are what CEL says when an expression fails, by how that begins, and what is said about it here. What CEL says may
// continue with keys and values of the object. Which of these few sentences it is says no more about an object than whether an expression
// is true.
var evaluationProblems = []struct{ begins, text string }{
	{"no such key", noSuchField},
	{"no such attribute", noSuchField},
	{"no such field", noSuchField},
	{"no such overload", "it compares or combines values of different types"},
	{"type conversion error", "it cannot convert a value to another type"},
	{"unsupported type conversion", "it cannot convert a value to another type"},
	{"index out of bounds", "it reads an element that a list does not have: look at size() first"},
	{"unsupported index", "it reads an element that a list does not have: look at size() first"},
	{"division by zero", "it divides by zero"},
	{"modulus by zero", "it divides by zero"},
	{"integer overflow", overflow},
	{"unsigned integer overflow", overflow},
	{"duration overflow", overflow},
	{"timestamp overflow", overflow},
	{"operation cancelled: actual cost limit exceeded", "it costs too much: make it simpler, or select fewer objects"},
	{"operation interrupted", "it takes too long: make it simpler, or select fewer objects"},
	{"optional.none() dereference", "it reads an optional value that is not there: ask hasValue() first"},
}

const (
	noSuchField = "it reads a field or key that the object does not have: ask for it first, as in has(object.status.health) && " +
		exampleExpression
	overflow = "it calculates a number that is too large"
)

// evaluationProblem says in a fixed sentence why an expression fails.
func evaluationProblem(err error) string {
	for _, p := range evaluationProblems {
		if strings.HasPrefix(err.Error(), p.begins) {
			return p.text
		}
	}
	return "it fails for a value of the object, such as a text that is not a number, quantity, time or URL"
}
