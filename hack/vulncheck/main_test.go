package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	called = `{"osv":{"id":"GO-1","summary":"bad"}}
{"finding":{"osv":"GO-1","fixed_version":"v1.2.0","trace":[{"module":"example.com/m","version":"v1.1.0","package":"p","function":"F"}]}}`
	calledInGo     = `{"finding":{"osv":"GO-2","fixed_version":"v1.26.9","trace":[{"module":"stdlib","version":"v1.26.8","function":"F"}]}}`
	calledByGo     = `{"finding":{"osv":"GO-5","fixed_version":"v1.26.9","trace":[{"module":"toolchain","version":"v1.26.8","function":"F"}]}}`
	withoutFix     = `{"finding":{"osv":"GO-4","trace":[{"module":"example.com/n","version":"v1.0.0","package":"p","function":"F"}]}}`
	withoutFixInGo = `{"finding":{"osv":"GO-6","trace":[{"module":"stdlib","version":"v1.26.8","function":"F"}]}}`
	// What is only imported, or only required, has a finding without a function.
	imported = `{"finding":{"osv":"GO-3","fixed_version":"v1.2.0","trace":[{"module":"example.com/m","version":"v1.1.0","package":"p"}]}}`
)

func TestWhatIsCalledIsFoundAndWhatIsOnlyImportedIsNot(t *testing.T) {
	for name, test := range map[string]struct {
		output    string
		want      []vulnerability
		wantError bool
	}{
		"a call":         {output: called, want: []vulnerability{{"GO-1", "bad", map[string]string{"example.com/m@v1.1.0": "v1.2.0"}}}},
		"only imported":  {output: imported},
		"nothing wrong":  {output: `{"config":{"scan_level":"symbol"}}`},
		"no output":      {output: "", wantError: true},
		"not understood": {output: "panic", wantError: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse(strings.NewReader(test.output))
			if (err != nil) != test.wantError {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatHasAFixFailsTheBuildAndWhatHasNoneIsAWarning(t *testing.T) {
	for name, test := range map[string]struct {
		output    string
		want      string
		wantError string
	}{
		"a module":               {output: called, want: "example.com/m@v1.1.0 (fixed in v1.2.0)", wantError: "update example.com/m to v1.2.0"},
		"the standard library":   {output: calledInGo, want: "stdlib@v1.26.8", wantError: "go get toolchain@go1.26.9"},
		"Go's own commands":      {output: calledByGo, want: "toolchain@v1.26.8", wantError: "go get toolchain@go1.26.9"},
		"both":                   {output: called + calledInGo, want: "GO-2", wantError: "2 known vulnerabilities"},
		"a module without a fix": {output: withoutFix, want: "WARNING: 1 known vulnerability has no fixed version yet"},
		"Go without a fix":       {output: withoutFixInGo, want: "stdlib@v1.26.8 (not fixed yet)"},
		"one with and one without": {
			output: calledInGo + withoutFix, want: "GO-4", wantError: "1 known vulnerability that is called has a fixed version",
		},
		"none": {output: imported, want: "No known vulnerability is called."},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := parse(strings.NewReader(test.output))
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			err = report(&out, found)
			if !strings.Contains(out.String(), test.want) {
				t.Errorf("said %q, want %q", out.String(), test.want)
			}
			if (err == nil) != (test.wantError == "") || err != nil && !strings.Contains(err.Error(), test.wantError) {
				t.Errorf("error %v, want %q", err, test.wantError)
			}
		})
	}
}
