package testbed

import (
	"os/exec"
	"strings"
	"testing"
)

// What is measured of a program says something about what users get only if both are built in the same way.
func TestProgramsAreBuiltAsMakeBuildsThem(t *testing.T) {
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "--dry-run", "build", "VERSION=v1", "REVISION=r")
	command.Dir = root
	commands, err := command.Output()
	if err != nil {
		t.Fatalf("ask make for its commands: %v", err)
	}
	for _, want := range append([]string{"CGO_ENABLED=0", `-ldflags="-s -w `}, buildFlags...) {
		if !strings.Contains(string(commands), want) {
			t.Errorf("make build does without %s:\n%s", want, commands)
		}
	}
}
