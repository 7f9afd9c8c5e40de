package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// kuredManifests names a folder with kured-ds.yaml and kured-rbac.yaml of a release of kured, to walk through the page with. Without it the
// DaemonSet of testdata is used, which says the same.
const kuredManifests = "KURED_MANIFESTS"

// walk is a person who follows a page.
type walk struct {
	*testbed.Cluster
	t     *testing.T
	dir   string
	start time.Time
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```\n")

// TestThePageMigrateFromKuredWorksAsItIsWritten runs every command of the page, in order, in a cluster in which kured stopped in the
// middle.
func TestThePageMigrateFromKuredWorksAsItIsWritten(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver")
	}
	page, err := os.ReadFile("../../docs/migrate-from-kured.md")
	if err != nil {
		t.Fatal(err)
	}
	w := startWalk(t)
	w.leaveKured()
	blocks := shellBlock.FindAllStringSubmatch(string(page), -1)
	for _, block := range blocks {
		out := w.run(block[1])
		switch {
		case strings.Contains(block[1], "--handover\n"):
			w.contains(out, "# kubectl -n kube-system annotate daemonset kured", "Node worker-a1 has held kured's lock for 2h", "annotate "+
				"daemonset kured weave.works/kured-node-lock-", "kubectl uncordon worker-a1")
		case strings.Contains(block[1], "cat handover.sh"):
			w.contains(out, "kubectl uncordon worker-a1", "kubectl annotate node worker-a1 weave.works/kured-reboot-in-progress-")
		case strings.Contains(block[1], "sh handover.sh"):
			w.isHandedOver()
		}
	}
	if len(blocks) < 9 {
		t.Errorf("the page has %d blocks of commands", len(blocks))
	}
	w.isRebooted("worker-b1")
	w.say("worker-b1 was rebooted and proved")
}

func startWalk(t *testing.T) *walk {
	t.Helper()
	cluster, err := testbed.Start(t.Context(), testbed.Options{Log: logr.FromSlogHandler(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, node := range testbed.Fleet(3, 3, 1) {
		if _, err := cluster.AddNode(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	}
	w := &walk{Cluster: cluster, t: t, dir: t.TempDir(), start: time.Now()}
	w.programs()
	return w
}

// programs puts the plugin, kubectl, and something in the place of helm on the path.
func (w *walk) programs() {
	w.t.Helper()
	if _, err := testbed.Build(w.t.Context(), filepath.Join(w.dir, "bin"), "kubectl-reboots"); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink(w.Kubectl(), filepath.Join(w.dir, "bin", "kubectl")); err != nil {
		w.t.Fatal(err)
	}
	// The chart is tried by tests of its own. The values have to be there.
	helm := "#!/bin/sh\nfor file; do :; done\ntest -s \"$file\" && echo \"(installed by the test, with $file)\"\n"
	if err := os.WriteFile(filepath.Join(w.dir, "bin", "helm"), []byte(helm), 0o700); err != nil { //nolint:gosec // a program
		w.t.Fatal(err)
	}
}

// run a block as a person pastes it, and say how long it took.
func (w *walk) run(block string) string {
	w.t.Helper()
	if strings.Contains(block, "helm install") {
		w.install()
		block = strings.ReplaceAll(block, "kubectl create namespace", "kubectl get namespace")
	}
	began := time.Now()
	command := exec.CommandContext(w.t.Context(), "bash", "-e", "-c", block)
	command.Dir = w.dir
	command.Env = append(os.Environ(), "KUBECONFIG="+w.Kubeconfig(), "PATH="+filepath.Join(w.dir, "bin")+":"+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	w.t.Logf("%6.1f s  $ %s\n%s", time.Since(began).Seconds(), strings.TrimSpace(strings.ReplaceAll(block, "\n", "\n          $ ")), out)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return string(out)
}

func (w *walk) install() {
	w.t.Helper()
	if err := w.Install(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	manager, err := w.StartManager(w.t.Context(), testbed.ManagerOptions{Args: []string{"--leader-elect=false"}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := manager.Stop(context.WithoutCancel(w.t.Context())); err != nil {
			w.t.Error(err)
		}
	})
}

// leaveKured installs kured's objects, as kured leaves them if it ends while worker-a1 is drained. worker-b1 needs a reboot.
func (w *walk) leaveKured() {
	w.t.Helper()
	files := []string{"../../internal/kured/testdata/daemonset-1.23.yaml"}
	if folder := os.Getenv(kuredManifests); folder != "" {
		files = []string{filepath.Join(folder, "kured-rbac.yaml"), filepath.Join(folder, "kured-ds.yaml")}
	}
	for _, file := range files {
		manifests, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.Apply(w.t.Context(), manifests); err != nil {
			w.t.Fatal(err)
		}
	}
	since := time.Now().Add(-2 * time.Hour).UTC().Format(time.RFC3339Nano)
	lock := fmt.Sprintf(`{"nodeID":"worker-a1","metadata":{},"created":%q,"TTL":0}`, since)
	w.patch(&appsv1.DaemonSet{}, client.ObjectKey{Namespace: "kube-system", Name: "kured"}, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{"weave.works/kured-node-lock": lock}},
	})
	w.patch(&corev1.Node{}, client.ObjectKey{Name: "worker-a1"}, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{"weave.works/kured-reboot-in-progress": "2026-03-01T00:00:00Z"}},
		"spec":     map[string]any{"unschedulable": true},
	})
	w.patch(&corev1.Node{}, client.ObjectKey{Name: "worker-b1"}, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{testbed.RebootRequiredAnnotation: "true"}},
	})
}

func (w *walk) patch(object client.Object, key client.ObjectKey, change map[string]any) {
	w.t.Helper()
	object.SetName(key.Name)
	object.SetNamespace(key.Namespace)
	data, err := json.Marshal(change)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.Client().Patch(w.t.Context(), object, client.RawPatch("application/merge-patch+json", data)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *walk) contains(out string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			w.t.Errorf("there is no %q in\n%s", text, out)
		}
	}
}

func (w *walk) isHandedOver() {
	w.t.Helper()
	var node corev1.Node
	if err := w.Client().Get(w.t.Context(), client.ObjectKey{Name: "worker-a1"}, &node); err != nil {
		w.t.Fatal(err)
	}
	if _, marked := node.Annotations["weave.works/kured-reboot-in-progress"]; marked || node.Spec.Unschedulable {
		w.t.Errorf("worker-a1 is not as it was before kured: %v, cordoned %t", node.Annotations, node.Spec.Unschedulable)
	}
	var reboots v1alpha1.NodeRebootList
	if err := w.Client().List(w.t.Context(), &reboots); err != nil {
		w.t.Fatal(err)
	}
	for i := range reboots.Items {
		if phase := reboots.Items[i].Status.Phase; phase != v1alpha1.PhasePending {
			w.t.Errorf("%s is %s while the policy observes", reboots.Items[i].Name, phase)
		}
	}
}

func (w *walk) isRebooted(name string) {
	w.t.Helper()
	await.True(w.t, name+" is rebooted and proved", func() bool {
		var reboots v1alpha1.NodeRebootList
		if err := w.Client().List(w.t.Context(), &reboots); err != nil {
			w.t.Fatal(err)
		}
		for i := range reboots.Items {
			if r := &reboots.Items[i]; r.Spec.NodeName == name && r.Status.Phase == v1alpha1.PhaseSucceeded {
				return true
			}
		}
		return false
	})
}

func (w *walk) say(what string) {
	w.t.Helper()
	w.t.Logf("%6.1f s  in all: %s", time.Since(w.start).Seconds(), what)
}
