package main

import (
	"strings"
	"testing"
)

func TestWordsAreFoundInCommentsAndTextsOnly(t *testing.T) {
	words, err := read(list)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		name, content string
		want          []string
	}{
		"a document": {"a.md", "Fix it.\n\nIt is\ntold, and Mended.\n", []string{`a.md:3: "is told": `, `a.md:4: "Mended": write fix instead`}},
		"a comment":  {"a.go", "package a\n\n// F mends it.\nfunc F() {}\n", []string{`a.go:3: "mends": write fix`}},
		"a comment that goes on": {
			"a.go", "package a\n\n// F is\n// told.\nfunc F() {}\n", []string{`a.go:3: "is told": `},
		},
		"a text":   {"a.go", "package a\n\nconst s = \"sömebody, somebody\"\n", []string{`a.go:3: "somebody": write someone`}},
		"a name":   {"a.go", "package a\n\nvar mend, anew = 1, 2\n", nil},
		"an idiom": {"a.md", "For example, it has one for each.\n", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found := look(words, test.name, []byte(test.content))
			if len(found) != len(test.want) {
				t.Fatalf("found %v, want %v", found, test.want)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(found[i].String(), want) {
					t.Errorf("found %q, want %q", found[i], want)
				}
			}
		})
	}
}

func TestNothingThatPeopleReadHasOneOfTheWords(t *testing.T) {
	t.Chdir("../..")
	var found strings.Builder
	if count, err := run(&found); err != nil || count > 0 {
		t.Errorf("error %v, found\n%s", err, found.String())
	}
}
