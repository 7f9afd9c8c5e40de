package main

import (
	"testing"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// What the chart renders for each of its values, and at the limits of what its schema takes, is what the manager takes.
func TestEveryArgumentOfTheChartIsParsed(t *testing.T) {
	all, err := manifests.ChartArguments("manager")
	if err != nil || len(all) < 20 {
		t.Fatalf("%d lists of arguments: %v", len(all), err)
	}
	for name, args := range all {
		t.Run(name, func(t *testing.T) {
			if _, err := parseOptions(args, noEnvironment); err != nil {
				t.Errorf("%q: %v", args, err)
			}
		})
	}
}
