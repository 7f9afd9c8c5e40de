package terminal

import (
	"strings"
	"testing"
	"time"
)

func TestALineEndsAsAShellEndsIt(t *testing.T) {
	for name, tc := range map[string]struct {
		lines  []string
		stays  bool
		code   int
		output string
	}{
		"what it writes":            {lines: []string{"echo a; echo b >&2"}, output: "a\nb\n"},
		"its exit code":             {lines: []string{"exit 3"}, code: 3, output: "exit status 3\n"},
		"in the middle of a line":   {lines: []string{"false; echo never"}, code: 1, output: "exit status 1\n"},
		"in front of a pipe":        {lines: []string{"false | cat"}, code: 1, output: "exit status 1\n"},
		"a program that is missing": {lines: []string{"no-such-program"}, code: 127, output: "no-such-program: command not found"},
		"variables are kept":        {lines: []string{`V="a b"`, `W="$V c"   # a comment`, `X=$(echo "$W")`, `echo "$X"`}, output: "a b c\n"},
		"one that stays":            {lines: []string{"echo a; sleep 1000"}, stays: true, output: "a\n"},
		"one that should stay":      {lines: []string{"exit 4"}, stays: true, code: 4, output: "exit status 4\n"},
		"one that fails when told":  {lines: []string{"trap 'exit 5' INT; echo a; while :; do sleep 0.01; done"}, stays: true, code: 5, output: "a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			terminal := &Terminal{Limit: time.Minute, Folder: t.TempDir()}
			var got Result
			for _, line := range tc.lines {
				if tc.stays {
					got = terminal.TypeUntilItWrites(t.Context(), line)
				} else {
					got = terminal.Type(t.Context(), line)
				}
			}
			if got.Code != tc.code || !strings.Contains(got.Output, tc.output) {
				t.Errorf("ended with %d, want %d: %q, want %q", got.Code, tc.code, got.Output, tc.output)
			}
		})
	}
}

func TestALineHasALimit(t *testing.T) {
	terminal := &Terminal{Limit: 100 * time.Millisecond}
	if got := terminal.Type(t.Context(), "sleep 1000"); got.Code != -1 || !strings.Contains(got.Output, "it did not end within 100ms") {
		t.Errorf("got %+v", got)
	}
}

func TestWhatAssignsIsKnown(t *testing.T) {
	for line, want := range map[string]bool{
		"A=b": true, `A="b c"`: true, "export A=b:$PATH": true, `A=$(awk '$1 == "image" {print $2}' digests.txt)`: true, "A=b # why": true,
		"A=b make x": false, "make A=b": false, "A=b; rm x": false, "": false, "echo A=b": false,
	} {
		if got := Assigns(line); got != want {
			t.Errorf("%s: %t", line, got)
		}
	}
}
