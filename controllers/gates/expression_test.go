package gates

import (
	"strings"
	"testing"
)

func TestAnExpressionThatDoesNotCompileSaysWhatToWriteInstead(t *testing.T) {
	for expression, want := range map[string]string{
		"object.status.health = 'Green'":              "line 1, column 22: Syntax error: token recognition error at: '= '; write == to compare",
		"object.status.health='Green'":                "; write == to compare",
		"object.a == 'b' && object.c = 'd'":           "; write == to compare",
		"object.a == 'x = y' && object.c = 'd'":       "; write == to compare",
		"object.status.health === 'Green'":            "; write == or != to compare",
		"object.status.health !== 'Green'":            "; write == or != to compare",
		"object.a =~ 'b.*'":                           "; write object.name.matches('expression') for a regular expression",
		"object.a <> 'b'":                             "; write != to compare",
		"object.a == 'b' & object.c == 'd'":           "; write && for and",
		"object.a == 'b' | object.c == 'd'":           "; write || for or",
		"object.a == 'b' and object.c == 'd'":         "; write && for and",
		"object.a == 'b' OR object.c == 'd'":          "; write || for or",
		"not object.paused":                           "; write ! for not",
		"{{ .status.health }} == 'Green'":             "; write the expression itself, such as object.status.health == 'Green'",
		"status.health == 'Green'":                    "line 1, column 1: undeclared reference to 'status'; fields are those of object, as in ",
		"object.a == 'b' &&\nself.c == 'd'":           "line 2, column 1: undeclared reference to 'self'; the object is called object",
		"object.status.health == Green":               "line 1, column 25: undeclared reference to 'Green'; fields are those of object, as in ",
		"object.paused == False":                      "undeclared reference to 'False'; write false",
		"object.a == nil":                             "undeclared reference to 'nil'; write null",
		"object.time > now":                           "an expression does not know the time",
		"object.a == ":                                "; the expression ends too soon: is a value or a bracket missing?",
		"(object.a == 'b'":                            "; the expression ends too soon",
		"object.status.health":                        "",
		"object.a == 'a = b'":                         "",
		`object.a == "it's = b" && object.c == '"='`:  "",
		`object.a == 'it\'s = b'`:                     "",
		"object.a.filter(x, x <= 1 || x >= 2) != [3]": "",
		"size(object.a)":                              "the expression gives a int: write one that is true or false, such as object.status",
	} {
		t.Run(expression, func(t *testing.T) {
			_, err := compile(expression)
			if want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want %q", err, want)
			}
		})
	}
}
