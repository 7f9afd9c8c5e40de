package main

import (
	"io"
	"strings"
	"testing"
)

func TestTheCommandLineIsChecked(t *testing.T) {
	tests := map[string]struct {
		args    []string
		want    settings
		wantErr string
	}{
		"defaults": {want: settings{nodes: 12, zones: 3, controlPlane: 2, rebootSeconds: 10}},
		"all": {
			args: []string{"-nodes=4", "-zones=2", "-control-plane=0", "-reboot-seconds=1.5", "-dir=x"},
			want: settings{nodes: 4, zones: 2, rebootSeconds: 1.5, dir: "x"},
		},
		"no node":        {args: []string{"-nodes=0", "-control-plane=0"}, wantErr: "at least one node"},
		"negative nodes": {args: []string{"-nodes=-1"}, wantErr: "at least one node"},
		"no zone":        {args: []string{"-zones=0"}, wantErr: "a number from 1 to 26"},
		"too many zones": {args: []string{"-zones=27"}, wantErr: "a number from 1 to 26"},
		"no time":        {args: []string{"-reboot-seconds=0"}, wantErr: "a time above 0"},
		"argument":       {args: []string{"start"}, wantErr: `unexpected argument "start"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parse(test.args, io.Discard)
			switch {
			case test.wantErr != "":
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Errorf("error %v, want one with %q", err, test.wantErr)
				}
			case err != nil || got != test.want:
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}
