package testbed

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is measured of a program says something about what users get only if both are built in the same way.
func TestProgramsAreBuiltAsMakeBuildsThem(t *testing.T) {
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "--dry-run", "build",
		"GOARCH=amd64", "VERSION=v1", "REVISION=r", "PROGRAMS=helper", "BIN=out")
	command.Dir = root
	// A make that runs this test has passed on its own flags.
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "MAKE") || strings.HasPrefix(variable, "MFLAGS=")
	})
	commands, err := command.Output()
	if err != nil {
		t.Fatalf("ask make for its commands: %v", commandError(err))
	}
	_, made, _ := strings.Cut(strings.ReplaceAll(string(commands), "\\\n", " "), "\n")
	got := strings.Fields(made)
	want := strings.Fields(strings.Join(buildEnvironment, " ") + " GOOS=linux GOARCH=amd64 go build " + strings.Join(buildFlags, " "))
	for i := range want {
		want[i] = strings.Replace(want[i], "-ldflags=", `-ldflags="`, 1)
	}
	stamp := `github.com/reboot-operator/reboot-operator/internal/version.stamped=v1"`
	want = append(want, "-X", stamp, "-o", "out/", "./cmd/helper")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what make build runs (-as here +got):\n%s", diff)
	}
}
