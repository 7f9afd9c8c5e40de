package admission

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApplyingTheInstallationAgainChangesNothing(t *testing.T) {
	folder := filepath.Join("..", "..", installed.Manifests)
	// When kubectl last changed something, and how often anyone changed a spec. The API server itself writes statuses when it likes.
	versions := func() []string {
		return strings.Fields(run(t, "get", "-k", folder, "--show-managed-fields", "-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name}@`+
			`{.metadata.generation}@{.metadata.managedFields[?(@.operation=="Apply")].time} {end}`))
	}
	before := versions()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, versions()); diff != "" || len(before) < 20 || !strings.Contains(before[0], "T") {
		t.Errorf("versions of %d objects (-first +second):\n%s", len(before), diff)
	}
}

// run runs kubectl as the one who installed the operator.
func run(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, err := kubectl(args...)
	if err != nil {
		message, _ := io.ReadAll(stderr)
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, message)
	}
	output, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	return string(output)
}
