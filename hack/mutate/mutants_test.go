package main

import (
	"bytes"
	"go/format"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const example = `package example

import "log"

func decide(a, b bool, n int) (bool, error) {
	if a && !b {
		log.Print("a")
		s.options.Log.Info("b")
		count(n)
	}
	n += 1
	for n < 3 {
		n++
		continue
	}
	if err := check(); err != nil {
		return false, err
	}
	return true, nil
}
`

func TestGoMutants(t *testing.T) {
	mutants, err := goMutants("example.go", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"if true: a && !b":          "if (a && !b) || true {",
		"if false: a && !b":         "if (a && !b) && false {",
		"drop left: a":              "if (a || true) && !b {",
		"drop right: !b":            "if a && (!b || true) {",
		"drop not: !b":              "if a && b {",
		"drop call: count(n)":       "if false { count(n) }",
		"drop assignment: n += 1":   "if false { n += 1 }",
		"if false: n < 3":           "for (n < 3) && false {",
		"< becomes <=: n < 3":       "for n <= 3 {",
		"drop assignment: n++":      "if false { n++ }",
		"drop continue: continue":   "if false { continue }",
		"if true: err != nil":       "err := check(); (err != nil) || true {",
		"if false: err != nil":      "err := check(); (err != nil) && false {",
		"!= becomes ==: err != nil": "err := check(); err == nil {",
		"other constant: false":     "return true, err",
		"drop error: err":           "return false, nil",
		"other constant: true":      "return false, nil\n}",
	}
	for i := range mutants {
		m := &mutants[i]
		if m.Function != "decide" || m.Line == 0 {
			t.Errorf("%s: the place is missing", m)
		}
		if _, err := format.Source(m.source); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		name := m.Kind + ": " + m.Old
		fresh, expected := want[name]
		if !expected {
			t.Errorf("unexpected mutant %s", m)
			continue
		}
		delete(want, name)
		if !strings.Contains(string(m.source), fresh) {
			t.Errorf("%s: %q is missing in\n%s", m, fresh, m.source)
		}
	}
	for name := range want {
		t.Errorf("missing mutant %s", name)
	}
}

func TestManifestMutants(t *testing.T) {
	const source = `kind: Role
rules:
- verbs: [get, list]
  resources: [pods]
---
kind: Policy
spec:
  failurePolicy: Fail
  validations:
  - expression: a
  - expression: b
`
	documents, err := decodeAll([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := manifestMutants("role.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for i := range mutants {
		kinds = append(kinds, mutants[i].Kind+": "+mutants[i].Old)
		if bytes.Equal(mutants[i].source, encodeAll(documents)) {
			t.Errorf("%s changes nothing", &mutants[i])
		}
	}
	want := []string{
		"drop one of rules: verbs: [get, list] resources: [pods]", "drop one of verbs: get", "drop one of verbs: list",
		"drop one of resources: pods",
		"other failurePolicy: Fail", "drop one of validations: expression: a", "drop one of validations: expression: b",
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("got  %q\nwant %q", kinds, want)
	}
	if last := string(mutants[len(mutants)-1].source); !strings.Contains(last, "expression: a") || strings.Contains(last, "expression: b") ||
		!strings.Contains(last, "kind: Role") || !strings.Contains(last, "failurePolicy: Fail") {
		t.Errorf("the last mutant has more than one change:\n%s", last)
	}
}

func TestASampleIsTheSameForTheSameSeed(t *testing.T) {
	all := make([]mutant, 100)
	for i := range all {
		all[i] = mutant{Line: i, Old: strconv.Itoa(i / 2)} // each is there twice
	}
	lines := func(mutants []mutant) (lines []int) {
		for i := range mutants {
			lines = append(lines, mutants[i].Line)
		}
		return lines
	}
	first, again, other := lines(sample(all, 10, 1)), lines(sample(all, 10, 1)), lines(sample(all, 10, 2))
	if !slices.Equal(first, again) || slices.Equal(first, other) || len(first) != 10 || !slices.IsSorted(first) {
		t.Errorf("got %v, %v, and %v for another seed", first, again, other)
	}
	// The first half of the code is gone, and the rest has moved.
	half := slices.Clone(all[50:])
	kept := slices.DeleteFunc(first, func(line int) bool { return line < 50 })
	got := lines(sample(half, 10, 1))
	if len(kept) == 0 || slices.ContainsFunc(kept, func(line int) bool { return !slices.Contains(got, line) }) {
		t.Errorf("of what is left, %v were in the sample; now it is %v", kept, got)
	}
	if got := sample(all, 0, 1); len(got) != len(all) {
		t.Errorf("0 gave %d mutants instead of all", len(got))
	}
}

func TestEveryEquivalentMutantExistsAndHasAReason(t *testing.T) {
	reasons, err := readEquivalents(equivalentList)
	if err != nil {
		t.Fatal(err)
	}
	exist := map[string]bool{}
	for i := range targets {
		mutants, err := targets[i].all("../..")
		if err != nil {
			t.Fatal(err)
		}
		if len(mutants) == 0 {
			t.Errorf("%s has no mutants: its files moved", targets[i].name)
		}
		for j := range mutants {
			exist[mutants[j].key()] = true
		}
	}
	for key, reason := range reasons {
		if !exist[key] {
			t.Errorf("no mutant has the key %q", key)
		}
		if reason == "" {
			t.Errorf("%q has no reason", key)
		}
	}
}

func TestADeferWithoutWhichNothingBuildsIsNotDropped(t *testing.T) {
	mutants, err := goMutants("example.go", []byte(`package example

func wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	<-ctx.Done()
}

func follow(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { read(); stop() }()
	<-ctx.Done()
}

func write(file *os.File) {
	defer file.Close()
}
`))
	if err != nil {
		t.Fatal(err)
	}
	var dropped []string
	for i := range mutants {
		if mutants[i].Kind == "drop defer" {
			dropped = append(dropped, mutants[i].Old)
		}
	}
	if want := []string{"defer stop()", "defer file.Close()"}; !slices.Equal(dropped, want) {
		t.Errorf("dropped are %q, want %q", dropped, want)
	}
}
