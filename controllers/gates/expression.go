package gates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// objectVariable is what an expression calls the object.
const objectVariable = "object"

// interruptEvery is how many steps of a loop an expression may take before it is looked whether its time is over.
const interruptEvery = 100

// expression is a condition for an object. Its cost is limited like that of expressions in the API server.
type expression struct {
	program cel.Program
}

// environmentOf expressions: that of the API server, with its functions. Most managers never need it.
var environmentOf = sync.OnceValues(func() (*cel.Env, error) {
	set, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Extend(environment.VersionedOptions{
		IntroducedVersion: environment.DefaultCompatibilityVersion(),
		EnvOptions:        []cel.EnvOption{cel.Variable(objectVariable, cel.DynType)},
	})
	if err != nil {
		return nil, fmt.Errorf("set up CEL: %w", err)
	}
	return set.Env(environment.StoredExpressions)
})

// compile may quote the expression in its error: anyone who reads it can read the policy.
func compile(text string) (*expression, error) {
	env, err := environmentOf()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		return nil, errors.New(describeIssue(text, issues.Errors()[0]))
	}
	if output := ast.OutputType(); !output.IsExactType(cel.BoolType) && !output.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("the expression gives a %s: write one that is true or false, such as %s", output, exampleExpression)
	}
	program, err := env.Program(ast, cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return nil, fmt.Errorf("%s", inOneLine(err.Error()))
	}
	return &expression{program: program}, nil
}

// exampleExpression shows in messages what an expression looks like.
const exampleExpression = "object.status.health == 'Green'"

// describeIssue says where the compiler gave up, and what to write instead where that is known.
func describeIssue(text string, issue *cel.Error) string {
	where := fmt.Sprintf("line %d, column %d", issue.Location.Line(), issue.Location.Column()+1)
	return strings.TrimSuffix(where+": "+inOneLine(issue.Message), ".") + hint(text, issue.Message)
}

// inOneLine is a compiler's message without the lines that only point at a column, the list of all that could follow, and the container,
// which is always empty.
func inOneLine(message string) string {
	first, _, _ := strings.Cut(message, "\n | ")
	first, _, _ = strings.Cut(first, " expecting {")
	first = strings.ReplaceAll(first, " (in container '')", "")
	return strings.Join(strings.Fields(first), " ")
}

// holds says whether the expression is true for an object. Its error quotes nothing of the object.
func (e *expression) holds(ctx context.Context, object map[string]any) (bool, error) {
	value, _, err := e.program.ContextEval(ctx, map[string]any{objectVariable: object})
	if err != nil {
		return false, say(err, "%s", evaluationProblem(err))
	}
	holds, ok := value.Value().(bool)
	if !ok {
		return false, say(nil, "it is neither true nor false: write a comparison, such as %s", exampleExpression)
	}
	return holds, nil
}
