package main

import (
	"testing"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// What the chart renders for each of its values, and at the limits of what its schema takes, is what the helper takes.
func TestEveryArgumentOfTheChartIsParsed(t *testing.T) {
	all, err := manifests.ChartArguments("helper")
	if err != nil || len(all) < 5 {
		t.Fatalf("%d lists of arguments: %v", len(all), err)
	}
	for name, args := range all {
		if _, err := parse(args); err != nil {
			t.Errorf("%s: %q: %v", name, args, err)
		}
	}
}
