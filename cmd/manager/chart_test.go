package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// notYet are flags that the chart has and the manager has not.
var notYet = []string{"--notify-allowed-cidrs"}

// What the chart renders for each of its values, and at the limits of what its schema takes, is what the manager takes.
func TestEveryArgumentOfTheChartIsParsed(t *testing.T) {
	all, err := manifests.ChartArguments("manager")
	if err != nil || len(all) < 20 {
		t.Fatalf("%d lists of arguments: %v", len(all), err)
	}
	for name, args := range all {
		t.Run(name, func(t *testing.T) {
			args := slices.DeleteFunc(args, func(arg string) bool {
				flag, _, _ := strings.Cut(arg, "=")
				return slices.Contains(notYet, flag)
			})
			if _, err := parseOptions(args, noEnvironment); err != nil {
				t.Errorf("%q: %v", args, err)
			}
		})
	}
	for _, flag := range notYet {
		if _, err := parseOptions([]string{"--namespace=ns", flag + "="}, noEnvironment); err == nil {
			t.Errorf("the manager has the flag %s: take it out of notYet", flag)
		}
	}
}
