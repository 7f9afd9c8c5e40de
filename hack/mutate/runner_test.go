package main

import (
	"errors"
	"testing"
)

func TestTheVerdictIsWhatTheTestsMadeOfTheMutant(t *testing.T) {
	failure := errors.New("exit status 1")
	for name, test := range map[string]struct {
		output  string
		failure error
		want    verdict
		wantErr bool
	}{
		"all pass":          {output: "ok", want: survived},
		"one fails":         {output: "--- FAIL: TestIt\nFAIL", failure: failure, want: killed},
		"it does not build": {output: "a/it.go:3:2: declared and not used: x\nFAIL m/a [build failed]", failure: failure, want: notBuilt},
		"it imports what is not there": {output: "a/it.go:3:2: no required module provides x\nFAIL m/a [setup failed]", failure: failure,
			want: notBuilt},
		"nothing builds": {output: "compile: writing output: no space left on device\nFAIL m/a [build failed]", failure: failure,
			wantErr: true},
		"another file does not build": {output: "a/other.go:1:1: expected package\nFAIL m/a [setup failed]", failure: failure, wantErr: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verdictOf(&mutant{File: "a/it.go"}, []byte(test.output), test.failure)
			if got != test.want || (err != nil) != test.wantErr {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
