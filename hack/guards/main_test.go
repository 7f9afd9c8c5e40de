package main

import (
	"go/format"
	"testing"
)

func TestEveryGuardIsInThePlannerOnceAndItsBreakIsGo(t *testing.T) {
	t.Chdir("../..")
	for _, g := range guards {
		t.Run(g.name, func(t *testing.T) {
			path, source, err := g.broken()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := format.Source(source); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		})
	}
}
