// Package decode reads JSON objects of which some fields may not be readable. What the API server stores passes the schema of its kind, and
// that is not enough for Go: a date-time in lower case, or a field that had another type in an earlier version of the schema, fails the
// decoding of the whole object, and with it of every list that contains the object.
package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// maxProblems bounds how many problems of one object are kept. If there are more, the last one is about the whole object.
const maxProblems = 256

// maxText bounds a path and a description, in bytes.
const maxText = 256

// Problem is one field that cannot be read.
type Problem struct {
	// Path of the field, such as status.conditions[2].lastTransitionTime; empty for the whole object.
	Path string
	// Description says why it cannot be read.
	Description string
}

func (p Problem) String() string { return strings.TrimPrefix(p.Path+": "+p.Description, ": ") }

// Below says whether the field is at the path, or part of what is there.
func (p Problem) Below(path string) bool { return below(p.Path, path) }

// Covers says whether something of what is at the path could not be read: the problem is there, above, or below.
func (p Problem) Covers(path string) bool {
	return p.Path == "" || below(p.Path, path) || below(path, p.Path)
}

// List names some of the problems.
func List(problems []Problem) string {
	const shown = 3
	var parts []string
	for i, p := range problems {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(problems)-shown))
			break
		}
		parts = append(parts, p.String())
	}
	return strings.Join(parts, "; ")
}

func below(path, above string) bool {
	rest, is := strings.CutPrefix(path, above)
	return is && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Object decodes a JSON object into the struct that into points to, as Kubernetes does: names are case-sensitive, and unknown ones ignored.
// If that fails it decodes each field by itself and returns those that cannot be read. They are empty then, but a pointer to one is not nil
// and a list keeps its length: what is there can be distinguished from what is not. The error is about JSON that is not an object.
func Object(data []byte, into any) ([]Problem, error) {
	if utiljson.Unmarshal(data, into) == nil {
		return nil, nil
	}
	if !json.Valid(data) || len(bytes.TrimSpace(data)) == 0 || bytes.TrimSpace(data)[0] != '{' {
		return nil, fmt.Errorf("decode %T: not a JSON object", into)
	}
	w := walker{}
	w.read(data, reflect.ValueOf(into).Elem(), "")
	return w.problems, nil
}

type walker struct {
	problems []Problem
}

func (w *walker) note(path string, err error) {
	switch count := len(w.problems); {
	case count < maxProblems-1:
		w.problems = append(w.problems, Problem{Path: shortened(path), Description: shortened(describe(err))})
	case count < maxProblems:
		w.problems = append(w.problems, Problem{Description: "more fields than are listed cannot be read"})
	}
}

// describe says what is wrong, and of a time what is right.
func describe(err error) string {
	var parse *time.ParseError
	if !errors.As(err, &parse) {
		return err.Error()
	}
	example := time.Date(2026, time.January, 31, 22, 5, 0, 0, time.UTC).Format(parse.Layout)
	return fmt.Sprintf("%q is not a time that can be read: write it like %s", parse.Value, example)
}

func shortened(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "..."
}

// read decodes a value; if it cannot, its parts.
func (w *walker) read(data []byte, into reflect.Value, path string) {
	err := utiljson.Unmarshal(data, into.Addr().Interface())
	if err == nil {
		return
	}
	into.SetZero()
	if _, own := into.Addr().Interface().(json.Unmarshaler); own && path != "" {
		w.note(path, err)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		w.read(data, into.Elem(), path)
	case reflect.Struct:
		w.readStruct(data, into, path)
	case reflect.Slice:
		w.readSlice(data, into, path)
	case reflect.Map:
		w.readMap(data, into, path)
	default:
		w.note(path, err)
	}
}

func (w *walker) readStruct(data []byte, into reflect.Value, path string) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		w.note(path, err)
		return
	}
	w.readFields(fields, into, path)
}

func (w *walker) readFields(fields map[string]json.RawMessage, into reflect.Value, path string) {
	for i := range into.NumField() {
		field := into.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch value, is := fields[name]; {
		case name == "" && field.Anonymous:
			w.readFields(fields, into.Field(i), path)
		case is && name != "-":
			w.read(value, into.Field(i), strings.TrimPrefix(path+"."+name, "."))
		}
	}
}

func (w *walker) readSlice(data []byte, into reflect.Value, path string) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		w.note(path, err)
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(items), len(items)))
	for i, item := range items {
		w.read(item, into.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (w *walker) readMap(data []byte, into reflect.Value, path string) {
	var items map[string]json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil || into.Type().Key().Kind() != reflect.String {
		w.note(path, fmt.Errorf("want a map: %w", err))
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for key, item := range items {
		value := reflect.New(into.Type().Elem()).Elem()
		w.read(item, value, path+"["+key+"]")
		into.SetMapIndex(reflect.ValueOf(key).Convert(into.Type().Key()), value)
	}
}
