package snapshot_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	saved "github.com/reboot-operator/reboot-operator/internal/plugin/objects"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

func objects() []client.Object {
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "workers"}}
	policy.Spec.Nodes = v1alpha1.NodesAll
	return []client.Object{policy, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}}}
}

func TestASnapshotIsSavedToAFileThatCanBeLoaded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	code, out, errOut := plugintest.New(t, 80, objects()...).Run(plugin.Run, "snapshot", "-o", file)
	want := "Saved 1 policy, 0 NodeReboots, 1 node and 0 pods to " + file + ".\n" +
		"See what comes next: kubectl reboots plan --from " + file + "\n"
	if code != app.ExitOK || out != "" || errOut != want {
		t.Errorf("it ended with %d, %q and %q", code, out, errOut)
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	cluster, err := saved.Load(in, file)
	if err != nil || len(cluster.Nodes) != 1 || !cluster.Taken.Equal(plugintest.Now) {
		t.Errorf("it is %+v, %v", cluster, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

func TestWithoutAFileTheSnapshotIsTheOutput(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"snapshot"}, {"snapshot", "-o", "-"}} {
		code, out, errOut := plugintest.New(t, 0, objects()...).Run(plugin.Run, args...)
		if code != app.ExitOK || !strings.HasPrefix(out, "# Saved by kubectl reboots snapshot at 2026-03-02T12:00:00Z.") {
			t.Errorf("%v ended with %d and:\n%s", args, code, out)
		}
		if errOut != "Saved 1 policy, 0 NodeReboots, 1 node and 0 pods.\n" {
			t.Errorf("%v says %q", args, errOut)
		}
	}
}

func TestAFileThatCannotBeWrittenIsReportedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	code, _, errOut := plugintest.New(t, 0, objects()...).Run(plugin.Run, "snapshot", "-o", filepath.Join(folder, "no", "file"))
	if code != app.ExitFailed || !strings.HasPrefix(errOut, "error: save the snapshot: ") {
		t.Errorf("it ended with %d and %q", code, errOut)
	}
	if code, _, _ := plugintest.New(t, 0, objects()...).Run(plugin.Run, "snapshot", "more"); code != app.ExitUsage {
		t.Errorf("an argument ended with %d", code)
	}
}
