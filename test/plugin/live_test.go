package plugin

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/statustest"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// bed is a control plane that knows the kinds; no one works there.
type bed struct {
	*testbed.Cluster
	t *testing.T
}

func newBed(t *testing.T) *bed {
	t.Helper()
	log.SetLogger(logr.Discard())
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver")
	}
	cluster, err := testbed.Start(t.Context(), testbed.Options{BareAPI: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := envtest.InstallCRDs(cluster.Config(), envtest.CRDInstallOptions{
		Paths: []string{filepath.Join("..", "..", "config", "crd", "bases")}, ErrorIfPathMissing: true, MaxTime: await.Limit,
	}); err != nil {
		t.Fatal(err)
	}
	return &bed{Cluster: cluster, t: t}
}

// put creates objects with their status.
func (b *bed) put(objects ...client.Object) {
	b.t.Helper()
	for _, object := range objects {
		status := object.DeepCopyObject().(client.Object)
		object.SetUID("")
		if err := b.Client().Create(b.t.Context(), object); err != nil {
			b.t.Fatal(err)
		}
		status.SetResourceVersion(object.GetResourceVersion())
		status.SetUID(object.GetUID())
		if err := b.Client().Status().Update(b.t.Context(), status); err != nil {
			b.t.Fatal(err)
		}
	}
}

// change brings the status of a NodeReboot to another one.
func (b *bed) change(to *v1alpha1.NodeReboot) {
	b.t.Helper()
	var r v1alpha1.NodeReboot
	if err := b.Client().Get(b.t.Context(), client.ObjectKeyFromObject(to), &r); err != nil {
		b.t.Fatal(err)
	}
	r.Status = to.Status
	if err := b.Client().Status().Update(b.t.Context(), &r); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) delete(object client.Object) {
	b.t.Helper()
	if err := b.Client().Delete(b.t.Context(), object); err != nil {
		b.t.Fatal(err)
	}
}

// build builds the plugin.
func build(t *testing.T) string {
	t.Helper()
	program, err := testbed.Build(t.Context(), t.TempDir(), "kubectl-reboots")
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestTheLiveViewFollowsARollout(t *testing.T) {
	program := build(t)
	bed := newBed(t)
	fleet := statustest.Fleet{Now: time.Now().UTC().Truncate(time.Second)}
	bed.put(fleet.Policy("control-plane"), fleet.Policy("workers"))
	for i := range 30 {
		bed.put(fleet.Reboot("workers", "a", fmt.Sprintf("worker-a%02d", i+1)))
	}

	s := newSession(t, map[string]string{"KUBECONFIG": bed.Kubeconfig(), "TZ": "Europe/Berlin", "LANG": "C.UTF-8"})
	s.line("echo what was here before")
	s.shows("prompt: echo what was here before")
	before := s.state()
	s.line(program + " status --watch")

	s.shows("▸ control-plane", "none needs a reboot", "0/30 done", "q quit")
	s.keys("Tab")
	s.shows("▸ workers", "Zone a: 30 waiting", "worker-a01")
	bed.change(fleet.Reboot("workers", "a", "worker-a01", fleet.Drains(5*time.Second, 3, 12)))
	s.shows("1 under way", "3 of 12 pods left", "worker-a01  Draining")
	bed.change(fleet.Reboot("workers", "a", "worker-a01", fleet.Reboots(time.Second)))
	s.shows("████▒▒▒▒░░░░  Rebooting", "worker-a01  Rebooting")
	bed.change(fleet.Reboot("workers", "a", "worker-a01", fleet.Done(0, v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved)))
	s.shows("1/30 done", "worker-a01  Succeeded after")
	bed.delete(fleet.Reboot("workers", "a", "worker-a02"))
	s.shows("worker-a02  NodeReboot deleted", "1/29 done")
	late := fleet.Policy("late")
	bed.put(late)
	s.shows("late  policy created", "▸ workers")

	s.keys("End")
	s.shows("████████████  Succeeded")
	s.hides("Zone a: 28 waiting")
	s.keys("Home")
	s.shows("Zone a: 28 waiting")
	s.keys("?")
	s.shows("the log in place of the nodes")
	s.keys("?")
	s.shows("Zone a: 28 waiting")

	s.tmux("resize-window", "-x", "120", "-y", "50")
	s.shows("worker-a30", "████████████  Succeeded")
	s.tmux("resize-window", "-x", "80", "-y", "24")
	s.see("the last line again", func(screen string) bool {
		lines := strings.Split(strings.TrimRight(screen, "\n"), "\n")
		return len(lines) == 24 && strings.HasPrefix(lines[23], "q quit")
	})

	bed.restart(s)
	s.keys("q")
	s.shows("prompt: echo what was here before", "prompt:")
	s.see("a prompt after it", func(screen string) bool { return strings.HasSuffix(strings.TrimRight(screen, "\n "), "prompt:") })
	if after := s.state(); after != before {
		t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
	}
}

// restart takes the API server away while the view looks, changes nothing, and brings it back.
func (b *bed) restart(s *session) {
	b.t.Helper()
	if err := b.KillAPIServer(); err != nil {
		b.t.Fatal(err)
	}
	s.shows("The cluster has not been visible since", "Zone a: 28 waiting")
	if err := b.StartAPIServer(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	s.hides("The cluster has not been visible since")
	fleet := statustest.Fleet{Now: time.Now().UTC().Truncate(time.Second)}
	b.change(fleet.Reboot("workers", "a", "worker-a03", fleet.Drains(time.Second, 1, 2)))
	s.shows("The cluster is visible again", "worker-a03  Draining")
}

func TestWithoutATerminalEveryChangeIsALine(t *testing.T) {
	program := build(t)
	bed := newBed(t)
	fleet := statustest.Fleet{Now: time.Now().UTC().Truncate(time.Second)}
	bed.put(fleet.Policy("workers"), fleet.Reboot("workers", "a", "worker-a1"))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	command := exec.CommandContext(ctx, program, "status", "--watch")
	command.Env = append(os.Environ(), "KUBECONFIG="+bed.Kubeconfig(), "TZ=Europe/Berlin")
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	out := &text{}
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	// What it wrote says more about a failure than what was missing.
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("it wrote:\n%s", out.String())
		}
	})
	await.True(t, "the policy as it is", func() bool { return strings.Contains(out.String(), "  workers  Enforce; nodes: 30; 1 waiting\n") })
	bed.change(fleet.Reboot("workers", "a", "worker-a1", fleet.Drains(time.Second, 1, 2)))
	await.True(t, "the drain", func() bool { return strings.Contains(out.String(), "  workers  worker-a1  Draining\n") })
	cancel()
	if err := command.Wait(); err != nil && ctx.Err() == nil {
		t.Errorf("it ended with %v", err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
		if _, err := time.Parse("2006-01-02 15:04:05 -07:00", line[:min(len(line), 26)]); err != nil || strings.Contains(line, "\x1b") {
			t.Errorf("a line without its time, or with colors: %q", line)
		}
	}
	if command.ProcessState.ExitCode() != 0 {
		t.Errorf("an interrupt ends it with %d", command.ProcessState.ExitCode())
	}
}
