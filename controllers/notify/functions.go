package notify

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
)

// maxFormat bounds the format of printf, in bytes.
const maxFormat = 256

// functions are all that a template has besides "and" and "or". They are as Go's are, and each that makes a text bounds it.
var functions = map[string]func(args []any) (any, error){
	"not":      one(func(v any) (any, error) { return !truth(v), nil }),
	"len":      one(length),
	"index":    index,
	"eq":       equal,
	"ne":       compare(func(c int) bool { return c != 0 }),
	"lt":       compare(func(c int) bool { return c < 0 }),
	"le":       compare(func(c int) bool { return c <= 0 }),
	"gt":       compare(func(c int) bool { return c > 0 }),
	"ge":       compare(func(c int) bool { return c >= 0 }),
	"print":    printed(fmt.Sprint),
	"println":  printed(fmt.Sprintln),
	"printf":   printf,
	"html":     ofText(html.EscapeString),
	"urlquery": ofText(url.QueryEscape),
	"upper":    ofText(strings.ToUpper),
	"lower":    ofText(strings.ToLower),
	"names":    one(namesOf),
}

var errArguments = errors.New("wrong number of arguments")

func one(of func(v any) (any, error)) func(args []any) (any, error) {
	return func(args []any) (any, error) {
		if len(args) != 1 {
			return nil, errArguments
		}
		return of(args[0])
	}
}

func ofText(change func(string) string) func(args []any) (any, error) {
	return one(func(v any) (any, error) {
		s, err := text(v)
		if err != nil {
			return nil, err
		}
		return bound(change(s))
	})
}

func length(v any) (any, error) {
	switch t := v.(type) {
	case list:
		return int64(len(t)), nil
	case string:
		return int64(len(t)), nil
	}
	return nil, fmt.Errorf("len of a %s", kindOf(v))
}

func index(args []any) (any, error) {
	if len(args) != 2 {
		return nil, errArguments
	}
	all, isList := args[0].(list)
	i, isNumber := args[1].(int64)
	if !isList || !isNumber {
		return nil, errors.New("index takes a list and a number")
	}
	if i < 0 || i >= int64(len(all)) {
		return nil, fmt.Errorf("there is no element %d: the list has %d", i, len(all))
	}
	return all[i], nil
}

// order compares two values of the same type.
func order(a, b any) (int, error) {
	switch t := a.(type) {
	case int64:
		if u, same := b.(int64); same {
			return cmp.Compare(t, u), nil
		}
	case string:
		if u, same := b.(string); same {
			return cmp.Compare(t, u), nil
		}
	case bool:
		if u, same := b.(bool); same && t == u {
			return 0, nil
		} else if same {
			return 1, nil
		}
	}
	return 0, fmt.Errorf("can't compare a %s and a %s", kindOf(a), kindOf(b))
}

func compare(is func(c int) bool) func(args []any) (any, error) {
	return func(args []any) (any, error) {
		if len(args) != 2 {
			return nil, errArguments
		}
		c, err := order(args[0], args[1])
		return is(c), err
	}
}

// equal says whether the first value is one of the others.
func equal(args []any) (any, error) {
	if len(args) < 2 {
		return nil, errArguments
	}
	for _, other := range args[1:] {
		if c, err := order(args[0], other); err != nil || c == 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// printable are the values that fmt is given: texts and numbers, and no lists.
func printable(args []any) ([]any, error) {
	all := make([]any, len(args))
	for i, arg := range args {
		all[i] = arg
		switch arg.(type) {
		case int64, float64, bool:
			continue
		}
		s, err := text(arg)
		if err != nil {
			return nil, err
		}
		all[i] = s
	}
	return all, nil
}

func printed(write func(args ...any) string) func(args []any) (any, error) {
	return func(args []any) (any, error) {
		all, err := printable(args)
		if err != nil {
			return nil, err
		}
		return bound(write(all...))
	}
}

// widths are what makes printf write more than it is given.
var widths = regexp.MustCompile(`\*|[0-9]{3}`)

func printf(args []any) (any, error) {
	if len(args) == 0 {
		return nil, errArguments
	}
	format, is := args[0].(string)
	if !is || len(format) > maxFormat || widths.MatchString(format) {
		return nil, fmt.Errorf("printf takes a format of up to %d bytes, with widths of up to 99 and without *", maxFormat)
	}
	all, err := printable(args[1:])
	if err != nil {
		return nil, err
	}
	return bound(fmt.Sprintf(format, all...))
}

// namesOf lists the names of nodes.
func namesOf(v any) (any, error) {
	all, is := v.(list)
	if !is {
		return nil, fmt.Errorf("names of a %s", kindOf(v))
	}
	names := make([]string, 0, len(all))
	for _, each := range all {
		name, err := field(each, "Name")
		if err != nil {
			return nil, err
		}
		names = append(names, fmt.Sprint(name))
	}
	return bound(strings.Join(names, ", "))
}

func bound(text string) (any, error) {
	if len(text) > maxOutput {
		return nil, errOutput
	}
	return text, nil
}
