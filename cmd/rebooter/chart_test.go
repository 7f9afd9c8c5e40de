package main

import (
	"bytes"
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/rebooter/machine"
	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// What the chart renders for each of its values, and at the limits of what its schema takes, is what the rebooter takes.
func TestEveryArgumentOfTheChartIsParsed(t *testing.T) {
	all, err := manifests.ChartArguments("rebooter")
	if err != nil || len(all) < 20 {
		t.Fatalf("%d lists of arguments: %v", len(all), err)
	}
	for name, args := range all {
		t.Run(name, func(t *testing.T) {
			var output bytes.Buffer
			f, err := parse(args, &output)
			if err != nil {
				t.Fatalf("%q: %v\n%s", args, err, output.String())
			}
			if _, err := machine.New(t.Context(), f.machine); err != nil {
				t.Errorf("%q: %v", args, err)
			}
		})
	}
}
