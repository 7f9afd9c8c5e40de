package notify

import (
	"fmt"
	"reflect"
	"time"
)

// A template sees an event as values of few types: nil, bool, int64, float64, string, time.Time, list and fields. So nothing of the event
// has methods that a template could call.
type (
	list   []any
	fields map[string]any
)

// valueOf turns a part of an event into what a template sees of it.
func valueOf(v reflect.Value) any {
	if t, is := v.Interface().(time.Time); is {
		return t
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return valueOf(v.Elem())
	case reflect.Struct:
		all := fields{}
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				all[field.Name] = valueOf(v.Field(i))
			}
		}
		return all
	case reflect.Slice:
		all := make(list, v.Len())
		for i := range all {
			all[i] = valueOf(v.Index(i))
		}
		return all
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int64:
		return v.Int()
	}
	return v.String()
}

// field of a value, by its name.
func field(v any, name string) (any, error) {
	switch t := v.(type) {
	case fields:
		if value, has := t[name]; has {
			return value, nil
		}
		return nil, fmt.Errorf("can't evaluate field %s: there is none of this name", name)
	case nil:
		return nil, fmt.Errorf("can't evaluate field %s of what is not there: write {{with}} around it", name)
	case list:
		return nil, fmt.Errorf("can't evaluate field %s of a list: write {{range}} around it", name)
	}
	return nil, fmt.Errorf("can't evaluate field %s of a %s", name, kindOf(v))
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "value that is not there"
	case bool:
		return "truth value"
	case int64, float64:
		return "number"
	case string:
		return "text"
	case time.Time:
		return "time"
	case list:
		return "list"
	}
	return "value with fields"
}

// truth is whether a value counts as true: it is there, and not empty or zero.
func truth(v any) bool {
	switch t := v.(type) {
	case nil:
		return false
	case bool:
		return t
	case int64:
		return t != 0
	case float64:
		return t != 0
	case string:
		return t != ""
	case list:
		return len(t) > 0
	case time.Time:
		return !t.IsZero()
	}
	return true
}

// text is a value as it is printed.
func text(v any) (string, error) {
	switch t := v.(type) {
	case time.Time:
		return at(t), nil
	case bool, int64, float64, string:
		return fmt.Sprint(t), nil
	}
	return "", fmt.Errorf("can't print a %s", kindOf(v))
}
